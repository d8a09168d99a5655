import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Entry } from "../../protocol/log/entry.js";
import { raftLimits } from "../../src/raft/limits.js";
import type { Effect, Input } from "../../src/raft/types.js";
import { follower, leader } from "./roles.js";
import { answerOf, appendFrom, entry, logOf, Solo } from "./solo.js";

/* Dumps in both directions, by PySyncObj's rules (pysyncobj/syncobj.py). */

suite("snapshots", () => {
  const members = ["a:1", "b:1", "c:1"];

  function received(last: Entry, previous: Entry): Input {
    const summary = { last, previous, members };
    return { kind: "snapshot-received", from: "b:1", term: 1, summary };
  }

  test("a heartbeat without a piece keeps the election away, and is not answered", () => {
    const solo = follower();
    const before = solo.state.electionDeadlineMs;
    solo.nowMs += 50;
    solo.receive("b:1", { type: "install_snapshot", term: 1, commitIndex: 9, chunk: null });
    assert.ok(solo.state.electionDeadlineMs > before);
    assert.deepEqual(solo.take(), []);
    assert.equal(solo.state.commitIndex, 1);
  });

  test("pieces are handed on from the first one, without answers", () => {
    const solo = follower();
    const piece = (isFirst: boolean, isLast: boolean): Effect[] =>
      solo.receive("b:1", {
        type: "install_snapshot",
        term: 1,
        commitIndex: 9,
        chunk: { data: Uint8Array.of(1), isFirst, isLast },
      });
    assert.deepEqual(piece(false, false), [], "its beginning was lost");
    assert.equal(piece(true, false).length, 1);
    assert.equal(piece(false, true).length, 1);
    assert.deepEqual(piece(false, false), [], "it is complete");
    assert.deepEqual(solo.take(), []);
  });

  test("one that is ahead of us replaces log, members and commit index", () => {
    const solo = follower({ log: [0, 1, 1] });
    const effects = solo.step(received(entry(9, 1), entry(8, 1)));
    assert.deepEqual(solo.state.log.slice(1, 20), [entry(8, 1), entry(9, 1)]);
    assert.equal(solo.state.commitIndex, 9);
    assert.equal(solo.state.lastApplied, 9);
    const kinds = effects.map(({ kind }) => kind);
    assert.ok(kinds.includes("install") && !kinds.includes("conflict"));
    assert.deepEqual(solo.take(), [{ to: "b:1", message: answerOf(10) }]);
  });

  test("it ends the conflict that it was sent for", () => {
    const solo = follower({ log: [0, 2, 2], term: 2 });
    solo.receive("b:1", appendFrom(3, [2, 1]));
    const summary = { previous: entry(8, 3), last: entry(9, 3), members: ["a:1", "b:1", "c:1"] };
    solo.step({ kind: "snapshot-received", from: "b:1", term: 3, summary });
    solo.take();
    // Sent in one go, behind what had come before the dump was loaded.
    solo.receive("b:1", appendFrom(3, [12, 3], [entry(13, 3)]));
    const [asked] = solo.takeTo("b:1", "next_node_idx");
    assert.equal(asked?.nextNodeIdx, 10, "further back would have the leader send another dump");
  });

  test("one that is older than what we have committed is not taken", () => {
    const solo = follower({ log: [0, 1, 1, 1], commit: 4 });
    const effects = solo.step(received(entry(3, 1), entry(2, 1)));
    assert.deepEqual(
      effects.map(({ kind }) => kind),
      ["discard-snapshot", "send"],
    );
    assert.deepEqual(solo.take(), [{ to: "b:1", message: answerOf(4) }]);
    assert.equal(solo.state.log.lastIndex, 4);
  });

  test("one that joins our log keeps what we hold after it", () => {
    const solo = follower({ log: [0, 1, 1, 1, 1], commit: 2 });
    const effects = solo.step(received(entry(4, 1), entry(3, 1)));
    const install = effects.find((effect) => effect.kind === "install");
    assert.deepEqual(install?.keep, [entry(5, 1)]);
    assert.deepEqual(solo.state.log.slice(1, 20), logOf([1, 1, 1], 3));
    assert.equal(solo.state.commitIndex, 4);
  });

  test("one that our log does not join drops all of the log", () => {
    const solo = follower({ log: [0, 1, 1, 1, 1], commit: 2, term: 3 });
    const effects = solo.step({ ...received(entry(4, 3), entry(3, 3)), term: 3 } as Input);
    const install = effects.find((effect) => effect.kind === "install");
    assert.deepEqual(install?.keep, []);
    assert.equal(solo.state.log.lastIndex, 4);
  });

  test("one that conflicts with what we have committed: our entries are kept beside first", () => {
    const solo = follower({ log: [0, 1, 1, 1], commit: 4, term: 3 });
    const effects = solo.step({ ...received(entry(4, 3), entry(3, 3)), term: 3 } as Input);
    const kinds = effects.map(({ kind }) => kind);
    assert.ok(kinds.includes("conflict"));
    assert.ok(kinds.indexOf("conflict") < kinds.indexOf("install"));
    // Where the conflict begins cannot be seen from a dump: it may be at the first of them.
    const [conflict] = solo.all("conflict");
    assert.deepEqual(conflict?.entries, logOf([1, 1, 1], 2));
    assert.equal(conflict?.withDump, false, "there is none");
    assert.equal(solo.state.log.at(4).term, 3);
  });

  test("one that ends before a log whose head conflicts: our entries are kept beside first", () => {
    const solo = new Solo({ entries: logOf([2, 2, 2, 2], 8), term: 2, commit: 10, applied: 9 });
    solo.receive("b:1", appendFrom(3, [10, 3]));
    const effects = solo.step({ ...received(entry(5, 1), entry(4, 1)), term: 3 } as Input);
    const kinds = effects.map(({ kind }) => kind);
    assert.ok(kinds.includes("conflict"));
    assert.ok(kinds.indexOf("conflict") < kinds.indexOf("install"));
    assert.deepEqual(solo.all("conflict")[0]?.entries, logOf([2, 2, 2], 9));
    assert.equal(solo.all("conflict")[0]?.withDump, true, "the leader's takes its place");
    assert.deepEqual(solo.state.log.slice(1, 20), [entry(4, 1), entry(5, 1)]);
    assert.ok(solo.state.mustRefetch, "no vote before it holds all of the leader's log");
    solo.take();
    solo.receive("b:1", appendFrom(3, [5, 1], [entry(6, 3)], 6));
    assert.equal(solo.state.log.lastIndex, 6);
    assert.ok(!solo.state.mustRefetch);
  });

  for (const onConflict of ["keep", "halt"] as const) {
    test(`one that ends behind a log whose head conflicts is no way around on_conflict: ${onConflict}`, () => {
      const options = { entries: logOf([2, 2, 2, 2], 8), term: 2, commit: 10, applied: 9 };
      const solo = new Solo({ ...options, onConflict });
      solo.receive("b:1", appendFrom(3, [10, 3]));
      const effects = solo.step({ ...received(entry(13, 3), entry(12, 3)), term: 3 } as Input);
      const kinds = effects.map(({ kind }) => kind);
      assert.ok(solo.notes().includes("committed-entries-conflict"));
      if (onConflict === "halt") {
        assert.ok(kinds.includes("discard-snapshot") && kinds.includes("halt"));
        assert.equal(solo.state.log.lastIndex, 11);
        return;
      }
      assert.ok(kinds.indexOf("conflict") >= 0);
      assert.ok(kinds.indexOf("conflict") < kinds.indexOf("install"));
      assert.deepEqual(solo.all("conflict")[0]?.entries, logOf([2, 2, 2], 9));
      assert.equal(solo.state.commitIndex, 13);
    });
  }

  test("one that ends behind a tail that conflicts takes its place without a word", () => {
    const solo = new Solo({ entries: logOf([2, 2, 2, 2], 8), term: 2, commit: 9, applied: 9 });
    solo.receive("b:1", appendFrom(3, [11, 3]));
    solo.step({ ...received(entry(13, 3), entry(12, 3)), term: 3 } as Input);
    assert.deepEqual(solo.all("conflict"), []);
    assert.equal(solo.state.log.lastIndex, 13);
  });

  test("one of a leader that we no longer follow is dropped", () => {
    const solo = follower();
    solo.receive("c:1", appendFrom(2, [1, 0]));
    const effects = solo.step(received(entry(9, 1), entry(8, 1)));
    assert.deepEqual(
      effects.map(({ kind }) => kind),
      ["discard-snapshot"],
    );
  });

  test("after ours has left, the log goes on behind it", () => {
    const solo = leader({ entries: logOf([1, 1, 1], 7), term: 1, commit: 9, applied: 8 });
    solo.receive("b:1", answerOf(2, { success: false, reset: true }));
    solo.take();
    solo.step({ kind: "snapshot-sent", to: "b:1", lastIndex: 8 });
    solo.receive("b:1", answerOf(9));
    assert.deepEqual(
      solo.takeTo("b:1", "append_entries")[0]?.entries.map(({ index }) => index),
      [9, 10],
    );
  });

  test("a receiver that still loads it is not sent it again, one that never does is", () => {
    const solo = leader({ entries: logOf([1, 1, 1], 7), term: 1, commit: 9, applied: 8 });
    solo.receive("b:1", answerOf(2, { success: false, reset: true }));
    solo.step({ kind: "snapshot-sent", to: "b:1", lastIndex: 8 });
    for (let times = 0; times < 5; times += 1) {
      solo.tick(100);
      solo.receive("b:1", answerOf(2, { success: false, reset: true }));
    }
    assert.equal(solo.all("send-snapshot").length, 1);
    solo.tick(raftLimits.dumpLoadMsMax);
    solo.receive("b:1", answerOf(2, { success: false, reset: true }));
    solo.tick(100);
    assert.equal(solo.all("send-snapshot").length, 2);
  });

  test("what was in flight before it is confirmed without its being sent again", () => {
    const solo = leader({ entries: logOf([1, 1, 1], 7), term: 1, commit: 9, applied: 8 });
    solo.receive("b:1", answerOf(2, { success: false, reset: true }));
    for (const next of [3, 4, 5]) solo.receive("b:1", answerOf(next));
    assert.equal(solo.all("send-snapshot").length, 1);
    solo.step({ kind: "snapshot-sent", to: "b:1", lastIndex: 8 });
    for (const next of [6, 7]) {
      solo.tick(100);
      solo.receive("b:1", answerOf(next));
    }
    assert.equal(solo.all("send-snapshot").length, 1);
    solo.take();
    solo.receive("b:1", answerOf(9));
    assert.deepEqual(
      solo.takeTo("b:1", "append_entries")[0]?.entries.map(({ index }) => index),
      [9, 10],
    );
  });

  test("a second one, begun while the first was loaded, is not sent to its end", () => {
    const solo = leader({ entries: logOf([1, 1, 1], 7), term: 1, commit: 9, applied: 8 });
    solo.receive("b:1", answerOf(2, { success: false, reset: true }));
    solo.step({ kind: "snapshot-sent", to: "b:1", lastIndex: 8 });
    solo.tick(raftLimits.dumpLoadMsMax);
    solo.receive("b:1", answerOf(2, { success: false, reset: true }));
    solo.tick(100);
    assert.equal(solo.all("send-snapshot").length, 2);
    assert.equal(solo.all("cancel-snapshot").length, 0);
    solo.receive("b:1", answerOf(9));
    assert.deepEqual(
      solo.all("cancel-snapshot").map(({ to }) => to),
      ["b:1"],
    );
    solo.tick(100);
    solo.receive("b:1", answerOf(10));
    assert.equal(solo.all("cancel-snapshot").length, 1, "there is none under way any more");
  });

  test("the answer to one that had left by then counts for no later leadership", () => {
    const solo = leader({ entries: logOf([1, 1, 1], 7), term: 1, commit: 9, applied: 8 });
    solo.receive("b:1", answerOf(2, { success: false, reset: true }));
    solo.step({ kind: "snapshot-sent", to: "b:1", lastIndex: 8 });
    solo.tick(raftLimits.dumpLoadMsMax);
    solo.receive("b:1", answerOf(2, { success: false, reset: true }));
    solo.tick(100);
    solo.receive("b:1", answerOf(9));
    // All that was sent besides is answered.
    const answered = () => (solo.state.progress.get("b:1")?.unanswered ?? 0) === 0;
    for (let times = 0; !answered(); times += 1) {
      assert.ok(times < 50);
      solo.receive("b:1", answerOf(solo.state.log.lastIndex + 1));
    }
    // The last piece of the second one had left when it was given up.
    solo.step({ kind: "snapshot-sent", to: "b:1", lastIndex: 8 });
    solo.receive("c:1", appendFrom(solo.state.term + 1, [2, 1]));
    assert.equal(solo.state.role, "follower");
    solo.lead(["c:1"]);
    assert.equal(solo.state.progress.get("b:1")?.matchIndex, 0);
    solo.receive("b:1", answerOf(9));
    assert.equal(solo.state.progress.get("b:1")?.matchIndex, 0, "it is the answer to that dump");
  });

  test("one whose link is gone when it has been read is not answered over the next link", () => {
    const last = { data: Uint8Array.of(1), isFirst: true, isLast: true };
    const piece = { type: "install_snapshot", term: 1, commitIndex: 9, chunk: last } as const;
    for (const isLost of [false, true]) {
      const solo = follower({ log: [0, 1, 1] });
      solo.receive("b:1", piece);
      if (isLost) {
        solo.step({ kind: "disconnected", peer: "b:1" });
        solo.connect("b:1", true);
        solo.receive("b:1", { ...piece, chunk: null });
      }
      solo.take();
      solo.step(received(entry(9, 1), entry(8, 1)));
      assert.equal(solo.state.commitIndex, 9);
      const answers = solo.takeTo("b:1", "next_node_idx");
      assert.deepEqual(answers, isLost ? [] : [answerOf(10)]);
      // What is asked over that link is answered, and so is the next dump.
      solo.receive("b:1", appendFrom(1, [9, 1], [], 9));
      assert.deepEqual(solo.takeTo("b:1", "next_node_idx"), [answerOf(10)]);
      solo.receive("b:1", piece);
      solo.step(received(entry(12, 1), entry(11, 1)));
      assert.deepEqual(solo.takeTo("b:1", "next_node_idx"), [answerOf(13)]);
    }
  });

  test("nothing is sent, and no dump begun, for a member whose link is down", () => {
    const solo = leader({ entries: logOf([1, 1, 1], 7), term: 1, commit: 9, applied: 8 });
    solo.step({ kind: "disconnected", peer: "c:1" });
    solo.take();
    solo.propose("x");
    solo.sync();
    solo.receive("b:1", answerOf(solo.state.log.lastIndex + 1));
    solo.tick(200);
    assert.equal(solo.state.commitIndex, solo.state.log.lastIndex);
    assert.deepEqual(solo.all("send-snapshot"), []);
    assert.deepEqual(
      solo.take().filter(({ to }) => to === "c:1"),
      [],
    );
  });

  test("one that could not be sent is sent again", () => {
    const solo = leader({ entries: logOf([1, 1, 1], 7), term: 1, commit: 9, applied: 8 });
    solo.receive("b:1", answerOf(2, { success: false, reset: true }));
    solo.step({ kind: "snapshot-not-sent", to: "b:1" });
    solo.tick(100);
    assert.equal(solo.all("send-snapshot").length, 2);
  });

  test("an observer that has all and nothing by turns has a dump begun once a second", () => {
    const solo = leader({ entries: logOf([1, 1, 1], 7), term: 1, commit: 9, applied: 8 });
    solo.step({ kind: "observer-connected", id: "o" });
    solo.tick(100);
    const { lastIndex } = solo.state.log;
    const demand = (): void => {
      solo.receive("o", answerOf(1, { success: false, reset: true }));
      solo.receive("o", answerOf(lastIndex + 1));
    };
    for (let times = 0; times < 50; times += 1) demand();
    assert.equal(solo.all("send-snapshot").length, 1);
    // It hears from its leader meanwhile.
    solo.receive("o", answerOf(1, { success: false, reset: true }));
    solo.take();
    solo.tick(100);
    assert.ok(solo.takeTo("o", "install_snapshot").length > 0);
    for (let passed = 100; passed < 2 * raftLimits.observerDumpMs; passed += 100) {
      for (let times = 0; times < 5; times += 1) demand();
      solo.tick(100);
    }
    assert.ok(solo.all("send-snapshot").length <= 3);
    // Whoever goes on to lack it gets it without saying so again.
    solo.tick(raftLimits.observerDumpMs);
    for (let times = 0; times < 5; times += 1) demand();
    const before = solo.all("send-snapshot").length;
    solo.receive("o", answerOf(1, { success: false, reset: true }));
    assert.equal(solo.all("send-snapshot").length, before);
    for (let passed = 0; passed <= raftLimits.observerDumpMs; passed += 100) solo.tick(100);
    assert.equal(solo.all("send-snapshot").length, before + 1);
  });

  test("an observer whose log is in conflict from its head on is not asked round and round", () => {
    const solo = leader({ entries: logOf([1, 1, 1], 7), term: 1, commit: 9, applied: 8 });
    solo.step({ kind: "observer-connected", id: "o" });
    solo.tick(100);
    const { lastIndex } = solo.state.log;
    for (const next of [9, 8, lastIndex + 1]) {
      solo.receive("o", answerOf(next, { success: false, reset: true }));
    }
    assert.equal(solo.all("send-snapshot").length, 1);
    solo.step({ kind: "snapshot-not-sent", to: "o" });
    solo.take();
    for (let times = 0; times < 20; times += 1) {
      solo.receive("o", answerOf(lastIndex + 1, { success: false, reset: true }));
    }
    assert.deepEqual(solo.take(), []);
    assert.equal(solo.all("send-snapshot").length, 1);
  });

  test("a member's demand for another one is met at once", () => {
    const solo = leader({ entries: logOf([1, 1, 1], 7), term: 1, commit: 9, applied: 8 });
    const { lastIndex } = solo.state.log;
    for (let times = 0; times < 3; times += 1) {
      solo.receive("b:1", answerOf(1, { success: false, reset: true }));
      solo.receive("b:1", answerOf(lastIndex + 1));
    }
    assert.equal(solo.all("send-snapshot").length, 3);
  });

  test("our own dump lets the log go before its two entries, and nothing after", () => {
    const solo = follower({ log: [0, 1, 1, 1, 1], commit: 5 });
    solo.step({ kind: "dump-written", previousIndex: 3 });
    assert.equal(solo.state.log.firstIndex, 3);
    assert.equal(solo.all("compact").at(-1)?.keepFrom, 3);
    solo.step({ kind: "dump-written", previousIndex: 2 });
    assert.equal(solo.all("compact").length, 1);
  });
});
