import assert from "node:assert/strict";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Entry } from "../../protocol/log/entry.js";
import { systemClock } from "../../src/clock.js";
import { followJournal } from "../../src/files/follow.js";
import { nodeFileSystem } from "../../src/storage/node-file-system.js";
import { log, noOp, setEntry, temporaryFolder, vanillaJournal } from "./support/made-files.js";

interface Following {
  readonly path: string;
  /** What was told so far: an index with its term for an entry, or the event. */
  readonly told: string[];
  write(entries: readonly Entry[]): void;
  /** Another file takes its place, as Quorate's compaction does. */
  replace(entries: readonly Entry[]): void;
  /** Waits until so much was told. */
  until(told: readonly string[]): Promise<void>;
}

/** A journal that is followed, on a clock ten times as fast as ours. */
function follow(t: TestContext, first: readonly Entry[]): Following {
  const path = join(temporaryFolder(t), "a:1.journal");
  writeFileSync(path, vanillaJournal(first));
  const stopping = new AbortController();
  const told: string[] = [];
  const clock = {
    ...systemClock,
    monotonicMs: () => performance.now() * 10,
    after: (ms: number, run: () => void) => systemClock.after(ms / 10, run),
  };
  const ended = (async () => {
    const { signal } = stopping;
    for await (const event of followJournal(nodeFileSystem, path, { clock, signal })) {
      if (event.kind === "entries") told.push(...event.entries.map((e) => `${e.index}/${e.term}`));
      else told.push(Object.values(event).join(" "));
    }
  })();
  t.after(async () => {
    stopping.abort();
    await ended;
  });
  return {
    path,
    told,
    write: (entries) => writeFileSync(path, vanillaJournal(entries), { flag: "r+" }),
    replace: (entries) => {
      writeFileSync(`${path}.new`, vanillaJournal(entries));
      renameSync(`${path}.new`, path);
    },
    until: async (expected) => {
      const endMs = Date.now() + 20_000;
      while (told.length < expected.length && Date.now() < endMs) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      assert.deepEqual(told, expected);
    },
  };
}

const six = log([0, 1, 1, 1, 2, 2]);
const sixTold = ["1/0", "2/1", "3/1", "4/1", "5/2", "6/2"];

test("what is there, then what comes, each entry once", async (t) => {
  const followed = follow(t, six);
  await followed.until(sixTold);
  followed.write([...six, noOp(7, 3)]);
  await followed.until([...sixTold, "7/3"]);
  followed.write([...six, noOp(7, 3), setEntry(8, 3, "/a", "b")]);
  await followed.until([...sixTold, "7/3", "8/3"]);
});

test("across a compaction: by another file, and in place", async (t) => {
  const followed = follow(t, six);
  await followed.until(sixTold);
  const seven = [...six.slice(3), noOp(7, 2)];
  followed.replace(seven);
  await followed.until([...sixTold, "7/2"]);
  followed.write([...seven.slice(2), noOp(8, 2)]);
  await followed.until([...sixTold, "7/2", "8/2"]);
});

test("a journal that is compacted beyond what was read leaves a gap that is told", async (t) => {
  const followed = follow(t, six);
  await followed.until(sixTold);
  followed.replace([noOp(9, 2), noOp(10, 2)]);
  await followed.until([...sixTold, "gap 7 8", "9/2", "10/2"]);
});

test("entries that were cut, with others in their places", async (t) => {
  const followed = follow(t, six);
  await followed.until(sixTold);
  followed.write([...six.slice(0, 4), noOp(5, 3), noOp(6, 3), noOp(7, 3)]);
  await followed.until([...sixTold, "cut 5", "5/3", "6/3", "7/3"]);
});

test("entries that were cut, and nothing after them yet", async (t) => {
  const followed = follow(t, six);
  await followed.until(sixTold);
  followed.write(six.slice(0, 4));
  await followed.until([...sixTold, "cut 5"]);
  followed.write([...six.slice(0, 4), noOp(5, 3)]);
  await followed.until([...sixTold, "cut 5", "5/3"]);
});

test("records that stay broken are told of once", async (t) => {
  const followed = follow(t, six);
  await followed.until(sixTold);
  const bytes = vanillaJournal([...six, noOp(7, 3), noOp(8, 3)]);
  const end = bytes.readUInt32LE(36);
  bytes[end - 1] = 0xff;
  writeFileSync(followed.path, bytes, { flag: "r+" });
  await followed.until([...sixTold, "7/3", `broken ${end - 25}`]);
});
