import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { crc32 } from "node:zlib";
import { decodeMeta, encodeMetaPickle } from "../../protocol/files/meta-format.js";
import type { Entry } from "../../protocol/log/entry.js";
import { encodePickle } from "../../protocol/pickle/encoder.js";
import type { PyDict, PyValue } from "../../protocol/pickle/values.js";
import { silentLogger } from "../../src/logger.js";
import { type Recovered, Storage } from "../../src/storage/storage.js";
import { StorageError } from "../../src/storage/storage-error.js";
import { Store } from "../../src/store/store.js";
import { CrashFileSystem } from "./crash-file-system.js";

const address = "127.0.0.1:4001";
const base = `/d/${address}`;
const journal = `${base}.journal`;
const meta = `${base}.journal.meta`;
const dump = `${base}.dump`;

type Content = Readonly<Record<string, Uint8Array>>;

async function open(fs: CrashFileSystem): Promise<{ storage: Storage; recovered: Recovered }> {
  const now = () => new Date("2026-01-31T23:59:59.000Z");
  return await Storage.open({
    dataDir: "/d",
    selfAddr: address,
    logger: silentLogger,
    fileSystem: fs,
    now,
  });
}

async function openContent(
  content: Content,
): Promise<{ fs: CrashFileSystem; recovered: Recovered }> {
  const fs = new CrashFileSystem();
  for (const [path, bytes] of Object.entries(content)) fs.put(path, bytes);
  const { storage, recovered } = await open(fs);
  await storage.close();
  return { fs, recovered };
}

function content(fs: CrashFileSystem): Record<string, Uint8Array> {
  return Object.fromEntries(
    fs.paths().map((path) => [path, new Uint8Array(fs.read(path) ?? Buffer.alloc(0))]),
  );
}

function command(text: string): Uint8Array {
  return Uint8Array.from([0, ...Buffer.from(text)]);
}

function entry(index: number, term: number): Entry {
  return { index, term, command: command(`entry ${index} of ${term}`) };
}

/** A vanilla journal: no seal. */
function vanillaJournal(entries: readonly Entry[], end?: number): Buffer {
  const records = entries.map(({ index, term, command: bytes }) => {
    const record = Buffer.alloc(24 + bytes.length);
    record.writeUInt32LE(16 + bytes.length, 0);
    record.writeBigUInt64LE(BigInt(index), 4);
    record.writeBigUInt64LE(BigInt(term), 12);
    record.set(bytes, 20);
    record.writeUInt32LE(16 + bytes.length, 20 + bytes.length);
    return record;
  });
  const header = Buffer.alloc(40);
  header.write("PYSYNCOBJ", 0, "latin1");
  header.write("0.3.15", 24, "latin1");
  header.writeUInt32LE(1, 32);
  const body = Buffer.concat(records);
  header.writeUInt32LE(end ?? 40 + body.length, 36);
  return Buffer.concat([header, body, Buffer.alloc(2000)]);
}

function vanillaMeta(values: Record<string, PyValue>): Uint8Array {
  return encodePickle(new Map<PyValue, PyValue>(Object.entries(values)));
}

const noOp: Entry = { index: 1, term: 0, command: Uint8Array.of(1) };

function essence(recovered: Recovered): unknown {
  return {
    term: recovered.term,
    votedFor: recovered.votedFor,
    entries: recovered.entries.map((e) => [
      e.index,
      e.term,
      Buffer.from(e.command).toString("hex"),
    ]),
    dump:
      recovered.dump === null
        ? null
        : [...Store.fromDump(recovered.dump.data).entries()].map(([key]) => key),
  };
}

function* records(): Generator<readonly [PyValue, PyDict]> {
  yield ["/a", new Map<PyValue, PyValue>([["value", "x"]])];
  yield ["/b", new Map<PyValue, PyValue>([["value", "y"]])];
}

/** A member's files after some life: a compacted journal, several batches, a vote. */
async function lived(options: {
  dump: boolean;
  close: boolean;
  /** Of the dump. */
  members?: readonly string[];
}): Promise<Record<string, Uint8Array>> {
  const fs = new CrashFileSystem();
  const { storage } = await open(fs);
  await storage.write([{ kind: "meta", term: 7, votedFor: address }]);
  await storage.write([{ kind: "append", entries: [2, 3, 4].map((index) => entry(index, 7)) }]);
  if (options.dump) {
    const { members = [address] } = options;
    const [last, previous] = [entry(3, 7), entry(2, 7)];
    await storage.writeDump({ last, previous, members, codeVersion: 0, records: records() });
    await storage.write([{ kind: "compact", keepFrom: 2 }]);
  }
  await storage.write([{ kind: "append", entries: [entry(5, 7)] }]);
  await storage.write([{ kind: "append", entries: [entry(6, 7), entry(7, 7)] }]);
  if (options.close) await storage.close();
  return content(fs);
}

