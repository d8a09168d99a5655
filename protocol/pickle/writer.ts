import { viewOf } from "./buffer-slices.js";
import { isInstanceClass } from "./globals.js";
import { convertsLongLatin1, encodeLongLatin1, longTextBytesMin } from "./long-text.js";
import { encodeLong } from "./numbers.js";
import { op } from "./opcodes.js";
import { encodeUtf8WithSurrogates, hasLoneSurrogate } from "./text.js";
import { writeAnyValue } from "./value-writer.js";
import type { PyValue } from "./values.js";

/** Size of a new buffer: holds a heartbeat or a small command without growing. */
const initialBytes = 1024;

/** A buffer larger than this is handed over instead of copied and kept. */
const keptBytesMax = 65_536;

/** Up to this length a loop over the characters beats the call into the engine. */
const shortTextChars = 24;

/** Above this length the exact size is counted first instead of reserving the largest possible. */
const longTextChars = 65_536;

/** Protocol 2 in Python 2's names, as Python 3 writes it too; every Python reads it. */
const encodeGlobal = Buffer.from("c_codecs\nencode\n", "latin1");
const latin1Argument = Buffer.from("X\x06\0\0\0latin1\x86R", "latin1");
const emptyBytes = Buffer.from("c__builtin__\nbytes\n)R", "latin1");
const setGlobal = Buffer.from("c__builtin__\nset\n", "latin1");
const frozenSetGlobal = Buffer.from("c__builtin__\nfrozenset\n", "latin1");
const emptyOrderedDict = Buffer.from("ccollections\nOrderedDict\n)R", "latin1");

const floatBits = Buffer.alloc(8);
/** Takes any bytes as they are: a Buffer of them would be one more object. */
const { latin1Slice }: { latin1Slice(this: Uint8Array, start: number, end: number): string } =
  Buffer.prototype;

/**
 * Writes pickles of protocol 2, piece by piece or value by value. Nothing is memoised: Python reads
 * back what is equal with equal types, without the sharing. The low-level pieces trust their
 * caller to keep the stack in order; a wrong value throws an Error, for it is our own mistake.
 */
export class PickleWriter {
  private buffer: Buffer = Buffer.allocUnsafeSlow(initialBytes);
  /** The same memory without Buffer's own slice, which would share it. */
  private plain: Uint8Array = viewOf(this.buffer, 0, initialBytes);
  private used = 0;

  /** Bytes written since the last take. */
  get length(): number {
    return this.used;
  }

  /** What was written since the last take, as memory of its own; the writer is empty again. */
  take(): Uint8Array {
    const used = this.used;
    this.used = 0;
    if (used <= keptBytesMax) return this.plain.slice(0, used);
    const taken = viewOf(this.buffer, 0, used);
    this.replaceBuffer(Buffer.allocUnsafeSlow(initialBytes));
    return taken;
  }

  /** The same with so many bytes of room before and behind it, whose content is undefined. */
  takeWithin(before: number, after: number): Uint8Array {
    const used = this.used;
    const taken = Buffer.allocUnsafe(before + used + after);
    // Not `set` of a view, which would cost one more object.
    this.buffer.copy(taken, before, 0, used);
    this.clear();
    return taken;
  }

  /** Forgets what was written since the last take. */
  clear(): void {
    this.used = 0;
    if (this.buffer.length > keptBytesMax) {
      this.replaceBuffer(Buffer.allocUnsafeSlow(initialBytes));
    }
  }

  // --- frame of a pickle

  /** The two bytes that every pickle of protocol 2 starts with. */
  writeProto(): void {
    this.two(op.proto, 2);
  }

  /** The byte that every pickle ends with. */
  writeStop(): void {
    this.one(op.stop);
  }

  /** Bytes that are pickle opcodes already. */
  writeRaw(opcodes: Uint8Array): void {
    this.reserve(opcodes.length);
    this.buffer.set(opcodes, this.used);
    this.used += opcodes.length;
  }

  // --- scalars

  /** None. */
  writeNone(): void {
    this.one(op.none);
  }

  /** True or False. */
  writeBool(value: boolean): void {
    this.one(value ? op.newTrue : op.newFalse);
  }

