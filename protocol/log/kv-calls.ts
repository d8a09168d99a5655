import { type PyDict, PyFloat, PyTuple, type PyValue } from "../pickle/values.js";
import { commandType, encodeCommand } from "./commands.js";

/**
 * Function ids of Patroni's `KVStoreTTL` (patroni/dcs/raft.py): PySyncObj numbers the replicated
 * methods in alphabetical order.
 */
export const kvFunction = {
  /** `_delete`. */
  delete: 0,
  /** `_expire`. */
  expire: 1,
  /** `_set`. */
  set: 2,
} as const;

/** A value as `KVStoreTTL.set` submits it; the log index is added when it is applied. */
export interface KvValue {
  /** What the key holds; Patroni stores a str. */
  readonly value: PyValue;
  /** Wall clock in seconds, with a fraction. */
  readonly updated: number;
  /** The stored value's `created`, or `updated` where there is none. */
  readonly created: number;
  /** Wall clock in seconds at which the leader may remove the key. */
  readonly expire?: number;
}

/** What must hold for the call to have an effect (`KVStoreTTL.__check_requirements`). */
export interface KvConditions {
  /** True: the key has to exist. False: it must not. */
  readonly prevExist?: boolean;
  /** The value that the key has to have. */
  readonly prevValue?: PyValue;
  /**
   * The `index` that the key's entry has to have. Null is sent as None and asks for nothing, as
   * Patroni does for a version it does not know.
   */
  readonly prevIndex?: number | null;
}

/** What a delete may ask for. */
export interface KvDeleteOptions extends KvConditions {
  /** Deletes every key that begins with the given one; conditions do not count then. */
  readonly recursive?: boolean;
}

/** `_set(key, value, **conditions)`, the whole command. */
export function encodeSet(key: string, value: KvValue, conditions: KvConditions = {}): Uint8Array {
  const dict: PyDict = new Map<PyValue, PyValue>([
    ["value", value.value],
    ["updated", new PyFloat(value.updated)],
    ["created", new PyFloat(value.created)],
  ]);
  if (value.expire !== undefined) dict.set("expire", new PyFloat(value.expire));
  return encodeCall(kvFunction.set, [key, dict], conditionsDict(conditions));
}

/**
 * `_set(key, value, **conditions)` of a key and a value as they stand in a store, whatever they are.
 *
 * @param key As stored: nothing makes sure that it is a str.
 * @param valueDict The value as stored; its log index is replaced when it is applied.
 */
export function encodeStoredSet(
  key: PyValue,
  valueDict: PyDict,
  conditions: KvConditions = {},
): Uint8Array {
  return encodeCall(kvFunction.set, [key, valueDict], conditionsDict(conditions));
}

/** `_delete(key, recursive=…, **conditions)`, the whole command. */
export function encodeDelete(key: string, options: KvDeleteOptions = {}): Uint8Array {
  const kwargs: PyDict = new Map<PyValue, PyValue>([["recursive", options.recursive ?? false]]);
  for (const [name, value] of conditionsDict(options)) kwargs.set(name, value);
  return encodeCall(kvFunction.delete, [key], kwargs);
}

/**
 * `_expire(key, value)`, the whole command.
 *
 * @param key As stored: nothing makes sure that it is a str.
 * @param valueDict The value as stored: only where it is still the same is the key removed.
 */
export function encodeExpire(key: PyValue, valueDict: PyDict): Uint8Array {
  return encodeCall(kvFunction.expire, [key, valueDict], new Map());
}

/**
 * `_delete(key, prevIndex=index)`, the whole command: removes the very value that the entry of this index has set,
 * as `_expire` does, without naming it.
 *
 * @param key As stored: nothing makes sure that it is a str.
 */
export function encodeDeleteAt(key: PyValue, index: number): Uint8Array {
  return encodeCall(kvFunction.delete, [key], conditionsDict({ prevIndex: index }));
}

/** Without keyword arguments upstream leaves the dict away (`replicated` in pysyncobj/syncobj.py). */
function encodeCall(funcId: number, args: readonly PyValue[], kwargs: PyDict): Uint8Array {
  const call: PyValue[] = [funcId, new PyTuple(args)];
  if (kwargs.size > 0) call.push(kwargs);
  return encodeCommand(commandType.regular, new PyTuple(call));
}

function conditionsDict(conditions: KvConditions): PyDict {
  const kwargs: PyDict = new Map();
  if (conditions.prevExist !== undefined) kwargs.set("prevExist", conditions.prevExist);
  if (conditions.prevValue !== undefined) kwargs.set("prevValue", conditions.prevValue);
  if (conditions.prevIndex !== undefined) kwargs.set("prevIndex", conditions.prevIndex);
  return kwargs;
}
