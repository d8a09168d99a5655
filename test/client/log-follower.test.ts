import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeNoOp } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import { encodeEntryTuple } from "../../protocol/wire/message-codec.js";
import type { NextNodeIdx } from "../../protocol/wire/messages.js";
import { LogFollower } from "../../src/client/log-follower.js";

const entry = (index: number, term: number, command: Uint8Array = encodeNoOp()): Entry => ({
  index,
  term,
  command,
});

/** A follower and what it led to, in words. */
function scene() {
  const happened: string[] = [];
  const answers: string[] = [];
  const follower = new LogFollower({
    answer: (to, message) => void answers.push(`${to} ${shown(message)}`),
    apply: ({ index, term }) => void happened.push(`apply ${index}.${term}`),
    leaderChanged: (leader) => void happened.push(`leader ${leader}`),
    snapshotChunk: (_from, chunk) => void happened.push(`piece ${chunk.data.length}`),
    startedOver: () => void happened.push("over"),
    warn: (message) => void happened.push(message),
  });
  const append = (
    from: string,
    term: number,
    prev: readonly [number | null, number | null],
    { entries = [], commit = 1 }: { entries?: readonly Entry[]; commit?: number } = {},
  ) =>
    follower.take(from, {
      type: "append_entries",
      term,
      commitIndex: commit,
      prevLogIdx: prev[0],
      prevLogTerm: prev[1],
      entries,
    });
  const took = () => happened.splice(0);
  const answered = () => answers.splice(0);
  return { follower, append, took, answered };
}

function shown({ nextNodeIdx, reset, success }: NextNodeIdx): string {
  return `${nextNodeIdx}${reset ? " reset" : ""}${success ? " ok" : ""}`;
}

test("is not caught up by what a new leader tells before it knows what is committed", () => {
  const { follower, append } = scene();
  append("a", 9, [99, 3], { commit: 1 });
  assert.equal(follower.isCaughtUp, false, "its log does not even meet ours");
  append("a", 9, [1, 0], { entries: [entry(2, 3), entry(3, 9)], commit: 2 });
  assert.equal(follower.isCaughtUp, false, "entries of earlier terms may follow");
  append("a", 9, [3, 9], { commit: 3 });
  assert.equal(follower.isCaughtUp, true);
});

test("applies what is committed, in order, and tells where it is", () => {
  const { follower, append, took, answered } = scene();
  append("a", 1, [1, 0], { entries: [entry(2, 1), entry(3, 1)], commit: 2 });
  assert.deepEqual(took(), ["leader a", "apply 2.1"]);
  assert.equal(follower.isCaughtUp, true);
  append("a", 1, [3, 1], { commit: 3 });
  assert.deepEqual(took(), ["apply 3.1"]);
  assert.deepEqual(answered(), ["a 4 ok", "a 4 ok"]);
  // The same again changes nothing.
  append("a", 1, [1, 0], { entries: [entry(2, 1), entry(3, 1)], commit: 3 });
  assert.deepEqual(took(), []);
});

test("a commit index counts only as far as the message has shown that the logs are the same", () => {
  const { append, took } = scene();
  append("a", 1, [1, 0], { entries: [entry(2, 1), entry(3, 1)] });
  append("b", 2, [2, 1], { commit: 3 });
  assert.deepEqual(took(), ["leader a", "leader b", "apply 2.1"]);
});

test("asks for what it lacks", () => {
  const { append, answered } = scene();
  append("a", 1, [9, 1]);
  assert.deepEqual(answered(), ["a 2 reset"]);
});

test("entries that were never committed give way to the next leader's", () => {
  const { append, took, answered } = scene();
  append("a", 1, [1, 0], { entries: [entry(2, 1), entry(3, 1), entry(4, 1)], commit: 2 });
  append("b", 2, [4, 2]);
  append("b", 2, [2, 1], { entries: [entry(3, 2), entry(4, 2)], commit: 4 });
  assert.deepEqual(answered(), ["a 5 ok", "b 3 reset", "b 5 ok"]);
  assert.deepEqual(took(), ["leader a", "apply 2.1", "leader b", "apply 3.2", "apply 4.2"]);
});

