import { ProtocolError } from "../errors.js";
import { sentFrameBytesMax } from "./limits.js";
import { type SegmentPool, segmentBytes, sharedSegments } from "./segments.js";

/** An int32, little-endian, signed as upstream reads it (`TcpConnection.__processParseMessage`). */
export const frameHeaderBytes = 4;

const nothing = new Uint8Array(0);

/** What a reader of frames takes. */
export interface FrameLimits {
  /** Largest payload in bytes that a header may announce. */
  readonly frameBytesMax: number;
}

/**
 * @param payload The compressed (and, with a password, sealed) message.
 * @returns the payload with its length before it.
 */
export function encodeFrame(payload: Uint8Array): Uint8Array {
  const { length } = payload;
  if (length > sentFrameBytesMax) {
    throw new RangeError(`a frame of ${length} bytes, over the limit of ${sentFrameBytesMax}`);
  }
  const frame = new Uint8Array(frameHeaderBytes + payload.length);
  writeLength(frame, payload.length);
  frame.set(payload, frameHeaderBytes);
  return frame;
}

/** Writes the length of a payload of so many bytes before it. */
export function writeFrameHeader(memory: Uint8Array, payloadBytes: number): void {
  writeLength(memory, payloadBytes);
}

/**
 * Cuts a stream of bytes into payloads. After each `push` call `next` until it answers null: then
 * no more than one unfinished frame is held, in segments that are filled as its bytes arrive and
 * used again afterwards.
 */
export class FrameReader {
  #frameBytesMax: number;
  readonly #pool: SegmentPool;
  readonly #header = new Uint8Array(frameHeaderBytes);
  /** Bytes of the header that are there. */
  #headerHeld = 0;
  /** The unfinished payload: full segments, but for the last. */
  #segments: Uint8Array[] = [];
  /** Bytes of it. */
  #held = 0;
  /** Segments of the payload that was given out last. */
  #lent: Uint8Array[] = [];
  /** What arrived and was not looked at yet. */
  #chunk: Uint8Array = nothing;
  /** Bytes to come of a frame that is passed over. */
  #unwanted = 0;

  constructor(limits: FrameLimits, pool: SegmentPool = sharedSegments) {
    this.#frameBytesMax = limits.frameBytesMax;
    this.#pool = pool;
  }

  /** From the next header on. A peer may send more once it has said who it is. */
  setFrameBytesMax(bytes: number): void {
    this.#frameBytesMax = bytes;
  }

  /** Bytes held of frames that are not complete yet. */
  get bufferedBytes(): number {
    return this.#headerHeld + this.#held + this.#chunk.length;
  }

  /** Bytes to come of a frame that is passed over. */
  get unwantedBytes(): number {
    return this.#unwanted;
  }

