import type { Meta } from "../../protocol/files/meta-format.js";
import type { StorageWrite } from "./storage-types.js";

/** What a run of operations makes of the meta file, which each of them would have written by itself. */
export interface MetaRun {
  readonly count: number;
  /** Null where it is there already. */
  readonly change: Partial<Meta> | null;
}

/**
 * The run that begins at `at`. Terms can rise faster than a disk stores them, in a storm of elections or where
 * somebody forges them: nobody learns of any before the whole write is durable, so that the last one is enough.
 */
export function metaRun(
  ops: readonly StorageWrite[],
  at: number,
  stored: Meta,
  commitIndex: number,
): MetaRun {
  let change: Partial<Meta> = {};
  let count = 0;
  for (;;) {
    const op = ops[at + count];
    const more = op === undefined ? null : changeOf(op, { ...stored, ...change }, commitIndex);
    if (more === null) break;
    change = { ...change, ...more };
    count += 1;
  }
  return { count, change: Object.keys(change).length === 0 ? null : change };
}

/**
 * Nothing but what it is about: the commit index may be on its way to the file by itself.
 *
 * @returns null where the operation is about another file.
 */
function changeOf(op: StorageWrite, meta: Meta, commitIndex: number): Partial<Meta> | null {
  switch (op.kind) {
    case "meta": {
      const { term, votedFor } = op;
      if (term < meta.term) throw new Error(`term ${term} after ${meta.term}`);
      if (term === meta.term && votedFor === meta.votedFor) return {};
      return { term, votedFor, commitIndex, isBlank: meta.isBlank && votedFor === null };
    }
    case "must-refetch": {
      const { missing: mustRefetch, forgotTerm } = op;
      return { mustRefetch, forgotTerm, isBlank: false };
    }
    case "second-term":
      return { secondTerm: op.term };
    default:
      return null;
  }
}
