import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry } from "../../protocol/log/entry.js";
import { failReason } from "../../protocol/wire/messages.js";
import { raftLimits } from "../../src/raft/limits.js";
import { heldBytes, RaftLog } from "../../src/raft/raft-log.js";
import { follower, leader, outcomes, refused } from "./roles.js";
import { answerOf, appendFrom, entry, logOf, Solo } from "./solo.js";

/* Entries that a leader sends and that are not applied: so much of them is held, and no more. */

const dataBytesMax = 100_000;
const commandBytes = 1_000;

function large(index: number, term: number): Entry {
  return { index, term, command: new Uint8Array(commandBytes).fill(1) };
}

/** The index of the last entry that fits behind entry 1. */
const lastFitting = 1 + Math.floor(dataBytesMax / heldBytes(large(2, 1)));

function followerOf(log: readonly number[] = [0]): Solo {
  return new Solo({ dataBytesMax, log });
}

/** Entries of this term from index 2 up to this one, one a message, with the answers to the last. */
function fill(solo: Solo, to: number, { term = 1, commit = 1, from = "b:1" } = {}): unknown[] {
  let answers: unknown[] = [];
  for (let index = solo.state.log.lastIndex + 1; index <= to; index += 1) {
    const before = [index - 1, solo.state.log.termAt(index - 1) ?? term] as const;
    solo.receive(from, appendFrom(term, before, [large(index, term)], commit));
    answers = solo.takeTo(from, "next_node_idx");
  }
  return answers;
}

const notTaken = answerOf(lastFitting + 1, { success: false });

test("a leader's entries are taken up to the bound, and that there are more is told once", () => {
  const solo = followerOf();
  assert.deepEqual(fill(solo, lastFitting), [answerOf(lastFitting + 1)]);
  for (let n = 0; n < 5; n += 1) assert.deepEqual(fill(solo, lastFitting + 1), [notTaken]);
  assert.equal(solo.state.log.lastIndex, lastFitting);
  assert.equal(solo.state.tooLarge?.what, "tail");
  assert.deepEqual([solo.state.role, solo.state.leader], ["follower", "b:1"]);
  const codes = solo.effects.flatMap((effect) => (effect.kind === "note" ? effect.note.code : []));
  assert.deepEqual(codes, ["tail-too-large"]);
});

test("nor does one message bring more than that", () => {
  const solo = followerOf();
  const entries = Array.from({ length: lastFitting }, (_, n) => large(n + 2, 1));
  solo.receive("b:1", appendFrom(1, [1, 0], entries));
  assert.equal(solo.state.log.lastIndex, 1);
});

test("what its leader calls committed is taken as fast as it is applied, however much it is", () => {
  const solo = followerOf();
  const to = 3 * lastFitting;
  fill(solo, to, { commit: to + 5 });
  assert.equal(solo.state.commitIndex, to);
  assert.equal(solo.state.tooLarge, null);
});

test("and no faster: what is not applied counts, whatever its leader calls it", () => {
  const solo = followerOf();
  solo.autoApply = false;
  const to = 3 * lastFitting;
  fill(solo, to, { commit: to });
  assert.deepEqual([solo.state.log.lastIndex, solo.state.commitIndex], [lastFitting, lastFitting]);
  assert.equal(solo.state.tooLarge?.what, "tail");
  // A part of it is applied, and then enough.
  for (const [share, reset] of [
    [1 / 4, false],
    [3 / 4, true],
  ] as const) {
    solo.step({ kind: "applied", index: Math.ceil(share * lastFitting) });
    solo.receive("b:1", appendFrom(1, [to, 1], [], to));
    const asked = answerOf(lastFitting + 1, { success: false, reset });
    assert.deepEqual(solo.takeTo("b:1", "next_node_idx"), [asked]);
  }
  fill(solo, lastFitting + 1, { commit: to });
  assert.equal(solo.state.log.lastIndex, lastFitting + 1);
  assert.equal(solo.state.tooLarge, null);
});

