import { inflateSync } from "node:zlib";
import { readStored } from "../../protocol/wire/compression.js";
import { encodeHotFrame } from "../../protocol/wire/hot-messages.js";
import { PickleScan, type Scanned } from "./pickle-scan.js";

/** Messages remembered: all observers are sent the same ones, a little apart. */
const rememberedMax = 1_000;

/** What an observer that keeps no log holds after a message of a leader. */
export function heldAfter({ prevLogIdx, commitIndex, entries, isLastPiece }: Scanned): number {
  // A piece of a dump names no place in the log: it has all that is committed, it says.
  return prevLogIdx === 0 ? commitIndex : prevLogIdx + (isLastPiece ? 1 : entries);
}

/**
 * What observers that only follow answer to a frame. All of them are sent the same frames: each is looked at once,
 * and then known by its length and the checksum at its end.
 */
export class Answers {
  readonly #known = new Map<string, Uint8Array | null>();
  readonly #scan = new PickleScan();

  /** @returns null where nothing is to be answered. */
  to(pieces: readonly Buffer[], length: number): Uint8Array | null {
    const key = `${length}:${checksumOf(pieces)}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const answer = this.#answerTo(Buffer.concat(pieces));
    if (this.#known.size >= rememberedMax) this.#known.clear();
    this.#known.set(key, answer);
    return answer;
  }

  #answerTo(payload: Buffer): Uint8Array | null {
    const message = this.#scan.scan(readStored(payload) ?? inflateSync(payload));
    if (message.type !== "append_entries") return null;
    const nextNodeIdx = heldAfter(message) + 1;
    return encodeHotFrame({ type: "next_node_idx", nextNodeIdx, reset: false, success: true });
  }
}

const checksumBytes = 4;

function checksumOf(pieces: readonly Buffer[]): number {
  const last = pieces.at(-1) ?? Buffer.alloc(0);
  const tail = last.length < checksumBytes ? Buffer.concat(pieces) : last;
  return tail.length < checksumBytes ? 0 : tail.readInt32LE(tail.length - checksumBytes);
}

const headerBytes = 4;

/** Cuts what comes into frames, and copies none of it. */
export class FrameEnds {
  #header = Buffer.alloc(0);
  #length = 0;
  #missing = -1;
  #pieces: Buffer[] = [];

  /** @param ended Is told each frame that is complete: views of what came. */
  push(bytes: Buffer, ended: (pieces: readonly Buffer[], length: number) => void): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#missing < 0) {
        const taken = bytes.subarray(at, at + headerBytes - this.#header.length);
        at += taken.length;
        this.#header = Buffer.concat([this.#header, taken]);
        if (this.#header.length < headerBytes) return;
        this.#length = this.#header.readInt32LE(0);
        this.#missing = this.#length;
        this.#header = Buffer.alloc(0);
        this.#pieces = [];
      }
      const piece = bytes.subarray(at, at + this.#missing);
      at += piece.length;
      this.#pieces.push(piece);
      this.#missing -= piece.length;
      if (this.#missing > 0) return;
      this.#missing = -1;
      ended(this.#pieces, this.#length);
      this.#pieces = [];
    }
  }
}
