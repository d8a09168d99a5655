import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { crc32 } from "node:zlib";
import { encodeJournalHeader } from "../../protocol/files/journal-format.js";
import type { Entry } from "../../protocol/log/entry.js";
import { checkFiles, findingsOf } from "../../src/files/checked-files.js";
import { membersIn } from "../../src/files/data-path.js";
import { repairFiles } from "../../src/files/repair.js";
import { planRepair, targetOf } from "../../src/files/repair-plan.js";
import { silentLogger } from "../../src/logger.js";
import { type Recovered, Storage } from "../../src/storage/storage.js";
import {
  diskWith as diskOf,
  type FileSet,
  kinds,
  stoppedAnywhere,
} from "../storage/crash-cases.js";
import { type CrashFileSystem, systemError } from "../storage/crash-file-system.js";
import { address, dumpOf, log, noOp, vanillaJournal, vanillaMeta } from "./support/made-files.js";

/* What a repair makes of the files, and what is left when it is stopped amid it. */

const now = () => new Date("2026-01-31T23:59:59.123Z");
const entries = log([0, 1, 1, 1, 2, 2, 2, 2, 2, 2]);
const journal = vanillaJournal(entries);
const end = journal.readUInt32LE(36);
const meta = vanillaMeta({ raftCommitIndex: 10, currentTerm: 2, votedForNodeId: address, more: 1 });
const compacted = vanillaJournal(entries.slice(3));
const dump = dumpOf(entries, 5);

function madeByNewer(bytes: Buffer): Buffer {
  bytes.write("0.3.17", 24, "latin1");
  return bytes;
}

const diskWith = (files: FileSet) => diskOf(files, address);

async function look(fs: CrashFileSystem) {
  const [paths] = membersIn("/d", await fs.list("/d"));
  assert.ok(paths !== undefined);
  return await checkFiles(fs, paths);
}

async function repair(fs: CrashFileSystem, isAlone = false): Promise<readonly string[]> {
  const files = await look(fs);
  const { mends, needsHuman } = planRepair(files, { isAlone });
  assert.deepEqual(
    needsHuman.map(({ code }) => code),
    [],
  );
  const target = targetOf(files, mends, { isAlone });
  return await repairFiles({ fs, now, watch: {} }, files, target);
}

async function start(fs: CrashFileSystem): Promise<Recovered> {
  const given = { dataDir: "/d", selfAddr: address, logger: silentLogger, fileSystem: fs };
  const { storage, recovered } = await Storage.open(given);
  await storage.close();
  return recovered;
}

function places(log: readonly Entry[]): string[] {
  return log.map(
    ({ index, term, command }) => `${index} ${term} ${Buffer.from(command).toString("hex")}`,
  );
}

async function damagesOf(fs: CrashFileSystem): Promise<string[]> {
  return findingsOf(await look(fs), false)
    .filter(({ severity }) => severity !== "note")
    .map(({ code }) => code);
}

interface Case {
  readonly name: string;
  readonly files: FileSet;
  readonly mends: readonly string[];
  /** Last entry of the log that a member starts with. */
  readonly last: number;
  readonly mustRefetch: boolean;
  readonly warnings?: readonly string[];
}

function cut(bytes: Buffer, from: number): Buffer {
  const copy = Buffer.from(bytes);
  copy.fill(3, from, from + 4);
  return copy;
}

function recordOf(index: number): number {
  let at = 40;
  for (let skipped = 1; skipped < index; skipped++) at += journal.readUInt32LE(at) + 8;
  return at;
}

