import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { silentLogger } from "../../src/logger.js";
import { type DiskTrouble, DiskWriter } from "../../src/node/disk-writer.js";
import { nodeLimits } from "../../src/node/limits.js";
import { StorageError } from "../../src/storage/storage-error.js";

interface Attempt {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** A writer over a disk whose every write ends when the test says so. */
function scene() {
  const attempts: Attempt[] = [];
  const heard: string[] = [];
  const messages: string[] = [];
  const storage = {
    worksOn: "/d/a:1.journal",
    write: () =>
      new Promise<void>((resolve, reject) => {
        attempts.push({ resolve, reject });
      }),
  };
  const events = {
    durable: (seq: number) => void heard.push(`durable ${seq}`),
    trouble: (trouble: DiskTrouble | null) => {
      heard.push(trouble?.code ?? "usable");
      if (trouble !== null) messages.push(trouble.message);
    },
    failed: () => void heard.push("failed"),
  };
  const writer = new DiskWriter(storage, events, silentLogger);
  writer.push({ kind: "truncate", fromIndex: 9 }, 1);
  writer.kick();
  return { attempts, heard, messages };
}

test("a disk that hangs is told of once, and so is its end", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { attempts, heard, messages } = scene();
  t.mock.timers.tick(nodeLimits.diskHangsMs - 1);
  assert.deepEqual(heard, []);
  t.mock.timers.tick(1);
  assert.deepEqual(heard, ["disk-hangs"]);
  assert.match(messages.join(), /^\/d\/a:1\.journal: a write has taken more than/);
  t.mock.timers.tick(10 * nodeLimits.diskHangsMs);
  attempts[0]?.resolve();
  await nextTurn();
  assert.deepEqual(heard, ["disk-hangs", "usable", "durable 1"]);
});

test("a full disk is waited out, and its member ends at any other error", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { attempts, heard } = scene();
  for (let attempt = 0; attempt < 3; attempt += 1) {
    attempts[attempt]?.reject(new StorageError("no-space", "/d", "no space left"));
    await nextTurn();
    t.mock.timers.tick(nodeLimits.diskRetryMs);
    await nextTurn();
  }
  assert.deepEqual(heard, ["no-space"]);
  attempts[3]?.reject(new StorageError("io", "/d", "EIO"));
  await nextTurn();
  assert.deepEqual(heard, ["no-space", "failed"]);
});
