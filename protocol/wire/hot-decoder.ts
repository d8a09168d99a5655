import type { Entry } from "../log/entry.js";
import type {
  AppendEntries,
  ApplyCommand,
  ApplyCommandResponse,
  NextNodeIdx,
  QuoratePing,
  QuoratePong,
} from "./messages.js";
import { sameBytes } from "./random-key.js";

/** What flows for each write, and what keeps an idle link alive, as it is received. */
type HotMessage =
  | AppendEntries
  | ApplyCommand
  | ApplyCommandResponse
  | NextNodeIdx
  | QuoratePing
  | QuoratePong;

const opcode = {
  binPut: 0x71,
  longBinPut: 0x72,
  binGet: 0x68,
  longBinGet: 0x6a,
  binInt1: 0x4b,
  binInt2: 0x4d,
  binInt: 0x4a,
  newTrue: 0x88,
  newFalse: 0x89,
  emptyList: 0x5d,
  mark: 0x28,
  append: 0x61,
  appends: 0x65,
  tuple2: 0x86,
  tuple3: 0x87,
  reduce: 0x52,
  emptyDict: 0x7d,
  setItems: 0x75,
  stop: 0x2e,
  text: 0x58,
} as const;

const textHeadBytes = 5;
/** Longer commands are left to the general decoder, whose limits are about them. */
const commandBytesMax = 64 * 1024;

/**
 * Memory that small commands share: each for itself would cost more than all the rest of its decoding.
 * They come one after the other, stand so in the log, and leave it together. Were all but one
 * refused, that one would keep so many bytes alive: as if it were an entry of that size.
 */
const slabBytes = 16 * 1024;
const slabCommandBytesMax = 2 * 1024;
let slab = new Uint8Array(slabBytes);
let slabUsed = 0;

function text(...texts: readonly string[]): Uint8Array {
  const parts = texts.map((each) => {
    const head = Buffer.alloc(textHeadBytes);
    head[0] = opcode.text;
    head.writeUInt32LE(each.length, 1);
    return Buffer.concat([head, Buffer.from(each, "latin1")]);
  });
  return Buffer.concat(parts);
}

const proto = Uint8Array.of(0x80, 2);
const encodeGlobal = Buffer.from("c_codecs\nencode\n", "latin1");
const latin1 = text("latin1");

const names = {
  type: text("type"),
  appendEntries: text("append_entries"),
  nextNodeIdx: text("next_node_idx"),
  applyCommand: text("apply_command"),
  response: text("apply_command_response"),
  ping: text("quorate_ping"),
  pong: text("quorate_pong"),
  term: text("term"),
  commitIndex: text("commit_index"),
  entries: text("entries"),
  prevLogIdx: text("prevLogIdx"),
  prevLogTerm: text("prevLogTerm"),
  reset: text("reset"),
  success: text("success"),
  command: text("command"),
  requestId: text("request_id"),
  logIdx: text("log_idx"),
  logTerm: text("log_term"),
};

/** Thrown and caught within this file: the message is not one of the usual shape. */
const unusual = new Error("unusual");

/**
 * Reads the messages that flow for each write in the one shape in which members write them (upstream's
 * keys in upstream's order, with or without the memo of Python's pickler), without a stack and without
 * values in between. Everything else, be it valid or not, is the general decoder's to judge.
 */
class HotDecoder {
  #bytes: Uint8Array = proto;
  #at = 0;
  /** Places in the memo that are taken: a pickler fills them one after the other. */
  #memo = 0;
  #encodePlace = -1;
  #latin1Place = -1;
  #entriesMax = 0;

  decode(pickle: Uint8Array, key: Uint8Array | null, entriesMax: number): HotMessage | null {
    this.#bytes = pickle;
    this.#at = 0;
    this.#memo = 0;
    this.#encodePlace = -1;
    this.#latin1Place = -1;
    this.#entriesMax = entriesMax;
    try {
      return this.#whole(key);
    } catch (error) {
      if (error === unusual) return null;
      throw error;
    } finally {
      this.#bytes = proto;
    }
  }

