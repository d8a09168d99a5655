import assert from "node:assert/strict";
import { test } from "node:test";
import { PendingWrites } from "../../src/node/pending-writes.js";
import { failureOf, type WriteOutcome } from "../../src/node/write-outcome.js";

const command = (n: number): Uint8Array => Uint8Array.of(0, n);

function scene() {
  const ends: string[] = [];
  let applied = 1;
  const pending = new PendingWrites(() => applied);
  const write = (name: string, n: number, deadlineMs = 1000) => ({
    command: command(n),
    deadlineMs,
    done: (outcome: WriteOutcome) =>
      void ends.push(`${name} ${outcome.ok ? outcome.result : outcome.reason}`),
  });
  const ask = (name: string, n: number, deadlineMs?: number): number => {
    const id = pending.nextId();
    pending.ask(id, write(name, n, deadlineMs));
    return id;
  };
  const apply = (index: number, term: number, n: number) => {
    applied = index;
    pending.applied({ index, term, command: command(n) }, { result: "result" });
  };
  const ended = () => ends.splice(0);
  return { pending, ask, write, apply, ended };
}

test("an answer gives the place, and the entry there the outcome", () => {
  const { pending, ask, apply, ended } = scene();
  const [a, b, c] = [ask("a", 1), ask("b", 2), ask("c", 3)];
  pending.replied(a, { index: 2, term: 1 });
  pending.replied(b, { index: 3, term: 1 });
  pending.replied(c, failureOf(4));
  assert.deepEqual(ended(), ["c NOT_LEADER"]);
  apply(2, 1, 1);
  apply(3, 2, 2);
  assert.deepEqual(ended(), ["a result", "b DISCARDED"]);
  assert.deepEqual([pending.size, pending.bytes, pending.asked], [0, 0, 0]);
});

test("two that wait for one place, of which one can have it", () => {
  const { pending, ask, apply, ended } = scene();
  const [a, b] = [ask("a", 1), ask("b", 2)];
  pending.replied(a, { index: 2, term: 1 });
  pending.replied(b, { index: 2, term: 2 });
  apply(2, 2, 2);
  assert.deepEqual(ended(), ["a DISCARDED", "b result"]);
});

test("the same place with another command is another's", () => {
  const { pending, ask, apply, ended } = scene();
  pending.replied(ask("a", 1), { index: 2, term: 1 });
  apply(2, 1, 9);
  assert.deepEqual(ended(), ["a DISCARDED"]);
});

test("a place that was passed, or lies in a dump, tells nothing", () => {
  const { pending, ask, apply, ended } = scene();
  apply(5, 1, 0);
  pending.replied(ask("a", 1), { index: 5, term: 1 });
  assert.deepEqual(ended(), ["a UNKNOWN_OUTCOME"]);
  pending.replied(ask("b", 1), { index: 8, term: 1 });
  pending.replied(ask("c", 1), { index: 9, term: 1 });
  pending.appliedByDump(8);
  assert.deepEqual(ended(), ["b UNKNOWN_OUTCOME"]);
});

test("a leader that is lost takes the answers along, not the places", () => {
  const { pending, ask, write, apply, ended } = scene();
  const [a, b] = [ask("a", 1), ask("b", 2)];
  pending.replied(b, { index: 2, term: 1 });
  const own = pending.nextId();
  pending.appending(own, write("own", 3));
  pending.leaderChanged();
  assert.deepEqual(ended(), ["a LEADER_CHANGED"]);
  pending.replied(a, { index: 3, term: 1 });
  pending.appended(own, { index: 4, term: 1 });
  apply(2, 1, 2);
  apply(4, 1, 3);
  assert.deepEqual(ended(), ["b result", "own result"]);
});

test("what waits too long is given up, wherever it waits", () => {
  const { pending, ask, write, ended } = scene();
  const placed = ask("placed", 1, 50);
  ask("asked", 2, 60);
  ask("patient", 3, 500);
  pending.appending(pending.nextId(), write("own", 4, 50));
  pending.replied(placed, { index: 2, term: 1 });
  pending.expire(40);
  assert.deepEqual(ended(), []);
  pending.expire(60);
  assert.deepEqual(ended().sort(), ["asked TIMEOUT", "own TIMEOUT", "placed TIMEOUT"]);
  assert.equal(pending.size, 1);
  pending.close();
  assert.deepEqual(ended(), ["patient CLOSED"]);
});
