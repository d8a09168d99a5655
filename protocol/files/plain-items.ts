/** One item of a dump's data as all of Patroni's are: a dict of these fields under a str. */
export interface PlainItem {
  readonly key: string;
  readonly value: string;
  readonly updated: number;
  readonly created: number;
  /** Null where the dict has no such field. */
  readonly expire: number | null;
  readonly index: number;
  /** Of the key and the value in UTF-8. */
  readonly textBytes: number;
}

/** Items held together: arrays of them take a fraction of what as many objects do. */
const itemsPerChunk = 1024;
/** Places of an item in `times`. */
const timesPerItem = 3;

class Chunk {
  readonly keys = new Array<string>(itemsPerChunk);
  readonly values = new Array<string>(itemsPerChunk);
  readonly indexes = new Array<number>(itemsPerChunk);
  readonly textBytes = new Array<number>(itemsPerChunk);
  /** When each was updated, was created, and expires. */
  readonly times = new Float64Array(timesPerItem * itemsPerChunk);
  readonly expires = new Uint8Array(itemsPerChunk);
}

/** Times of an item, until the next one is read. */
export interface PlainTimes {
  updated: number;
  created: number;
  expire: number | null;
}

/**
 * The data of a dump all of whose values are plain, in the order of the dump. A key may come more than once:
 * the last of its values counts, in the place of the first.
 */
export class PlainItems {
  readonly #chunks: Chunk[] = [];
  #last = new Chunk();
  #inLast = itemsPerChunk;
  #length = 0;

  /** Number of items: no less than there are keys. */
  get length(): number {
    return this.#length;
  }

  add(key: string, value: string, ...rest: readonly [PlainTimes, number, number]): void {
    const [times, index, textBytes] = rest;
    if (this.#inLast === itemsPerChunk) {
      this.#last = new Chunk();
      this.#chunks.push(this.#last);
      this.#inLast = 0;
    }
    const at = this.#inLast;
    const chunk = this.#last;
    chunk.keys[at] = key;
    chunk.values[at] = value;
    chunk.indexes[at] = index;
    chunk.textBytes[at] = textBytes;
    chunk.times[timesPerItem * at] = times.updated;
    chunk.times[timesPerItem * at + 1] = times.created;
    if (times.expire !== null) {
      chunk.times[timesPerItem * at + 2] = times.expire;
      chunk.expires[at] = 1;
    }
    this.#inLast += 1;
    this.#length += 1;
  }

  /** The item with this number, from 0 on. */
  at(number: number): PlainItem {
    const at = number % itemsPerChunk;
    const chunk = this.#chunks[(number - at) / itemsPerChunk];
    if (chunk === undefined || number >= this.#length) throw new RangeError("no such item");
    const { times } = chunk;
    return {
      key: chunk.keys[at] ?? "",
      value: chunk.values[at] ?? "",
      updated: times[timesPerItem * at] ?? 0,
      created: times[timesPerItem * at + 1] ?? 0,
      expire: chunk.expires[at] === 1 ? (times[timesPerItem * at + 2] ?? 0) : null,
      index: chunk.indexes[at] ?? 0,
      textBytes: chunk.textBytes[at] ?? 0,
    };
  }
}