  /** A safe integer or a bigint. */
  writeInt(value: number | bigint): void {
    if (typeof value === "bigint") {
      this.writeBigInt(value);
    } else if (value >= 0 && value <= 0xff && Number.isInteger(value)) {
      this.two(op.binInt1, value);
    } else {
      this.writeLargerInt(value);
    }
  }

  private writeLargerInt(value: number): void {
    if (!Number.isSafeInteger(value)) throw new Error(`${value} is no exact int`);
    if (value >= 0 && value <= 0xffff) {
      this.reserve(3);
      this.buffer[this.used++] = op.binInt2;
      this.buffer[this.used++] = value & 0xff;
      this.buffer[this.used++] = value >> 8;
    } else if (value === (value | 0)) {
      this.reserve(5);
      this.buffer[this.used++] = op.binInt;
      this.used = this.buffer.writeInt32LE(value, this.used);
    } else {
      this.writeBigInt(BigInt(value));
    }
  }

  private writeBigInt(value: bigint): void {
    if (value >= -0x80000000n && value <= 0x7fffffffn) {
      this.writeInt(Number(value));
      return;
    }
    const bytes = encodeLong(value);
    if (bytes.length <= 0xff) {
      this.two(op.long1, bytes.length);
    } else {
      this.withLength(op.long4, bytes.length);
    }
    this.writeRaw(bytes);
  }

  /** A float, also where it is a whole number. */
  writeFloat(value: number): void {
    this.reserve(9);
    this.buffer[this.used++] = op.binFloat;
    floatBits.writeDoubleBE(value);
    this.buffer.set(floatBits, this.used);
    this.used += 8;
  }

  /** A str; lone surrogates are kept. */
  writeStr(text: string): void {
    if (text.length > longTextChars) {
      this.writeLongStr(text);
      return;
    }
    this.reserve(5 + text.length * 3);
    const start = this.used + 5;
    const written = this.writeShortAscii(text, start) ? text.length : this.utf8At(text, start);
    if (written < 0) {
      this.writeUtf8(encodeUtf8WithSurrogates(text));
      return;
    }
    this.withLength(op.binUnicode, written);
    this.used += written;
  }

