import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import { Session } from "../../protocol/wire/session.js";
import { framedBytesMax, waitingCostBytes } from "../../src/net/limits.js";
import { SendQueue } from "../../src/net/send-queue.js";
import { SharedMessage } from "../../src/net/shared-message.js";
import { TurnQueue } from "../../src/net/turn-queue.js";

const turn = () => new Promise((resolve) => setImmediate(resolve));
const pieceBytes = 64 * 1024;

function session(kind: "connector" | "listener"): Session {
  const role = kind === "listener" ? { kind } : { kind, hello: "readonly" };
  return new Session({ role, key: null, random: randomBytes, monotonicSec: () => 0 });
}

/** A receiver, what it has been sent, and what it has not taken yet. */
class Sink {
  readonly session = session("connector");
  readonly #receiver = session("listener");
  framedBytes = 0;
  emptiedTimes = 0;
  readonly #frames: Uint8Array[] = [];

  constructor() {
    this.#receiver.start();
    this.#receiver.receive(this.session.start());
  }

  write(frame: Uint8Array): void {
    this.#frames.push(frame);
    this.framedBytes += frame.length;
  }

  emptied(): void {
    this.emptiedTimes += 1;
  }

  /** @returns the messages. */
  take(): PeerMessage[] {
    this.framedBytes = 0;
    const frames = Buffer.concat(this.#frames.splice(0));
    const { events } = this.#receiver.receive(frames);
    return events.flatMap((event) => (event.kind === "message" ? [event.message] : []));
  }
}

function piece(index: number): SharedMessage {
  return new SharedMessage({
    ...{ type: "append_chunk", transmission: "process", data: randomBytes(pieceBytes) },
    ...{ term: 1, commitIndex: 1, prevLogIdx: index, prevLogTerm: 1 },
  });
}

const indexOf = (message: PeerMessage) => ("prevLogIdx" in message ? message.prevLogIdx : -1);

test("large messages are framed in turns and as fast as the receiver takes them, in order", async () => {
  const sink = new Sink();
  const queue = new SendQueue(sink, new TurnQueue(1_000));
  for (let index = 1; index <= 20; index += 1) queue.push(piece(index));
  queue.push(new SharedMessage({ type: "quorate_ping" }));
  assert.equal(sink.framedBytes, 0, "none of it in the turn that asked for it");
  assert.equal(queue.bytes, 20 * (pieceBytes + waitingCostBytes) + waitingCostBytes);
  const came: number[] = [];
  const largest = 2 * pieceBytes;
  while (came.length < 21) {
    await turn();
    assert.ok(sink.framedBytes < framedBytesMax + largest, "no more than is taken");
    const taken = sink.take();
    assert.ok(taken.length > 0);
    came.push(...taken.map((message) => indexOf(message) ?? -1));
    queue.drained();
  }
  assert.deepEqual(came, [...Array.from({ length: 20 }, (_, i) => i + 1), -1]);
  assert.equal(queue.bytes, 0);
  assert.equal(sink.emptiedTimes, 1);
});

test("nothing is framed in a turn whose time is spent", async () => {
  const turns = new TurnQueue(4);
  const sink = new Sink();
  const queue = new SendQueue(sink, turns);
  turns.wait({ takeTurn: () => turns.spend(4) });
  queue.push(piece(1));
  await turn();
  assert.equal(sink.framedBytes, 0);
  await turn();
  assert.ok(sink.framedBytes > 0);
});

test("small messages go at once, unless others wait before them", () => {
  const sink = new Sink();
  const queue = new SendQueue(sink, new TurnQueue(4));
  queue.push(new SharedMessage({ type: "quorate_ping" }));
  assert.equal(sink.take().length, 1);
  queue.push(piece(1));
  queue.push(new SharedMessage({ type: "quorate_ping" }));
  assert.equal(sink.framedBytes, 0);
  queue.flush();
  assert.deepEqual(
    sink.take().map(({ type }) => type),
    ["append_chunk", "quorate_ping"],
  );
});
