/** A bound on the bytes that many connections hold together. */
export class ReceiveBudget {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes (or gives back, where negative); false where the bound is passed now. */
  change(bytes: number): boolean {
    this.#bytes += bytes;
    return bytes <= 0 || this.#bytes <= this.#bytesMax;
  }

  release(bytes: number): void {
    this.#bytes -= bytes;
  }
}
