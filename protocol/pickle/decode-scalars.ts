import { viewOf } from "./buffer-slices.js";
import {
  allocationBytes,
  digitsSquaredPerOp,
  escapedCharsPerOp,
  surrogatesPerOp,
  textLineBytesMax,
} from "./limits.js";
import type { PickleMachine } from "./machine.js";
import { decodeLong, isAnyInt, longBytesMax, parseDecimal, parseFloatText } from "./numbers.js";
import { EncodedText } from "./shared-values.js";
import { countLatin1, decodeLatin1, decodeQuoted, decodeRawUnicode, decodeUtf8 } from "./text.js";
import { PyByteArray, PyFloat, type PySurrogateStr } from "./values.js";

// --- ints and floats

export function binInt(machine: PickleMachine): void {
  const at = machine.take(4);
  machine.push(machine.input.readInt32LE(at));
}

export function binInt2(machine: PickleMachine): void {
  const at = machine.take(2);
  machine.push(machine.input.readUInt16LE(at));
}

export function long1(machine: PickleMachine): void {
  pushLong(machine, machine.takeByte());
}

export function long4(machine: PickleMachine): void {
  const at = machine.take(4);
  const length = machine.input.readInt32LE(at);
  if (length < 0) throw machine.fault("pickle-malformed", "int of negative length");
  pushLong(machine, length);
}

function pushLong(machine: PickleMachine, length: number): void {
  if (length > longBytesMax(machine.limits.intDigitsMax)) {
    throw machine.fault("pickle-limit", `int of ${length} bytes`);
  }
  const at = machine.take(length);
  machine.allocate(allocationBytes.bigint + length);
  machine.push(decodeLong(machine.input, at, length));
}

/** A sign, and the letter at the end of protocol 0. */
const textSpareChars = 2;

/** Python takes whatever has two characters and is 0 or 1. */
const boolPattern = /^(?:[0+ \t][01]|-0)$/;

/** INT: also the booleans of protocols 0 and 1, written `I00` and `I01`. */
export function int(machine: PickleMachine): void {
  const line = machine.takeLine(machine.limits.intDigitsMax + textSpareChars);
  if (boolPattern.test(line)) {
    // Python's other reader has an int of it.
    if (!line.startsWith("0")) machine.readers.meet("first");
    machine.push(line.endsWith("1"));
  } else pushDecimal(machine, line);
}

export function long(machine: PickleMachine): void {
  const line = machine.takeLine(machine.limits.intDigitsMax + textSpareChars);
  pushDecimal(machine, line.endsWith("L") ? line.slice(0, -1) : line);
}

function pushDecimal(machine: PickleMachine, line: string): void {
  machine.allocate(allocationBytes.bigint + line.length);
  machine.chargeOps(Math.floor(line.length ** 2 / digitsSquaredPerOp));
  const value = parseDecimal(line);
  // Else it could take more bytes when it is written again than `pushLong` takes.
  if (line.replace(/[^0-9]/g, "").length > machine.limits.intDigitsMax) {
    throw machine.fault("pickle-limit", `int of ${line.length} characters`);
  }
  if (value === null) {
    const code = isAnyInt(line) ? "pickle-limit" : "pickle-malformed";
    throw machine.fault(code, "text of an int that is none, or not to every Python");
  }
  machine.push(value);
}

export function binFloat(machine: PickleMachine): void {
  const at = machine.take(8);
  machine.allocate(allocationBytes.float);
  machine.push(new PyFloat(machine.input.readDoubleBE(at)));
}

export function float(machine: PickleMachine): void {
  const line = machine.takeLine(textLineBytesMax);
  machine.chargeOps(Math.floor(line.length / escapedCharsPerOp));
  const read = parseFloatText(line);
  if (read === null) throw machine.fault("pickle-malformed", "text of a float is none");
  if (read.reader !== "both") machine.readers.meet(read.reader);
  machine.allocate(allocationBytes.float);
  machine.push(new PyFloat(read.value));
}

// --- str

export function binUnicode(machine: PickleMachine): void {
  pushUtf8(machine, machine.takeUint32());
}

export function shortBinUnicode(machine: PickleMachine): void {
  pushUtf8(machine, machine.takeByte());
}

export function binUnicode8(machine: PickleMachine): void {
  pushUtf8(machine, machine.takeLength64());
}

/**
 * From here on the text of bytes is never made a str. Python holds strings of one character once, so
 * that a short one can be referred to again, as the str that it is.
 */
const encodedTextBytesMin = 1024;

