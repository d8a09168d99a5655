import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { projectRoot } from "../../interop-tests/support/project.js";
import { recordsBytes, writeRecords } from "../../protocol/files/journal-format.js";
import { encodeMembership } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import { findData } from "../../src/files/data-path.js";
import { verifyMember } from "../../src/files/verify.js";
import { silentLogger } from "../../src/logger.js";
import { nodeFileSystem } from "../../src/storage/node-file-system.js";
import { Storage } from "../../src/storage/storage.js";
import {
  address,
  dumpOf,
  log,
  quorateMember,
  temporaryFolder,
  vanillaJournal,
  vanillaMeta,
} from "./support/made-files.js";

/* Entries that PySyncObj up to 0.3.15 has left out of its journal, and what is none. */

const entries = log([0, 1, 1, 1, 2, 2, 2, 2, 2, 2]);
const meta = vanillaMeta({ raftCommitIndex: 10, currentTerm: 2, votedForNodeId: address });
const without = (...left: readonly number[]) =>
  entries.filter(({ index }) => !left.includes(index));

async function seenIn(folder: string): Promise<string[]> {
  const found = await findData(nodeFileSystem, folder);
  assert.ok(found.kind === "members");
  const all: string[] = [];
  for (const member of found.members) {
    const { findings } = await verifyMember(nodeFileSystem, member);
    all.push(
      ...findings.flatMap(({ code, detail, severity }) =>
        severity === "note" ? [] : `${code}: ${detail}`,
      ),
    );
  }
  return all;
}

function folderWith(t: TestContext, journal: Uint8Array, dump?: Uint8Array): string {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, `${address}.journal`), journal);
  writeFileSync(join(folder, `${address}.journal.meta`), meta);
  if (dump !== undefined) writeFileSync(join(folder, `${address}.dump`), dump);
  return folder;
}

test("what three members of 0.3.15 have left", async () => {
  const folder = join(projectRoot(), "protocol", "vectors", "0.3.15", "left-out");
  const said =
    "entry-left-out: entry 5 is missing, and entries 6 to 10 stand whole behind the gap at byte 237";
  assert.deepEqual(await seenIn(folder), [said, said, said]);
});

test("several are told, gap by gap", async (t) => {
  const [said] = await seenIn(folderWith(t, vanillaJournal(without(5, 6, 9))));
  const range = "entries 5 to 6, 9 are missing, and entries 7 to 10 stand whole behind the gap";
  assert.ok(said?.startsWith(`entry-left-out: ${range}`), said);
});

test("with damage behind the gap nothing is known to be left out", async (t) => {
  const journal = vanillaJournal(without(6));
  const end = journal.readUInt32LE(36);
  journal.fill(1, end - 8, end);
  const codes = (await seenIn(folderWith(t, journal))).map((text) => text.split(":")[0]);
  assert.deepEqual(codes, ["journal-gap", "commit-beyond-log"]);
});

test("indexes that go back are no entries that were left out", async (t) => {
  const journal = vanillaJournal([...entries.slice(0, 6), ...entries.slice(3)]);
  const [said] = await seenIn(folderWith(t, journal));
  assert.match(said ?? "", /^journal-gap: .*up to 6 are whole$/);
});

test("an index with a high bit in the last record is no gap of so many entries", async (t) => {
  const journal = vanillaJournal(entries);
  const last = journal.readUInt32LE(36) - 20 - (entries.at(-1)?.command.length ?? 0);
  assert.equal(journal.readUInt32LE(last), 10);
  journal.writeUInt32LE(10 + 256, last);
  const codes = (await seenIn(folderWith(t, journal))).map((text) => text.split(":")[0]);
  assert.deepEqual(codes, ["journal-gap", "commit-beyond-log"]);
});

/** As PySyncObj adds to a file of Quorate's: it moves the end offset, and knows nothing of the checksums. */
function addedTo(folder: string, sealed: Buffer, more: readonly Entry[]): void {
  const end = sealed.readUInt32LE(36);
  const bytes = Buffer.concat([sealed.subarray(0, end), Buffer.alloc(recordsBytes(more) + 100)]);
  writeRecords(more, bytes, end);
  bytes.writeUInt32LE(end + recordsBytes(more), 36);
  writeFileSync(join(folder, `${address}.journal`), bytes);
}

test("behind what a Quorate member wrote", async (t) => {
  const folder = temporaryFolder(t);
  await quorateMember(folder, [entries.slice(1, 6)]);
  addedTo(folder, readFileSync(join(folder, `${address}.journal`)), entries.slice(7));
  const [said] = await seenIn(folder);
  assert.match(said ?? "", /^entry-left-out: entry 7 is missing, and entries 8 to 10 stand whole/);
});

test("a start of Quorate keeps such a file beside, and waits for a leader", async (t) => {
  const folder = folderWith(t, vanillaJournal(without(6)));
  const given = { dataDir: folder, selfAddr: address, logger: silentLogger };
  const { storage, recovered } = await Storage.open(given);
  await storage.close();
  assert.deepEqual([recovered.entries.length, recovered.mustRefetch], [5, true]);
});

test("a member that the journal adds behind the dump is a member", async (t) => {
  const joins = (change: "add" | "rem", of: string): Entry[] => [
    ...entries.slice(3, 6),
    { index: 7, term: 2, command: encodeMembership(change, of) },
    ...entries.slice(7),
  ];
  const noted = async (journal: readonly Entry[], members: readonly string[]) => {
    const folder = folderWith(t, vanillaJournal(journal), dumpOf(entries, 5, { members }));
    const found = await findData(nodeFileSystem, folder);
    assert.ok(found.kind === "members");
    const [member] = found.members;
    assert.ok(member !== undefined);
    const { findings } = await verifyMember(nodeFileSystem, member);
    return findings.map(({ code }) => code);
  };
  assert.deepEqual(await noted(joins("add", address), ["a:1"]), []);
  assert.deepEqual(await noted(joins("add", "b:1"), ["a:1"]), ["dump-not-member"]);
  assert.deepEqual(await noted(joins("rem", address), [address]), ["dump-not-member"]);
});