test("of more than the bound there is a quarter at most, but for small messages", () => {
  const solo = followerOf();
  fill(solo, lastFitting);
  const most = (dataBytesMax * 5) / 4;
  const held = () => solo.state.log.bytesOf(2, solo.state.log.lastIndex);
  const offer = (bytes: number) => {
    const { lastIndex } = solo.state.log;
    const command = new Uint8Array(bytes).fill(1);
    const next = { index: lastIndex + 1, term: 1, command };
    solo.receive("b:1", appendFrom(1, [lastIndex, 1], [next]));
    // It asks for more when its time has come, and only then.
    solo.nowMs += raftLimits.followedRetryMs;
    solo.receive("b:1", appendFrom(1, [lastIndex + 9, 1]));
    solo.receive("b:1", appendFrom(1, [lastIndex, 1], [next]));
    return solo.state.log.lastIndex > lastIndex;
  };
  let count = 0;
  while (count < 20 && offer(8_000)) count += 1;
  assert.ok(count >= 3 && held() > most && held() < most + 9_000, `${count}: ${held()} bytes`);
  assert.equal(offer(8_000), false);
  assert.ok(offer(1_000), "a no-op is among the small ones");
});

test("when those before are committed it goes on", () => {
  const solo = followerOf();
  fill(solo, lastFitting);
  fill(solo, lastFitting + 1);
  solo.receive("b:1", appendFrom(1, [lastFitting, 1], [], lastFitting));
  assert.equal(solo.state.commitIndex, lastFitting);
  fill(solo, lastFitting + 1, { commit: lastFitting });
  assert.equal(solo.state.log.lastIndex, lastFitting + 1);
  assert.equal(solo.state.tooLarge, null);
});

test("its leader is asked for more from time to time, and one message of it is taken", () => {
  const solo = followerOf();
  fill(solo, lastFitting + 1);
  // It has gone on sending meanwhile.
  const ahead = appendFrom(1, [lastFitting + 9, 1], [large(lastFitting + 10, 1)]);
  solo.receive("b:1", ahead);
  assert.deepEqual(solo.takeTo("b:1", "next_node_idx"), [notTaken], "not asked at once");
  solo.nowMs += raftLimits.followedRetryMs;
  solo.receive("b:1", ahead);
  assert.deepEqual(solo.takeTo("b:1", "next_node_idx"), [
    answerOf(lastFitting + 1, { success: false, reset: true }),
  ]);
  fill(solo, lastFitting + 1);
  assert.equal(solo.state.log.lastIndex, lastFitting + 1);
  fill(solo, lastFitting + 2);
  assert.equal(solo.state.log.lastIndex, lastFitting + 1, "one");
});

test("its leader is asked for the rest as soon as it says that those before are committed", () => {
  const solo = followerOf();
  fill(solo, lastFitting + 1);
  const half = Math.ceil(lastFitting / 2);
  for (const [commit, reset] of [
    [half - 2, false],
    [half + 1, true],
    [half + 1, true],
  ] as const) {
    solo.receive("b:1", appendFrom(1, [lastFitting + 9, 1], [], commit));
    assert.deepEqual(solo.takeTo("b:1", "next_node_idx"), [
      answerOf(lastFitting + 1, { success: false, reset }),
    ]);
  }
  fill(solo, lastFitting + 1);
  assert.equal(
    solo.state.log.lastIndex,
    lastFitting,
    "asked, but what is not committed has its bound",
  );
  // With the message that is too much it learns what is committed; once that is applied, the next one fits.
  fill(solo, lastFitting + 1, { commit: half + 1 });
  assert.deepEqual([solo.state.log.lastIndex, solo.state.commitIndex], [lastFitting, half + 1]);
  fill(solo, lastFitting + 1, { commit: half + 1 });
  assert.equal(solo.state.log.lastIndex, lastFitting + 1);
});