  /** Whether the text is short and ASCII; then it stands at `start`. */
  private writeShortAscii(text: string, start: number): boolean {
    if (text.length > shortTextChars) return false;
    const buffer = this.buffer;
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index);
      if (unit >= 0x80) return false;
      buffer[start + index] = unit;
    }
    return true;
  }

  /** Bytes written at `start`, or -1 where the text holds a lone surrogate. */
  private utf8At(text: string, start: number): number {
    const written = this.buffer.utf8Write(text, start, this.buffer.length - start);
    // As many bytes as characters: all ASCII, so there is nothing to look for.
    return written !== text.length && hasLoneSurrogate(text) ? -1 : written;
  }

  private writeLongStr(text: string): void {
    if (hasLoneSurrogate(text)) {
      this.writeUtf8(encodeUtf8WithSurrogates(text));
      return;
    }
    const length = Buffer.byteLength(text, "utf8");
    this.withLength(op.binUnicode, length);
    this.reserve(length);
    this.used += this.buffer.utf8Write(text, this.used, length);
  }

  /** A str of these bytes, which are UTF-8 but for lone surrogates. */
  writeUtf8(bytes: Uint8Array): void {
    this.withLength(op.binUnicode, bytes.length);
    this.writeRaw(bytes);
  }

  /** Bytes, as Python 3 writes them in protocol 2: a call that makes them from Latin-1 text. */
  writeBytes(bytes: Uint8Array): void {
    if (bytes.length === 0) {
      this.writeRaw(emptyBytes);
      return;
    }
    this.reserve(encodeGlobal.length + 5 + bytes.length * 2 + latin1Argument.length);
    this.writeRaw(encodeGlobal);
    const start = this.used + 5;
    const written = this.latin1(bytes, start);
    this.withLength(op.binUnicode, written);
    this.used += written;
    this.writeRaw(latin1Argument);
  }

  private latin1(bytes: Uint8Array, start: number): number {
    const { length } = bytes;
    if (length <= shortTextChars) return this.latin1Loop(bytes, start);
    if (length >= longTextBytesMin && convertsLongLatin1) {
      return encodeLongLatin1(bytes, this.plain, start);
    }
    return this.buffer.utf8Write(latin1Slice.call(bytes, 0, length), start, length * 2);
  }

  private latin1Loop(bytes: Uint8Array, start: number): number {
    const buffer = this.buffer;
    let at = start;
    for (const byte of bytes) {
      if (byte < 0x80) {
        buffer[at++] = byte;
      } else {
        buffer[at++] = 0xc0 | (byte >> 6);
        buffer[at++] = 0x80 | (byte & 0x3f);
      }
    }
    return at - start;
  }

  // --- containers, from the values on the stack

  /** Marks a place on the stack, for `tuple`, `appends` and `setItems`. */
  mark(): void {
    this.one(op.mark);
  }

  /** A tuple of nothing. */
  emptyTuple(): void {
    this.one(op.emptyTuple);
  }

  /** A tuple of the values since the mark. */
  tuple(): void {
    this.one(op.tuple);
  }

  /** A tuple of the last value. */
  tuple1(): void {
    this.one(op.tuple1);
  }

  /** A tuple of the last two values. */
  tuple2(): void {
    this.one(op.tuple2);
  }

  /** A tuple of the last three values. */
  tuple3(): void {
    this.one(op.tuple3);
  }

  /** A list of nothing. */
  emptyList(): void {
    this.one(op.emptyList);
  }

  /** Appends the last value to the list before it. */
  append(): void {
    this.one(op.append);
  }

  /** Appends the values since the mark to the list before it. */
  appends(): void {
    this.one(op.appends);
  }

  /** A dict of nothing. */
  emptyDict(): void {
    this.one(op.emptyDict);
  }

  /** An OrderedDict of nothing, to be filled as a dict is. */
  emptyOrderedDict(): void {
    this.writeRaw(emptyOrderedDict);
  }

  /** Sets the last key and value in the dict before them. */
  setItem(): void {
    this.one(op.setItem);
  }

  /** Sets the keys and values since the mark in the dict before it. */
  setItems(): void {
    this.one(op.setItems);
  }

  /** The start of a set: then the items, then endSet. */
  beginSet(frozen: boolean): void {
    this.writeRaw(frozen ? frozenSetGlobal : setGlobal);
    this.two(op.emptyList, op.mark);
  }

  /** The end of what `beginSet` began. */
  endSet(): void {
    this.one(op.appends);
    this.two(op.tuple1, op.reduce);
  }

  /** The start of an instance: then its dict of attributes, then endInstance. */
  beginInstance(className: string): void {
    if (!isInstanceClass(className)) throw new Error(`instances of ${className} do not travel`);
    const dot = className.lastIndexOf(".");
    const names = `c${className.slice(0, dot)}\n${className.slice(dot + 1)}\n`;
    this.writeRaw(Buffer.from(names, "latin1"));
    this.two(op.emptyTuple, op.newObj);
  }

  /** The end of what `beginInstance` began. */
  endInstance(): void {
    this.one(op.build);
  }

  // --- any value

  /** A value with all that it holds. Throws an Error where it nests too deeply (or in itself). */
  writeValue(value: PyValue): void {
    writeAnyValue(this, value);
  }

  // --- buffer

  private one(byte: number): void {
    this.reserve(1);
    this.buffer[this.used++] = byte;
  }

  private two(first: number, second: number): void {
    this.reserve(2);
    this.buffer[this.used++] = first;
    this.buffer[this.used++] = second;
  }

  /** An opcode with a four-byte length. */
  private withLength(opcode: number, length: number): void {
    if (length > 0x7fffffff) throw new Error(`${length} bytes are too many for one value`);
    this.reserve(5);
    this.buffer[this.used++] = opcode;
    this.buffer[this.used++] = length & 0xff;
    this.buffer[this.used++] = (length >> 8) & 0xff;
    this.buffer[this.used++] = (length >> 16) & 0xff;
    this.buffer[this.used++] = length >>> 24;
  }

  private reserve(bytes: number): void {
    if (this.used + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, this.used + bytes));
    this.buffer.copy(larger, 0, 0, this.used);
    this.replaceBuffer(larger);
  }

  private replaceBuffer(buffer: Buffer): void {
    this.buffer = buffer;
    this.plain = viewOf(buffer, 0, buffer.length);
  }
}
