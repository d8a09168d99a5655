import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { projectRoot } from "../../interop-tests/support/project.js";
import { walkRecords } from "../../protocol/files/journal-format.js";
import { termJumpMax } from "../../protocol/files/limits.js";
import type { Entry } from "../../protocol/log/entry.js";
import { JournalStream } from "../../src/files/journal-stream.js";
import { readJournal } from "../../src/files/read-journal.js";
import { readMeta } from "../../src/files/read-meta.js";
import type { JournalStop } from "../../src/storage/journal-pieces.js";
import { nodeFileSystem } from "../../src/storage/node-file-system.js";
import { log, pictureOfFolder, temporaryFolder, vanillaJournal } from "./support/made-files.js";

interface Read {
  readonly entries: readonly string[];
  readonly ends: readonly number[];
  readonly stop: JournalStop | null;
}

async function stream(path: string, to: number, jumpMax: number): Promise<Read> {
  const journal = await JournalStream.open(nodeFileSystem, path);
  const entries: string[] = [];
  const ends: number[] = [];
  const batches = journal.walk({ from: 40, to, termJumpMax: jumpMax });
  let step = await batches.next();
  for (; step.done !== true; step = await batches.next()) {
    entries.push(...step.value.entries.map(textOf));
    ends.push(...step.value.ends);
  }
  await journal.close();
  return { entries, ends, stop: step.value };
}

function textOf({ index, term, command }: Entry): string {
  return `${index} ${term} ${command.length} ${Buffer.from(command.subarray(0, 40)).toString("hex")}`;
}

function inMemory(bytes: Buffer, to: number, jumpMax: number): Read {
  const { entries, ends, stop } = walkRecords(bytes, { from: 40, to, termJumpMax: jumpMax });
  return { entries: entries.map(textOf), ends, stop };
}

/** Records of all sizes, one of them larger than two pieces, so that pieces end everywhere. */
function largeLog(): Entry[] {
  return Array.from({ length: 900 }, (_, at): Entry => {
    const length = at === 500 ? 2_500_000 : 1 + ((at * 7919) % 9000);
    return {
      index: at + 1,
      term: 1 + Math.floor(at / 300),
      command: new Uint8Array(length).fill(at),
    };
  });
}

describe("a journal read in pieces", () => {
  const entries = largeLog();
  const bytes = vanillaJournal(entries);
  const end = bytes.readUInt32LE(36);

  test("gives what it gives in memory", async (t) => {
    const path = join(temporaryFolder(t), "journal");
    writeFileSync(path, bytes);
    const read = await stream(path, end, termJumpMax);
    assert.equal(read.stop, null);
    assert.deepEqual(read, inMemory(bytes, end, termJumpMax));
    // Beyond the end there are zeros.
    assert.deepEqual(
      await stream(path, bytes.length, termJumpMax),
      inMemory(bytes, bytes.length, termJumpMax),
    );
  });

  test("stops where it stops in memory: damaged sizes, indices, terms, cuts", async (t) => {
    const path = join(temporaryFolder(t), "journal");
    const { ends } = inMemory(bytes, end, termJumpMax);
    const reasons = new Set<string>();
    for (let at = 3; at < ends.length; at += 37) {
      const start = ends[at - 1] ?? 0;
      for (const [offset, value] of [
        [0, 0xff],
        [3, 0x7f],
        [4, 0xff],
        [16, 0xff],
        [18, 0xff],
      ] as const) {
        const damaged = Buffer.from(bytes);
        damaged[start + offset] = (damaged[start + offset] ?? 0) ^ value;
        writeFileSync(path, damaged);
        const read = await stream(path, end, termJumpMax);
        assert.deepEqual(read, inMemory(damaged, end, termJumpMax), `record ${at} byte ${offset}`);
        reasons.add(read.stop?.reason ?? "none");
      }
      const cut = bytes.subarray(0, start + 21);
      writeFileSync(path, cut);
      const read = await stream(path, end, termJumpMax);
      assert.deepEqual(read, inMemory(cut, end, termJumpMax), `cut in record ${at}`);
    }
    assert.deepEqual([...reasons].sort(), ["gap", "stray-term", "structure"]);
  });

  test("ends at once when it is told to", async (t) => {
    const path = join(temporaryFolder(t), "journal");
    writeFileSync(path, bytes);
    const stopping = new AbortController();
    let read = 0;
    const watch = {
      signal: stopping.signal,
      onRead: (more: number) => {
        read += more;
        stopping.abort(new Error("enough"));
      },
    };
    await assert.rejects(readJournal(nodeFileSystem, path, { watch }), /enough/);
    assert.ok(read < bytes.length / 2, `${read} bytes were read`);
  });
});

describe("files of every version of PySyncObj", () => {
  const vectors = join(projectRoot(), "protocol", "vectors");
  for (const version of readdirSync(vectors).filter((name) => /^\d/.test(name))) {
    test(`${version}: entries and metas as the manifest has them, and nothing is touched`, async () => {
      const folder = join(vectors, version, "files");
      const before = pictureOfFolder(folder);
      const manifest = JSON.parse(readFileSync(join(vectors, version, "files.json"), "utf8"));
      let journals = 0;
      for (const item of manifest.files) {
        const path = join(folder, item.file);
        if (item.kind === "meta") {
          const meta = await readMeta(nodeFileSystem, path);
          assert.ok(meta.kind === "meta");
          const isNew = ["0.3.16", "0.3.17"].includes(version);
          assert.equal(meta.writer, `PySyncObj ${isNew ? "0.3.16 or newer" : "up to 0.3.15"}`);
        }
        if (item.kind !== "journal") continue;
        journals += 1;
        const overview = await readJournal(nodeFileSystem, path);
        assert.deepEqual([overview.stop, overview.seal, overview.version], [null, "none", version]);
        assert.equal(overview.endOffset, item.end);
        assert.equal(overview.log.entries, item.entries.length);
        const { index, term } = item.entries.at(-1);
        assert.deepEqual(overview.log.last, { index, term });
      }
      assert.ok(journals > 6);
      assert.deepEqual(pictureOfFolder(folder), before);
    });
  }
});

test("terms, and each point where the term goes down", async (t) => {
  const path = join(temporaryFolder(t), "a:1.journal");
  writeFileSync(path, vanillaJournal(log([0, 3, 3, 7, 7, 7, 1, 1, 8, 2])));
  const { log: summary } = await readJournal(nodeFileSystem, path);
  assert.deepEqual(summary.terms, [
    { term: 0, first: 1, last: 1 },
    { term: 3, first: 2, last: 3 },
    { term: 7, first: 4, last: 6 },
    { term: 1, first: 7, last: 8 },
    { term: 8, first: 9, last: 9 },
    { term: 2, first: 10, last: 10 },
  ]);
  assert.deepEqual(summary.dips, [
    { index: 7, from: 7, to: 1 },
    { index: 10, from: 8, to: 2 },
  ]);
  assert.deepEqual([summary.largestTerm, summary.dipCount, summary.termRuns], [8, 2, 6]);
  assert.equal(summary.firstTime, 1_700_000_003);
  assert.equal(summary.lastTime, 1_700_000_008);
});
