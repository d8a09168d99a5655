import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeEntryTuple } from "../../protocol/wire/message-codec.js";
import type { AppendChunk, NextNodeIdx } from "../../protocol/wire/messages.js";
import { raftLimits } from "../../src/raft/limits.js";
import { appendFrom, entry, Solo } from "./solo.js";

const pieceBytes = 1024 * 1024;

/** The pieces in which a leader of this term sends entry 2, behind entry 1 of term 0. */
function pieces(term: number, commandBytes: number): AppendChunk[] {
  const command = new Uint8Array(commandBytes).fill(0x41);
  const pickle = encodeEntryTuple({ index: 2, term, command });
  const count = Math.ceil(pickle.length / pieceBytes);
  return Array.from({ length: count }, (_, n) => ({
    ...{ type: "append_chunk", term, commitIndex: 1, prevLogIdx: 1, prevLogTerm: 0 },
    transmission: n === 0 ? "start" : n === count - 1 ? "finish" : "process",
    data: pickle.subarray(n * pieceBytes, (n + 1) * pieceBytes),
  }));
}

function sendAll(solo: Solo, term: number, commandBytes: number): NextNodeIdx[] {
  for (const piece of pieces(term, commandBytes)) solo.receive("b:1", piece);
  return answers(solo);
}

function answers(solo: Solo): NextNodeIdx[] {
  return solo.takeTo("b:1", "next_node_idx") as NextNodeIdx[];
}

/** Times that it was told of. */
function told(solo: Solo): number {
  return solo.effects.filter(
    (effect) => effect.kind === "note" && effect.note.code === "entry-too-large",
  ).length;
}

/** A heartbeat of a leader whose log goes on behind the entry. */
function heartbeat(solo: Solo, term: number): NextNodeIdx | undefined {
  solo.receive("b:1", appendFrom(term, [5, term]));
  return answers(solo)[0];
}

test("an entry of the largest size is taken from its pieces", () => {
  const solo = new Solo();
  const last = sendAll(solo, 1, raftLimits.entryBytesMax).at(-1);
  assert.deepEqual([last?.nextNodeIdx, last?.success], [3, true]);
  assert.equal(solo.state.log.at(2).command.length, raftLimits.entryBytesMax);
  assert.equal(solo.state.transmission, null);
});

test("a larger one is not, nothing of it is kept, and it is told once", () => {
  const solo = new Solo();
  const all = sendAll(solo, 1, raftLimits.entryBytesMax + 1);
  assert.ok(all.every(({ success, nextNodeIdx }) => !success && nextNodeIdx === 2));
  assert.equal(solo.state.log.lastIndex, 1);
  assert.equal(solo.state.transmission, null);
  assert.equal(solo.state.tooLarge?.index, 2);
  assert.equal(solo.state.role, "follower");
  assert.equal(solo.state.leader, "b:1");
  sendAll(solo, 1, raftLimits.entryBytesMax + 1);
  assert.equal(told(solo), 1);
});

test("one that comes in a message with others is not either", () => {
  const solo = new Solo();
  const command = new Uint8Array(raftLimits.entryBytesMax + 1);
  const entries = [entry(2, 1), { index: 3, term: 1, command }];
  solo.receive("b:1", appendFrom(1, [1, 0], entries));
  assert.deepEqual(answers(solo), [
    { type: "next_node_idx", nextNodeIdx: 2, reset: false, success: false },
  ]);
  assert.equal(told(solo), 1);
});

test("its leader is told where our log ends from time to time only: it would send it all again", () => {
  const solo = new Solo();
  sendAll(solo, 1, raftLimits.entryBytesMax + 1);
  assert.equal(heartbeat(solo, 1)?.reset, false);
  solo.nowMs += raftLimits.tooLargeRetryMs;
  assert.deepEqual(heartbeat(solo, 1), {
    ...{ type: "next_node_idx", nextNodeIdx: 2, reset: true, success: false },
  });
  assert.equal(heartbeat(solo, 1)?.reset, false);
});

test("another leader is asked at once, and what it has in that place is taken", () => {
  const solo = new Solo();
  sendAll(solo, 1, raftLimits.entryBytesMax + 1);
  solo.receive("c:1", appendFrom(2, [5, 1]));
  assert.deepEqual(solo.takeTo("c:1", "next_node_idx"), [
    { type: "next_node_idx", nextNodeIdx: 2, reset: true, success: false },
  ]);
  solo.receive("c:1", appendFrom(2, [1, 0], [entry(2, 2)]));
  assert.equal(solo.state.log.lastIndex, 2);
  assert.equal(solo.state.tooLarge, null);
});
