import { recordOverheadBytes } from "../../protocol/files/journal-format.js";
import type { Entry } from "../../protocol/log/entry.js";
import { commandBytes, StoredEntry } from "../../protocol/log/stored-entry.js";
import type { JournalBatch } from "./journal-pieces.js";
import { keptPieceShare } from "./limits.js";

/** Bytes of a record before its command. */
const headBytes = recordOverheadBytes - 4;

/**
 * A batch's entries as a member is to hold them. They keep the memory of their batch, so that what the log
 * is rid of later is given back a piece at a time.
 */
export function keptEntries({ entries, bytes }: JournalBatch): Entry[] {
  // Records of half a piece leave half of it unused, and of a whole file in memory it would all stay.
  const isMost = bytes.length >= bytes.buffer.byteLength * keptPieceShare;
  const held = isMost ? bytes : new Uint8Array(bytes);
  let at = 0;
  return entries.map((entry) => {
    const command = { start: at + headBytes, length: commandBytes(entry) };
    at += recordOverheadBytes + command.length;
    return new StoredEntry(entry, held, command);
  });
}
