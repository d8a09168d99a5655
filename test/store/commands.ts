import { commandType, encodeCommand } from "../../protocol/log/commands.js";
import { type PyDict, PyFloat, PyTuple, type PyValue } from "../../protocol/pickle/values.js";
import type { ApplyOutcome, Store } from "../../src/store/store.js";

/** A regular command of any shape; the usual ones are in protocol/log/kv-calls.ts. */
export function callCommand(
  funcId: PyValue,
  args: readonly PyValue[],
  kwargs?: Readonly<Record<string, PyValue>>,
): Uint8Array {
  const call: PyValue[] = [funcId, new PyTuple(args)];
  if (kwargs !== undefined) call.push(dictOf(kwargs));
  return encodeCommand(commandType.regular, new PyTuple(call));
}

export function dictOf(fields: Readonly<Record<string, PyValue>>): PyDict {
  return new Map<PyValue, PyValue>(Object.entries(fields));
}

export const float = (value: number): PyFloat => new PyFloat(value);

/** The outcome's result; fails the test where vanilla would have raised. */
export function resultOf(outcome: ApplyOutcome): PyValue {
  if ("raised" in outcome) throw new Error(`raised: ${outcome.raised}`);
  return outcome.result;
}

export function raisedBy(outcome: ApplyOutcome): string {
  if ("raised" in outcome) return outcome.raised;
  throw new Error("nothing raised");
}

/** The whole store, for comparisons. */
export function contentOf(store: Store): PyDict {
  return new Map<PyValue, PyValue>(store.entries());
}
