/** A piece of a frame that comes in pieces; four divides it, so that base64 ends where it ends. */
export const segmentBytes = 4 * 1024;

/** Segments are cut from blocks of this size. */
const slabBytes = 256 * 1024;

/**
 * Memory for frames that are received in pieces. What is given back is used again, so that it never
 * takes more than was needed at once: buffers that come and go with each frame would wait for the
 * garbage collector, by the hundred megabytes when somebody sends large ones in a row.
 */
export class SegmentPool {
  readonly #free: Uint8Array[] = [];
  #bytes = 0;

  /** Memory taken so far. It never becomes less. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A segment with anything in it. */
  take(): Uint8Array {
    const segment = this.#free.pop();
    if (segment !== undefined) return segment;
    const slab = new Uint8Array(slabBytes);
    this.#bytes += slabBytes;
    for (let at = segmentBytes; at < slabBytes; at += segmentBytes) {
      this.#free.push(slab.subarray(at, at + segmentBytes));
    }
    return slab.subarray(0, segmentBytes);
  }

  /** They must not be looked at any more. */
  giveBack(segments: readonly Uint8Array[]): void {
    for (const segment of segments) this.#free.push(segment);
  }
}

/** For all connections. */
export const sharedSegments = new SegmentPool();