  #whole(key: Uint8Array | null): HotMessage {
    this.#expect(proto);
    if (key !== null && !sameBytes(this.#binary(), key)) throw unusual;
    this.#one(opcode.emptyDict);
    this.#put();
    this.#one(opcode.mark);
    this.#name(names.type);
    const message = this.#message();
    this.#one(opcode.setItems);
    if (key !== null) {
      this.#one(opcode.tuple2);
      this.#put();
    }
    this.#one(opcode.stop);
    if (this.#at !== this.#bytes.length) throw unusual;
    return message;
  }

  /** Told apart by the length of their names first. */
  #message(): HotMessage {
    switch (this.#bytes[this.#at + 1]) {
      case 12:
        return this.#sign();
      case 13:
        return this.#bytes[this.#at + textHeadBytes] === 0x6e
          ? this.#nextNodeIdx()
          : this.#applyCommand();
      case 14:
        return this.#appendEntries();
      case 22:
        return this.#response();
      default:
        throw unusual;
    }
  }

  #sign(): QuoratePing | QuoratePong {
    const isPing = this.#bytes[this.#at + names.ping.length - 3] === 0x69;
    this.#name(isPing ? names.ping : names.pong);
    return { type: isPing ? "quorate_ping" : "quorate_pong" };
  }

  #nextNodeIdx(): NextNodeIdx {
    // The type and the key are one object in Python, and so one place in its memo.
    const place = this.#name(names.nextNodeIdx);
    if (!this.#get(place)) this.#name(names.nextNodeIdx);
    const nextNodeIdx = this.#int();
    this.#name(names.reset);
    const reset = this.#boolean();
    this.#name(names.success);
    return { type: "next_node_idx", nextNodeIdx, reset, success: this.#boolean() };
  }

  #applyCommand(): ApplyCommand {
    this.#name(names.applyCommand);
    this.#name(names.command);
    const command = this.#binary();
    const isAnswered = this.#bytes[this.#at] !== opcode.setItems;
    const requestId = isAnswered ? this.#field(names.requestId) : null;
    return { type: "apply_command", command, requestId };
  }

