import { ProtocolError } from "../errors.js";
import type { Entry } from "../log/entry.js";
import { countLatin1, decodeLatin1 } from "../pickle/text.js";
import { decodeEntryTuple } from "./message-codec.js";

/** What stands before the command's bytes in the pickle, and behind them: some fifty bytes each. */
const headBytesMax = 128;
const tailBytesMax = 128;

/** A pickle that begins in no known way is kept and decoded as a whole, up to this size. */
const unknownBytesMax = 128 * 1024;

const op = {
  proto: 0x80,
  frame: 0x95,
  mark: 0x28,
  binPut: 0x71,
  longBinPut: 0x72,
  text: 0x58,
  bytes: 0x42,
  bytes8: 0x8e,
} as const;

/** How Python 3 writes bytes up to protocol 2: a call with a text as its argument. */
const encodeGlobal = Buffer.from("c_codecs\nencode\n", "latin1");

/** How the command's bytes stand in the pickle, and what one byte in their place would look like. */
interface Head {
  readonly isText: boolean;
  /** Bytes of the pickle up to the command's. */
  readonly length: number;
  /** Bytes that the command takes in the pickle. */
  readonly commandBytes: number;
  readonly standIn: Uint8Array;
}

/**
 * Puts a large entry together from the pieces of its pickle (`SyncObj.__sendAppendEntries`). Each piece costs
 * what its own length costs, and the last one no more than the others: the command is taken out of the
 * pickle as it comes, and the rest, with one byte in the command's place, is decoded like every other
 * pickle. Whoever takes the pieces decides with each whether to go on.
 */
export class EntryPieces {
  readonly #commandBytesMax: number;
  /** The pickle up to the command; all of it where it begins in no known way. */
  #start: Uint8Array = new Uint8Array(0);
  #isUnknown = false;
  #head: Head | null = null;
  /** What there is of the command. */
  #command = new Uint8Array(0);
  #length = 0;
  /** Bytes of it that the pickle still holds. */
  #missing = 0;
  /** The first byte of a character whose second one comes with the next piece. */
  #lead = -1;
  #tail: Uint8Array = new Uint8Array(0);
  #isTooLarge = false;

  /** @param commandBytesMax A larger command is not taken, unless it begins in no known way and is short. */
  constructor(commandBytesMax: number) {
    this.#commandBytesMax = commandBytesMax;
  }

  /** The entry's command is larger than what is taken. */
  get isTooLarge(): boolean {
    return this.#isTooLarge;
  }

