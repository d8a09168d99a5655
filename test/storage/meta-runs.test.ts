import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "../../src/logger.js";
import { Storage, type StorageWrite } from "../../src/storage/storage.js";
import { CrashFileSystem } from "./crash-file-system.js";

/*
 * Whoever passes for a member can raise the term with each of its messages, some thousand times a second. What
 * gathers while a write is under way is stored as one: no message that shows any of it leaves before all is durable.
 */

const selfAddr = "127.0.0.1:4001";
const meta = `/data/${selfAddr}.journal.meta`;

async function opened(fs: CrashFileSystem) {
  return await Storage.open({ dataDir: "/data", selfAddr, logger: silentLogger, fileSystem: fs });
}

/** A member of its own disk that has no file yet, and how often its meta file was put in place since. */
async function scene() {
  const fs = new CrashFileSystem();
  const { storage } = await opened(fs);
  const made = { fs, storage, stores: 0 };
  fs.fault = (operation, path) => {
    if (operation === "rename" && path === meta) made.stores += 1;
  };
  return made;
}

test("terms that rise by a hundred while a write is under way are stored once, and the last is there", async () => {
  const made = await scene();
  const terms: StorageWrite[] = Array.from({ length: 100 }, (_, at) => {
    return { kind: "meta", term: 3 + at, votedFor: at % 2 === 0 ? null : selfAddr };
  });
  await made.storage.write(terms);
  assert.equal(made.stores, 1);
  // Only what is durable counts.
  made.fs.restart({ pick: () => 0 });
  const { recovered } = await opened(made.fs);
  assert.deepEqual([recovered.term, recovered.votedFor], [102, selfAddr]);
});

test("what else the file holds is stored with them, and what was asked of one stays for those behind it", async () => {
  const made = await scene();
  await made.storage.write([
    { kind: "meta", term: 3, votedFor: selfAddr },
    { kind: "must-refetch", missing: true, forgotTerm: true },
    { kind: "second-term", term: 2 },
    { kind: "meta", term: 4, votedFor: null },
  ]);
  assert.equal(made.stores, 1);
  made.fs.restart({ pick: () => 0 });
  const { recovered } = await opened(made.fs);
  const { term, votedFor, mustRefetch, forgotTerm, secondTerm } = recovered;
  assert.deepEqual([term, votedFor], [4, null]);
  assert.deepEqual([mustRefetch, forgotTerm, secondTerm], [true, true, 2]);
});

test("whoever has voted is none that never took part, also where a later term came with it", async () => {
  const blank: StorageWrite = { kind: "meta", term: 3, votedFor: null };
  for (const [ops, isNew] of [
    [[blank, { ...blank, term: 4 }], true],
    [
      [
        { ...blank, votedFor: "127.0.0.1:4002" },
        { ...blank, term: 4 },
      ],
      false,
    ],
  ] as const) {
    const made = await scene();
    await made.storage.write(ops);
    made.fs.restart({ pick: () => 0 });
    assert.equal((await opened(made.fs)).recovered.isNew, isNew);
  }
});

test("entries between two terms are stored between them", async () => {
  const made = await scene();
  const order: string[] = [];
  made.fs.fault = (operation, path) => {
    if (operation === "rename" && path === meta) order.push("term");
    if (operation === "sync" && !path.includes("meta") && order.at(-1) !== "entry")
      order.push("entry");
  };
  await made.storage.write([
    { kind: "meta", term: 1, votedFor: null },
    { kind: "append", entries: [{ index: 2, term: 1, command: Uint8Array.of(0, 1) }] },
    { kind: "meta", term: 2, votedFor: null },
    { kind: "meta", term: 3, votedFor: null },
  ]);
  assert.deepEqual(order, ["term", "entry", "term"]);
});
