import { recordsBytes } from "../../../protocol/files/journal-format.js";
import { encodeNoOp } from "../../../protocol/log/commands.js";
import type { Watch } from "../../files/watch.js";
import type { FileHandle } from "../../storage/file-system.js";
import { encodeNewDump } from "./force-new-cluster.js";
import type { Survivor } from "./survivor.js";

/** Room on the disk of the files. */
export interface Room {
  /**
   * The copies and the new files: until the last step nothing takes an old one's place. Where there is plenty of
   * room it is the most that they can need, where there is far too little the least.
   */
  readonly neededBytes: number;
  readonly freeBytes: number;
}

/** The new meta file, the record, header and blocks begun of each file. */
const slackBytes = 128 * 1024;

/**
 * What a recovery needs. The new dump is measured only where it could matter: that takes as long as to write it.
 *
 * @param oldBytes Of each of the files that are copied.
 */
export async function roomFor(
  survivor: Survivor,
  given: { readonly oldBytes: number; readonly freeBytes: number; readonly watch: Watch },
): Promise<Room> {
  const { oldBytes, freeBytes, watch } = given;
  watch.signal?.throwIfAborted();
  const sure = oldBytes + recordsBytes([survivor.last]) + slackBytes;
  // Of the same data as the old files: larger than those only by a freak of compression.
  const most = sure + 2 * oldBytes;
  if (freeBytes >= most) return { neededBytes: most, freeBytes };
  const dumpBytes = freeBytes < sure ? 0 : await newDumpBytes(survivor, watch);
  return { neededBytes: sure + dumpBytes, freeBytes };
}

/** Why the disk is too small; null: it is not. */
export function roomRefusal({ neededBytes, freeBytes }: Room, directory: string): string | null {
  if (neededBytes <= freeBytes) return null;
  return (
    `the copies and the new files need ${neededBytes} bytes, and ${freeBytes} are free where ${directory} is: ` +
    "make room first. Nothing was changed"
  );
}

async function newDumpBytes(survivor: Survivor, watch: Watch): Promise<number> {
  let bytes = 0;
  const counter: FileHandle = {
    size: async () => bytes,
    read: async () => new Uint8Array(0),
    write: async (piece, position) => {
      bytes = Math.max(bytes, position + piece.length);
    },
    sync: async () => {},
    truncate: async () => {},
    close: async () => {},
  };
  const { lastIndex, newTerm } = survivor.plan;
  const last = { index: lastIndex + 1, term: newTerm, command: encodeNoOp() };
  await encodeNewDump(counter, { survivor, last, onKeys: () => {}, watch });
  return bytes;
}
