import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { crc32 } from "node:zlib";
import { parseJournalHeader } from "../../protocol/files/journal-format.js";
import { decodeMeta } from "../../protocol/files/meta-format.js";
import { encodeDelete } from "../../protocol/log/kv-calls.js";
import { type MemberPaths, membersIn } from "../../src/files/data-path.js";
import { verifyMember } from "../../src/files/verify.js";
import { silentLogger } from "../../src/logger.js";
import { Storage } from "../../src/storage/storage.js";
import { exportFiles, planExport } from "../../src/tools/migrate/export-files.js";
import { importFiles, planImport } from "../../src/tools/migrate/import-files.js";
import { goldenSets, goldenVersions } from "../files/support/golden-files.js";
import { address, dumpOf, log, vanillaJournal, vanillaMeta } from "../files/support/made-files.js";
import {
  diskWith as diskOf,
  type FileSet,
  type Kind,
  kinds,
  stoppedAnywhere,
} from "../storage/crash-cases.js";
import type { CrashFileSystem } from "../storage/crash-file-system.js";

const now = new Date("2026-01-31T23:59:59.123Z");
const entries = log([0, 1, 1, 1, 2, 2, 2, 5, 5, 5]);
const journal = vanillaJournal(entries);
const forgetful = vanillaMeta({ raftCommitIndex: 9 });

const diskWith = (files: FileSet) => diskOf(files, address);

async function memberOn(fs: CrashFileSystem): Promise<MemberPaths> {
  const members = membersIn("/d", await fs.list("/d"));
  const member = members.find((each) => each.address === address);
  assert.ok(member !== undefined);
  return member;
}

const at = (fs: CrashFileSystem) => ({ fs, now, watch: {} });
const imported = async (fs: CrashFileSystem) => importFiles(at(fs), await memberOn(fs));
const exported = async (fs: CrashFileSystem, version = "0.3.15") =>
  exportFiles(at(fs), await memberOn(fs), version);

/** What a member starts with. */
async function start(fs: CrashFileSystem) {
  const given = { dataDir: "/d", selfAddr: address, logger: silentLogger, fileSystem: fs };
  const { storage, recovered } = await Storage.open({ ...given, now: () => now });
  await storage.close();
  const { term, votedFor, commitIndex, mustRefetch, isNew, dump } = recovered;
  const places = recovered.entries.map(
    (entry) => `${entry.index} ${entry.term} ${Buffer.from(entry.command).toString("hex")}`,
  );
  return { term, votedFor, commitIndex, mustRefetch, isNew, dumped: dump?.last.index, places };
}

function bytesOf(fs: CrashFileSystem): ReadonlyMap<Kind, string | undefined> {
  return new Map(
    kinds.map((kind) => [kind, fs.read(`/d/${address}.${kind}`)?.toString("hex")] as const),
  );
}

function headerOf(fs: CrashFileSystem) {
  return parseJournalHeader(fs.read(`/d/${address}.journal`) ?? Buffer.alloc(0), crc32);
}

function metaOf(fs: CrashFileSystem) {
  return decodeMeta(fs.read(`/d/${address}.journal.meta`) ?? Buffer.alloc(0), crc32);
}

async function isDamaged(fs: CrashFileSystem): Promise<boolean> {
  return (await verifyMember(fs, await memberOn(fs))).worst === "damage";
}

