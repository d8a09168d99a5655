import assert from "node:assert/strict";
import { test } from "node:test";
import type { PeerMessage } from "../../protocol/wire/messages.js";
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
