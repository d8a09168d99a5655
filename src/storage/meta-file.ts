import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { ProtocolError } from "../../protocol/errors.js";
import { metaBytesMax } from "../../protocol/files/limits.js";
import { decodeMeta, encodeMeta, type Meta } from "../../protocol/files/meta-format.js";
import type { FileSystem } from "./file-system.js";
import { asideOf, readWhole } from "./files.js";
import { storageFault, syncFault } from "./storage-error.js";

export type LoadedMeta =
  | { readonly kind: "absent" }
  | {
      readonly kind: "meta";
      readonly meta: Meta;
      readonly isSealed: boolean;
      readonly isRepaired: boolean;
    }
  | {
      readonly kind: "damaged";
      readonly reason: string;
      /** Where a start that came to no end had put it; null: it stands where it was. */
      readonly setAsideTo: string | null;
    };

export const emptyMeta: Meta = {
  term: 0,
  votedFor: null,
  commitIndex: 1,
  mustRefetch: false,
  forgotTerm: false,
  isBlank: false,
  secondTerm: 0,
  termFloor: 0,
  owner: null,
  otherKeys: new Map(),
};

/**
 * Term, vote and commit index. Every change is a new file beside, synced, renamed, and the
 * directory synced, so that a crash leaves the old values or the new ones. Writes wait for each
 * other.
 */
export class MetaFile {
  readonly path: string;
  readonly #fs: FileSystem;
  #stored: Meta;
  #queue: Promise<void> = Promise.resolve();

  constructor(fs: FileSystem, path: string, stored: Meta) {
    this.#fs = fs;
    this.path = path;
    this.#stored = stored;
  }

  /** The values in the file. */
  get stored(): Meta {
    return this.#stored;
  }

  /** Durable when the promise resolves; after a failure the file is as it was, or as asked. */
  store(change: Partial<Meta>): Promise<void> {
    const done = this.#queue.then(() => this.#write({ ...this.#stored, ...change }));
    this.#queue = done.catch(() => {});
    return done;
  }

  /** Resolves when nothing is being stored. */
  settled(): Promise<void> {
    return this.#queue;
  }

  async #write(meta: Meta): Promise<void> {
    const temporary = `${this.path}.tmp`;
    try {
      const file = await this.#fs.open(temporary, "create");
      try {
        await file.write(encodeMeta(meta, crc32), 0);
        await file.sync();
      } finally {
        await file.close();
      }
      await this.#fs.rename(temporary, this.path);
    } catch (error) {
      throw storageFault(error, this.path, "storing term and vote");
    }
    this.#stored = meta;
    try {
      await this.#fs.syncDirectory(dirname(this.path));
    } catch (cause) {
      throw syncFault(cause, this.path);
    }
  }
}

export async function loadMeta(fs: FileSystem, path: string): Promise<LoadedMeta> {
  const bytes = await readWhole(fs, path, metaBytesMax);
  if (bytes === null) {
    // A start stores a meta directly after it has set one aside. Where it did not come to that, the
    // member must not pass for one that never had any.
    const setAsideTo = (await asideOf(fs, path)).at(-1);
    if (setAsideTo === undefined) return { kind: "absent" };
    return { kind: "damaged", reason: "set aside by a start that came to no end", setAsideTo };
  }
  try {
    return { kind: "meta", ...decodeMeta(bytes, crc32) };
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { kind: "damaged", reason: error.message, setAsideTo: null };
  }
}