test("starts over where an entry that was committed is another one now", () => {
  for (const prove of ["prev", "entry"] as const) {
    const { follower, append, took, answered } = scene();
    append("a", 1, [1, 0], { entries: [entry(2, 1), entry(3, 1)], commit: 3 });
    took();
    answered();
    if (prove === "prev") append("b", 2, [3, 2], { commit: 3 });
    else append("b", 2, [2, 1], { entries: [entry(3, 2)], commit: 3 });
    assert.deepEqual(took(), ["leader b", "over"]);
    assert.deepEqual(answered(), ["b 2 reset"]);
    assert.equal(follower.isCaughtUp, false);
    append("b", 2, [1, 0], { entries: [entry(2, 1), entry(3, 2)], commit: 3 });
    assert.deepEqual(took(), ["apply 2.1", "apply 3.2"]);
    assert.equal(follower.isCaughtUp, true);
  }
});

test("starts over where the leader's log ends before what was committed", () => {
  const { append, took, answered } = scene();
  append("a", 1, [1, 0], { entries: [entry(2, 1), entry(3, 1)], commit: 2 });
  took();
  answered();
  // Upstream's leader names no entry where it was asked for one beyond its log.
  append("b", 2, [null, null], { commit: 2 });
  assert.deepEqual(answered(), ["b 3 reset"], "without what was not committed");
  append("b", 2, [null, null], { commit: 2 });
  assert.deepEqual(took(), ["leader b", "over"]);
});

test("a lower term, and a second leader of a term, are ignored", () => {
  const { append, took, answered } = scene();
  append("a", 3, [1, 0]);
  append("b", 2, [1, 0]);
  append("b", 3, [1, 0]);
  assert.equal(took().filter((line) => line.startsWith("leader")).length, 1);
  assert.deepEqual(answered(), ["a 2 ok"]);
});

test("a term that a majority has forgotten is followed when told so", () => {
  const { follower, append, took } = scene();
  append("a", 9, [1, 0]);
  follower.lost("a");
  append("b", 1, [1, 0]);
  follower.lowerTerm(1);
  append("b", 1, [1, 0]);
  assert.deepEqual(
    took().filter((line) => line.startsWith("leader")),
    ["leader a", "leader null", "leader b"],
  );
});

test("a large entry is put together, also where upstream marks two pieces as the last", () => {
  const { follower, took, answered } = scene();
  const pickle = encodeEntryTuple(entry(2, 1, new Uint8Array(1000).fill(200)));
  const piece = (transmission: "start" | "process" | "finish", from: number, to: number) =>
    follower.take("a", {
      ...{ type: "append_chunk", transmission, data: pickle.subarray(from, to) },
      ...{ term: 1, commitIndex: 2, prevLogIdx: 1, prevLogTerm: 0 },
    });
  piece("start", 0, 600);
  piece("process", 600, 1000);
  piece("finish", 1000, 1500);
  piece("finish", 1500, pickle.length);
  assert.deepEqual(took(), ["leader a", "apply 2.1"]);
  assert.deepEqual(answered(), ["a 2", "a 2", "a 2", "a 3 ok"]);
});

test("a large entry whose beginning was lost is asked for again", () => {
  const { follower, answered } = scene();
  follower.take("a", {
    ...{ type: "append_chunk", transmission: "process", data: new Uint8Array(9) },
    ...{ term: 1, commitIndex: 2, prevLogIdx: 1, prevLogTerm: 0 },
  });
  assert.deepEqual(answered(), ["a 2 reset"]);
});

test("a dump takes the log's place, and what is sent while it is read comes again", () => {
  const { follower, append, took, answered } = scene();
  const chunk = (isFirst: boolean, bytes: number) =>
    follower.take("a", {
      ...{ type: "install_snapshot", term: 4, commitIndex: 90 },
      chunk: { data: new Uint8Array(bytes), isFirst, isLast: bytes === 0 },
    });
  chunk(true, 10);
  chunk(false, 0);
  append("a", 4, [90, 4], { entries: [entry(91, 4)], commit: 91 });
  assert.deepEqual(answered(), ["a 2"]);
  const place = { previous: { index: 89, term: 3 }, last: { index: 90, term: 4 } };
  assert.equal(follower.dumpRead("a", place), true);
  append("a", 4, [90, 4], { entries: [entry(91, 4)], commit: 91 });
  assert.deepEqual(took(), ["leader a", "piece 10", "piece 0", "apply 91.4"]);
  assert.deepEqual(answered(), ["a 91 ok", "a 92 ok"]);
  // The same dump again, which is behind by now, takes nothing back.
  assert.equal(follower.dumpRead("a", place), false);
  assert.equal(follower.appliedIndex, 91);
});

test("a dump of a leader that is gone is not taken", () => {
  const { follower, append } = scene();
  append("a", 1, [1, 0]);
  follower.lost("a");
  const place = { previous: { index: 8, term: 1 }, last: { index: 9, term: 1 } };
  assert.equal(follower.dumpRead("a", place), false);
});
