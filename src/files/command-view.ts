import { decodeCommand } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import type { PyDict, PyValue } from "../../protocol/pickle/values.js";
import { parseCommand } from "../store/command.js";
import { type JsonValue, keyToText, valueToJson } from "../store/json-view.js";
import type { KvCall } from "../store/python-call.js";
import { numberOf } from "../store/record.js";

export type Operation =
  | "set"
  | "delete"
  | "expire"
  | "no-op"
  | "add"
  | "remove"
  | "version"
  /** A call that Patroni's store does not know, or a command that cannot be decoded. */
  | "other";

/** One entry of a log, decoded, as it can be printed. */
export interface EntryView {
  readonly index: number;
  readonly term: number;
  readonly operation: Operation;
  /** Of a set, delete or expire; null otherwise. */
  readonly key: string | null;
  readonly value?: JsonValue;
  /** Seconds since 1970 on the writer's clock: of a set and of the value that an expire names. */
  readonly updated?: number;
  readonly created?: number;
  readonly expire?: number;
  /** `expire` less `updated`. */
  readonly ttlSec?: number;
  /** A delete of all keys that begin with the key. */
  readonly recursive?: true;
  /** What must hold for the call to have an effect: prevExist, prevValue, prevIndex. */
  readonly conditions?: JsonValue;
  /** Of an add or remove. */
  readonly address?: string;
  readonly version?: number;
  /** Why PySyncObj's members stop when they apply it. */
  readonly fault?: string;
  /** Bytes of the command. */
  readonly bytes: number;
}

export function viewEntry({ index, term, command }: Entry): EntryView {
  const shared = { index, term, bytes: command.length };
  try {
    const call = parseCommand(command);
    if (call !== null) return { ...shared, ...viewCall(call) };
    const decoded = decodeCommand(command);
    switch (decoded.kind) {
      case "membership": {
        const operation = decoded.change === "add" ? "add" : "remove";
        return { ...shared, operation, key: null, address: decoded.address };
      }
      case "version":
        return { ...shared, operation: "version", key: null, version: decoded.version };
      default:
        return { ...shared, operation: "no-op", key: null };
    }
  } catch (error) {
    const fault = error instanceof Error ? error.message : String(error);
    return { ...shared, operation: "other", key: null, fault };
  }
}

function viewCall(call: KvCall): Omit<EntryView, "index" | "term" | "bytes"> {
  switch (call.kind) {
    case "plain-set":
      return { operation: "set", key: keyToText(call.key), ...viewValue(call.toDict()) };
    case "set":
      return {
        operation: "set",
        key: keyToText(call.key),
        ...viewValue(call.value),
        ...viewConditions(call.extra),
      };
    case "delete":
      return {
        operation: "delete",
        key: keyToText(call.key),
        ...(call.recursive ? ({ recursive: true } as const) : {}),
        ...viewConditions(call.extra),
      };
    case "expire":
      return { operation: "expire", key: keyToText(call.key), ...viewValue(call.value) };
    case "resubmitted":
      return { operation: "other", key: null, fault: "every member submits the call once more" };
  }
}

function viewValue(dict: PyValue): Pick<EntryView, "value" | "updated" | "created" | "expire"> {
  if (!(dict instanceof Map)) return { value: valueToJson(dict) };
  const time = (name: string) => {
    const seconds = numberOf(dict.get(name) ?? null);
    return seconds === null ? {} : { [name]: seconds };
  };
  const [expire, updated] = [
    numberOf(dict.get("expire") ?? null),
    numberOf(dict.get("updated") ?? null),
  ];
  return {
    value: valueToJson(dict.get("value") ?? null),
    ...time("updated"),
    ...time("created"),
    ...time("expire"),
    ...(expire === null || updated === null ? {} : { ttlSec: rounded(expire - updated) }),
  };
}

/** Sums of doubles: 30 seconds may come out as 30.000000238. */
function rounded(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}

function viewConditions(extra: PyDict): Pick<EntryView, "conditions"> {
  return extra.size === 0 ? {} : { conditions: valueToJson(extra) };
}
