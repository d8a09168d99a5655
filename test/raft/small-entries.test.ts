import assert from "node:assert/strict";
import { test } from "node:test";
import { decodePickle } from "../../protocol/pickle/decoder.js";
import { messagePickleLimits } from "../../protocol/wire/limits.js";
import { decodeMessage, encodeMessage } from "../../protocol/wire/message-codec.js";
import type { AppendEntries } from "../../protocol/wire/messages.js";
import { raftLimits } from "../../src/raft/limits.js";
import { leader } from "./roles.js";
import { answerOf, appendFrom, Solo } from "./solo.js";
import { WiredCores } from "./wired-cores.js";

const count = 70_000;

/** Commands of one byte: every observer may write such. */
function smallest(solo: Solo): void {
  const { lastIndex } = solo.state.log;
  const entries = Array.from({ length: count }, (_, n) => ({
    ...{ index: lastIndex + 1 + n, term: solo.state.term, command: Uint8Array.of(1) },
  }));
  solo.state.appendEntries(entries);
  solo.tick();
}

function batches(solo: Solo): AppendEntries[] {
  return solo.takeTo("b:1", "append_entries").filter(({ entries }) => entries.length > 0);
}

test("a follower that comes back is sent no more of the smallest entries at once than it can decode", () => {
  const solo = leader();
  solo.step({ kind: "disconnected", peer: "b:1" });
  smallest(solo);
  solo.connect("b:1", true);
  solo.take();
  const next = solo.state.log.lastIndex + 1 - count;
  solo.receive("b:1", answerOf(next));
  const sent = batches(solo);
  assert.ok(sent.length > 1);
  assert.equal(
    sent.reduce((sum, { entries }) => sum + entries.length, 0),
    count,
  );
  for (const message of sent) {
    assert.ok(message.entries.length <= raftLimits.batchEntriesMax);
    // Also by a Quorate member of an earlier release.
    const limits = { ...messagePickleLimits, opsMax: 12 * 16 * 1024, memoEntriesMax: 64 * 1024 };
    const decoded = decodeMessage(decodePickle(encodeMessage(message), limits, "copy"));
    assert.ok(decoded.type === "append_entries");
    assert.deepEqual(decoded.entries.at(-1), message.entries.at(-1));
  }
});

test("it takes all of them", () => {
  const cores = new WiredCores(["a:1", "b:1"], { log: [0, 1], term: 1, commit: 2 });
  const solo = cores.at("a:1");
  solo.lead();
  cores.flow("a:1-b:1");
  cores.break("a:1", "b:1");
  smallest(solo);
  cores.join("a:1", "b:1");
  for (let n = 0; n < 50 && cores.at("b:1").state.log.lastIndex < count; n += 1) {
    cores.flow("a:1-b:1");
    cores.nowMs += 100;
    for (const each of cores.solos.values()) {
      each.nowMs = cores.nowMs;
      each.tick();
    }
  }
  assert.equal(cores.at("b:1").state.log.lastIndex, solo.state.log.lastIndex);
  assert.equal(solo.state.commitIndex, solo.state.log.lastIndex);
});

test("what a PySyncObj leader sends of them in one message is taken in parts", () => {
  const solo = new Solo({ term: 1, log: [0, 1], commit: 2 });
  const entries = Array.from({ length: 65_536 }, (_, n) => ({
    ...{ index: 3 + n, term: 1, command: Uint8Array.of(1) },
  }));
  const last = 2 + entries.length;
  let sent = 0;
  for (let next = 3; next <= last; sent += 1) {
    const prev = next - 1;
    solo.receive("b:1", appendFrom(1, [prev, 1], entries.slice(prev - 2), prev));
    const [answer] = solo.takeTo("b:1", "next_node_idx");
    assert.ok(answer?.success);
    assert.ok(answer.nextNodeIdx - next <= raftLimits.takenEntriesMax);
    next = answer.nextNodeIdx;
  }
  assert.equal(sent, 4);
  assert.equal(solo.state.log.lastIndex, last);
});
