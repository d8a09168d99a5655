/** Places whose offsets are held together. */
const placesPerChunk = 64 * 1024;

/**
 * Where in the pickle the texts stand that a pickler has put into its memo: one number for each, since few
 * are ever fetched. Zero for what is no text.
 */
export class MemoPlaces {
  /** The place that a pickler fills next. */
  next: number;
  readonly #first: number;
  readonly #chunks: Uint32Array[] = [];
  /** By their places with a letter before: V8 hashes numbers without a seed, and whoever made the dump chooses them. */
  readonly #texts = new Map<string, string>();

  constructor(first: number) {
    this.#first = first;
    this.next = first;
  }

  /** Takes `size` places, one or none, for what stands at `offset`. */
  noteNext(offset: number, size: number): void {
    if (size === 0) return;
    const index = this.next - this.#first;
    const within = index % placesPerChunk;
    if (within === 0) this.#chunks.push(new Uint32Array(placesPerChunk));
    const chunk = this.#chunks[(index - within) / placesPerChunk];
    if (chunk !== undefined) chunk[within] = offset;
    this.next += 1;
  }

  /** Zero for a place that was not taken here. */
  at(place: number): number {
    const index = place - this.#first;
    if (index < 0 || place >= this.next) return 0;
    const within = index % placesPerChunk;
    return this.#chunks[(index - within) / placesPerChunk]?.[within] ?? 0;
  }

  /** The text of a place, made once. */
  text(place: number, make: () => string): string {
    const name = `m${place}`;
    const known = this.#texts.get(name);
    if (known !== undefined) return known;
    const text = make();
    this.#texts.set(name, text);
    return text;
  }
}
