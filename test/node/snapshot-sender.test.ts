import assert from "node:assert/strict";
import { test } from "node:test";
import type { InstallSnapshot, PeerMessage } from "../../protocol/wire/messages.js";
import { type Clock, systemClock, type Timer } from "../../src/clock.js";
import { silentLogger } from "../../src/logger.js";
import { nodeLimits } from "../../src/node/limits.js";
import { Notes } from "../../src/node/notes.js";
import { SnapshotSender, type SnapshotSenderHost } from "../../src/node/snapshot-sender.js";

/** Time goes by as fast as others get their turn. */
const hurriedClock: Clock = {
  ...systemClock,
  after: (_ms, run) => {
    const handle = setImmediate(run);
    const timer: Timer = { cancel: () => clearImmediate(handle), unref: () => timer };
    return timer;
  },
};

class Scene {
  readonly sender: SnapshotSender;
  readonly sent: { to: string; message: InstallSnapshot }[] = [];
  readonly notSent: string[] = [];
  /** Who does not read. */
  readonly full = new Set<string>();
  /** Who has an answer to come that waits for the disk. */
  readonly waitsForDisk = new Set<string>();
  open = 0;
  mostOpen = 0;
  reads = 0;

  constructor(more: Partial<SnapshotSenderHost> = {}) {
    const host: SnapshotSenderHost = {
      clock: hurriedClock,
      openDump: async () => this.#dump(),
      makeDump: () => Promise.reject(new Error("the dump is there")),
      logRange: () => ({ first: 39, last: 60 }),
      leadership: () => ({ term: 7, commitIndex: 55 }),
      isObserver: (id) => id.startsWith("observer"),
      buffered: (to) => (this.full.has(to) ? nodeLimits.snapshotBufferedBytesMax + 1 : 0),
      held: (to) => (this.waitsForDisk.has(to) ? nodeLimits.snapshotBufferedBytesMax + 1 : 0),
      send: (to: string, message: PeerMessage) => {
        if (message.type === "install_snapshot") this.sent.push({ to, message });
      },
      sent: () => {},
      notSent: (to) => this.notSent.push(to),
      ...more,
    };
    this.sender = new SnapshotSender(host, new Notes(silentLogger, () => 0));
  }

  /** Who has got the last piece. */
  get served(): string[] {
    return this.sent.filter(({ message }) => message.chunk?.isLast).map(({ to }) => to);
  }

