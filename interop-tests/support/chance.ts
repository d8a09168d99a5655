/** Random choices that one integer makes: the same seed, the same choices. */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed, 2_654_435_761) >>> 0 || 1;
  }

  /** An integer from 0 up to, and without, the limit. */
  pick(limit: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % limit;
  }

  is(probability: number): boolean {
    return this.pick(1_000_000) < probability * 1_000_000;
  }

  /** `count` of the items, in their order. */
  some<T>(items: readonly T[], count: number): T[] {
    const left = new Set(items.keys());
    while (left.size > count) left.delete([...left][this.pick(left.size)] ?? 0);
    return [...left].flatMap((at) => items.slice(at, at + 1));
  }
}
