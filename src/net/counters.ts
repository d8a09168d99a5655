/** Named counts since the start. Names are fixed words of the code, never bytes of a peer. */
export class Counters {
  readonly #counts: Record<string, number> = {};

  add(name: string, amount = 1): void {
    this.#counts[name] = (this.#counts[name] ?? 0) + amount;
  }

  /** A copy: what is read out does not change under the reader. */
  snapshot(): Readonly<Record<string, number>> {
    return { ...this.#counts };
  }
}