  #response(): ApplyCommandResponse {
    this.#name(names.response);
    const requestId = this.#field(names.requestId);
    const logIdx = this.#field(names.logIdx);
    const logTerm = this.#field(names.logTerm);
    return { type: "apply_command_response", requestId, logIdx, logTerm };
  }

  #appendEntries(): AppendEntries {
    this.#name(names.appendEntries);
    const term = this.#field(names.term);
    const commitIndex = this.#field(names.commitIndex);
    this.#name(names.entries);
    const entries = this.#entries();
    const prevLogIdx = this.#field(names.prevLogIdx);
    const prevLogTerm = this.#field(names.prevLogTerm);
    return { type: "append_entries", term, commitIndex, prevLogIdx, prevLogTerm, entries };
  }

  #entries(): Entry[] {
    this.#one(opcode.emptyList);
    this.#put();
    const next = this.#bytes[this.#at];
    if (next === opcode.text) return [];
    if (next !== opcode.mark) {
      // Python's pickler writes a single item without a mark.
      const single = this.#entry();
      this.#one(opcode.append);
      return [single];
    }
    this.#at += 1;
    const entries: Entry[] = [];
    while (this.#bytes[this.#at] !== opcode.appends) {
      if (entries.length === this.#entriesMax) throw unusual;
      entries.push(this.#entry());
    }
    this.#at += 1;
    return entries;
  }

  #entry(): Entry {
    const command = this.#binary();
    const index = this.#int();
    const term = this.#int();
    this.#one(opcode.tuple3);
    this.#put();
    return { index, term, command };
  }

  #field(name: Uint8Array): number {
    this.#name(name);
    return this.#int();
  }

  /** @returns its place in the memo, -1 for none. */
  #name(name: Uint8Array): number {
    this.#expect(name);
    return this.#put();
  }

  #expect(expected: Uint8Array): void {
    const bytes = this.#bytes;
    const at = this.#at;
    for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) throw unusual;
    this.#at = at + expected.length;
  }

  #one(byte: number): void {
    if (this.#bytes[this.#at] !== byte) throw unusual;
    this.#at += 1;
  }

  /** What was read last goes to the next place of the memo, where the writer has one. */
  #put(): number {
    const code = this.#bytes[this.#at];
    if (code !== opcode.binPut && code !== opcode.longBinPut) return -1;
    this.#at += 1;
    const place = code === opcode.binPut ? this.#byte() : this.#uint32();
    if (place !== this.#memo) throw unusual;
    this.#memo += 1;
    return place;
  }

  /** Whether this place of the memo is fetched here. */
  #get(place: number): boolean {
    const code = this.#bytes[this.#at];
    if (code !== opcode.binGet && code !== opcode.longBinGet) return false;
    this.#at += 1;
    const wanted = code === opcode.binGet ? this.#byte() : this.#uint32();
    if (place < 0 || wanted !== place) throw unusual;
    return true;
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw unusual;
    this.#at += 1;
    return byte;
  }

  #uint32(): number {
    const low = this.#byte() | (this.#byte() << 8) | (this.#byte() << 16);
    return low + this.#byte() * 0x100_0000;
  }

  /** Numbers here are counts. */
  #int(): number {
    switch (this.#byte()) {
      case opcode.binInt1:
        return this.#byte();
      case opcode.binInt2:
        return this.#byte() | (this.#byte() << 8);
      case opcode.binInt: {
        const value = this.#uint32();
        if (value > 0x7fff_ffff) throw unusual;
        return value;
      }
      default:
        throw unusual;
    }
  }

  #boolean(): boolean {
    const code = this.#byte();
    if (code !== opcode.newTrue && code !== opcode.newFalse) throw unusual;
    return code === opcode.newTrue;
  }

  /** A bytes object as Python 3 writes it: the call of an encoder, of which both may be in the memo. */
  #binary(): Uint8Array {
    if (!this.#get(this.#encodePlace)) {
      this.#expect(encodeGlobal);
      this.#encodePlace = this.#put();
    }
    this.#one(opcode.text);
    const value = this.#latin1(this.#uint32());
    this.#put();
    if (!this.#get(this.#latin1Place)) {
      this.#expect(latin1);
      this.#latin1Place = this.#put();
    }
    this.#one(opcode.tuple2);
    this.#put();
    this.#one(opcode.reduce);
    this.#put();
    return value;
  }

  /** Bytes that were written as UTF-8 of the characters with their codes. */
  #latin1(length: number): Uint8Array {
    const bytes = this.#bytes;
    const end = this.#at + length;
    if (length === 0 || length > commandBytesMax || end > bytes.length) throw unusual;
    const isSmall = length <= slabCommandBytesMax;
    if (isSmall && slabUsed + length > slabBytes) {
      slab = new Uint8Array(slabBytes);
      slabUsed = 0;
    }
    const target = isSmall ? slab : new Uint8Array(length);
    const from = isSmall ? slabUsed : 0;
    const to = copyLatin1(bytes, this.#at, end, target, from);
    this.#at = end;
    if (!isSmall) return to === length ? target : target.slice(0, to);
    slabUsed = to;
    return new Uint8Array(slab.buffer, from, to - from);
  }
}

/**
 * What stands in `text` from `at` to `end`. Its own place, not a view of it: that would be one more object
 * for each command.
 *
 * @returns the place in `target` behind the last byte.
 */
function copyLatin1(
  text: Uint8Array,
  ...[from, end, target, start]: [from: number, end: number, target: Uint8Array, start: number]
): number {
  let to = start;
  for (let at = from; at < end; at++) {
    const byte = text[at] ?? 0;
    if (byte < 0x80) target[to++] = byte;
    else {
      at += 1;
      const next = at < end ? (text[at] ?? 0) : 0;
      if ((byte !== 0xc2 && byte !== 0xc3) || (next & 0xc0) !== 0x80) throw unusual;
      target[to++] = ((byte & 0x03) << 6) | (next & 0x3f);
    }
  }
  return to;
}

const decoder = new HotDecoder();

/**
 * @param key What the connection's messages carry beside them; null without a password.
 * @param entriesMax Messages of more entries are left to the general decoder.
 * @returns null where the general decoder has to look: the message is another one, of another shape,
 *   large, or none at all. What is given is what that one would give.
 */
export function decodeHot(
  pickle: Uint8Array,
  key: Uint8Array | null,
  entriesMax: number,
): HotMessage | null {
  return decoder.decode(pickle, key, entriesMax);
}