describe("a member that must refetch", () => {
  test("stays so until a leader has completed it", async () => {
    const files = await lived({ dump: false, close: true });
    const bytes = Uint8Array.from(files[journal] ?? []);
    bytes[60] = 0xff;
    const fs = new CrashFileSystem();
    for (const [path, value] of Object.entries({ ...files, [journal]: bytes })) fs.put(path, value);
    let { storage, recovered } = await open(fs);
    assert.equal(recovered.mustRefetch, true);
    assert.equal(recovered.term, 7);
    assert.equal(recovered.votedFor, address);
    assert.equal(recovered.forgotTerm, false);
    await storage.close();
    ({ storage, recovered } = await open(fs));
    assert.equal(recovered.mustRefetch, true);
    await storage.write([{ kind: "must-refetch", missing: false, forgotTerm: false }]);
    await storage.close();
    ({ storage, recovered } = await open(fs));
    assert.equal(recovered.mustRefetch, false);
    assert.deepEqual(recovered.findings, []);
  });
  test("has forgotten its term where the meta is lost too, until it is told otherwise", async () => {
    const { [meta]: _, ...files } = await lived({ dump: false, close: true });
    const fs = new CrashFileSystem();
    for (const [path, value] of Object.entries(files)) fs.put(path, value);
    let { storage, recovered } = await open(fs);
    assert.deepEqual([recovered.mustRefetch, recovered.forgotTerm], [true, true]);
    await storage.close();
    ({ storage, recovered } = await open(fs));
    assert.deepEqual([recovered.mustRefetch, recovered.forgotTerm], [true, true]);
    await storage.write([{ kind: "must-refetch", missing: true, forgotTerm: false }]);
    await storage.close();
    ({ storage, recovered } = await open(fs));
    assert.deepEqual([recovered.mustRefetch, recovered.forgotTerm], [true, false]);
    await storage.close();
  });
  test("is not what one is that began without any files, however often it starts before it meets anybody", async () => {
    const fs = new CrashFileSystem();
    for (let start = 0; start < 3; start += 1) {
      const { storage, recovered } = await open(fs);
      assert.deepEqual(
        [recovered.isNew, recovered.mustRefetch, recovered.findings],
        [true, false, []],
      );
      // A beacon lifts it: that is no vote.
      await storage.write([{ kind: "meta", term: start + 1, votedFor: null }]);
      await storage.close();
    }
    let { storage, recovered } = await open(fs);
    assert.deepEqual([recovered.isNew, recovered.term], [true, 3]);
    await storage.write([{ kind: "meta", term: 4, votedFor: "b:1" }]);
    await storage.close();
    ({ storage, recovered } = await open(fs));
    assert.equal(recovered.isNew, false, "it has voted");
    await storage.close();
  });
  test("terms that were led twice are known after restarts, of PySyncObj's members too", async () => {
    const fs = new CrashFileSystem();
    let { storage, recovered } = await open(fs);
    assert.equal(recovered.secondTerm, 0);
    await storage.write([{ kind: "second-term", term: 3 }]);
    await storage.write([{ kind: "meta", term: 7, votedFor: address }]);
    await storage.close();
    ({ storage, recovered } = await open(fs));
    assert.equal(recovered.secondTerm, 3);
    await storage.close();
    // It keeps the keys that it does not know, and writes no seal.
    const stored = decodeMeta(Uint8Array.from(content(fs)[meta] ?? []), crc32);
    fs.put(meta, encodeMetaPickle(stored.meta));
    ({ storage, recovered } = await open(fs));
    assert.equal(recovered.secondTerm, 3);
    await storage.close();
  });
  test("also after a crash at any step of the recovery", async () => {
    const files = await lived({ dump: true, close: true });
    const bytes = Uint8Array.from(files[journal] ?? []);
    bytes[60] = 0xff;
    for (let stopAfter = 0; stopAfter < 14; stopAfter++) {
      const fs = new CrashFileSystem();
      for (const [path, value] of Object.entries({ ...files, [journal]: bytes }))
        fs.put(path, value);
      fs.stopAfter = stopAfter;
      await open(fs).catch(() => {});
      fs.restart({ pick: (limit) => limit - 1 });
      assert.equal((await open(fs)).recovered.mustRefetch, true, `stopped after ${stopAfter}`);
    }
  });
});

