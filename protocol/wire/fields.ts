import { ProtocolError } from "../errors.js";
import { asInt } from "../pickle/py-equal.js";
import type { PyDict, PyValue } from "../pickle/values.js";

/** A received dict whose fields are taken out by name and type; each mismatch is a ProtocolError. */
export class Fields {
  readonly #dict: PyDict;
  /** What the dict is, for messages, e.g. `request_vote`. */
  readonly #what: string;

  constructor(dict: PyDict, what: string) {
    this.#dict = dict;
    this.#what = what;
  }

  has(name: string): boolean {
    return this.#dict.has(name);
  }

  /** Null where the field is None or missing. */
  optional(name: string): PyValue {
    return this.#dict.get(name) ?? null;
  }

  /** A whole number from 0 to 2^53 − 1. */
  count(name: string): number {
    return checkCount(this.#dict.get(name), `${this.#what}.${name}`);
  }

  /** Also a bool or a float that equals one. */
  equalCount(name: string): number {
    return checkCount(asInt(this.optional(name)), `${this.#what}.${name}`);
  }

  countOrNull(name: string): number | null {
    return this.#dict.get(name) === null ? null : this.count(name);
  }

  bool(name: string): boolean {
    const value = this.#dict.get(name);
    return typeof value === "boolean" ? value : this.#wrong(name, "a bool");
  }

  str(name: string): string {
    const value = this.#dict.get(name);
    return typeof value === "string" ? value : this.#wrong(name, "a str");
  }

  bytes(name: string): Uint8Array {
    const value = this.#dict.get(name);
    return value instanceof Uint8Array ? value : this.#wrong(name, "bytes");
  }

  #wrong(name: string, expected: string): never {
    throw new ProtocolError("message-shape", `${this.#what}.${name} is not ${expected}`);
  }
}

/** @param where What the value is, for the message. */
export function checkCount(value: PyValue | undefined, where: string): number {
  if (typeof value === "number" && value >= 0) return value;
  if (typeof value === "bigint") {
    throw new ProtocolError("number-range", `${where} is beyond the safe integers`);
  }
  throw new ProtocolError("message-shape", `${where} is not a number from 0`);
}