const termless = vanillaMeta({ raftCommitIndex: 4 });
const cases: readonly Case[] = [
  {
    name: "an end offset of zero",
    files: { journal: vanillaJournal(entries, 0), "journal.meta": meta },
    mends: ["journal-end-offset"],
    last: 10,
    mustRefetch: false,
  },
  {
    name: "an end offset amid an entry",
    files: { journal: vanillaJournal(entries, end - 9), "journal.meta": meta },
    mends: ["journal-records", "commit-beyond-log"],
    last: 10,
    mustRefetch: false,
  },
  {
    name: "a torn tail",
    files: { journal: cut(journal, recordOf(9)), "journal.meta": meta },
    mends: ["journal-records", "commit-beyond-log"],
    last: 8,
    mustRefetch: true,
  },
  {
    name: "a torn tail of a member that forgets",
    files: { journal: cut(journal, recordOf(9)), "journal.meta": termless },
    mends: ["journal-records"],
    last: 8,
    mustRefetch: true,
  },
  {
    name: "a gap",
    files: {
      // What 0.3.15 leaves out stands in no journal: of that a human has to decide.
      journal: madeByNewer(vanillaJournal([...entries.slice(0, 5), ...entries.slice(6)])),
      "journal.meta": meta,
    },
    mends: ["journal-gap", "commit-beyond-log"],
    last: 5,
    mustRefetch: true,
  },
  {
    name: "an unreadable meta",
    files: { journal: vanillaJournal(log([0, 7, 7, 2])), "journal.meta": new Uint8Array(3) },
    mends: ["meta-damaged"],
    last: 4,
    mustRefetch: true,
    warnings: ["term-dip", "meta-must-refetch"],
  },
  {
    name: "a low term",
    files: {
      journal: vanillaJournal(log([0, 7, 7, 2])),
      "journal.meta": vanillaMeta({ raftCommitIndex: 2, currentTerm: 2, votedForNodeId: "x:1" }),
    },
    mends: ["meta-term-behind"],
    last: 4,
    mustRefetch: false,
    warnings: ["term-dip"],
  },
  {
    name: "a commit index beyond the log",
    files: {
      journal,
      "journal.meta": vanillaMeta({ raftCommitIndex: 99, currentTerm: 2, votedForNodeId: null }),
    },
    mends: ["commit-beyond-log"],
    last: 10,
    mustRefetch: true,
  },
  {
    name: "a commit index beyond the log of a member that cuts its log and keeps the index",
    files: { journal, "journal.meta": vanillaMeta({ raftCommitIndex: 99 }) },
    mends: ["commit-beyond-log"],
    last: 10,
    mustRefetch: false,
  },
  {
    name: "a broken dump that nobody needs",
    files: { journal, "journal.meta": meta, dump: dump.subarray(0, 50) },
    mends: ["dump-spare-damaged"],
    last: 10,
    mustRefetch: false,
  },
  {
    name: "a stop amid a compaction",
    files: { journal, "journal.meta": meta, dump },
    mends: ["dump-unjoined"],
    last: 10,
    mustRefetch: false,
  },
  {
    name: "an older journal than the dump of a member alone",
    files: {
      journal: vanillaJournal(entries.slice(0, 3)),
      "journal.meta": vanillaMeta({ raftCommitIndex: 3, currentTerm: 2, votedForNodeId: null }),
      dump: dumpOf(entries, 5, { members: [address] }),
    },
    mends: ["journal-older"],
    last: 5,
    mustRefetch: true,
  },
  {
    name: "a torn tail behind a dump",
    files: { journal: cut(compacted, 40 + recordOf(8) - recordOf(4)), "journal.meta": meta, dump },
    mends: ["journal-records", "commit-beyond-log"],
    last: 7,
    mustRefetch: true,
  },
];

