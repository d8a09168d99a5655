import assert from "node:assert/strict";
import { test } from "node:test";
import { recordsBytes } from "../../protocol/files/journal-format.js";
import { encodeMembership } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import { failReason } from "../../protocol/wire/messages.js";
import { isLogFull } from "../../src/raft/log-bound.js";
import { heldBytes } from "../../src/raft/raft-log.js";
import { leader, outcomes, refused } from "./roles.js";
import { answerOf, appendFrom, entry, Solo } from "./solo.js";

/* The whole log has a bound, in bytes: beyond it nothing is appended before a dump has made it shorter. */

const logBytesMax = 100_000;

function large(index: number, term: number, bytes = 1_000): Entry {
  return { index, term, command: new Uint8Array(bytes).fill(1) };
}

/** The index of the last entry that fits behind entry 1. */
const lastFitting = 1 + Math.floor((logBytesMax - heldBytes(entry(1, 0))) / heldBytes(large(2, 1)));
const notTaken = answerOf(lastFitting + 1, { success: false });

/** Entries from the end of the log up to this one, one a message, committed as far as is said. */
function fill(solo: Solo, to: number, commit = to): unknown[] {
  let answers: unknown[] = [];
  for (let index = solo.state.log.lastIndex + 1; index <= to; index += 1) {
    const before = [index - 1, solo.state.log.termAt(index - 1) ?? 0] as const;
    solo.receive("b:1", appendFrom(1, before, [large(index, 1)], Math.min(index, commit)));
    answers = solo.takeTo("b:1", "next_node_idx");
  }
  return answers;
}

test("a leader's entries are taken up to the bound of the log, and what is missing is told once", () => {
  const solo = new Solo({ logBytesMax });
  assert.deepEqual(fill(solo, lastFitting), [answerOf(lastFitting + 1)]);
  for (let n = 0; n < 5; n += 1) assert.deepEqual(fill(solo, lastFitting + 1), [notTaken]);
  const { state } = solo;
  assert.equal(state.log.lastIndex, lastFitting);
  assert.deepEqual([state.tooLarge?.what, state.diskUsable], ["log", true]);
  assert.ok(isLogFull(state));
  assert.deepEqual(
    solo.notes().filter((code) => code !== "transfer"),
    ["log-too-large"],
  );
});

test("it goes on by itself when a dump has made the log shorter", () => {
  const solo = new Solo({ logBytesMax });
  fill(solo, lastFitting + 1);
  // Its leader has gone on sending meanwhile.
  const ahead = appendFrom(1, [lastFitting + 9, 1], [], lastFitting + 9);
  solo.receive("b:1", ahead);
  assert.deepEqual(solo.takeTo("b:1", "next_node_idx"), [notTaken]);
  solo.step({ kind: "dump-written", previousIndex: lastFitting - 1 });
  assert.ok(!isLogFull(solo.state));
  solo.receive("b:1", ahead);
  assert.deepEqual(solo.takeTo("b:1", "next_node_idx"), [
    answerOf(lastFitting + 1, { success: false, reset: true }),
  ]);
  fill(solo, lastFitting + 9);
  assert.equal(solo.state.commitIndex, lastFitting + 9);
  assert.equal(solo.state.tooLarge, null);
});

test("what is committed of a full log is learned, so that a dump may drop it", () => {
  const solo = new Solo({ logBytesMax });
  const half = Math.ceil(lastFitting / 2);
  fill(solo, lastFitting, half);
  assert.equal(solo.state.commitIndex, half);
  const next = large(lastFitting + 1, 1);
  solo.receive("b:1", appendFrom(1, [lastFitting, 1], [next], lastFitting + 1));
  assert.deepEqual([solo.state.log.lastIndex, solo.state.commitIndex], [lastFitting, lastFitting]);
});

test("where nothing is applied that a dump could drop, a quarter more is taken, and then no more", () => {
  const solo = new Solo({ logBytesMax });
  fill(solo, 2 * lastFitting, 1);
  const { log, commitIndex } = solo.state;
  assert.equal(commitIndex, 1);
  assert.ok(log.bytes > 1.24 * logBytesMax && log.bytes <= 1.25 * logBytesMax, `${log.bytes}`);
  // A new leader of whom one message brings more than that.
  const entries = Array.from({ length: 2 * lastFitting }, (_, n) => large(n + 2, 2));
  const end = log.lastIndex;
  solo.receive("c:1", appendFrom(2, [1, 0], entries));
  assert.deepEqual([log.lastIndex, log.lastTerm], [end, 1], "nothing is cut for it");
});

