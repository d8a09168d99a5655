import assert from "node:assert/strict";
import { test } from "node:test";
import type { InstallSnapshot, PeerMessage } from "../../protocol/wire/messages.js";
import { systemClock } from "../../src/clock.js";
import { silentLogger } from "../../src/logger.js";
import { Notes } from "../../src/node/notes.js";
import { SnapshotSender } from "../../src/node/snapshot-sender.js";

/** A dump of two pieces. */
function dump() {
  const pieces = [Uint8Array.of(1), Uint8Array.of(2), new Uint8Array()];
  return {
    lastIndex: 40,
    lastTerm: 7,
    read: async () => pieces.shift() ?? new Uint8Array(),
    close: async () => {},
  };
}

test("the commit index comes with the last piece of a dump, and not before", async () => {
  const sent: InstallSnapshot[] = [];
  await new Promise<void>((resolve, reject) => {
    const sender = new SnapshotSender(
      {
        clock: systemClock,
        openDump: async () => dump(),
        makeDump: async () => reject(new Error("the dump is there")),
        logRange: () => ({ first: 39, last: 60 }),
        leadership: () => ({ term: 7, commitIndex: 55 }),
        buffered: () => 0,
        send: (_to: string, message: PeerMessage) => {
          if (message.type === "install_snapshot") sent.push(message);
        },
        sent: () => resolve(),
        notSent: () => reject(new Error("it was not sent")),
      },
      new Notes(silentLogger, () => 0),
    );
    sender.start("b:1");
  });
  // PySyncObj takes the entries of its own log up to there for committed with each piece but the last,
  // and tells its callers so: those may be the very ones that the dump replaces.
  assert.deepEqual(
    sent.map(({ commitIndex, chunk }) => [commitIndex, chunk?.isLast]),
    [
      [1, false],
      [1, false],
      [55, true],
    ],
  );
});