describe("migrate import and export", () => {
  for (const version of goldenVersions) {
    it(`takes the golden files of ${version} in and out, and does what a start does`, async () => {
      let converted = 0;
      for (const [stem, files] of goldenSets(version)) {
        const [fs, twin] = [diskWith(files), diskWith(files)];
        if (await isDamaged(fs)) continue;
        converted += 1;
        const done = await imported(fs);
        assert.notEqual(done.setAsideTo, null, stem);
        const state = await start(twin);
        assert.deepEqual(bytesOf(fs), bytesOf(twin), `${stem}: as a start makes them`);
        assert.deepEqual((await imported(fs)).changes, [], `${stem}: nothing is left to do`);
        assert.deepEqual(bytesOf(fs), bytesOf(twin), stem);
        assert.deepEqual([done.term, done.votedFor], [state.term, state.votedFor]);

        if (state.isNew) {
          await assert.rejects(exported(fs, version), /PySyncObj would vote at once/, stem);
          assert.deepEqual(bytesOf(fs), bytesOf(twin), stem);
          continue;
        }
        await exported(fs, version);
        assert.equal(headerOf(fs).seal, null, stem);
        assert.equal(headerOf(fs).version, version);
        const { meta, isSealed } = metaOf(fs);
        assert.deepEqual([isSealed, meta.owner], [false, null], stem);
        assert.equal(await isDamaged(fs), false, stem);
        const out = bytesOf(fs);
        assert.deepEqual((await exported(fs, version)).changes, [], `${stem}: nothing is left`);
        assert.deepEqual(bytesOf(fs), out, stem);
        assert.deepEqual(await start(fs), state, `${stem}: nothing is lost on the way`);
      }
      assert.ok(converted >= 5, `${converted} sets`);
    });
  }

  it("stores the highest term of any entry where none was stored", async () => {
    const dipped = vanillaJournal(log([0, 7, 7, 2, 2]));
    const fs = diskWith({ journal: dipped, "journal.meta": forgetful });
    const plan = await planImport(at(fs), await memberOn(fs));
    assert.deepEqual([plan.term, plan.votedFor], [7, null]);
    assert.match(plan.warnings.join(), /voted last is in no file.*terms go down/s);
    await imported(fs);
    assert.deepEqual([metaOf(fs).meta.term, metaOf(fs).isSealed], [7, true]);
  });

  it("says of files without a meta what the version that has made them would have stored", async () => {
    const saysOf = async (files: FileSet) => {
      const fs = diskWith(files);
      return (await planImport(at(fs), await memberOn(fs))).warnings.join();
    };
    for (const version of goldenVersions) {
      const [, files] = goldenSets(version).find(([stem]) => stem === "new") ?? assert.fail();
      const isNewer = version === "0.3.16" || version === "0.3.17";
      const expected = isNewer
        ? new RegExp(`^there is no meta file. PySyncObj ${version}, .*has never voted, or`)
        : /^what this member has voted last is in no file: PySyncObj up to 0\.3\.15/;
      assert.match(await saysOf(files), expected);
    }
  });

  it("tells of promises that stay in the meta file only where some are, or will be", async () => {
    const warned = async (files: FileSet) => {
      const fs = diskWith(files);
      const { changes, warnings } = await planExport(at(fs), await memberOn(fs), "0.3.15");
      assert.match(warnings.join(), /forgotten both/);
      return [changes.length > 0, /they stay, unread/.test(warnings.join())];
    };
    assert.deepEqual(await warned({ journal, "journal.meta": forgetful }), [false, false]);
    const kept = vanillaMeta({ raftCommitIndex: 9, currentTerm: 5, votedForNodeId: null });
    assert.deepEqual(await warned({ journal, "journal.meta": kept }), [false, true]);
    const fs = diskWith({ journal, "journal.meta": forgetful });
    await imported(fs);
    const { changes, warnings } = await planExport(at(fs), await memberOn(fs), "0.3.15");
    assert.deepEqual([changes.length > 0, /they stay, unread/.test(warnings.join())], [true, true]);
    await exported(fs);
    assert.equal(metaOf(fs).meta.term, 5);
  });

  it("keeps the files as they were in a folder beside", async () => {
    const files = { journal, "journal.meta": forgetful, dump: dumpOf(entries, 5) };
    const fs = diskWith(files);
    const first = await imported(fs);
    assert.equal(first.setAsideTo, `/d/${address}.before-import-20260131T235959.123Z`);
    const ours = bytesOf(fs);
    const second = await exported(fs);
    for (const kind of kinds) {
      assert.deepEqual(fs.read(`${first.setAsideTo}/${address}.${kind}`), Buffer.from(files[kind]));
      const kept = fs.read(`${second.setAsideTo}/${address}.${kind}`)?.toString("hex");
      assert.equal(kept, ours.get(kind), kind);
    }
  });

  it("says that versions up to 0.3.15 forget term and vote, and leaves both in the file", async () => {
    const meta = vanillaMeta({ raftCommitIndex: 9, currentTerm: 8, votedForNodeId: "b:2" });
    const fs = diskWith({ journal, "journal.meta": meta });
    await imported(fs);
    const member = await memberOn(fs);
    const warned = (await planExport(at(fs), member, "0.3.15")).warnings.join();
    assert.match(warned, /in memory only.*forgotten both \(term 8, vote for b:2\)/s);
    const newer = (await planExport(at(fs), member, "0.3.16")).warnings.join();
    assert.doesNotMatch(newer, /memory only/);
    await exported(fs, "0.3.15");
    assert.deepEqual([metaOf(fs).meta.term, metaOf(fs).meta.votedFor], [8, "b:2"]);
  });

  it("leaves none of Quorate's keys in the meta file, also where PySyncObj has carried them along", async () => {
    const carried = vanillaMeta({
      ...{ raftCommitIndex: 9, currentTerm: 8, votedForNodeId: null },
      ...{
        quorateMember: address,
        quorateBlank: true,
        quorateForgotTerm: true,
        quorateSecondTerm: 3,
      },
    });
    const fs = diskWith({ journal, "journal.meta": carried });
    await exported(fs, "0.3.17");
    assert.doesNotMatch(fs.read(`/d/${address}.journal.meta`)?.toString("latin1") ?? "", /quorate/);
    assert.equal(metaOf(fs).meta.term, 8);
  });

  it("leaves room in the journal, as files of PySyncObj that were doubled", async () => {
    const fs = diskWith({ journal, "journal.meta": forgetful });
    await imported(fs);
    await exported(fs);
    const bytes = fs.read(`/d/${address}.journal`) ?? Buffer.alloc(0);
    assert.equal(bytes.length, 512 * 1024);
    assert.ok(bytes.subarray(headerOf(fs).endOffset).every((byte) => byte === 0));
  });

  it("warns where 0.3.8 could connect to nobody", async () => {
    const named = dumpOf(entries, 5, { members: [address, "db-2:4002"] });
    const fs = diskWith({ journal, "journal.meta": forgetful, dump: named });
    const member = await memberOn(fs);
    const warns = async (version: string) =>
      /by host name/.test((await planExport(at(fs), member, version)).warnings.join());
    assert.deepEqual([await warns("0.3.8"), await warns("0.3.11")], [true, false]);
  });
});