  /**
   * Takes bytes that have arrived.
   *
   * @param chunk Kept, not copied, until `next` has gone through it.
   */
  push(chunk: Uint8Array): void {
    if (this.#chunk.length === 0) {
      this.#chunk = chunk;
      return;
    }
    const joined = new Uint8Array(this.#chunk.length + chunk.length);
    joined.set(this.#chunk);
    joined.set(chunk, this.#chunk.length);
    this.#chunk = joined;
  }

  /**
   * @returns the next payload (it may be a view of a chunk), or null where more bytes are needed.
   * @throws ProtocolError `frame-length` where a header announces a negative length or one beyond
   *   the limit, before anything that follows it is kept.
   */
  next(): Uint8Array | null {
    const pieces = this.nextPieces();
    if (pieces === null) return null;
    const [single = nothing] = pieces;
    return this.#lent.length === 0 ? single : Buffer.concat(pieces);
  }

  /**
   * The same without a copy, for one look: the pieces (all but the last of a length that four
   * divides) are the caller's, to read and to write, until the next call of any method.
   */
  nextPieces(): Uint8Array[] | null {
    this.release();
    if (this.#unwanted > 0) this.#dropUnwanted();
    return this.#headerHeld === 0 ? this.#fromChunk() : this.#fromSegments();
  }

  /** The pieces given out last are no longer needed. */
  release(): void {
    if (this.#lent.length > 0) this.#pool.giveBack(this.#lent);
    this.#lent = [];
  }

  /**
   * After `frame-length`: goes on behind that frame, of which nothing is kept as it comes.
   *
   * @returns false where its header says more than `bytesMax`, or is none.
   */
  passOver(bytesMax: number): boolean {
    const header = this.#headerHeld === 0 ? this.#chunk : this.#header;
    const length = readLength(header);
    if (length < 0 || length > bytesMax) return false;
    if (this.#headerHeld === 0) this.#drop(frameHeaderBytes);
    this.#headerHeld = 0;
    this.#unwanted = length;
    return true;
  }

  /** Nothing more will be read. */
  close(): void {
    this.release();
    this.#pool.giveBack(this.#segments);
    this.#segments = [];
    this.#held = 0;
    this.#chunk = nothing;
  }

  /** The usual case: the frame begins in this chunk, and mostly ends there: nothing is copied. */
  #fromChunk(): Uint8Array[] | null {
    const chunk = this.#chunk;
    if (chunk.length >= frameHeaderBytes) {
      const end = frameHeaderBytes + this.#payloadBytes(chunk);
      if (chunk.length >= end) {
        this.#drop(end);
        return [chunk.subarray(frameHeaderBytes, end)];
      }
    }
    return chunk.length > 0 ? this.#fromSegments() : null;
  }

  #fromSegments(): Uint8Array[] | null {
    while (this.#headerHeld < frameHeaderBytes) {
      const byte = this.#chunk[0];
      if (byte === undefined) return null;
      this.#header[this.#headerHeld++] = byte;
      this.#drop(1);
    }
    const length = this.#payloadBytes(this.#header);
    this.#fill(Math.min(length - this.#held, this.#chunk.length));
    if (this.#held < length) return null;
    const rest = length % segmentBytes;
    const pieces = [...this.#segments];
    const last = pieces.pop();
    if (last !== undefined) pieces.push(rest === 0 ? last : last.subarray(0, rest));
    this.#lent = this.#segments;
    this.#segments = [];
    this.#held = 0;
    this.#headerHeld = 0;
    return pieces;
  }

  /** Copies from the chunk into segments, of which there are as many as bytes have arrived. */
  #fill(count: number): void {
    for (let left = count; left > 0; ) {
      const used = this.#held % segmentBytes;
      if (used === 0) this.#segments.push(this.#pool.take());
      const step = Math.min(left, segmentBytes - used);
      this.#segments[this.#segments.length - 1]?.set(this.#chunk.subarray(0, step), used);
      this.#held += step;
      left -= step;
      this.#drop(step);
    }
  }

  #dropUnwanted(): void {
    const count = Math.min(this.#unwanted, this.#chunk.length);
    this.#unwanted -= count;
    this.#drop(count);
  }

  /** An empty view would keep the whole chunk alive. */
  #drop(count: number): void {
    this.#chunk = count === this.#chunk.length ? nothing : this.#chunk.subarray(count);
  }

  #payloadBytes(header: Uint8Array): number {
    const length = readLength(header);
    if (length < 0 || length > this.#frameBytesMax) {
      const limit = `0 to ${this.#frameBytesMax}`;
      const text = `a frame of ${length} bytes, allowed are ${limit}`;
      throw new ProtocolError("frame-length", text, { limit: "frameBytesMax" });
    }
    return length;
  }
}

function readLength(header: Uint8Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = header;
  return a | (b << 8) | (c << 16) | (d << 24);
}

function writeLength(frame: Uint8Array, length: number): void {
  frame[0] = length & 0xff;
  frame[1] = (length >>> 8) & 0xff;
  frame[2] = (length >>> 16) & 0xff;
  frame[3] = length >>> 24;
}