  /** Until it holds, or for so many turns of the loop. */
  async turns(times: number, holds: () => boolean = () => false): Promise<void> {
    for (let turn = 0; turn < times && !holds(); turn += 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** A dump of two pieces, which takes turns of the loop to open and read. */
  async #dump() {
    const pieces = [Uint8Array.of(1), Uint8Array.of(2), new Uint8Array()];
    this.open += 1;
    this.mostOpen = Math.max(this.mostOpen, this.open);
    await this.turns(1);
    return {
      lastIndex: 40,
      lastTerm: 7,
      read: async () => {
        this.reads += 1;
        await this.turns(1);
        return pieces.shift() ?? new Uint8Array();
      },
      close: async () => {
        this.open -= 1;
      },
    };
  }
}

test("nothing more of a dump is read while what was read waits for the disk", async () => {
  const scene = new Scene();
  scene.waitsForDisk.add("b:1");
  scene.sender.start("b:1");
  await scene.turns(100);
  assert.deepEqual([scene.reads, scene.sent.length], [1, 0]);
  scene.waitsForDisk.clear();
  await scene.turns(1_000, () => scene.served.length > 0);
  assert.deepEqual(scene.served, ["b:1"]);
});

test("the commit index comes with the last piece of a dump, and not before", async () => {
  const scene = new Scene();
  scene.sender.start("b:1");
  await scene.turns(1_000, () => scene.served.length > 0);
  // PySyncObj takes the entries of its own log up to there for committed with each piece but the last,
  // and tells its callers so: those may be the very ones that the dump replaces.
  assert.deepEqual(
    scene.sent.map(({ message: { commitIndex, chunk } }) => [commitIndex, chunk?.isLast]),
    [
      [1, false],
      [1, false],
      [55, true],
    ],
  );
});

for (const id of ["b:1", "observer-1"]) {
  test(`one that is begun anew again and again is open once at a time: ${id}`, async () => {
    const scene = new Scene();
    for (let times = 0; times < 100; times += 1) {
      scene.sender.start(id);
      if (times % 3 === 0) scene.sender.cancel(id);
      if (times % 10 === 0) await scene.turns(1);
    }
    await scene.turns(1_000, () => scene.served.length > 0 && scene.open === 0);
    assert.equal(scene.mostOpen, 1);
    assert.equal(scene.open, 0);
    assert.deepEqual(scene.served, [], "the last word was that nobody wants it");
    scene.sender.start(id);
    scene.sender.start(id);
    await scene.turns(1_000, () => scene.served.length > 0 && scene.open === 0);
    assert.deepEqual(scene.served, [id]);
    assert.equal(scene.mostOpen, 1);
    // All of it, from its beginning.
    assert.deepEqual(
      scene.sent.map(({ message }) => message.chunk?.isFirst),
      [true, false, false],
    );
  });
}

test("one that was given up while it was opened is not read", async () => {
  const scene = new Scene();
  scene.sender.start("b:1");
  scene.sender.cancel("b:1");
  await scene.turns(20);
  assert.equal(scene.reads, 0);
  assert.equal(scene.open, 0);
  assert.deepEqual(scene.notSent, []);
});

test("one that was given up while the file was looked for is not written", async () => {
  let written = 0;
  const makeDump = async (): Promise<void> => {
    written += 1;
  };
  const scene = new Scene({ openDump: async () => null, makeDump });
  scene.sender.start("b:1");
  scene.sender.cancel("b:1");
  await scene.turns(20);
  assert.equal(written, 0);
});

test("a crowd of observers gets theirs a few at a time, a member at once", async () => {
  const scene = new Scene();
  const crowd = Array.from({ length: 20 }, (_, i) => `observer-${i}`);
  for (const id of crowd) scene.sender.start(id);
  assert.equal(scene.open, nodeLimits.observerDumpsMax);
  scene.sender.start("b:1");
  assert.equal(scene.open, nodeLimits.observerDumpsMax + 1);
  scene.sender.cancel("observer-10");
  await scene.turns(2_000, () => scene.served.length >= crowd.length && scene.open === 0);
  const expected = [...crowd.filter((id) => id !== "observer-10"), "b:1"];
  assert.deepEqual([...scene.served].sort(), expected.sort());
  assert.equal(scene.mostOpen, nodeLimits.observerDumpsMax + 1);
});

test("observers that do not read keep no other one from a dump, and none is kept from it for others' sake", async () => {
  const scene = new Scene();
  const deaf = Array.from({ length: 8 }, (_, i) => `observer-deaf-${i}`);
  for (const id of deaf) {
    scene.full.add(id);
    scene.sender.start(id);
  }
  scene.sender.start("observer-1");
  await scene.turns(20_000, () => scene.served.length > 0);
  assert.deepEqual(scene.served, ["observer-1"]);
  assert.ok(scene.notSent.length > 0);
  assert.ok(scene.notSent.length <= nodeLimits.observerDumpsMax, "the first place is for a reader");
  await scene.turns(5_000, () => scene.notSent.length >= deaf.length - nodeLimits.observerDumpsMax);
  // Nobody waits any more: whoever is left may be as slow as it likes.
  const given = scene.notSent.length;
  await scene.turns(5_000);
  assert.equal(scene.notSent.length, given);
  scene.full.clear();
  const last = deaf.length - given + 1;
  await scene.turns(2_000, () => scene.served.length >= last);
  assert.equal(scene.served.length, last);
});

test("a stop begins none that waited", async () => {
  const scene = new Scene();
  for (let i = 0; i < 20; i += 1) scene.sender.start(`observer-${i}`);
  scene.sender.cancelAll();
  await scene.turns(20);
  assert.equal(scene.open, 0);
  assert.equal(scene.mostOpen, nodeLimits.observerDumpsMax);
  assert.equal(scene.reads, 0);
});
