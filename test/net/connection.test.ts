import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { test } from "node:test";
import { Session } from "../../protocol/wire/session.js";
import { ByteBudget } from "../../src/net/byte-budget.js";
import { Connection, type ConnectionHandler } from "../../src/net/connection.js";
import { TurnQueue } from "../../src/net/turn-queue.js";

/** A stranger's connection, over nothing. */
function stranger(turns: TurnQueue, budget: ByteBudget, closed: (why: string) => void) {
  const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  const socket = Object.assign(stream, {
    ...{ setNoDelay() {}, setKeepAlive() {}, remoteAddress: "192.0.2.1" },
  }) as unknown as Socket;
  const handler: ConnectionHandler = {
    event() {},
    fault() {},
    drained() {},
    closed: (_connection, { code }) => closed(code),
  };
  const session = new Session({
    ...{ role: { kind: "listener" }, key: null, random: randomBytes, monotonicSec: () => 1 },
  });
  const connection = new Connection({
    ...{ socket, session, handler, dialed: false, now: () => 0, turns, budget },
    ...{ sendTurns: turns, sendBudget: null },
  });
  connection.start();
  return { connection, socket };
}

/** The beginning of a frame that a stranger may send. */
const half = Buffer.alloc(2_004);
half.writeInt32LE(4_000);

test("what waits for its turn counts among what strangers have sent, and too much of it is cut", async () => {
  const turns = new TurnQueue(1);
  const budget = new ByteBudget(5_000);
  const cut: string[] = [];
  const [first, second] = ["first", "second"].map((name) =>
    stranger(turns, budget, (code) => cut.push(`${name} ${code}`)),
  );
  assert.ok(first !== undefined && second !== undefined);
  // Others have used up this turn.
  turns.spend(2);
  first.socket.emit("data", half);
  assert.equal(budget.bytes, half.length);
  first.socket.emit("data", half.subarray(0, 1_000));
  assert.equal(budget.bytes, half.length + 1_000, "what comes while it waits as well");
  second.socket.emit("data", half);
  assert.deepEqual([first.connection.isOpen, second.connection.isOpen], [false, true]);
  assert.equal(budget.bytes, half.length);
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  assert.deepEqual(cut, ["first receive-buffer-full"]);
  assert.equal(budget.bytes, half.length, "it has had its turn, and its frame is not whole");
  second.connection.close("requested", "the test is over");
  assert.equal(budget.bytes, 0);
});