describe("what vanilla leaves", () => {
  const log = [noOp, entry(2, 3), entry(3, 9), entry(4, 4)];

  test("the term is the largest of all entries, and the vote of a lower one is void", async () => {
    const stored = vanillaMeta({
      raftCommitIndex: 4,
      currentTerm: 5,
      votedForNodeId: "x:1",
      other: 1,
    });
    const { recovered, fs } = await openContent({ [journal]: vanillaJournal(log), [meta]: stored });
    assert.equal(recovered.term, 9);
    assert.equal(recovered.votedFor, null);
    assert.equal(recovered.commitIndex, 4);
    assert.equal(recovered.mustRefetch, false);
    assert.deepEqual(recovered.findings, []);
    assert.equal(recovered.entries.length, 4);
    assert.match(fs.read(meta)?.toString("latin1") ?? "", /other/);
  });
  test("a commit index beyond the log: entries are gone, but for 0.3.15, which cuts them itself", async () => {
    const bytes = vanillaJournal(log);
    const newer = vanillaMeta({ raftCommitIndex: 99, currentTerm: 9, votedForNodeId: "x:1" });
    const { recovered, fs } = await openContent({ [journal]: bytes, [meta]: newer });
    assert.deepEqual([recovered.commitIndex, recovered.mustRefetch], [4, true]);
    assert.deepEqual(
      recovered.entries.map(({ index }) => index),
      [1, 2, 3, 4],
    );
    const [finding] = recovered.findings;
    assert.match(finding?.message ?? "", /ends at 4, and entries up to 99 were committed/);
    assert.deepEqual(fs.read(finding?.setAsideTo ?? ""), bytes);
    const older = vanillaMeta({ raftCommitIndex: 99 });
    const opened = await openContent({ [journal]: bytes, [meta]: older });
    assert.deepEqual([opened.recovered.commitIndex, opened.recovered.mustRefetch], [4, false]);
    assert.deepEqual(opened.recovered.findings, []);
  });
  test("missing meta and 0.3.15's meta are no damage; empty and garbage meta lost a vote", async () => {
    const bytes = vanillaJournal(log);
    assert.equal((await openContent({ [journal]: bytes })).recovered.mustRefetch, false);
    const plain = vanillaMeta({ raftCommitIndex: 3 });
    assert.equal((await openContent({ [journal]: bytes, [meta]: plain })).recovered.commitIndex, 3);
    for (const garbage of [new Uint8Array(), Uint8Array.of(1, 2, 3)]) {
      const { recovered } = await openContent({ [journal]: bytes, [meta]: garbage });
      assert.equal(recovered.mustRefetch, true);
      assert.equal(recovered.entries.length, 4);
    }
  });
  test("an end offset of zero, or beyond the file: the records are searched", async () => {
    for (const end of [0, 40, 39, 90_000]) {
      const { recovered } = await openContent({ [journal]: vanillaJournal(log, end) });
      assert.equal(recovered.entries.length, 4, `end ${end}`);
      assert.equal(recovered.mustRefetch, true);
    }
  });
  test("a journal that was only just made is a new one", async () => {
    for (const bytes of [
      new Uint8Array(),
      vanillaJournal([]),
      vanillaJournal([]).subarray(0, 40),
    ]) {
      const { recovered } = await openContent({ [journal]: bytes });
      assert.equal(recovered.isNew, true);
      assert.deepEqual(recovered.entries, [noOp]);
    }
  });
  test("a gap in the indices, a cut record: what stands before is kept", async () => {
    const gap = vanillaJournal([noOp, entry(2, 1), entry(9, 1)]);
    const cut = vanillaJournal([noOp, entry(2, 1), entry(3, 1)]).subarray(0, -2010);
    for (const bytes of [gap, cut]) {
      const { recovered, fs } = await openContent({ [journal]: bytes });
      assert.deepEqual(
        recovered.entries.map((e) => e.index),
        [1, 2],
      );
      assert.equal(recovered.mustRefetch, true);
      assert(fs.paths().some((path) => path.startsWith(`${journal}.damaged-`)));
    }
  });
  test("a wild index, or a wild term of which the next entry knows nothing, is damage", async () => {
    for (const wild of [
      { ...entry(3, 1), index: 2 ** 60 },
      { ...entry(3, 1), term: 2 ** 40 },
    ]) {
      const bytes = vanillaJournal([noOp, entry(2, 1), wild, entry(4, 2)]);
      const { recovered, fs } = await openContent({ [journal]: bytes });
      assert.deepEqual(
        [recovered.term, recovered.entries.map((e) => e.index), recovered.mustRefetch],
        [1, [1, 2], true],
      );
      assert(fs.paths().some((path) => path.startsWith(`${journal}.damaged-`)));
    }
  });
  test("random terms are refused, and nothing is touched", async () => {
    for (const wild of [
      { ...entry(2, 1), term: 2 ** 40 },
      { ...entry(2, 1), term: Number.MAX_SAFE_INTEGER * 1024 },
    ]) {
      const bytes = vanillaJournal([noOp, wild]);
      const fs = new CrashFileSystem();
      fs.put(journal, bytes);
      await assert.rejects(open(fs), (e) => e instanceof StorageError && e.code === "damaged");
      assert.deepEqual(content(fs), { [journal]: new Uint8Array(bytes) });
    }
    const stored = vanillaMeta({ currentTerm: 2 ** 50, votedForNodeId: null });
    await assert.rejects(
      openContent({ [journal]: vanillaJournal(log), [meta]: stored }),
      /out of all proportion/,
    );
  });
  test("a dump that cannot be read beside a compacted journal: never an empty store", async () => {
    const compacted = vanillaJournal([entry(50, 3), entry(51, 3)]);
    const { recovered, fs } = await openContent({ [journal]: compacted, [dump]: Uint8Array.of(1) });
    assert.equal(recovered.mustRefetch, true);
    assert.equal(recovered.term, 3);
    assert.deepEqual(recovered.entries, [noOp]);
    assert(fs.paths().some((path) => path.startsWith(`${journal}.damaged-`)));
    assert(fs.paths().some((path) => path.startsWith(`${dump}.damaged-`)));
  });
});

