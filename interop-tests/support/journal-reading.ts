import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import {
  journalHeaderBytes,
  parseJournalHeader,
  walkRecords,
} from "../../protocol/files/journal-format.js";
import type { Entry } from "../../protocol/log/entry.js";

/** All entries in the journal of a member, vanilla or ours, that writes nothing at the moment. */
export function readJournal(dataDir: string, selfAddr: string): readonly Entry[] {
  const bytes = readFileSync(join(dataDir, `${selfAddr}.journal`));
  const { isJournal, endOffset } = parseJournalHeader(bytes, crc32);
  assert.ok(isJournal, `${selfAddr}.journal is one`);
  const range = { from: journalHeaderBytes, to: endOffset, termJumpMax: Number.POSITIVE_INFINITY };
  const { entries, stop } = walkRecords(bytes, range);
  assert.equal(stop, null);
  return entries;
}