for (const { name, files, mends, last, mustRefetch, warnings = [] } of cases) {
  describe(name, () => {
    test("is mended, kept as it was, and a member starts with every entry that could be read", async () => {
      const fs = diskWith(files);
      const checked = await look(fs);
      const plan = planRepair(checked, { isAlone: false });
      assert.deepEqual(
        plan.mends.map(({ code }) => code),
        mends,
      );
      const kept = await repair(fs);
      for (const path of kept) {
        assert.match(path, /\.before-repair-20260131T235959\.123Z$/);
        const kind = kinds.find((each) => path.includes(`${address}.${each}.before`));
        assert.deepEqual(fs.read(path), Buffer.from(files[kind ?? "dump"] ?? []));
      }
      assert.ok(kept.length > 0);
      const left = [...warnings, ...(mustRefetch ? ["meta-must-refetch"] : [])];
      assert.deepEqual((await damagesOf(fs)).sort(), [...new Set(left)].sort());
      const recovered = await start(fs);
      assert.deepEqual(
        [recovered.entries.at(-1)?.index, recovered.mustRefetch],
        [last, mustRefetch],
      );
      const whole =
        name.includes("meta") || name.includes("low term") ? log([0, 7, 7, 2]) : entries;
      const from = recovered.entries[0]?.index ?? 0;
      assert.deepEqual(places(recovered.entries), places(whole.slice(from - 1, last)));
      assert.equal(recovered.term, Math.max(...whole.slice(0, last).map(({ term }) => term)));
      // Once more: there is nothing left to be done.
      assert.deepEqual(planRepair(await look(fs), { isAlone: false }).mends, []);
    });

    test("stopped anywhere, by a kill or a loss of power, nothing is lost", async () => {
      await stoppedAnywhere(files, address, repair, async (fs, when, isOver) => {
        const recovered = await start(fs);
        const held = recovered.entries.at(-1)?.index ?? 0;
        // A start by itself may keep less than a repair, and then it says so.
        assert.ok(held >= last || recovered.mustRefetch, `${held} of ${last}, ${when}`);
        if (mustRefetch) assert.ok(recovered.mustRefetch, `no mark, ${when}`);
        if (isOver) assert.deepEqual([held, recovered.mustRefetch], [last, mustRefetch]);
      });
    });
  });
}

describe("before its first change", () => {
  const files: FileSet = { journal: cut(journal, recordOf(9)), "journal.meta": meta };
  const picture = (fs: CrashFileSystem) => new Map(fs.paths().map((path) => [path, fs.read(path)]));

  /** With a fault in each operation, one after the other, until what is ready is put in place. */
  async function untilFirstChange(
    fail: (stopping: AbortController) => void,
    check: (error: unknown, stopping: AbortController) => void,
  ): Promise<number> {
    for (let failing = 0; ; failing++) {
      const fs = diskWith(files);
      const before = picture(fs);
      const stopping = new AbortController();
      let operations = 0;
      fs.fault = () => {
        if (operations++ === failing) fail(stopping);
      };
      const checked = await look(fs);
      const target = targetOf(checked, planRepair(checked, { isAlone: false }).mends, {
        isAlone: false,
      });
      const context = { fs, now, watch: { signal: stopping.signal } };
      const error = await repairFiles(context, checked, target).then(
        () => null,
        (fault: unknown) => fault,
      );
      if (error === null || /while putting .* in place/.test(String(error))) return failing;
      check(error, stopping);
      assert.deepEqual(picture(fs), before, `operation ${failing}`);
    }
  }

  test("Ctrl-C leaves every file as it was, and none beside", async () => {
    const stops = await untilFirstChange(
      (stopping) => stopping.abort(new Error("stopped")),
      (error, stopping) => assert.equal(error, stopping.signal.reason),
    );
    assert.ok(stops > 5, `${stops} operations`);
  });

  test("a full disk does, too, and it is said what to do", async () => {
    const fails = await untilFirstChange(
      () => {
        throw systemError("ENOSPC");
      },
      (error) => assert.match(String(error), /ENOSPC while .*make room\. Nothing was changed/),
    );
    assert.ok(fails > 5, `${fails} operations`);
  });
});

test("a commit index that is lowered is told with the entries that are gone, and who may have them", async () => {
  const lackedBefore = async (raftCommitIndex: number, bytes = journal) => {
    const fs = diskWith({ journal: bytes, "journal.meta": vanillaMeta({ raftCommitIndex }) });
    const { mends } = planRepair(await look(fs), { isAlone: false });
    return mends.find(({ code }) => code === "commit-beyond-log")?.lackedBefore;
  };
  assert.match((await lackedBefore(16)) ?? "", /But entries 11 to 16 were known .*quorate doctor/);
  // The end offset was wrong, and no entry is gone.
  assert.equal(await lackedBefore(10, vanillaJournal(entries, end - 9)), null);
});