function pushUtf8(machine: PickleMachine, length: number): void {
  const start = machine.takeString(length);
  if (length >= encodedTextBytesMin && machine.encodesNext) {
    pushEncoded(machine, start, start + length);
    return;
  }
  if (length > machine.limits.strBytesMax) {
    throw machine.fault("pickle-limit", `str of ${length} bytes`);
  }
  machine.allocate(allocationBytes.string + length * 2);
  const text = decodeUtf8(machine.input, start, start + length, (surrogates) =>
    machine.chargeOps(Math.ceil(surrogates / surrogatesPerOp)),
  );
  pushText(machine, text);
}

function pushEncoded(machine: PickleMachine, start: number, end: number): void {
  const { input } = machine;
  const count = countLatin1(input, start, end);
  machine.allocate(allocationBytes.view + count);
  const bytes = decodeLatin1(input, start, end, count);
  if (bytes === null) throw machine.fault("pickle-malformed", "text of bytes beyond Latin-1");
  machine.pushGlobal(new EncodedText(bytes));
}

/** UNICODE: raw-unicode-escape up to the end of the line. */
export function unicode(machine: PickleMachine): void {
  const line = machine.takeLine(textLineBytesMax);
  machine.allocate(allocationBytes.string + line.length * 2);
  chargeEscapes(machine, line);
  pushText(machine, decodeRawUnicode(line));
}

/** Each escape is decoded by itself. */
function chargeEscapes(machine: PickleMachine, line: string): void {
  if (line.includes("\\")) machine.chargeOps(Math.ceil(line.length / escapedCharsPerOp));
}

function pushText(machine: PickleMachine, text: string | PySurrogateStr | null): void {
  if (text === null) throw machine.fault("pickle-malformed", "text of a str is not well formed");
  machine.push(text);
}

// --- bytes

function bytesOf(machine: PickleMachine, start: number, end: number): Uint8Array {
  const view = viewOf(machine.input, start, end);
  return machine.copies ? view.slice() : view;
}

export function shortBinBytes(machine: PickleMachine): void {
  pushBytes(machine, machine.takeByte());
}

export function binBytes(machine: PickleMachine): void {
  pushBytes(machine, machine.takeUint32());
}

export function binBytes8(machine: PickleMachine): void {
  pushBytes(machine, machine.takeLength64());
}

export function byteArray8(machine: PickleMachine): void {
  machine.push(byteArrayOf(takeBytes(machine, machine.takeLength64())));
}

/** A bytearray of the same memory. */
export function byteArrayOf(bytes: Uint8Array): PyByteArray {
  return new PyByteArray(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function pushBytes(machine: PickleMachine, length: number): void {
  machine.push(takeBytes(machine, length));
}

function takeBytes(machine: PickleMachine, length: number): Uint8Array {
  const start = machine.takeString(length);
  machine.allocate(allocationBytes.view + (machine.copies ? length : 0));
  return bytesOf(machine, start, start + length);
}

// --- Python 2's str: text where it is ASCII, else bytes (pysyncobj/pickle.py, _load_binstring)

export function shortBinString(machine: PickleMachine): void {
  pushNative(machine, machine.takeByte());
}

export function binString(machine: PickleMachine): void {
  const at = machine.take(4);
  const length = machine.input.readInt32LE(at);
  if (length < 0) throw machine.fault("pickle-malformed", "str of negative length");
  pushNative(machine, length);
}

function pushNative(machine: PickleMachine, length: number): void {
  const start = machine.takeString(length);
  machine.allocate(allocationBytes.view + length);
  const end = start + length;
  for (let at = start; at < end; at++) {
    if ((machine.input[at] ?? 0) >= 0x80) {
      machine.readers.meet("second");
      machine.push(bytesOf(machine, start, end));
      return;
    }
  }
  machine.push(machine.input.latin1Slice(start, end));
}

/**
 * STRING: Python 2's quoted str up to the end of the line. PySyncObj reads what is not ASCII as bytes in
 * the two opcodes above, but not in this one, and Python minds blanks around the quotes.
 */
export function string(machine: PickleMachine): void {
  const line = machine.takeLine(textLineBytesMax);
  machine.allocate(allocationBytes.view + line.length * 2);
  chargeEscapes(machine, line);
  const text = decodeQuoted(line);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is what is looked for.
  if (text === null || !/^[\x00-\x7f]*$/.test(text)) {
    throw machine.fault("pickle-malformed", "text of a str is not well formed");
  }
  machine.push(text);
}
