import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type MemberPaths, membersIn } from "../../src/files/data-path.js";
import { silentLogger } from "../../src/logger.js";
import { Storage } from "../../src/storage/storage.js";
import { keyToText, toJson } from "../../src/store/json-view.js";
import type { Store } from "../../src/store/store.js";
import { forceNewCluster, UnfinishedError } from "../../src/tools/recover/force-new-cluster.js";
import { forcedTermStep } from "../../src/tools/recover/forced-plan.js";
import { readSurvivor, type Survivor } from "../../src/tools/recover/survivor.js";
import { goldenSets, goldenVersions } from "../files/support/golden-files.js";
import { address, dumpOf, log, vanillaJournal, vanillaMeta } from "../files/support/made-files.js";
import {
  assertKept,
  diskWith,
  type FileSet,
  kinds,
  stoppedAnywhere,
} from "../storage/crash-cases.js";
import { CrashFileSystem, systemError } from "../storage/crash-file-system.js";

const now = new Date("2026-01-31T09:00:00Z");
const later = new Date("2026-01-31T09:05:00Z");
const others = ["127.0.0.1:4002", "127.0.0.1:4003"];
const entries = log([0, 1, 1, 1, 2, 2, 2, 5, 5, 5]);
const journal = vanillaJournal(entries);
const forgetful = vanillaMeta({ raftCommitIndex: 9 });
const meta = vanillaMeta({ raftCommitIndex: 9, currentTerm: 8, votedForNodeId: "b:2" });

async function memberOn(fs: CrashFileSystem): Promise<MemberPaths> {
  const [member] = membersIn("/d", await fs.list("/d"));
  assert.ok(member !== undefined);
  return member;
}

async function read(fs: CrashFileSystem, acceptsIncomplete = true): Promise<Survivor> {
  return await readSurvivor(fs, await memberOn(fs), { acceptsIncomplete, watch: {} });
}

async function recover(fs: CrashFileSystem, time = now, signal = new AbortController().signal) {
  const place = { fs, now: time, watch: { signal } };
  return await forceNewCluster(place, await read(fs), { named: others });
}

async function start(fs: CrashFileSystem) {
  const given = { dataDir: "/d", selfAddr: address, logger: silentLogger, fileSystem: fs };
  const { storage, recovered } = await Storage.open(given);
  await storage.close();
  return recovered;
}

function dataOf(store: Store): string {
  return JSON.stringify(
    [...store.entries()].map(([key, value]) => [keyToText(key), toJson(value)]),
  );
}

function copyOf(fs: CrashFileSystem): CrashFileSystem {
  const copy = new CrashFileSystem();
  for (const path of fs.paths()) copy.put(path, fs.read(path) ?? Buffer.alloc(0));
  return copy;
}

/** All files of the data directory, by name. */
function picture(fs: CrashFileSystem): ReadonlyMap<string, string | undefined> {
  return new Map(fs.paths().map((path) => [path, fs.read(path)?.toString("hex")] as const));
}

/** As Quorate leaves them. */
async function sealed(files: FileSet): Promise<FileSet> {
  const fs = diskWith(files, address);
  await start(fs);
  const left = kinds.map((kind) => [kind, fs.read(`/d/${address}.${kind}`)] as const);
  return Object.fromEntries(left.filter(([, bytes]) => bytes !== null)) as FileSet;
}

function torn(bytes: Buffer): Buffer {
  const at = bytes.indexOf("value 7");
  return Buffer.from(bytes).fill(0xff, at - 60, at);
}

const compacted: FileSet = {
  journal: vanillaJournal(entries.slice(4)),
  "journal.meta": meta,
  dump: dumpOf(entries, 6, { members: [address, ...others] }),
};
const cases: readonly (readonly [string, FileSet | Promise<FileSet>])[] = [
  ["a journal of PySyncObj's", { journal, "journal.meta": forgetful }],
  ["a journal of Quorate's", sealed({ journal, "journal.meta": meta })],
  ["a journal and a dump", compacted],
  ["a journal and a dump of Quorate's", sealed(compacted)],
  ["files amid a compaction", { ...compacted, journal }],
  ["a torn journal", { journal: torn(journal), "journal.meta": meta }],
  [
    "a torn journal behind a dump",
    { ...compacted, journal: torn(vanillaJournal(entries.slice(4))) },
  ],
  ["a damaged dump", { ...compacted, dump: new Uint8Array(40) }],
  ["a damaged meta", { journal, "journal.meta": new Uint8Array(9) }],
  ["a journal alone", { journal }],
];

