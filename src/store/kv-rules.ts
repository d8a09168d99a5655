import { pyEquals, pyTruthy } from "../../protocol/pickle/py-equal.js";
import type { PyDict, PyValue } from "../../protocol/pickle/values.js";
import type { PlainSet } from "./plain-set.js";
import type { KvCall } from "./python-call.js";
import { keyId, pyTypeName } from "./python-key.js";
import { PythonRaise } from "./python-raise.js";
import { CompactRecord, type StoredRecord } from "./record.js";

/** What the rules ask of a state: the store's own, or that state with the tail of the log on top. */
export interface KvState {
  record(id: string): StoredRecord | undefined;
  /** How many keys are no str: with one, a recursive delete raises (see startsWith). */
  readonly oddKeys: number;
}

/** What a call does to the state, worked out before anything is changed. */
export type Effect =
  | { readonly kind: "none"; readonly result: PyValue }
  | { readonly kind: "set"; readonly key: PyValue; readonly id: string; readonly dict: PyDict }
  /** The same where the record is made already; the key is a str and its own id. */
  | { readonly kind: "put"; readonly id: string; readonly record: CompactRecord }
  | { readonly kind: "pop"; readonly id: string; readonly result: PyValue }
  /** All keys go that start with the prefix, where asking them does not raise: that is not looked at here. */
  | { readonly kind: "sweep"; readonly prefix: PyValue };

const noEffect: Effect = { kind: "none", result: null };
const refused: Effect = { kind: "none", result: false };

/** In the order in which `KVStoreTTL.__values_match` compares them. */
const matchedFields = ["created", "updated", "expire", "value"] as const;

/**
 * Patroni's KVStoreTTL (patroni/dcs/raft.py, the same in 3.3.8 and 4.1.5): `_set`, `_delete`,
 * `_expire`. Pure: the state and the call stay as they are.
 *
 * @param index The log index of the call's entry.
 * @throws PythonRaise (or the error of a comparison or a key) where Python would raise.
 */
export function evaluate(call: KvCall, state: KvState, index: number): Effect {
  switch (call.kind) {
    case "plain-set":
      return evaluatePlainSet(call, state, index);
    case "set":
      return evaluateSet(call, state, index);
    case "delete":
      return evaluateDelete(call, state);
    case "expire":
      return evaluateExpire(call, state);
    case "resubmitted":
      if (call.waits) throw new PythonRaise("a resubmission that waits for itself");
      return noEffect;
  }
}

function evaluatePlainSet(call: PlainSet, state: KvState, index: number): Effect {
  const { key } = call;
  const old = state.record(key);
  if (old !== undefined && !(old instanceof CompactRecord)) {
    const value = call.toDict();
    return evaluateSet({ kind: "set", key, value, extra: new Map() }, state, index);
  }
  const isSame = old === undefined || old.created === call.created;
  const record = new CompactRecord(call, isSame ? call.created : call.updated, index);
  return { kind: "put", id: key, record };
}

function evaluateSet(call: KvCall & { kind: "set" }, state: KvState, index: number): Effect {
  const { key, value, extra } = call;
  const id = keyId(key);
  const old = state.record(id);
  if (!meetsConditions(old, extra)) return refused;
  // Lists and all else take no str index, on either side of the comparison below.
  if (!(value instanceof Map)) {
    throw new PythonRaise(`TypeError: a ${pyTypeName(value)} does not take items`);
  }
  const dict: PyDict = new Map(value);
  if (old?.isTruthy) {
    if (!pyEquals(mustHave(old.field("created"), "created"), item(value, "created"))) {
      dict.set("created", item(value, "updated"));
    }
  }
  dict.set("index", index);
  return { kind: "set", key, id, dict };
}

function evaluateDelete(call: KvCall & { kind: "delete" }, state: KvState): Effect {
  const { key, recursive, extra } = call;
  if (recursive) return { kind: "sweep", prefix: key };
  const id = keyId(key);
  const old = state.record(id);
  if (!meetsConditions(old, extra)) return refused;
  // What stops every vanilla member for good: a plain delete of a key that is not there.
  if (old === undefined) throw new PythonRaise("KeyError: _delete of a key that does not exist");
  return { kind: "pop", id, result: true };
}

function evaluateExpire(call: KvCall & { kind: "expire" }, state: KvState): Effect {
  const id = keyId(call.key);
  const current = state.record(id);
  if (!current?.isTruthy) return noEffect;
  const asked = call.value;
  if (!(asked instanceof Map)) {
    throw new PythonRaise(`AttributeError: a ${pyTypeName(asked)} has no get`);
  }
  const matches = matchedFields.every((name) =>
    // A field that is missing and one that is None are the same here, as they are to dict.get.
    pyEquals(current.field(name) ?? null, asked.get(name) ?? null),
  );
  return matches ? { kind: "pop", id, result: null } : noEffect;
}

/** `KVStoreTTL.__check_requirements`, condition by condition in its order. */
function meetsConditions(old: StoredRecord | undefined, extra: PyDict): boolean {
  if (extra.size === 0) return true;
  if (extra.has("old_value")) {
    throw new PythonRaise("TypeError: multiple values for argument 'old_value'");
  }
  const exists = old?.isTruthy === true;
  const prevExist = extra.get("prevExist");
  if (prevExist !== undefined && pyTruthy(prevExist) !== exists) return false;
  const prevValue = extra.get("prevValue");
  if (prevValue !== undefined && !fieldEquals(old, "value", prevValue)) return false;
  const prevIndex = extra.get("prevIndex") ?? null;
  return prevIndex === null || fieldEquals(old, "index", prevIndex);
}

function fieldEquals(old: StoredRecord | undefined, name: string, expected: PyValue): boolean {
  if (!old?.isTruthy) return false;
  return pyEquals(mustHave(old.field(name), name), expected);
}

function item(dict: PyDict, name: string): PyValue {
  return mustHave(dict.get(name), name);
}

function mustHave(value: PyValue | undefined, name: string): PyValue {
  if (value === undefined) throw new PythonRaise(`KeyError: '${name}'`);
  return value;
}