test("so it is amid a change of the members, which no dump may hold", () => {
  const solo = new Solo({ logBytesMax });
  const before = lastFitting - 2;
  fill(solo, before);
  const change = { index: before + 1, term: 1, command: encodeMembership("add", "d:1") };
  solo.receive("b:1", appendFrom(1, [before, 1], [change], before));
  fill(solo, lastFitting + 3, before);
  assert.equal(solo.state.log.lastIndex, lastFitting + 3);
  fill(solo, lastFitting + 4);
  fill(solo, lastFitting + 5);
  assert.equal(solo.state.log.lastIndex, lastFitting + 4, "it is committed");
});

test("what takes the place of other entries counts without those", () => {
  const solo = new Solo({ logBytesMax });
  fill(solo, lastFitting, lastFitting - 2);
  const other = large(lastFitting - 1, 2);
  solo.receive("c:1", appendFrom(2, [lastFitting - 2, 1], [other], lastFitting - 2));
  assert.deepEqual([solo.state.log.lastIndex, solo.state.log.lastTerm], [lastFitting - 1, 2]);
});

test("a leader at the bound answers QUEUE_FULL, and takes writes again when a dump is written", () => {
  const solo = leader({ logBytesMax });
  const command = new Uint8Array(1_000).fill(1);
  const write = () => {
    const [outcome] = outcomes(solo.propose(command, 1));
    for (const peer of solo.state.members) {
      solo.receive(peer, answerOf(solo.state.log.lastIndex + 1));
    }
    return outcome;
  };
  const isTaken = (outcome: unknown) => (outcome as { appended: boolean }).appended;
  while (isTaken(write()));
  const { log, diskUsable, isLeader } = solo.state;
  assert.deepEqual(write(), refused(failReason.queueFull));
  assert.ok(log.bytes <= logBytesMax && log.bytes > logBytesMax - 2_000, `${log.bytes}`);
  assert.deepEqual([diskUsable, isLeader], [true, true]);
  solo.step({ kind: "dump-written", previousIndex: log.lastIndex - 1 });
  assert.ok(isTaken(write()));
});

test("nor does a batch of proposals bring the log beyond it, with a change of the members amid it", () => {
  const solo = leader({ logBytesMax });
  solo.receive("b:1", answerOf(solo.state.log.lastIndex + 1));
  const command = new Uint8Array(1_000).fill(1);
  const commands: Uint8Array[] = Array.from({ length: 200 }, () => command);
  commands[40] = encodeMembership("add", "d:1");
  const origin = { kind: "nobody" } as const;
  const proposals = commands.map((each) => ({ command: each, origin }));
  solo.step({ kind: "propose", proposals });
  const { log } = solo.state;
  assert.ok(log.bytes <= logBytesMax && log.bytes > logBytesMax - 2_000, `${log.bytes}`);
  assert.ok(solo.state.members.has("d:1"));
});

test("a new leader appends its own entry to a full log", () => {
  const entries = [entry(1, 0)];
  for (let index = 2; index <= lastFitting; index += 1) entries.push(large(index, 1));
  entries.push(large(lastFitting + 1, 1));
  const solo = leader({ logBytesMax, entries, term: 1, commit: lastFitting + 1 });
  assert.ok(solo.state.log.bytes > logBytesMax);
  assert.equal(solo.state.log.lastTerm, solo.state.term);
  assert.equal(solo.state.commitIndex, solo.state.log.lastIndex);
});

test("a dump has done its work when the journal is cut behind it", () => {
  const solo = new Solo({ logBytesMax });
  fill(solo, 20);
  solo.autoDisk = false;
  solo.step({ kind: "dump-written", previousIndex: 18 });
  assert.ok(solo.state.compactSeq > solo.state.durableSeq);
  solo.sync();
  assert.ok(solo.state.compactSeq <= solo.state.durableSeq);
});

test("no journal is larger than what its entries count for", () => {
  const solo = new Solo({ logBytesMax });
  fill(solo, 20);
  const { log } = solo.state;
  const check = () => {
    const entries = log.slice(log.firstIndex, log.lastIndex);
    assert.equal(
      log.bytes,
      entries.reduce((sum, one) => sum + heldBytes(one), 0),
    );
    for (const one of entries) assert.ok(recordsBytes([one]) + 200 < heldBytes(one));
  };
  check();
  log.compact(7);
  check();
  log.truncate(12);
  check();
  log.append([large(12, 2, 0), large(13, 2, 70_000)]);
  check();
});