describe("a dump and a journal that were not renamed together", () => {
  async function joined(
    log: readonly Entry[],
    members: readonly string[] = [address, "b:2"],
  ): Promise<Recovered> {
    const { [dump]: bytes } = await lived({ dump: true, close: true, members });
    assert(bytes !== undefined);
    const { recovered, fs } = await openContent({ [journal]: vanillaJournal(log), [dump]: bytes });
    // What the member leaves fits together: a vanilla member would not clear the journal.
    const second = await openContent(content(fs));
    assert.deepEqual(essence(second.recovered), essence(recovered));
    return recovered;
  }
  const indices = (recovered: Recovered) => recovered.entries.map((e) => e.index);
  const log = [noOp, ...[2, 3, 4, 5, 6].map((index) => entry(index, 7))];

  test("the journal holds more than the dump on both sides: nothing is cleared", async () => {
    const recovered = await joined(log);
    assert.deepEqual(indices(recovered), [2, 3, 4, 5, 6]);
    assert.deepEqual([recovered.mustRefetch, recovered.findings], [false, []]);
  });
  test("the journal ends before, or at, the dump", async () => {
    for (const length of [1, 2, 3]) {
      const recovered = await joined(log.slice(0, length));
      assert.deepEqual([indices(recovered), recovered.mustRefetch], [[2, 3], false]);
    }
  });
  test("the journal ends before the dump of a member alone: an older one, which is kept aside", async () => {
    const recovered = await joined(log.slice(0, 1), [address]);
    assert.deepEqual([indices(recovered), recovered.mustRefetch], [[2, 3], true]);
    assert.match(recovered.findings[0]?.setAsideTo ?? "", /journal\.damaged-/);
    // Of a dump that `quorate recover` has made the journal holds the first of the two.
    for (const length of [2, 3]) {
      assert.equal((await joined(log.slice(0, length), [address])).mustRefetch, false);
    }
  });
  test("the journal begins within the dump, or directly behind it", async () => {
    for (const start of [2, 3]) {
      const recovered = await joined(log.slice(start));
      assert.deepEqual([indices(recovered), recovered.mustRefetch], [[2, 3, 4, 5, 6], false]);
    }
  });
  test("a gap between the two: what is missing was acknowledged", async () => {
    const recovered = await joined(log.slice(4));
    assert.deepEqual([indices(recovered), recovered.mustRefetch], [[2, 3], true]);
  });
  test("the journal contradicts the dump: the dump holds, the journal is kept aside", async () => {
    const recovered = await joined([noOp, ...[2, 3, 4].map((index) => entry(index, 6))]);
    assert.deepEqual([indices(recovered), recovered.mustRefetch], [[2, 3], false]);
    assert.match(recovered.findings[0]?.setAsideTo ?? "", /journal\.damaged-/);
  });
});

