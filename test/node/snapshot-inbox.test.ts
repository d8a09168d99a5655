import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtocolError } from "../../protocol/errors.js";
import type { PyValue } from "../../protocol/pickle/values.js";
import { systemClock } from "../../src/clock.js";
import { silentLogger } from "../../src/logger.js";
import { nodeLimits } from "../../src/node/limits.js";
import { SnapshotInbox } from "../../src/node/snapshot-inbox.js";
import type { ReceivedDump } from "../../src/storage/storage.js";

const mib = 1024 * 1024;
const entry = (index: number) => ({ index, term: 1, command: Uint8Array.of(1) });
const whole: ReceivedDump = {
  path: "dump",
  dump: { data: new Map(), codeVersion: 0, previous: entry(8), last: entry(9), members: [] },
};

/** An inbox over a disk that takes a piece when it is told to. */
function makeInbox(
  refusal: Error | null = null,
  abortFault: Error | null = null,
  { dump = whole, dataBytesMax = 64 * mib, removeFault = null as Error | null } = {},
) {
  const happened: string[] = [];
  const writes: (() => void)[] = [];
  const inbox = new SnapshotInbox(
    {
      clock: systemClock,
      limits: { dataBytesMax, entryBytesMax: 8 * mib },
      receiveDump: () => {
        happened.push("begins");
        return {
          write: () => new Promise((resolve) => writes.push(resolve)),
          finish: async () => {
            if (refusal !== null) throw refusal;
            return dump;
          },
          abort: async () => {
            if (abortFault !== null) throw abortFault;
          },
        };
      },
      discardDump: async ({ path }) => {
        happened.push(`removes ${path}`);
        if (removeFault !== null) throw removeFault;
      },
      unusable: (_from, error) => happened.push(`unusable: ${String(error)}`),
      refused: (from, term, fixed) =>
        happened.push(`refused ${from} ${term}${fixed === null ? "" : `: ${fixed}`}`),
      setHeld: (from, isHeld) => happened.push(`${isHeld ? "holds" : "lets go of"} ${from}`),
      received: (from, term) => happened.push(`received ${from} ${term}`),
    },
    silentLogger,
  );
  const take = (bytes: number, place: "first" | "amid" | "last", from = "b:1", term = 1) =>
    inbox.take(from, term, {
      ...{ data: new Uint8Array(bytes), isFirst: place === "first", isLast: place === "last" },
    });
  /** The disk takes what waits, one piece after the other. */
  const diskWorks = async (pieces = Number.POSITIVE_INFINITY) => {
    for (let n = 0; n < pieces; n += 1) {
      await new Promise(setImmediate);
      const write = writes.shift();
      if (write === undefined) return;
      write();
      await new Promise(setImmediate);
    }
  };
  const connected = (from: string) => inbox.connected(from);
  return { take, diskWorks, happened, connected, close: () => inbox.close() };
}

test("while the disk is slower than the network, the leader is not read from", async () => {
  const { take, diskWorks, happened } = makeInbox();
  const pieces = nodeLimits.snapshotWaitingBytesMax / mib;
  take(mib, "first");
  for (let n = 1; n < pieces; n += 1) take(mib, "amid");
  await new Promise(setImmediate);
  assert.deepEqual(happened, ["begins"], "so much may wait");
  take(mib, "amid");
  take(mib, "amid");
  assert.deepEqual(happened, ["begins", "holds b:1"]);
  await diskWorks(1);
  assert.deepEqual(happened, ["begins", "holds b:1"], "still too much");
  await diskWorks(1);
  assert.deepEqual(happened, ["begins", "holds b:1", "lets go of b:1"]);
  await diskWorks();
  take(0, "last");
  await diskWorks();
  assert.deepEqual(happened.slice(3), ["received b:1 1"]);
});

test("what the same leader sends once more while its dump is read is not taken", async () => {
  const { take, diskWorks, happened } = makeInbox();
  take(1, "first");
  take(1, "last");
  take(mib, "first");
  for (let n = 0; n < 100; n += 1) take(mib, "amid");
  await diskWorks();
  assert.deepEqual(happened, ["begins", "received b:1 1"]);
  take(mib, "amid");
  take(1, "first", "c:1", 2);
  take(1, "last", "c:1", 2);
  await diskWorks();
  assert.deepEqual(happened.slice(2), ["begins", "received c:1 2"]);
});