  /** @throws ProtocolError where the pieces are those of no entry. */
  add(piece: Uint8Array): void {
    if (this.#isTooLarge) return;
    if (this.#isUnknown) this.#addUnknown(piece);
    else if (this.#head === null) this.#addToHead(piece);
    else this.#addToCommand(piece);
  }

  /**
   * To be asked with each piece that is marked as the last: vanilla can mark two as that.
   *
   * @returns null where the entry is not whole yet.
   * @throws ProtocolError where it is none.
   */
  finish(): Entry | null {
    if (this.#isTooLarge) return null;
    const head = this.#head;
    if (head === null) return orNull(() => decodeEntryTuple(this.#start));
    if (this.#missing > 0) return null;
    const entry = orNull(() => decodeEntryTuple(Buffer.concat([head.standIn, this.#tail])));
    if (entry === null) return null;
    const isStandIn = entry.command.length === 1 && entry.command[0] === standInByte;
    if (!isStandIn || this.#length === 0) throw malformed("its command is not where it should be");
    return { ...entry, command: this.#command.subarray(0, this.#length) };
  }

  #addToHead(piece: Uint8Array): void {
    const known = this.#start.length;
    this.#start = Buffer.concat([this.#start, piece.subarray(0, headBytesMax - known)]);
    const head = parseHead(this.#start);
    const isUndecided = head === "short" && this.#start.length < headBytesMax;
    if (isUndecided) return;
    if (head === null || head === "short") {
      this.#isUnknown = true;
      this.#addUnknown(piece.subarray(this.#start.length - known));
      return;
    }
    this.#head = head;
    this.#missing = head.commandBytes;
    const least = head.isText ? Math.ceil(head.commandBytes / 2) : head.commandBytes;
    if (least > this.#commandBytesMax) this.#giveUp();
    else {
      const most = Math.min(head.commandBytes, this.#commandBytesMax);
      // What is not written to takes no memory.
      this.#command = new Uint8Array(most);
      const behind = this.#start.subarray(head.length);
      this.#start = new Uint8Array(0);
      this.#addToCommand(behind);
      this.#addToCommand(piece.subarray(headBytesMax - known));
    }
  }

  #addUnknown(piece: Uint8Array): void {
    if (this.#start.length + piece.length > unknownBytesMax) {
      throw malformed("it begins in no way in which an entry does");
    }
    this.#start = Buffer.concat([this.#start, piece]);
  }

  #addToCommand(piece: Uint8Array): void {
    if (this.#isTooLarge) return;
    const own = piece.subarray(0, this.#missing);
    this.#missing -= own.length;
    if (this.#head?.isText === true) this.#takeText(own);
    else this.#take(own);
    const rest = piece.subarray(own.length);
    if (rest.length === 0) return;
    if (this.#tail.length + rest.length > tailBytesMax) throw malformed("more follows its command");
    this.#tail = Buffer.concat([this.#tail, rest]);
  }

  /** Each character of the text is a byte of the command; one may stand in two pieces. */
  #takeText(text: Uint8Array): void {
    let start = 0;
    const first = text[0];
    if (first === undefined) return;
    if (this.#lead >= 0) {
      this.#takeLatin1(Uint8Array.of(this.#lead, first));
      this.#lead = -1;
      start = 1;
    }
    const last = text[text.length - 1] ?? 0;
    const isCut = text.length > start && last >= 0xc0;
    if (isCut) this.#lead = last;
    this.#takeLatin1(text.subarray(start, isCut ? -1 : text.length));
    if (this.#lead >= 0 && this.#missing === 0) throw beyondLatin1();
  }

  #takeLatin1(text: Uint8Array): void {
    const count = countLatin1(text, 0, text.length);
    const bytes = decodeLatin1(text, 0, text.length, count);
    if (bytes === null) throw beyondLatin1();
    this.#take(bytes);
  }

  #take(bytes: Uint8Array): void {
    // A piece of text is taken in two parts, and with the first one it may have become too much.
    if (this.#isTooLarge) return;
    if (this.#length + bytes.length > this.#commandBytesMax) this.#giveUp();
    else {
      this.#command.set(bytes, this.#length);
      this.#length += bytes.length;
    }
  }

  #giveUp(): void {
    this.#isTooLarge = true;
    this.#command = new Uint8Array(0);
    this.#start = this.#command;
  }
}

/** No entry of its own has this for its command: a vanilla member knows no such type. */
const standInByte = 0x7f;

/**
 * `short`: more bytes are needed to tell. Null: it begins otherwise.
 *
 * What is put in the command's place keeps all else, so that the rest of the pickle means the same.
 */
function parseHead(bytes: Uint8Array): Head | "short" | null {
  let at = 0;
  const kept: Uint8Array[] = [];
  const keep = (length: number): void => {
    kept.push(bytes.subarray(at, at + length));
    at += length;
  };
  if (bytes[at] === op.proto) keep(2);
  // Says how much follows, which would no longer be true.
  if (bytes[at] === op.frame) at += 9;
  if (bytes[at] === op.mark) keep(1);
  const isText = encodeGlobal.every((byte, n) => bytes[at + n] === byte || bytes.length <= at + n);
  if (isText) keep(encodeGlobal.length);
  if (isText && bytes[at] === op.binPut) keep(2);
  else if (isText && bytes[at] === op.longBinPut) keep(5);
  if (bytes.length < at + 9) return "short";
  const view = new DataView(bytes.buffer, bytes.byteOffset + at + 1, 8);
  const opcode = bytes[at];
  const isLong = opcode === op.bytes8;
  if (isLong && view.getUint32(4, true) !== 0) return null;
  if (isText ? opcode !== op.text : !isRaw(opcode)) return null;
  const standIn = Buffer.of(opcode ?? 0, 1, 0, 0, 0, ...(isLong ? [0, 0, 0, 0] : []), standInByte);
  return {
    isText,
    length: at + (isLong ? 9 : 5),
    commandBytes: view.getUint32(0, true),
    standIn: Buffer.concat([...kept, standIn]),
  };
}

function isRaw(opcode: number | undefined): boolean {
  return opcode === op.bytes || opcode === op.bytes8;
}

/** Null where the pickle ends too early: more of it may come. */
function orNull(decode: () => Entry): Entry | null {
  try {
    return decode();
  } catch (error) {
    if (error instanceof ProtocolError && error.code === "pickle-truncated") return null;
    throw error;
  }
}

function beyondLatin1(): ProtocolError {
  return malformed("its command is no bytes: a text beyond Latin-1");
}

function malformed(why: string): ProtocolError {
  return new ProtocolError("message-shape", `pieces of an entry that is none: ${why}`);
}