describe("migrate import and export refuse", () => {
  const cases: readonly (readonly [string, FileSet, RegExp])[] = [
    ["a cut journal", { journal: journal.subarray(0, 300) }, /journal-end-offset/],
    ["a meta that nobody can read", { journal, "journal.meta": Buffer.alloc(9) }, /meta-damaged/],
    [
      "a member that waits for a leader",
      {
        journal,
        "journal.meta": vanillaMeta({
          ...{ raftCommitIndex: 9, currentTerm: 5, votedForNodeId: null },
          quorateMustRefetch: true,
        }),
      },
      /no leader has completed it/,
    ],
  ];
  for (const [name, files, reason] of cases) {
    it(name, async () => {
      const fs = diskWith({ "journal.meta": forgetful, ...files });
      const before = fs.paths();
      const bytes = bytesOf(fs);
      await assert.rejects(imported(fs), reason);
      await assert.rejects(exported(fs), reason);
      assert.deepEqual([fs.paths(), bytesOf(fs)], [before, bytes]);
    });
  }

  it("an export with an entry at which PySyncObj stops for ever", async () => {
    const command = encodeDelete("/nobody", {});
    const stopping = vanillaJournal([...entries, { index: 11, term: 5, command }]);
    const fs = diskWith({ journal: stopping, "journal.meta": forgetful });
    const { warnings } = await planImport(at(fs), await memberOn(fs));
    assert.match(warnings.join("\n"), /entry 11.*checksums will cover it/s);
    await imported(fs);
    const bytes = bytesOf(fs);
    await assert.rejects(exported(fs), /entry 11.*stops there for ever/s);
    assert.deepEqual(bytesOf(fs), bytes);
  });

  it("an export of a member that has lost its disk, or is new", async () => {
    const fs = diskWith({});
    await start(fs);
    const bytes = bytesOf(fs);
    await assert.rejects(exported(fs), /PySyncObj would vote at once/);
    assert.deepEqual(bytesOf(fs), bytes);
  });

  it("while a member runs", async () => {
    const fs = diskWith({ journal, "journal.meta": forgetful });
    const lock = await fs.lock(`/d/${address}.journal`);
    const bytes = bytesOf(fs);
    await assert.rejects(imported(fs), /locked/);
    await assert.rejects(exported(fs), /locked/);
    assert.deepEqual(bytesOf(fs), bytes);
    await lock.release();
  });
});

describe("migrate import and export, stopped anywhere", () => {
  it("leaves nothing behind where Ctrl-C comes while the files are copied aside", async () => {
    const fs = diskWith({ journal, "journal.meta": forgetful });
    const before = new Map(fs.paths().map((path) => [path, fs.read(path)]));
    const stopping = new AbortController();
    fs.fault = (operation, path) => {
      if (operation === "create" && path.includes(".before-import-")) stopping.abort();
    };
    const place = { fs, now, watch: { signal: stopping.signal } };
    await assert.rejects(importFiles(place, await memberOn(fs)), { name: "AbortError" });
    assert.deepEqual(new Map(fs.paths().map((path) => [path, fs.read(path)])), before);
    assert.deepEqual((await fs.list("/d")).length, before.size, "no folder");
  });

  const meta = vanillaMeta({ raftCommitIndex: 9, currentTerm: 8, votedForNodeId: "b:2" });
  const unjoined: FileSet = { journal, "journal.meta": meta, dump: dumpOf(entries, 6) };

  for (const [name, files, isExport] of [
    ["an import", { journal, "journal.meta": forgetful }, false],
    ["an import of files amid a compaction", unjoined, false],
    ["an export of files amid a compaction", unjoined, true],
    ["an export of Quorate's files", { journal, "journal.meta": meta }, true],
  ] as const) {
    it(`${name}: by a kill or a loss of power, nothing is lost`, async () => {
      const given = await prepared(files, name.includes("of Quorate's"));
      const state = await start(diskWith(given));
      const command = isExport ? (fs: CrashFileSystem) => exported(fs) : imported;
      await stoppedAnywhere(given, address, command, async (fs, when) => {
        assert.deepEqual(await start(fs), state, when);
      });
    });
  }
});

/** The same files as Quorate leaves them, where that is asked for. */
async function prepared(files: FileSet, isOurs: boolean): Promise<FileSet> {
  if (!isOurs) return files;
  const fs = diskWith(files);
  await start(fs);
  const present = kinds.flatMap((kind) => {
    const bytes = fs.read(`/d/${address}.${kind}`);
    return bytes === null ? [] : [[kind, Buffer.from(bytes)] as const];
  });
  return Object.fromEntries(present);
}
