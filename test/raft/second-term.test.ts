import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Solo, type SoloOptions } from "./solo.js";
import type { VanillaModel } from "./vanilla-model.js";
import { talk, vanilla } from "./vanilla-peers.js";

/*
 * b was with us in term 6. Then it and c started again: they have led terms 1 and 2 once more, and have
 * committed what b holds now. Its log ends 6@1, and so did ours.
 */
suite("terms that were led twice", () => {
  const ours: SoloOptions = { log: [0, 1, 1, 1, 1, 1, 6, 6], term: 6, commit: 7 };
  const committed = [0, 1, 2, 2, 1, 1];

  /** A few elections, with the disk done at once. */
  function play(solo: Solo, ...peers: VanillaModel[]): void {
    for (let turn = 0; turn < 200; turn += 1) {
      solo.tick(25);
      talk(solo, ...peers);
    }
  }

  /** What a member that has seen b's term go back has on its disk. */
  function storedBy(solo: Solo): number {
    return Math.max(0, ...solo.all("second-term").map(({ term }) => term));
  }

  function sawItGoBack(): Solo {
    const solo = new Solo({ ...ours, connected: ["b:1"] });
    solo.status("b:1", { term: 6 });
    solo.step({ kind: "disconnected", peer: "b:1" });
    solo.connect("b:1");
    solo.status("b:1", { term: 2 });
    return solo;
  }

  test("are stored, and each time only where they are more than before", () => {
    const solo = sawItGoBack();
    assert.equal(storedBy(solo), 2);
    solo.status("b:1", { term: 1 });
    solo.status("b:1", { term: 2 });
    solo.status("b:1", { term: 6 });
    assert.equal(solo.all("second-term").length, 1);
  });

  test("a member that has started again since does not believe such an end either", () => {
    const b = vanilla("b:1", committed, 2);
    const held = [...b.log];
    const secondTerm = storedBy(sawItGoBack());
    const solo = new Solo({ ...ours, secondTerm, connected: ["b:1"] });
    play(solo, b);
    assert.equal(solo.state.isLeader, false);
    assert.deepEqual(b.log, held);
  });

  test("it says which log keeps it from leading, until there is a leader", () => {
    const b = vanilla("b:1", committed, 2);
    const solo = new Solo({ ...ours, secondTerm: 2, connected: ["b:1"] });
    play(solo, b);
    assert.deepEqual(solo.state.unprovenLog, { peer: "b:1", lastTerm: 1 });
    const c = vanilla("c:1", [0, 1, 1, 1, 1, 1, 6, 6], 2);
    solo.connect("c:1");
    play(solo, b, c);
    assert.ok(solo.state.isLeader, solo.notes().join(", "));
    assert.equal(solo.state.unprovenLog, null);
  });

  test("a leader that it follows ends that as well", () => {
    const b = vanilla("b:1", committed, 2);
    const solo = new Solo({ ...ours, secondTerm: 2, connected: ["b:1"] });
    play(solo, b);
    assert.notEqual(solo.state.unprovenLog, null);
    solo.connect("c:1");
    const term = solo.state.term + 1;
    const heartbeat = { commitIndex: 1, prevLogIdx: 8, prevLogTerm: 6, entries: [] };
    solo.receive("c:1", { type: "append_entries", term, ...heartbeat });
    assert.equal(solo.state.leader, "c:1");
    assert.equal(solo.state.unprovenLog, null);
  });

  test("forged ones keep it from leading with a member that forgets, until there are later entries", () => {
    const solo = new Solo({ ...ours, connected: ["b:1"] });
    // In b's name, over two connections: such as nobody can tell from b that has started again.
    for (const term of [100, 99]) {
      solo.receive("b:1", { type: "request_vote", term, lastLogIndex: 1, lastLogTerm: 0 });
      solo.step({ kind: "disconnected", peer: "b:1" });
      solo.connect("b:1");
    }
    assert.equal(solo.state.secondTerm, 99);
    assert.ok(solo.state.term > 99, "the next leader's term is a later one");
    const b = vanilla("b:1", [0, 1, 1, 1, 1, 1], 6);
    play(solo, b);
    assert.deepEqual(solo.state.unprovenLog, { peer: "b:1", lastTerm: 1 });
    const c = vanilla("c:1", [0, 1, 1, 1, 1, 1, 6, 6], 6);
    c.version = "0.3.17";
    solo.connect("c:1");
    play(solo, b, c);
    assert.ok(solo.state.isLeader, solo.notes().join(", "));
    const { log, term, secondTerm, commitIndex: commit } = solo.state;
    const entries = log.slice(1, log.lastIndex);
    const again = new Solo({ ...{ entries, term, secondTerm, commit }, connected: ["b:1"] });
    b.term = 0;
    play(again, b);
    assert.ok(again.state.isLeader, "elected once more, with b alone");
  });

  test("logs that end in later terms, or hold nothing yet, are believed as before", () => {
    for (const terms of [[0, 1, 1, 1, 1, 1, 6], [0]]) {
      const b = vanilla("b:1", terms, 2);
      const solo = new Solo({ ...ours, secondTerm: 2, connected: ["b:1"] });
      play(solo, b);
      assert.ok(solo.state.isLeader, solo.notes().join(", "));
      assert.equal(b.lastTerm, solo.state.term);
    }
  });
});
