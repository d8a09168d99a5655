import assert from "node:assert/strict";
import { describe, it, test } from "node:test";
import { crc32 } from "node:zlib";
import { decodeMeta, type Meta } from "../../protocol/files/meta-format.js";
import { type MemberPaths, membersIn } from "../../src/files/data-path.js";
import { silentLogger } from "../../src/logger.js";
import { emptyMeta, loadMeta, MetaFile } from "../../src/storage/meta-file.js";
import { Storage } from "../../src/storage/storage.js";
import { resetMember } from "../../src/tools/recover/reset-member.js";
import { goldenSets, goldenVersions } from "../files/support/golden-files.js";
import { address, dumpOf, log, vanillaJournal, vanillaMeta } from "../files/support/made-files.js";
import {
  assertKept,
  diskWith,
  type FileSet,
  kinds,
  stoppedAnywhere,
} from "../storage/crash-cases.js";
import { CrashFileSystem } from "../storage/crash-file-system.js";

const now = new Date("2026-01-31T09:00:00Z");
const later = new Date("2026-01-31T09:05:00Z");
const metaPath = `/d/${address}.journal.meta`;

/** Null where none of its files is left in its place. */
async function memberOn(fs: CrashFileSystem): Promise<MemberPaths | null> {
  return membersIn("/d", await fs.list("/d"))[0] ?? null;
}

async function reset(fs: CrashFileSystem, keepsPromises: boolean, time = now) {
  const member = await memberOn(fs);
  assert.ok(member !== null);
  return await resetMember(member, { now: time, keepsPromises }, fs);
}

async function start(fs: CrashFileSystem) {
  const given = { dataDir: "/d", selfAddr: address, logger: silentLogger, fileSystem: fs };
  const { storage, recovered } = await Storage.open(given);
  await storage.close();
  return recovered;
}

function copyOf(fs: CrashFileSystem): CrashFileSystem {
  const copy = new CrashFileSystem();
  for (const path of fs.paths()) copy.put(path, fs.read(path) ?? Buffer.alloc(0));
  return copy;
}

test("an emptied member keeps what it knows of terms", async () => {
  const fs = new CrashFileSystem();
  const stored: Meta = { ...emptyMeta, term: 7, votedFor: "b:1", commitIndex: 9, secondTerm: 3 };
  await new MetaFile(fs, metaPath, emptyMeta).store(stored);
  await reset(fs, true);
  const loaded = await loadMeta(fs, metaPath);
  assert.ok(loaded.kind === "meta");
  const { otherKeys: _, ...kept } = loaded.meta;
  assert.deepEqual(kept, {
    ...{ term: 7, votedFor: "b:1", secondTerm: 3, termFloor: 0 },
    ...{ commitIndex: 1, mustRefetch: true, forgotTerm: false, isBlank: false, owner: address },
  });
});

test("a member that does not know its term does not know it after a reset either", async () => {
  for (const forgotTerm of [true, false]) {
    const fs = diskWith({ journal: vanillaJournal(log([0, 1, 1])) }, address);
    const logger = silentLogger;
    const given = { dataDir: "/d", selfAddr: address, logger, fileSystem: fs };
    const { storage } = await Storage.open(given);
    await storage.write([{ kind: "must-refetch", missing: true, forgotTerm }]);
    await storage.close();
    await reset(fs, true);
    const { meta } = decodeMeta(fs.read(metaPath) ?? Buffer.alloc(0), crc32);
    assert.deepEqual([meta.mustRefetch, meta.forgotTerm], [true, forgotTerm]);
  }
});

describe("reset-member", () => {
  for (const version of goldenVersions) {
    it(`keeps each of the golden files of ${version} beside, byte by byte`, async () => {
      for (const [stem, files] of goldenSets(version)) {
        for (const keepsPromises of [true, false]) {
          const fs = diskWith(files, address);
          const { setAsideTo } = await reset(fs, keepsPromises);
          for (const kind of kinds) {
            const kept = fs.read(`${setAsideTo}/${address}.${kind}`);
            const old = files[kind];
            assert.deepEqual(kept, old === undefined ? null : Buffer.from(old), `${stem} ${kind}`);
          }
          const recovered = await start(fs);
          assert.equal(recovered.entries.length, 1, stem);
          assert.equal(recovered.mustRefetch, keepsPromises, stem);
        }
      }
    });
  }
});

describe("reset-member, stopped anywhere", () => {
  const entries = log([0, 1, 1, 1, 2, 2, 2, 5, 5, 5]);
  const meta = vanillaMeta({ raftCommitIndex: 9, currentTerm: 8, votedForNodeId: "b:2" });
  const dump = dumpOf(entries, 6);
  const journal = vanillaJournal(entries.slice(4));
  const cases: readonly (readonly [string, FileSet])[] = [
    ["all three files", { journal, "journal.meta": meta, dump }],
    [
      "a member that forgets",
      { journal, "journal.meta": vanillaMeta({ raftCommitIndex: 9 }), dump },
    ],
    ["a damaged meta", { journal, "journal.meta": new Uint8Array(9), dump }],
    ["no meta", { journal, dump }],
  ];
  for (const [name, files] of cases) {
    for (const keepsPromises of [true, false]) {
      const which = keepsPromises ? "that keeps term and vote" : "of two";
      it(`${name}, a member ${which}: nothing is lost, and run again it comes to its end`, async () => {
        const untouched = await start(diskWith(files, address));
        const command = (fs: CrashFileSystem) => reset(fs, keepsPromises);
        await stoppedAnywhere(files, address, command, async (fs, when) => {
          // Started all the same, it is as it was, or it waits; of two, it may be a new one.
          const started = await start(copyOf(fs));
          const isAsBefore = started.entries.length === untouched.entries.length;
          const isEmptied = !keepsPromises && (await memberOn(fs)) === null;
          assert.ok(isAsBefore || started.mustRefetch || isEmptied, when);
          if (keepsPromises && files["journal.meta"] === meta) {
            assert.deepEqual([started.term, started.votedFor], [8, "b:2"], when);
          }

          if ((await memberOn(fs)) !== null) await reset(fs, keepsPromises, later);
          assertKept(fs, files, { address, when });
          const recovered = await start(fs);
          assert.equal(recovered.entries.length, 1, when);
          assert.equal(recovered.dump, null, when);
          assert.equal(recovered.mustRefetch, keepsPromises, when);
        });
      });
    }
  }
});