test("an earlier file that was kept is never overwritten", async () => {
  const fs = diskWith({ journal: vanillaJournal(entries, 0), "journal.meta": meta });
  const aside = `/d/${address}.journal.before-repair-20260131T235959.123Z`;
  fs.put(aside, Buffer.from("of then"));
  const names = await repair(fs);
  assert.equal(fs.read(aside)?.toString(), "of then");
  assert.ok(names.includes(`${aside}-2`));
});

test("without a second name on such a disk, a copy is kept", async () => {
  const fs = diskWith({ journal: vanillaJournal(entries, 0), "journal.meta": meta });
  fs.fault = (operation) => {
    if (operation === "link") throw Object.assign(new Error("no links"), { code: "EPERM" });
  };
  for (const path of await repair(fs)) {
    const kind = path.includes("meta") ? meta : vanillaJournal(entries, 0);
    assert.deepEqual(fs.read(path), Buffer.from(kind));
  }
});

test("a member that is its whole cluster goes on as it is", async () => {
  const fs = diskWith({ journal, "journal.meta": new Uint8Array(0) });
  await repair(fs, true);
  const recovered = await start(fs);
  assert.deepEqual(
    [recovered.mustRefetch, recovered.term, recovered.entries.length],
    [false, 2, 10],
  );
  const waiting = diskWith({ journal: cut(journal, recordOf(9)), "journal.meta": meta });
  await repair(waiting);
  assert.equal((await start(waiting)).mustRefetch, true);
  await repair(waiting, true);
  assert.equal((await start(waiting)).mustRefetch, false);
});

test("keys of the meta file that nobody knows are kept", async () => {
  const fs = diskWith({ journal: vanillaJournal(entries, 0), "journal.meta": meta });
  await repair(fs);
  assert.match(fs.read(`/d/${address}.journal.meta`)?.toString("latin1") ?? "", /more/);
});

for (const [name, files, code] of [
  [
    "a journal that is none",
    { journal: Buffer.alloc(500, 7), "journal.meta": meta },
    "journal-not-a-journal",
  ],
  [
    "a log that goes on from a term beyond measure",
    {
      journal: vanillaJournal([...entries, noOp(11, 2 ** 42), noOp(12, 2 ** 42)]),
      "journal.meta": meta,
    },
    "journal-implausible",
  ],
  ["no journal", { "journal.meta": meta }, "journal-missing"],
  ["no dump", { journal: compacted, "journal.meta": meta }, "dump-missing"],
  [
    "a dump of another log",
    { journal: compacted, "journal.meta": meta, dump: dumpOf(log([0, 1, 1, 1, 1]), 5) },
    "dump-contradiction",
  ],
] as const) {
  test(`${name} needs a human`, async () => {
    const files_: FileSet = files;
    const plan = planRepair(await look(diskWith(files_)), { isAlone: false });
    assert.deepEqual(
      plan.needsHuman.map((found) => found.code),
      [code],
    );
  });
}

describe("a journal of Quorate's that PySyncObj has rewritten to the same length, torn", () => {
  /** By the seal nothing of it could be kept, and by structure entries up to 8. */
  function sealedThenTorn(): Buffer {
    const seal = { previousEnd: end, previousCrc: 1, endCrc: 1 };
    const header = encodeJournalHeader({ version: "0.3.17", endOffset: end, seal }, crc32);
    return Buffer.concat([header, cut(journal, recordOf(9)).subarray(40)]);
  }
  const files: FileSet = { journal: sealedThenTorn(), "journal.meta": meta };

  test("is cut behind the last whole entry, and marked", async () => {
    const fs = diskWith(files);
    await repair(fs);
    const recovered = await start(fs);
    assert.deepEqual([recovered.entries.length, recovered.mustRefetch], [8, true]);
  });

  test("stopped anywhere, a start keeps every entry that could be read", async () => {
    await stoppedAnywhere(files, address, repair, async (fs, when) => {
      const recovered = await start(fs);
      assert.deepEqual([recovered.entries.length, recovered.mustRefetch], [8, true], when);
    });
  });
});
