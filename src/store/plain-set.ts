import { commandType } from "../../protocol/log/commands.js";
import { kvFunction } from "../../protocol/log/kv-calls.js";
import { type PyDict, PyFloat, type PyValue } from "../../protocol/pickle/values.js";

/**
 * `_set(key, {value, updated, created, expire?})` of a str under a str, without conditions: most of what
 * flows. It is read, evaluated and stored without a dict of it ever being made.
 */
export class PlainSet {
  readonly kind = "plain-set";
  readonly key: string;
  readonly value: string;
  readonly updated: number;
  readonly created: number;
  readonly expire: number | null;

  constructor(key: string, value: string, times: Times) {
    this.key = key;
    this.value = value;
    this.updated = times.updated;
    this.created = times.created;
    this.expire = times.expire;
  }

  /** The dict that it would set, before the index is added. */
  toDict(): PyDict {
    const dict: PyDict = new Map<PyValue, PyValue>([
      ["value", this.value],
      ["updated", new PyFloat(this.updated)],
      ["created", new PyFloat(this.created)],
    ]);
    if (this.expire !== null) dict.set("expire", new PyFloat(this.expire));
    return dict;
  }
}

interface Times {
  readonly updated: number;
  readonly created: number;
  readonly expire: number | null;
}

const opcode = {
  binPut: 0x71,
  longBinPut: 0x72,
  binInt1: 0x4b,
  text: 0x58,
  emptyDict: 0x7d,
  mark: 0x28,
  binFloat: 0x47,
  setItems: 0x75,
  tuple2: 0x86,
  stop: 0x2e,
} as const;

/** Longer commands are left to the general decoder. */
const commandBytesMax = 8 * 1024;
/** A command while it is read: a Buffer, whose conversions are the fast ones. */
const bytes = Buffer.alloc(commandBytesMax);
let length = 0;
let at = 0;
/** Places in the memo that are taken: a pickler fills them one after the other. */
let memo = 0;
let isUnusual = false;

const start = Buffer.of(commandType.regular, 0x80, 2, opcode.binInt1, kvFunction.set);

function text(name: string): Buffer {
  const head = Buffer.of(opcode.text, name.length, 0, 0, 0);
  return Buffer.concat([head, Buffer.from(name, "latin1")]);
}

const names = {
  value: text("value"),
  updated: text("updated"),
  created: text("created"),
  expire: text("expire"),
};

/**
 * @returns null where the command is another one, of another shape, large, or none at all: the general
 *   decoder has to look. What is given is what that one would make of it.
 */
export function parsePlainSet(command: Uint8Array): PlainSet | null {
  if (command.length > commandBytesMax || command[4] !== kvFunction.set) return null;
  bytes.set(command);
  length = command.length;
  at = 0;
  memo = 0;
  isUnusual = false;
  expect(start);
  const key = str();
  // Such a key has an id that is not the key itself: see python-key.ts.
  if (key.charCodeAt(0) === 0) return null;
  one(opcode.emptyDict);
  put();
  one(opcode.mark);
  expect(names.value);
  put();
  const value = str();
  const updated = float(names.updated);
  const created = float(names.created);
  const expire = !isUnusual && bytes[at] === opcode.text ? float(names.expire) : null;
  one(opcode.setItems);
  one(opcode.tuple2);
  put();
  one(opcode.tuple2);
  put();
  one(opcode.stop);
  if (isUnusual || at !== length) return null;
  return new PlainSet(key, value, { updated, created, expire });
}

function expect(expected: Buffer): void {
  for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) isUnusual = true;
  at += expected.length;
}

function one(byte: number): void {
  if (bytes[at] !== byte) isUnusual = true;
  at += 1;
}

/** What was read last goes to the next place of the memo, where the writer has one. */
function put(): void {
  const code = bytes[at];
  if (code === opcode.binPut) {
    if (bytes[at + 1] !== memo) isUnusual = true;
    at += 2;
    memo += 1;
  } else if (code === opcode.longBinPut) isUnusual = true;
}

function str(): string {
  if (isUnusual || bytes[at] !== opcode.text || at + 5 > length) return unusual();
  const from = at + 5;
  const to = from + bytes.readUInt32LE(at + 1);
  if (to > length) return unusual();
  const result = bytes.utf8Slice(from, to);
  // It may stand for what is not well formed: lone surrogates are for the general decoder.
  if (result.includes("\ufffd")) return unusual();
  at = to;
  put();
  return result;
}

function float(name: Buffer): number {
  expect(name);
  put();
  if (isUnusual || bytes[at] !== opcode.binFloat || at + 9 > length) {
    isUnusual = true;
    return 0;
  }
  at += 9;
  return bytes.readDoubleBE(at - 8);
}

function unusual(): string {
  isUnusual = true;
  return "";
}