describe("what vanilla leaves on our files", () => {
  async function ours(): Promise<{
    bytes: Buffer;
    end: number;
    files: Record<string, Uint8Array>;
  }> {
    const files = await lived({ dump: false, close: true });
    const bytes: Buffer = Buffer.from(files[journal] ?? []);
    return { bytes, end: bytes.readUInt32LE(36), files };
  }
  const theirMeta = vanillaMeta({ raftCommitIndex: 2, currentTerm: 8, votedForNodeId: null });
  const added = vanillaJournal([entry(8, 8), entry(9, 8)]).subarray(40, -2000);

  test("entries it added, with and without a new meta", async () => {
    const { bytes, end, files } = await ours();
    bytes.set(added, end);
    bytes.writeUInt32LE(end + added.length, 36);
    for (const metaBytes of [theirMeta, files[meta] ?? theirMeta]) {
      const { recovered } = await openContent({ [journal]: bytes, [meta]: metaBytes });
      assert.deepEqual(recovered.findings, []);
      assert.deepEqual(
        recovered.entries.map((e) => e.index),
        [1, 2, 3, 4, 5, 6, 7, 8, 9],
      );
      assert.equal(recovered.term, 8);
    }
  });
  test("a cut end that it did not write over comes back; it does no harm", async () => {
    const { bytes, end } = await ours();
    bytes.writeUInt32LE(end - 24 - entry(7, 7).command.length, 36);
    const { recovered } = await openContent({ [journal]: bytes, [meta]: theirMeta });
    assert.equal(recovered.entries.length, 7);
    assert.equal(recovered.mustRefetch, false);
  });
  test("a cut end with other entries in its place, of the same size and of another", async () => {
    const { bytes, end } = await ours();
    const start = end - 24 - entry(7, 7).command.length;
    for (const replacement of [[entry(7, 8)], [entry(7, 8), entry(8, 8)]]) {
      const tail = vanillaJournal(replacement).subarray(40, -2000);
      const copy = Buffer.from(bytes);
      copy.set(tail, start);
      copy.writeUInt32LE(start + tail.length, 36);
      const { recovered } = await openContent({ [journal]: copy, [meta]: theirMeta });
      assert.equal(recovered.mustRefetch, false);
      assert.equal(recovered.entries.length, 6 + replacement.length);
      assert.equal(recovered.entries[6]?.term, 8);
    }
  });
  test("a compaction, with and without a new meta", async () => {
    const files = await lived({ dump: true, close: true });
    const bytes = Buffer.from(files[journal] ?? []);
    const tail = vanillaJournal([2, 3, 4, 5, 6].map((index) => entry(index, 7)).slice(0, 3));
    bytes.set(tail.subarray(40, -2000), 40);
    bytes.writeUInt32LE(tail.length - 2000, 36);
    for (const metaBytes of [theirMeta, files[meta] ?? theirMeta]) {
      const { recovered } = await openContent({ ...files, [journal]: bytes, [meta]: metaBytes });
      assert.equal(recovered.mustRefetch, false);
      assert.deepEqual(recovered.entries.map((e) => e.index).slice(0, 3), [2, 3, 4]);
    }
  });
  test("all written anew, by a member that was killed before it stored a meta", async () => {
    const files = await lived({ dump: true, close: true });
    const bytes = Buffer.from(files[journal] ?? []);
    const anew = [entry(2, 7), entry(3, 7), entry(4, 8), entry(5, 8)];
    bytes.set(vanillaJournal(anew).subarray(40, -2000), 40);
    bytes.writeUInt32LE(vanillaJournal(anew).length - 2000, 36);
    const { recovered } = await openContent({ ...files, [journal]: bytes });
    assert.deepEqual([recovered.mustRefetch, recovered.findings], [false, []]);
    assert.deepEqual(
      recovered.entries.map((e) => e.term),
      [7, 7, 8, 8],
    );
  });
});