test("a new leader that was filled up to the bound gets its own entry in behind all of that", () => {
  const solo = followerOf();
  fill(solo, lastFitting);
  const noOp = entry(lastFitting + 1, 2);
  const appended = appendFrom(2, [lastFitting, 1], [{ ...noOp, command: new Uint8Array(1_000) }]);
  const end = solo.nowMs + 2 * raftLimits.followedRetryMs;
  while (solo.state.log.lastIndex === lastFitting && solo.nowMs < end) {
    solo.receive("c:1", appended);
    solo.nowMs += 100;
  }
  assert.equal(solo.state.log.lastTerm, 2);
});

test("what takes the place of other entries counts without those", () => {
  const solo = followerOf([0, 1]);
  fill(solo, lastFitting - 1);
  const entries = Array.from({ length: lastFitting - 1 }, (_, n) => large(n + 2, 2));
  solo.receive("c:1", appendFrom(2, [1, 0], entries));
  assert.equal(solo.state.log.lastIndex, lastFitting);
  assert.equal(solo.state.log.lastTerm, 2);
});

test("a leader leaves no more uncommitted than its followers take", () => {
  const solo = leader({ dataBytesMax: 64 * 1024 });
  solo.autoDisk = false;
  const answersTo = (command: Uint8Array | string) => outcomes(solo.propose(command, 1));
  while ((answersTo("x")[0] as { appended: boolean }).appended);
  const { log, commitIndex } = solo.state;
  assert.deepEqual(answersTo("x"), [refused(failReason.queueFull)]);
  const held = log.bytesOf(commitIndex + 1, log.lastIndex);
  assert.ok(held > 4_000 && held < 48 * 1024, `${held} bytes`);
});

test("a log knows what its entries come to, whatever was done to it", () => {
  const log = new RaftLog(logOf([0, 1, 1], 5));
  const check = () => {
    for (let from = log.firstIndex - 1; from <= log.lastIndex + 1; from += 1) {
      for (let to = from - 1; to <= log.lastIndex + 1; to += 1) {
        const sum = log.slice(from, to).reduce((bytes, one) => bytes + heldBytes(one), 0);
        assert.equal(log.bytesOf(from, to), from > to ? 0 : sum, `${from}…${to}`);
      }
    }
  };
  check();
  log.append([large(8, 1), large(9, 2)]);
  check();
  log.compact(7);
  check();
  log.truncate(9);
  check();
  log.append([entry(9, 3), large(10, 3)]);
  check();
  log.compact(10);
  check();
});

test("a leader that changes its entries faster than the disk stores them has to wait", () => {
  const solo = follower({ log: [0, 1], commit: 2 });
  solo.autoDisk = false;
  const command = new Uint8Array(4 * 1024 * 1024);
  for (let n = 0; n < 100; n += 1) {
    const entries = [{ index: 3, term: n % 2 === 0 ? 1 : 0, command }];
    solo.receive("b:1", appendFrom(1, [2, 1], entries));
  }
  const appended = solo.all("append").length;
  assert.ok(
    appended > 1 && appended * command.length <= raftLimits.droppedBytesMax + 2 * command.length,
  );
  assert.ok(solo.notes().includes("entries-wait-for-disk"));
  solo.sync();
  const term = solo.state.log.lastTerm === 1 ? 0 : 1;
  solo.receive("b:1", appendFrom(1, [2, 1], [{ index: 3, term, command }]));
  assert.equal(solo.state.log.lastTerm, term, "stored: it need wait no longer");
});

test("nor in small entries, each of whose cuts reads the journal", () => {
  const solo = follower({ log: [0, 1], commit: 2 });
  solo.autoDisk = false;
  for (let n = 0; n < 1_000; n += 1) {
    const entries = [{ index: 3, term: n % 2, command: Uint8Array.of(1) }];
    solo.receive("b:1", appendFrom(1, [2, 1], entries));
  }
  assert.ok(solo.all("truncate").length <= raftLimits.droppedCutsMax + 1);
  solo.sync();
  const term = 1 - solo.state.log.lastTerm;
  solo.receive("b:1", appendFrom(1, [2, 1], [{ index: 3, term, command: Uint8Array.of(1) }]));
  assert.equal(solo.state.log.lastTerm, term);
});
