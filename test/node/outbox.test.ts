import assert from "node:assert/strict";
import { test } from "node:test";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import { waitingCostBytes } from "../../src/net/limits.js";
import { nodeLimits } from "../../src/node/limits.js";
import { Outbox } from "../../src/node/outbox.js";

function answer(requestId: number): PeerMessage {
  return { type: "apply_command_response", requestId, error: 1 };
}

test("what waits for the disk is bounded: a receiver that asks on and on is cut off", () => {
  const sent: string[] = [];
  const cut: string[] = [];
  const outbox = new Outbox({
    sendMany: (to) => sent.push(...to),
    holdBack() {},
    cutOff: (receiver) => cut.push(receiver),
  });
  outbox.send(["greedy"], answer(0), 1);
  outbox.send(["modest"], answer(0), 1);
  for (let id = 1; id <= nodeLimits.heldMessagesMax; id += 1)
    outbox.send(["greedy"], answer(id), 0);
  assert.deepEqual(cut, ["greedy"]);
  outbox.durable(1);
  assert.deepEqual(sent, ["modest"], "nothing of what waited for the other one comes late");
});

test("of what waits for a receiver it is known how much of a dump it is", () => {
  const outbox = new Outbox({ sendMany() {}, holdBack() {}, cutOff() {} });
  const piece: PeerMessage = {
    ...{ type: "install_snapshot", term: 1, commitIndex: 1 },
    chunk: { data: new Uint8Array(1_000), isFirst: true, isLast: false },
  };
  outbox.send(["a", "b"], piece, 0);
  assert.equal(outbox.dumpBytesHeld("a"), 0, "nothing is before it");
  outbox.send(["a", "b"], answer(0), 1);
  for (let n = 0; n < 2; n += 1) outbox.send(["a", "b"], piece, 0);
  outbox.send(["a"], answer(1), 2);
  outbox.send(["a"], piece, 0);
  assert.deepEqual([outbox.dumpBytesHeld("a"), outbox.dumpBytesHeld("b")], [3_000, 2_000]);
  outbox.durable(1);
  assert.deepEqual([outbox.dumpBytesHeld("a"), outbox.dumpBytesHeld("b")], [1_000, 0]);
  outbox.forget("a");
  assert.equal(outbox.dumpBytesHeld("a"), 0);
  outbox.send(["a"], piece, 3);
  assert.equal(outbox.dumpBytesHeld("a"), 1_000);
});

test("whatever waits for a receiver is told by its bytes, before it is sent as well", () => {
  const told: string[] = [];
  const outbox = new Outbox({
    sendMany: (to, { type }) => void told.push(`${to.join()} ${type}`),
    holdBack: (receiver, bytes) => void told.push(`${receiver} ${bytes}`),
    cutOff() {},
  });
  const command = new Uint8Array(1_000);
  const entries: PeerMessage = {
    ...{ type: "append_entries", term: 1, commitIndex: 1, prevLogIdx: 1, prevLogTerm: 0 },
    entries: [
      { index: 2, term: 1, command },
      { index: 3, term: 1, command },
    ],
  };
  outbox.send(["a"], answer(0), 1);
  outbox.send(["a", "b"], entries, 2);
  outbox.durable(1);
  outbox.durable(2);
  assert.deepEqual(told, [
    `a ${waitingCostBytes}`,
    `a ${2_000 + 4 * waitingCostBytes}`,
    `b ${2_000 + 3 * waitingCostBytes}`,
    `a ${2_000 + 3 * waitingCostBytes}`,
    "a apply_command_response",
    "a 0",
    "a append_entries",
    "b 0",
    "b append_entries",
  ]);
});
