import assert from "node:assert/strict";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import type { Entry } from "../../protocol/log/entry.js";
import { silentLogger } from "../../src/logger.js";
import { type Recovered, Storage } from "../../src/storage/storage.js";

const dataLimits = { dataBytesMax: 64 * 1024 * 1024, entryBytesMax: 8 * 1024 * 1024 };

const selfAddr = "127.0.0.1:4001";
let dataDir = "";

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "quorate-storage-"));
});
afterEach(async () => {
  await rm(dataDir, { recursive: true });
});

function open(directory = dataDir): Promise<{ storage: Storage; recovered: Recovered }> {
  return Storage.open({ dataDir: directory, selfAddr, logger: silentLogger });
}

function entry(index: number, term = 1): Entry {
  return { index, term, command: new Uint8Array(300).fill(index % 251) };
}

function entries(from: number, to: number, term = 1): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, at) => entry(from + at, term));
}

/** What a start would make of the files as they are now. */
async function recoveredAfterKill(): Promise<Recovered> {
  const copy = await mkdtemp(join(tmpdir(), "quorate-storage-"));
  try {
    await cp(dataDir, copy, { recursive: true });
    const { storage, recovered } = await open(copy);
    await storage.close();
    return recovered;
  } finally {
    await rm(copy, { recursive: true });
  }
}

test("the stored commit index never vouches for what comes in the place of cut entries", async () => {
  const first = await open();
  await first.storage.write([{ kind: "append", entries: entries(2, 9) }]);
  first.storage.saveCommitIndex(9);
  await first.storage.close();
  const { storage } = await open();
  // A leader has demanded it; its new entries are not known to be committed.
  storage.saveCommitIndex(5);
  await storage.write([{ kind: "truncate", fromIndex: 6 }]);
  await storage.write([{ kind: "append", entries: entries(6, 9, 2) }]);
  const after = await recoveredAfterKill();
  await storage.close();
  assert.deepEqual([after.entries.at(-1)?.index, after.commitIndex], [9, 5]);
});

test("nor for what comes behind a leader's dump that ends before it", async () => {
  const first = await open();
  await first.storage.write([{ kind: "append", entries: entries(2, 9) }]);
  const source = { last: entry(4), previous: entry(3), members: [selfAddr], codeVersion: 0 };
  await first.storage.writeDump({ ...source, records: [].values() });
  const reader = await first.storage.openDump();
  assert(reader !== null);
  const bytes = await reader.read(65_536);
  await reader.close();
  first.storage.saveCommitIndex(9);
  await first.storage.close();
  const { storage } = await open();
  const receiver = storage.receiveDump(dataLimits);
  await receiver.write(bytes);
  await storage.write([{ kind: "install", dump: await receiver.finish(), keep: [] }]);
  await storage.write([{ kind: "append", entries: entries(5, 9, 2) }]);
  const after = await recoveredAfterKill();
  await storage.close();
  assert.deepEqual([after.entries.at(-1)?.index, after.commitIndex], [9, 4]);
});
