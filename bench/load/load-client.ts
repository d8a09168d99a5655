/** What a load generator asks of a system, whichever it is. */
export interface LoadClient {
  /** Resolves when writes have somewhere to go. */
  open(): Promise<void>;
  /**
   * Writes a value to the key of this number.
   *
   * @param done Called once: true when the write is committed, false where that is not known or where
   *   it was refused.
   */
  write(key: number, done: (committed: boolean) => void): void;
  close(): void;
}

export interface Workload {
  readonly valueBytes: number;
  readonly keys: number;
}

/** Up to here what is written to a key is encoded once and kept. */
const keptMax = 10_000;

/** Encodes what is written to a key, by the key's number, once each where there are few. */
export class Encoded {
  readonly #kept: Uint8Array[] = [];
  readonly #make: (key: number) => Uint8Array;

  constructor(make: (key: number) => Uint8Array) {
    this.#make = make;
  }

  of(key: number): Uint8Array {
    const kept = this.#kept[key];
    if (kept !== undefined) return kept;
    const made = this.#make(key);
    if (key < keptMax) this.#kept[key] = made;
    return made;
  }
}

export function keyName(key: number): string {
  return `/bench/${key}`;
}

const digits = Buffer.from("0123456789abcdefghijklmnopqrstuvwxyz");

/** Text that does not compress to nothing, different for each key. A mebibyte takes milliseconds to make. */
export function valueText(key: number, bytes: number): string {
  const text = Buffer.alloc(bytes);
  let state = ((key + 1) * 2_654_435_761) >>> 0;
  for (let at = 0; at < bytes; at++) {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + at) >>> 0;
    text[at] = digits[(state >>> 8) % digits.length] ?? 0;
  }
  return text.toString("latin1");
}