for (const [code, limit, what] of [
  ["dump-too-large", undefined, ""],
  ["pickle-limit", "allocatedBytesMax", ""],
  // Whatever the setting is: no larger one would do.
  ["pickle-limit", undefined, ": too much"],
] as const) {
  test(`a dump that is given up for ${code}${what} is refused, and the next one taken`, async () => {
    const error = new ProtocolError(code, "too much", limit === undefined ? {} : { limit });
    const { take, diskWorks, happened } = makeInbox(error);
    take(1, "first");
    take(1, "last");
    await diskWorks();
    assert.deepEqual(happened, ["begins", `refused b:1 1${what}`]);
    take(1, "first");
    await diskWorks();
    assert.deepEqual(happened.slice(2), ["begins"]);
  });
}

test("one that is no dump is told of as such", async () => {
  const { take, diskWorks, happened } = makeInbox(new ProtocolError("dump-malformed", "none"));
  take(1, "first");
  take(1, "last");
  await diskWorks();
  assert.equal(happened[1], "unusable: ProtocolError: none");
});

test("a leader that connects again while it is not read from is not read from there either", async () => {
  const { take, diskWorks, happened, connected } = makeInbox();
  connected("b:1");
  take(mib, "first");
  for (let n = 0; n < nodeLimits.snapshotWaitingBytesMax / mib; n += 1) take(mib, "amid");
  connected("c:1");
  assert.deepEqual(happened, ["holds b:1"]);
  connected("b:1");
  assert.deepEqual(happened, ["holds b:1", "holds b:1"]);
  await diskWorks();
  connected("b:1");
  assert.deepEqual(happened.slice(2), ["begins", "lets go of b:1"]);
});

test("what follows of a dump that was given up does not wait for the disk", async () => {
  const { take, diskWorks, happened } = makeInbox(new ProtocolError("dump-too-large", "too much"));
  take(1, "first");
  take(1, "last");
  await diskWorks();
  for (let n = 0; n < 100; n += 1) take(mib, "amid");
  assert.deepEqual(happened, ["begins", "refused b:1 1"], "nobody is held");
  take(1, "first", "c:1", 2);
  take(1, "last", "c:1", 2);
  await diskWorks();
  assert.deepEqual(happened.slice(2), ["begins", "refused c:1 2"]);
});

test("a dump that is given up while the next one waits takes nothing of that one", async () => {
  const { take, diskWorks, happened } = makeInbox(new ProtocolError("dump-too-large", "too much"));
  take(1, "first");
  take(1, "last");
  take(1, "first", "c:1", 2);
  await diskWorks(2);
  assert.deepEqual(happened, ["begins", "refused b:1 1", "begins"]);
  take(1, "last", "c:1", 2);
  await diskWorks();
  assert.deepEqual(happened.slice(3), ["refused c:1 2"]);
});

test("a disk that cannot even drop what came of a dump ends nothing", async () => {
  const { take, diskWorks, happened } = makeInbox(null, new Error("EROFS"));
  take(1, "first");
  await diskWorks();
  take(1, "first");
  await diskWorks();
  take(1, "last");
  await diskWorks();
  assert.deepEqual(happened, ["begins", "begins", "received b:1 1"]);
});

const ofLargeData: ReceivedDump = {
  path: "large",
  dump: {
    ...whole.dump,
    data: new Map<PyValue, PyValue>([["key", new Map([["value", "x".repeat(10_000)]])]]),
  },
};

for (const removeFault of [null, new Error("EROFS")]) {
  const suffix = removeFault === null ? "" : ", or goes on where it cannot be";
  test(`a whole dump that is refused for its data has its file removed${suffix}`, async () => {
    const options = { dump: ofLargeData, dataBytesMax: 5_000, removeFault };
    const { take, diskWorks, happened, close } = makeInbox(null, null, options);
    for (let attempt = 0; attempt < 2; attempt += 1) {
      take(1, "first");
      take(1, "last");
      await diskWorks();
    }
    const once = ["begins", "removes large", "refused b:1 1"];
    assert.deepEqual(happened, [...once, ...once]);
    await close();
    assert.equal(happened.length, 6, "once each");
  });
}

test("a dump on which the core has not decided is removed when the member stops", async () => {
  const { take, diskWorks, happened, close } = makeInbox();
  take(1, "first");
  take(1, "last");
  await diskWorks();
  await close();
  assert.deepEqual(happened, ["begins", "received b:1 1", "removes dump"]);
});
