import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { ProtocolError } from "../../../protocol/errors.js";
import { deriveFernetKey, type FernetKey } from "../../../protocol/wire/fernet.js";
import {
  commandBytesMax,
  frameBytesMax,
  memberMessageLimits,
  messageBytesMax,
  passedOverBytesMax,
} from "../../../protocol/wire/limits.js";
import type { AppendEntries, PeerMessage } from "../../../protocol/wire/messages.js";
import { observerHello, Session, type SessionEvent } from "../../../protocol/wire/session.js";

const keys: [string, FernetKey | null][] = [
  ["without a password", null],
  ["with a password", deriveFernetKey("secret")],
];
const vote: PeerMessage = { type: "request_vote", term: 5, lastLogIndex: 7, lastLogTerm: 4 };

/** A peer that has said who it is, and whom it has said it to. */
function connected(key: FernetKey | null, hello: string, entryBytesMax?: number) {
  const options = { key, random: randomBytes, monotonicSec: () => 1_000 };
  const peer = new Session({ role: { kind: "connector", hello }, ...options });
  const listener = new Session({
    ...{ role: { kind: "listener" }, ...options },
    ...(entryBytesMax === undefined ? {} : { entryBytesMax }),
  });
  listener.start();
  let toListener = peer.start();
  while (toListener.length > 0) {
    toListener = peer.receive(listener.receive(toListener).output).output;
  }
  return { peer, listener };
}

/** Small entries, up to what a batch of upstream's may have, and a large one behind them. */
function batch(large: Uint8Array): AppendEntries {
  return sent([...Array.from({ length: 15 }, () => randomBytes(4_096)), large]);
}

function sent(commands: readonly Uint8Array[]): AppendEntries {
  const entries = commands.map((command, n) => ({ index: 2 + n, term: 1, command }));
  const message = { type: "append_entries", term: 1, commitIndex: 1, prevLogIdx: 1 } as const;
  return { ...message, prevLogTerm: 1, entries };
}

/** Bytes that take the most on the wire: two each before, and next to nothing is saved by deflate. */
function dearest(bytes: number): Uint8Array {
  const all = new Uint8Array(randomBytes(bytes));
  for (let at = 0; at < bytes; at += 1) all[at] = (all[at] ?? 0) | 0x80;
  return all;
}

function header(length: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(length);
  return bytes;
}

function refused(act: () => unknown): ProtocolError {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof ProtocolError);
    return error;
  }
  assert.fail("it was taken");
}

function isVote(events: readonly SessionEvent[]): boolean {
  return events.length === 1 && events[0]?.kind === "message" && "lastLogTerm" in events[0].message;
}

for (const [how, key] of keys) {
  for (const entryBytes of [commandBytesMax, commandBytesMax * 1.5]) {
    const mib = entryBytes / 1024 ** 2;
    test(`an entry of the largest size, ${mib} MiB, passes behind small ones, ${how}`, () => {
      const { peer, listener } = connected(key, "a:1", entryBytes);
      for (const large of [dearest(entryBytes), Buffer.alloc(entryBytes, "x")]) {
        const { events } = listener.receive(peer.encode(batch(large)));
        const [event] = events;
        assert.ok(event?.kind === "message" && event.message.type === "append_entries");
        assert.equal(
          Buffer.compare(event.message.entries.at(-1)?.command ?? Buffer.of(), large),
          0,
        );
      }
    });
  }

  test(`a member's message that is too large is passed over, and the next is read, ${how}`, () => {
    const { peer, listener } = connected(key, "a:1");
    const many = Array.from({ length: 85_000 }, () => Uint8Array.of(1));
    const cases: readonly (readonly [AppendEntries, string, string])[] = [
      [sent(many), "pickle-limit", "allocatedBytesMax"],
      [batch(Buffer.alloc(messageBytesMax, "x")), "frame-inflate", "messageBytesMax"],
    ];
    for (const [large, code, limit] of cases) {
      const error = refused(() => listener.receive(peer.encode(large)));
      assert.deepEqual([error.code, error.limit], [code, limit]);
      assert.equal(listener.passOver(), true);
      assert.ok(isVote(listener.receive(peer.encode(vote)).events), limit);
    }
    // The rest of a frame that is too long comes bit by bit, and the next frame with the last of it.
    const length = frameBytesMax + 100_000;
    for (const headerBytes of [4, 3]) {
      listener.receive(header(length).subarray(0, 4 - headerBytes));
      const start = header(length).subarray(4 - headerBytes);
      assert.equal(refused(() => listener.receive(start)).limit, "frameBytesMax");
      assert.equal(listener.passOver(), true);
      const piece = randomBytes(1_000_003);
      let left = length;
      for (; left > piece.length; left -= piece.length) {
        assert.deepEqual(listener.receive(piece).events, []);
        assert.equal(listener.bufferedBytes, 0, "nothing of it is kept");
      }
      const last = Buffer.concat([piece.subarray(0, left), peer.encode(vote)]);
      assert.ok(isVote(listener.receive(last).events));
    }
  });
}

test("what is no large message of a member is not passed over", () => {
  const cases: readonly (readonly [string, Uint8Array])[] = [
    ["a:1", header(-1)],
    ["a:1", header(passedOverBytesMax + 1)],
    ["a:1", Buffer.concat([header(2), Buffer.of(1, 2)])],
    [observerHello, header(frameBytesMax + 1)],
  ];
  for (const [hello, bytes] of cases) {
    const { listener } = connected(null, hello);
    refused(() => listener.receive(bytes));
    assert.equal(listener.passOver(), false);
    refused(() => listener.receive(new Uint8Array()));
  }
  const { listener } = connected(null, "a:1");
  assert.equal(listener.passOver(), false, "nothing was wrong");
  const stranger = new Session({
    ...{ role: { kind: "listener" }, key: null, random: randomBytes, monotonicSec: () => 1_000 },
  });
  stranger.start();
  refused(() => stranger.receive(header(5_000)));
  assert.equal(stranger.passOver(), false);
});

test("larger entries of members are no reason to take longer frames of observers", () => {
  const { listener } = connected(null, observerHello, 3 * commandBytesMax);
  assert.equal(refused(() => listener.receive(header(frameBytesMax + 1))).code, "frame-length");
});

test("the limits of a member's messages follow from its largest entry", () => {
  const usual = memberMessageLimits(commandBytesMax);
  assert.deepEqual(
    [usual.frameBytesMax, usual.messageBytesMax, usual.pickle.allocatedBytesMax],
    [frameBytesMax, messageBytesMax, 3 * commandBytesMax],
  );
  const mib = 1024 * 1024;
  const most = memberMessageLimits(24 * mib);
  assert.deepEqual(
    [most.frameBytesMax, most.messageBytesMax, most.pickle.allocatedBytesMax],
    [48 * mib, 52 * mib, 40 * mib],
  );
});
