/** Who holds bytes. */
export interface ByteHolder {
  /** It holds more than anybody else, and all together hold too much: let go of everything. */
  evict(): void;
}

/**
 * A bound on the bytes that many connections hold together. Where it is passed, whoever holds most
 * has to go: somebody who hoards bytes cannot have others cut off.
 */
export class ByteBudget {
  readonly #bytesMax: number;
  readonly #held = new Map<ByteHolder, number>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** What the holder holds now. The call may evict it, or another one. */
  set(holder: ByteHolder, bytes: number): void {
    this.#bytes += bytes - (this.#held.get(holder) ?? 0);
    if (bytes === 0) this.#held.delete(holder);
    else this.#held.set(holder, bytes);
    while (this.#bytes > this.#bytesMax) this.#evictLargest();
  }

  #evictLargest(): void {
    let largest: ByteHolder | null = null;
    let most = 0;
    for (const [holder, bytes] of this.#held) {
      if (bytes <= most) continue;
      largest = holder;
      most = bytes;
    }
    if (largest === null) throw new Error("bytes that nobody holds");
    this.set(largest, 0);
    largest.evict();
  }
}
