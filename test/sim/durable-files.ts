import { crc32 } from "node:zlib";
import {
  journalHeaderBytes,
  parseJournalHeader,
  walkRecords,
} from "../../protocol/files/journal-format.js";
import { decodeMeta, type Meta } from "../../protocol/files/meta-format.js";
import type { Inode } from "./disk-image.js";
import type { SimDisk } from "./sim-disk.js";

type DurableMeta = Pick<
  Meta,
  "term" | "votedFor" | "commitIndex" | "mustRefetch" | "forgotTerm" | "isBlank"
>;

const nothing: DurableMeta = {
  term: 0,
  votedFor: null,
  commitIndex: 1,
  mustRefetch: false,
  forgotTerm: false,
  isBlank: false,
};

/** What a loss of power in this moment would leave of a member's journal and meta for sure. */
export class DurableFiles {
  readonly #disk: SimDisk;
  readonly #address: string;
  readonly #meta = new Cached((bytes): DurableMeta => {
    try {
      return decodeMeta(bytes, crc32).meta;
    } catch {
      // Torn, or none: it vouches for nothing.
      return nothing;
    }
  });
  readonly #journal = new Cached((bytes) => {
    // A member that begins anew has a file before it has anything in it.
    if (bytes.length < journalHeaderBytes) return { first: 1, terms: [] };
    const to = Math.min(parseJournalHeader(bytes, crc32).endOffset, bytes.length);
    const range = { from: journalHeaderBytes, to, termJumpMax: Number.POSITIVE_INFINITY };
    const { entries } = walkRecords(bytes, range);
    return { first: entries[0]?.index ?? 1, terms: entries.map(({ term }) => term) };
  });

  constructor(disk: SimDisk, address: string) {
    this.#disk = disk;
    this.#address = address;
  }

  get journalPath(): string {
    return `/data/${this.#address}.journal`;
  }

  meta(): DurableMeta {
    return this.#meta.of(this.#disk.image.findDurable(`${this.journalPath}.meta`));
  }

  journal(): { readonly first: number; readonly terms: readonly number[] } {
    return this.#journal.of(this.#disk.image.findDurable(this.journalPath));
  }

  /** The journal's bytes; null where there is none. */
  journalBytes(): Buffer | null {
    const inode = this.#disk.image.findDurable(this.journalPath);
    return inode === undefined ? null : Buffer.from(inode.durable());
  }

  /** The dump's file, which is another one with each dump. */
  dump(): Inode | undefined {
    return this.#disk.image.findDurable(`/data/${this.#address}.dump`);
  }

  /** The entry is there, as such or in the dump. */
  holds(index: number, term: number): boolean {
    return index < this.journal().first || this.termAt(index) === term;
  }

  lastIndex(): number {
    const { first, terms } = this.journal();
    return first + terms.length - 1;
  }

  termAt(index: number): number | null {
    const { first, terms } = this.journal();
    return terms[index - first] ?? null;
  }
}

/** Reads a file again only when its durable content is another. */
class Cached<T> {
  readonly #read: (bytes: Uint8Array) => T;
  #inode: Inode | undefined;
  #syncs = -1;
  #value: T | null = null;

  constructor(read: (bytes: Uint8Array) => T) {
    this.#read = read;
  }

  of(inode: Inode | undefined): T {
    const syncs = inode?.syncs ?? 0;
    if (this.#value === null || this.#inode !== inode || this.#syncs !== syncs) {
      this.#inode = inode;
      this.#syncs = syncs;
      this.#value = this.#read(inode?.durable() ?? new Uint8Array());
    }
    return this.#value;
  }
}