describe("recover --force-new-cluster, stopped anywhere", () => {
  for (const [name, given] of cases) {
    it(`${name}: nothing is lost, and run again it comes to its end`, async () => {
      const files = await given;
      const before = await read(diskWith(files, address));
      const data = dataOf(before.store);
      const { lastIndex, newTerm } = before.plan;
      const isIncomplete = (await read(diskWith(files, address), false)).plan.refusal !== null;
      await stoppedAnywhere(files, address, recover, async (fs, when, isOver) => {
        // Whoever starts the member all the same finds the old cluster's files or the new one's.
        const started = await start(copyOf(fs));
        const held = started.entries.at(-1)?.index ?? 0;
        assert.ok(held >= lastIndex || started.mustRefetch, `${held} of ${lastIndex}, ${when}`);
        const isNew = started.dump?.members.length === 1;
        if (isIncomplete && !isNew) assert.ok(started.mustRefetch, `no mark, ${when}`);

        const again = await read(fs);
        assert.equal(dataOf(again.store), data, when);
        if (isOver) assert.ok(again.isDone, when);
        if (again.isDone) assert.deepEqual(again.earlier?.formerMembers, others);
        else await recover(fs, later);
        assertKept(fs, files, { address, when });
        const recovered = await start(fs);
        assert.deepEqual(recovered.dump?.members, [address], when);
        assert.equal(recovered.mustRefetch, false, when);
        assert.ok(recovered.term >= newTerm, when);
        const end = recovered.entries.at(-1);
        assert.deepEqual([end?.term, end?.index], [recovered.term, recovered.commitIndex], when);
        assert.equal(dataOf((await read(fs)).store), data, when);
      });
    });
  }

  it("knows the former members again when its dump names nobody else", async () => {
    const fs = diskWith(compacted, address);
    fs.fault = (operation, path) => {
      if (operation === "rename" && path.endsWith(".journal")) throw systemError("EIO");
    };
    await assert.rejects(recover(fs), (error) => {
      assert.ok(error instanceof UnfinishedError);
      assert.match(
        error.message,
        /EIO while putting the new files in place.*run the same command/s,
      );
      return true;
    });
    fs.fault = null;
    const { plan, isDone } = await read(fs, false);
    assert.equal(isDone, false);
    assert.deepEqual([plan.formerMembers, plan.knowsAll], [others, true]);
  });
});

describe("recover --force-new-cluster", () => {
  for (const version of goldenVersions) {
    it(`makes each of the golden files of ${version} a cluster of one, with every key`, async () => {
      for (const [stem, files] of goldenSets(version)) {
        const fs = diskWith(files, address);
        if (stem === "truncated") {
          await assert.rejects(recover(fs), /no cluster can have reached.*another survivor/s);
          assert.deepEqual(picture(fs), picture(diskWith(files, address)));
          continue;
        }
        const before = await read(fs);
        const made = await recover(fs);
        for (const kind of kinds) {
          const kept = fs.read(`${made.setAsideTo}/${address}.${kind}`);
          const old = files[kind];
          assert.deepEqual(kept, old === undefined ? null : Buffer.from(old), `${stem} ${kind}`);
        }
        const after = await read(fs, false);
        assert.ok(after.isDone, stem);
        assert.equal(after.plan.refusal, null, stem);
        assert.equal(dataOf(after.store), dataOf(before.store), stem);
        const { last, members } = (await start(fs)).dump ?? assert.fail(stem);
        assert.deepEqual(members, [address]);
        assert.deepEqual([last.index, last.term], [before.last.index + 1, made.newTerm], stem);
        assert.equal(made.newTerm, before.plan.term + forcedTermStep);
      }
    });
  }

  it("leaves everything as it was where it is stopped before its first rename", async () => {
    const files = compacted;
    let stops = 0;
    for (let isOver = false; !isOver; stops++) {
      const fs = diskWith(files, address);
      const before = picture(fs);
      const stopping = new AbortController();
      let operations = 0;
      let renames = 0;
      fs.fault = (operation) => {
        if (operation === "rename") renames += 1;
        if (operations++ === stops) stopping.abort(new Error("stopped"));
      };
      isOver = await recover(fs, now, stopping.signal).then(
        () => true,
        (error: unknown) => {
          assert.equal(error, stopping.signal.reason);
          return false;
        },
      );
      fs.fault = null;
      if (isOver) assert.ok((await read(fs)).isDone, "past the last moment it comes to its end");
      else assert.deepEqual(picture(fs), before, `stopped at operation ${stops}`);
      if (!isOver) assert.equal(renames, 0);
    }
    assert.ok(stops > 10, `${stops} operations before the renames`);
  });

  it("leaves everything as it was on a full disk, and says what to do", async () => {
    for (const full of [".dump", ".dump.quorate-tmp-1", ".journal.quorate-tmp", "recovery.json"]) {
      const fs = diskWith(compacted, address);
      const before = picture(fs);
      fs.writeFault = (path) => {
        if (path.endsWith(full)) throw systemError("ENOSPC");
      };
      await assert.rejects(recover(fs), /ENOSPC.*make room.*Nothing was changed/s, full);
      assert.deepEqual(picture(fs), before, full);
    }
  });

  it("tells of terms that go down, with which the longest log need not be the best", async () => {
    const dipped = diskWith({ journal: vanillaJournal(log([0, 6, 6, 1, 1, 3, 2])) }, address);
    const [found = ""] = (await read(dipped)).plan.findings;
    assert.match(found, /go down at entry 4 from 6 to 1, and 1 more: .*quorate doctor DIR DIR/);
    assert.deepEqual((await read(diskWith({ journal }, address))).plan.findings, []);
  });

  it("refuses files behind whose term there is none", async () => {
    const fs = diskWith(
      { journal: (await sealed({ journal, "journal.meta": meta })).journal ?? journal },
      address,
    );
    const given = { dataDir: "/d", selfAddr: address, logger: silentLogger, fileSystem: fs };
    const { storage } = await Storage.open(given);
    await storage.write([{ kind: "meta", term: Number.MAX_SAFE_INTEGER, votedFor: address }]);
    await storage.close();
    assert.match((await read(fs)).plan.refusal ?? "", /somebody has forged terms.*quorate restore/);
  });

  it("refuses files that may lack acknowledged entries, unless that is accepted", async () => {
    const files = await sealed({ journal, "journal.meta": meta });
    const fs = diskWith({ journal: files.journal ?? journal }, address);
    const { plan } = await read(fs, false);
    assert.match(plan.refusal ?? "", /term and vote are missing.*--accept-incomplete/);
    assert.equal((await read(fs)).plan.refusal, null);
    assert.equal((await recover(fs)).lastIndex, 10);
  });
});
