import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeMembership } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import { raftLimits } from "../../src/raft/limits.js";
import { follower } from "./roles.js";
import { appendFrom, entry, type Solo } from "./solo.js";

const add = encodeMembership("add", "x:1");
const remove = encodeMembership("rem", "x:1");

/** In turn, from there on. */
function changes(from: number, count: number, term = 1): Entry[] {
  return Array.from({ length: count }, (_, n) => ({
    ...{ index: from + n, term, command: (from + n) % 2 === 1 ? add : remove },
  }));
}

function members(solo: Solo): string[] {
  return [...solo.state.members];
}

const { takenChangesMax, takenChangesBytesMax, uncommittedChangesMax } = raftLimits;

test("of a message with many changes of the members a part is taken, and confirmed", () => {
  const solo = follower({ log: [0, 1], commit: 2 });
  solo.receive("b:1", appendFrom(1, [2, 1], [entry(3, 1), ...changes(4, 49_000)], 49_003));
  const last = 3 + takenChangesMax;
  assert.deepEqual([solo.state.log.lastIndex, solo.state.commitIndex], [last, last]);
  const answers = solo.takeTo("b:1", "next_node_idx");
  assert.deepEqual(
    answers.map(({ nextNodeIdx, success }) => [nextNodeIdx, success]),
    [[last + 1, true]],
  );
  // What a leader sends behind all of it is asked for from there on.
  solo.receive("b:1", appendFrom(1, [49_003, 1], [entry(49_004, 1)]));
  const [reset] = solo.takeTo("b:1", "next_node_idx");
  assert.deepEqual([reset?.nextNodeIdx, reset?.reset], [last + 1, true]);
});

test("few of them where they are large, and one in any case", () => {
  const solo = follower({ log: [0, 1], commit: 2 });
  const pad = Buffer.alloc(takenChangesBytesMax / 2);
  const command = Buffer.concat([encodeMembership("add", "x:1"), pad]);
  const large = (index: number) => ({ index, term: 1, command });
  solo.receive("b:1", appendFrom(1, [2, 1], [large(3), large(4), large(5)], 5));
  assert.equal(solo.state.log.lastIndex, 3);
  const huge = { ...large(4), command: Buffer.concat([command, pad, pad]) };
  solo.receive("b:1", appendFrom(1, [3, 1], [huge], 4));
  assert.equal(solo.state.log.lastIndex, 4);
});

test("a log with many changes is taken over, message by message", () => {
  const solo = follower({ log: [0, 1], commit: 2 });
  const entries = changes(3, 600);
  while (solo.state.log.lastIndex < 602) {
    const { lastIndex } = solo.state.log;
    solo.receive("b:1", appendFrom(1, [lastIndex, 1], entries.slice(lastIndex - 2), lastIndex));
  }
  assert.deepEqual(members(solo), ["b:1", "c:1"]);
  assert.equal(solo.notes().includes("members-too-many"), false);
});

test("no more of them are taken than could be undone at once, unless they are committed", () => {
  const solo = follower({ log: [0, 1], commit: 2 });
  const send = (commit: number) => {
    const { lastIndex } = solo.state.log;
    const entries = changes(lastIndex + 1, takenChangesMax);
    solo.receive("b:1", appendFrom(1, [lastIndex, 1], entries, commit));
  };
  for (let n = 0; n < 50; n += 1) send(2);
  assert.equal(solo.state.log.lastIndex, 2 + uncommittedChangesMax);
  assert.ok(solo.notes().includes("members-too-many"));
  send(solo.state.log.lastIndex);
  send(solo.state.log.lastIndex);
  assert.ok(solo.state.log.lastIndex > 2 + uncommittedChangesMax);
  // Another leader's entries in their place are taken.
  const { commitIndex } = solo.state;
  solo.receive("c:1", appendFrom(2, [commitIndex, 1], [entry(commitIndex + 1, 2)]));
  assert.equal(solo.state.log.lastIndex, commitIndex + 1);
  assert.equal(solo.state.membership.uncommitted(commitIndex).length, 0);
});

test("cut again, they leave the members as they were, and nobody else is heard", () => {
  for (const count of [1, 2, 3, 4, 99, 100]) {
    const solo = follower({ log: [0, 1], commit: 2 });
    const others = [
      { index: 3, term: 1, command: encodeMembership("rem", "c:1") },
      { index: 4, term: 1, command: encodeMembership("add", "c:1") },
    ];
    solo.receive("b:1", appendFrom(1, [2, 1], [...others, ...changes(5, count)]));
    assert.deepEqual(members(solo).includes("x:1"), count % 2 === 1);
    solo.receive("c:1", appendFrom(2, [2, 1], [entry(3, 2)]));
    assert.deepEqual(members(solo).sort(), ["b:1", "c:1"]);
    assert.deepEqual([...solo.state.guests], []);
  }
});
