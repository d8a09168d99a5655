import { ProtocolError } from "../errors.js";
import { frameBufferBytesMin, frameBytesMax } from "./limits.js";

/** An int32, little-endian, signed as upstream reads it (`TcpConnection.__processParseMessage`). */
export const frameHeaderBytes = 4;

export interface FrameLimits {
  /** Largest payload in bytes that a header may announce. */
  readonly frameBytesMax: number;
}

/**
 * @param payload The compressed (and, with a password, sealed) message.
 * @returns the payload with its length before it.
 */
export function encodeFrame(payload: Uint8Array): Uint8Array {
  if (payload.length > frameBytesMax) {
    throw new RangeError(`a frame of ${payload.length} bytes, over the limit of ${frameBytesMax}`);
  }
  const frame = new Uint8Array(frameHeaderBytes + payload.length);
  writeLength(frame, payload.length);
  frame.set(payload, frameHeaderBytes);
  return frame;
}

/**
 * Cuts a stream of bytes into payloads. After each `push` call `next` until it answers null: then
 * no more than one unfinished frame is held, in at most twice the bytes that arrived of it.
 */
export class FrameReader {
  #frameBytesMax: number;
  /** Room for the unfinished frame, header included; the first `#held` bytes are filled. */
  #buffer = new Uint8Array(0);
  #held = 0;
  /** What arrived and was not looked at yet. */
  #chunk: Uint8Array = new Uint8Array(0);

  constructor(limits: FrameLimits) {
    this.#frameBytesMax = limits.frameBytesMax;
  }

  /** From the next header on. A peer may send more once it has said who it is. */
  setFrameBytesMax(bytes: number): void {
    this.#frameBytesMax = bytes;
  }

  /** Bytes held of frames that are not complete yet. */
  get bufferedBytes(): number {
    return this.#held + this.#chunk.length;
  }

  /** @param chunk Kept, not copied, until `next` has gone through it. */
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
    return this.#held === 0 ? this.#fromChunk() : this.#fromBuffer();
  }

  /** The usual case: the frame begins in this chunk, and mostly ends there: nothing is copied. */
  #fromChunk(): Uint8Array | null {
    const chunk = this.#chunk;
    if (chunk.length >= frameHeaderBytes) {
      const end = frameHeaderBytes + this.#payloadBytes(chunk);
      if (chunk.length >= end) {
        this.#chunk = chunk.subarray(end);
        return chunk.subarray(frameHeaderBytes, end);
      }
      this.#take(chunk.length, end);
    } else if (chunk.length > 0) {
      this.#take(chunk.length, frameHeaderBytes);
    }
    return null;
  }

  #fromBuffer(): Uint8Array | null {
    if (this.#held < frameHeaderBytes) {
      const missing = frameHeaderBytes - this.#held;
      this.#take(Math.min(missing, this.#chunk.length), frameHeaderBytes);
      if (this.#held < frameHeaderBytes) return null;
    }
    const end = frameHeaderBytes + this.#payloadBytes(this.#buffer);
    this.#take(Math.min(end - this.#held, this.#chunk.length), end);
    if (this.#held < end) return null;
    const payload = this.#buffer.subarray(frameHeaderBytes, end);
    this.#buffer = new Uint8Array(0);
    this.#held = 0;
    return payload;
  }

  /** Copies from the chunk into the buffer, which grows with what arrives, not with promises. */
  #take(count: number, frameEnd: number): void {
    const needed = this.#held + count;
    if (this.#buffer.length < needed) {
      const room = Math.max(needed, this.#buffer.length * 2, frameBufferBytesMin);
      const grown = new Uint8Array(Math.max(frameHeaderBytes, needed, Math.min(room, frameEnd)));
      grown.set(this.#buffer.subarray(0, this.#held));
      this.#buffer = grown;
    }
    this.#buffer.set(this.#chunk.subarray(0, count), this.#held);
    this.#held = needed;
    // An empty view would keep the whole chunk alive.
    this.#chunk = count === this.#chunk.length ? new Uint8Array(0) : this.#chunk.subarray(count);
  }

  #payloadBytes(header: Uint8Array): number {
    const length = readLength(header);
    if (length < 0 || length > this.#frameBytesMax) {
      const limit = `0 to ${this.#frameBytesMax}`;
      throw new ProtocolError("frame-length", `a frame of ${length} bytes, allowed are ${limit}`);
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
