import { decodeArgument } from "../../protocol/log/commands.js";
import { kvFunction } from "../../protocol/log/kv-calls.js";
import { pyTruthy } from "../../protocol/pickle/py-equal.js";
import { type PyDict, PyFrozenSet, PyTuple, type PyValue } from "../../protocol/pickle/values.js";
import { type PlainSet, parsePlainSet } from "./plain-set.js";
import { characters, isStr, keyId, pyTypeName } from "./python-key.js";
import { PythonRaise } from "./python-raise.js";

/** The arguments of one of KVStoreTTL's replicated methods, bound to its parameters. */
export type KvCall =
  | { readonly kind: "set"; readonly key: PyValue; readonly value: PyValue; readonly extra: PyDict }
  | {
      readonly kind: "delete";
      readonly key: PyValue;
      readonly recursive: boolean;
      readonly extra: PyDict;
    }
  | { readonly kind: "expire"; readonly key: PyValue; readonly value: PyValue }
  | PlainSet
  | ResubmittedCall;

/**
 * A call whose own keyword arguments hold a false `_doApply`. Upstream's wrapper (pysyncobj/
 * syncobj.py, `replicated`) then takes the application for a new submission: every vanilla member
 * queues the call once more and the state stays as it is. With a true `sync` and no callback it
 * waits for that submission inside the very loop that would carry it out, for ever.
 */
export interface ResubmittedCall {
  readonly kind: "resubmitted";
  readonly waits: boolean;
}

interface LooseCall {
  readonly funcId: PyValue;
  readonly args: readonly PyValue[];
  readonly kwargs: PyDict;
}

interface Signature {
  readonly kind: "set" | "delete" | "expire";
  readonly names: readonly string[];
  /** How many of the names have no default. */
  readonly required: number;
  /** Whether unknown keyword arguments are taken (`**kwargs`). */
  readonly open: boolean;
}

const signatures = new Map<string, Signature>([
  [
    keyId(kvFunction.delete),
    { kind: "delete", names: ["key", "recursive"], required: 1, open: true },
  ],
  [
    keyId(kvFunction.expire),
    { kind: "expire", names: ["key", "value", "callback"], required: 2, open: false },
  ],
  [keyId(kvFunction.set), { kind: "set", names: ["key", "value"], required: 2, open: true }],
]);

/**
 * The call that a regular command stands for, bound as Python binds arguments (syncobj.py,
 * `__doApplyCommand`): each iterable of positional ones, whatever dict.update takes as keyword
 * ones. Looser than the shapes that members send, because vanilla applies those as well.
 *
 * @throws PythonRaise where Python would raise; ProtocolError where the pickle cannot be decoded.
 */
export function parseKvCall(command: Uint8Array): KvCall {
  return parsePlainSet(command) ?? parseAnyCall(command);
}

/** The same without the short way, for the tests: both have to give the same state. */
export function parseAnyCall(command: Uint8Array): KvCall {
  const call = looseCall(decodeArgument(command));
  const signature = signatures.get(keyId(call.funcId));
  if (signature === undefined) throw new PythonRaise("KeyError: unknown function id");
  return bind(signature, call);
}

function looseCall(value: PyValue): LooseCall {
  const none: PyDict = new Map<PyValue, PyValue>();
  if (!(value instanceof PyTuple)) return { funcId: value, args: [], kwargs: none };
  const [funcId, args, kwargs] = value.items;
  if (funcId === undefined || args === undefined || value.items.length > 3) {
    throw new PythonRaise("ValueError: a call is a tuple of two or three");
  }
  return {
    funcId,
    args: firstOf(args, argumentsLooked),
    kwargs: kwargs === undefined ? none : keywordArguments(kwargs),
  };
}

/** More than any method takes: a text or bytes of megabytes can stand in the place of the arguments. */
const argumentsLooked = 8;

function firstOf(value: PyValue, count: number): readonly PyValue[] {
  const found: PyValue[] = [];
  for (const item of iterate(value)) {
    found.push(item);
    if (found.length === count) break;
  }
  return found;
}

/** What Python's iteration over the value yields. */
function iterate(value: PyValue): Iterable<PyValue> {
  if (Array.isArray(value)) return value;
  if (value instanceof PyTuple) return value.items;
  if (isStr(value)) return characters(value);
  if (value instanceof Uint8Array) return value;
  if (value instanceof Map) return value.keys();
  if (value instanceof Set || value instanceof PyFrozenSet) {
    const items = value instanceof Set ? [...value] : value.items;
    // Python's order depends on each process's hash seed: vanilla members would not agree either.
    if (items.length > 1) throw new PythonRaise("a set's order is not defined");
    return items;
  }
  throw new PythonRaise(`TypeError: a ${pyTypeName(value)} is not iterable`);
}

function keywordArguments(value: PyValue): PyDict {
  const kwargs: PyDict = new Map<PyValue, PyValue>();
  const take = ([name, argument]: readonly [PyValue, PyValue]): void => {
    if (!isStr(name)) throw new PythonRaise("TypeError: keywords must be strings");
    kwargs.set(name, argument);
  };
  if (value instanceof Map) for (const pair of value) take(pair);
  else for (const item of iterate(value)) take(pairOf(item));
  return kwargs;
}

function pairOf(item: PyValue): readonly [PyValue, PyValue] {
  const [name, argument, more] = firstOf(item, 3);
  if (name === undefined || argument === undefined || more !== undefined) {
    throw new PythonRaise("ValueError: dict.update takes pairs");
  }
  return [name, argument];
}

function bind(signature: Signature, { args, kwargs }: LooseCall): KvCall {
  if (kwargs.has("self")) throw new PythonRaise("TypeError: multiple values for argument 'self'");
  const doApply = kwargs.get("_doApply");
  if (doApply !== undefined) {
    kwargs.delete("_doApply");
    if (!pyTruthy(doApply)) return resubmitted(kwargs);
  }
  const { names, required, open } = signature;
  if (args.length > names.length) throw new PythonRaise("TypeError: too many arguments");
  const bound: (PyValue | undefined)[] = [...args];
  for (const [at, name] of names.entries()) {
    const named = kwargs.get(name);
    if (named === undefined) {
      if (at < required && at >= args.length) {
        throw new PythonRaise(`TypeError: missing argument '${name}'`);
      }
      continue;
    }
    if (at < args.length) throw new PythonRaise(`TypeError: multiple values for '${name}'`);
    bound[at] = named;
    kwargs.delete(name);
  }
  if (!open && kwargs.size > 0) throw new PythonRaise("TypeError: unexpected keyword argument");
  return callOf(signature.kind, bound, kwargs);
}

function resubmitted(kwargs: PyDict): ResubmittedCall {
  const sync = kwargs.get("sync");
  const callback = kwargs.get("callback") ?? null;
  return { kind: "resubmitted", waits: callback === null && sync !== undefined && pyTruthy(sync) };
}

function callOf(
  kind: Signature["kind"],
  bound: readonly (PyValue | undefined)[],
  extra: PyDict,
): KvCall {
  const key = bound[0] ?? null;
  const second = bound[1];
  if (kind === "set") return { kind, key, value: second ?? null, extra };
  if (kind === "expire") return { kind, key, value: second ?? null };
  return { kind, key, recursive: second !== undefined && pyTruthy(second), extra };
}
