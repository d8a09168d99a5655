import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock, Timer } from "../../src/clock.js";
import { nodeLimits } from "../../src/node/limits.js";
import { untilThereIsRoom } from "../../src/node/wait-for-room.js";
import { StorageError } from "../../src/storage/storage-error.js";

class Scene {
  readonly said: string[] = [];
  readonly stop = new AbortController();
  attempts = 0;
  fault: Error | null = new StorageError("no-space", "/d/x.journal.meta", "no space left");
  readonly #timers: (() => void)[] = [];

  run(): Promise<number> {
    const say = (text: string) => void this.said.push(text);
    const logger = { error: say, warn: say, info: say, debug: say };
    const after = (ms: number, run: () => void): Timer => {
      assert.equal(ms, nodeLimits.diskRetryMs);
      this.#timers.push(run);
      const timer: Timer = { cancel: () => {}, unref: () => timer };
      return timer;
    };
    const none = () => assert.fail();
    const clock: Clock = { after, monotonicMs: none, wallSec: none, every: none, soon: none };
    const work = async () => {
      this.attempts += 1;
      if (this.fault !== null) throw this.fault;
      return this.attempts;
    };
    return untilThereIsRoom(work, { logger, clock, signal: this.stop.signal });
  }

  async second(): Promise<void> {
    await nextTurn();
    for (const run of this.#timers.splice(0)) run();
    await nextTurn();
  }
}

test("a start on a full disk waits, says so once, and goes on by itself", async () => {
  const scene = new Scene();
  const done = scene.run();
  for (let n = 0; n < 20; n++) await scene.second();
  assert.equal(scene.attempts, 21);
  scene.fault = null;
  await scene.second();
  assert.equal(await done, 22);
  assert.deepEqual(scene.said, [
    "waiting with the start: /d/x.journal.meta: no space left",
    "the disk takes writes again",
  ]);
  assert.deepEqual(getEventListeners(scene.stop.signal, "abort"), []);
});

test("any other fault ends the start, and so does a signal", async () => {
  const broken = new Scene();
  broken.fault = new StorageError("io", "/d/x", "EIO");
  await assert.rejects(broken.run(), /EIO/);
  const stopped = new Scene();
  const done = stopped.run();
  await nextTurn();
  stopped.stop.abort();
  await assert.rejects(done, /no space left/);
});
