import type { Entry } from "../../protocol/log/entry.js";
import type { Clock } from "../clock.js";
import type { Logger } from "../logger.js";
import type { Compression } from "./compression.js";
import type { ReceivedDump } from "./dump-files.js";
import type { FileSystem } from "./file-system.js";
import type { Recovered } from "./recovered.js";

export interface StorageOptions {
  readonly dataDir: string;
  /** `host:port`: the files' name. */
  readonly selfAddr: string;
  readonly logger: Logger;
  /** The real one where absent. */
  readonly fileSystem?: FileSystem;
  readonly clock?: Clock;
  readonly compression?: Compression;
  /** For the names of files that are set aside; the clock's where absent. */
  readonly now?: () => Date;
  /**
   * Told what was found before anything is changed; nothing is where it rejects. It holds the lock.
   */
  readonly beforeChanges?: (found: Pick<Recovered, "mustRefetch" | "findings">) => Promise<void>;
}

export type StorageWrite =
  | { readonly kind: "append"; readonly entries: readonly Entry[] }
  | { readonly kind: "truncate"; readonly fromIndex: number }
  | { readonly kind: "meta"; readonly term: number; readonly votedFor: string | null }
  /** Puts the written dump in place and drops what stands before its `previous` entry. */
  | { readonly kind: "compact"; readonly keepFrom: number }
  /** Puts a leader's dump in place; the journal becomes its two entries, then `keep`. */
  | { readonly kind: "install"; readonly dump: ReceivedDump; readonly keep: readonly Entry[] }
  /** Whether acknowledged state may be missing, and the term too: what to refuse then, after restarts too. */
  | { readonly kind: "must-refetch"; readonly missing: boolean; readonly forgotTerm: boolean }
  /** Terms up to this one may have been led twice. */
  | { readonly kind: "second-term"; readonly term: number }
  /** Keeps what a leader wants gone in files of its own; see conflict-file.ts. */
  | {
      readonly kind: "keep-conflict";
      readonly entries: readonly Entry[];
      /** A copy of the dump as well. */
      readonly withDump: boolean;
      /** They are on the disk, under these paths. */
      kept(paths: readonly string[]): void;
    };
