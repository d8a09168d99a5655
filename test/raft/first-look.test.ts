import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { encodeMembership, encodeNoOp } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import { raftLimits } from "../../src/raft/limits.js";
import { answerOf, appendFrom, entry, logOf, Solo, type SoloOptions } from "./solo.js";
import type { VanillaModel } from "./vanilla-model.js";
import { talk, vanilla } from "./vanilla-peers.js";

/* What a leader does on a new link before it sends anything that could cut the peer's log. */

const termsOf = (log: readonly Entry[]) => log.map(({ term }) => term);

/**
 * We lead term 1, in which `committed` entries are committed, and are cut off: what is proposed then
 * nobody else holds.
 */
function cutOff(proposed: number, options: SoloOptions = {}): Solo {
  const solo = new Solo({ ...options });
  solo.lead();
  solo.receive("b:1", answerOf(3));
  solo.receive("c:1", answerOf(3));
  assert.equal(solo.state.commitIndex, 2);
  for (const peer of ["b:1", "c:1"]) solo.step({ kind: "disconnected", peer });
  for (let each = 0; each < proposed; each += 1) solo.propose("ours");
  solo.take();
  solo.takeAsked();
  return solo;
}

/** It holds our no-op, and then what another leader of term 1 has put behind it. */
function ledAgain(count: number, id = "b:1"): VanillaModel {
  const peer = vanilla(id, [0], 1);
  const noOp = { index: 2, term: 1, command: encodeNoOp() };
  const theirs = Array.from({ length: count }, (_, at) => entry(3 + at, 1, "theirs"));
  peer.log = [...logOf([0]), noOp, ...theirs];
  peer.commitIndex = 2 + count;
  peer.leader = "c:1";
  return peer;
}

/** For as long as it takes; every message of ours and every question is answered. */
function play(solo: Solo, ms: number, ...peers: VanillaModel[]): void {
  for (let spent = 0; spent < ms; spent += 20) {
    talk(solo, ...peers);
    solo.tick(20);
  }
  talk(solo, ...peers);
}

suite("a term that is led for the second time while its leader is cut off", () => {
  for (const [what, ours, theirs] of [
    ["beyond our log", 1, 4],
    ["within our log, where entries of ours stand", 6, 4],
  ] as const) {
    for (const leader of ["c:1", null, "a:1"]) {
      test(`committed ${what}, led by ${leader}: nothing is cut, and we leave the term`, () => {
        const solo = cutOff(ours);
        const b = ledAgain(theirs);
        b.leader = leader;
        const held = [...b.log];
        solo.connect("b:1");
        play(solo, 1_000, b);
        assert.deepEqual(b.log, held);
        assert.equal(solo.state.isLeader, false);
        assert.ok(solo.state.term > 1);
        assert.ok(b.term > 1, "nor does its leader go on in that term");
        assert.equal(solo.notes().filter((code) => code === "led-meanwhile").length, 1);
      });
    }
  }

  test("what nobody can tell from the other leader's entries goes, and the rest stays", () => {
    const solo = cutOff(6);
    const b = ledAgain(4);
    solo.connect("b:1");
    talk(solo, b);
    assert.deepEqual(solo.terms(), [0, 1], "ours of term 1 that are not committed");
    assert.equal(solo.state.commitIndex, 2);
    assert.equal(solo.state.secondTerm, 1, "kept for ever: a log that ends in it shows nothing");
    assert.deepEqual(solo.all("second-term").length, 1);
  });

  for (const [when, waitedMs] of [
    ["while we lead", 0],
    ["when we have given up for want of a majority", 31_000],
  ] as const) {
    test(`the other leader's own message has the same end ${when}`, () => {
      const solo = cutOff(3);
      solo.connect("b:1");
      solo.tick(waitedMs);
      assert.deepEqual([solo.state.isLeader, solo.state.term], [waitedMs === 0, 1]);
      solo.receive("b:1", {
        ...{ type: "append_entries", term: 1, commitIndex: 3, prevLogIdx: 2, prevLogTerm: 1 },
        entries: [entry(3, 1, "theirs")],
      });
      assert.deepEqual(solo.notes().at(-1), "two-leaders-in-a-term");
      assert.deepEqual(solo.terms(), [0, 1]);
      assert.deepEqual([solo.state.role, solo.state.term], ["follower", 2]);
    });
  }

  test("entries of another leader of the term, which may be confirmed, stay", () => {
    const solo = new Solo();
    solo.receive("b:1", appendFrom(1, [1, 0], [entry(2, 1), entry(3, 1)]));
    solo.receive("c:1", appendFrom(1, [1, 0], [entry(2, 1, "theirs")]));
    assert.deepEqual(solo.terms(), [0, 1, 1]);
    assert.equal(solo.state.term, 2);
  });
});

suite("a lower term in which others have gone on without their leader", () => {
  /** We lead term 2 from 3@2 on, which is committed or not; three more of ours nobody else holds. */
  function leaderOfTwo(isCommitted: boolean, before = 1): Solo {
    const solo = new Solo({ log: [0, 1], term: before, commit: 2 });
    solo.lead();
    if (isCommitted) for (const peer of ["b:1", "c:1"]) solo.receive(peer, answerOf(4));
    for (const peer of ["b:1", "c:1"]) solo.step({ kind: "disconnected", peer });
    for (let each = 0; each < 3; each += 1) solo.propose("ours");
    solo.take();
    solo.takeAsked();
    return solo;
  }

  function committed(terms: readonly number[]): VanillaModel {
    const peer = vanilla("b:1", terms, 1);
    peer.commitIndex = terms.length;
    return peer;
  }

  test("what they have committed behind what is committed here is not cut", () => {
    const solo = leaderOfTwo(true);
    const b = committed([0, 1, 2, 1, 1, 1]);
    solo.connect("b:1");
    play(solo, 1_000, b);
    assert.deepEqual(termsOf(b.log), [0, 1, 2, 1, 1, 1]);
    assert.deepEqual(solo.terms(), [0, 1, 2]);
    assert.equal(solo.state.isLeader, false);
    assert.ok(b.term > 2, "nor do they go on in the term that has collapsed");
    assert.ok(solo.notes().includes("led-meanwhile"));
    assert.ok(solo.state.secondTerm < 2, "ours was led once");
  });

  test("nor what they had committed before, as long as nothing of ours is committed", () => {
    const solo = leaderOfTwo(false);
    const b = committed([0, 1, 1, 1, 1, 1]);
    solo.connect("b:1");
    talk(solo, b);
    assert.deepEqual(termsOf(b.log), [0, 1, 1, 1, 1, 1]);
    assert.equal(solo.state.isLeader, false);
  });

  for (const [what, term] of [
    ["", 2],
    [", also where thousands of elections lie between", 5_000],
  ] as const) {
    test(`who lacks what is committed here has to follow${what}`, () => {
      const solo = leaderOfTwo(true, term - 1);
      const b = committed([0, 1, 1, 1, 1, 1]);
      solo.connect("b:1");
      play(solo, 1_000, b);
      assert.ok(solo.state.isLeader);
      assert.deepEqual(termsOf(b.log), [0, 1, term, term, term, term]);
    });
  }

  test("nor does it matter what is committed here while it is asked", () => {
    const solo = leaderOfTwo(true, 4_999);
    const b = committed([0, 1, 10, 4_500, 4_500, 4_500, 4_500]);
    const hear = b.receive.bind(b);
    let hasRisen = false;
    b.receive = (from, message, nowMs) => {
      if (!hasRisen && message.type === "append_entries" && message.prevLogIdx === 3) {
        hasRisen = true;
        solo.receive("c:1", answerOf(5));
        assert.equal(solo.state.commitIndex, 4);
      }
      return hear(from, message, nowMs);
    };
    solo.connect("c:1", true);
    solo.connect("b:1");
    play(solo, 1_000, b);
    assert.ok(hasRisen);
    assert.ok(solo.state.isLeader);
    assert.deepEqual(termsOf(b.log), [0, 1, 5_000, 5_000, 5_000, 5_000]);
  });
});

suite("a new link to a member that leads nothing and follows nobody else", () => {
  function follower(terms: readonly number[], commit: number): VanillaModel {
    const peer = ledAgain(0);
    peer.log = [...peer.log, ...logOf(terms, 3)];
    peer.commitIndex = commit;
    peer.leader = null;
    return peer;
  }

  test("is sent entries as soon as it has told its state", () => {
    const solo = cutOff(3);
    const b = follower([], 2);
    solo.connect("b:1");
    assert.deepEqual(solo.take(), [], "nothing before");
    talk(solo, b);
    assert.deepEqual(termsOf(b.log), [0, 1, 1, 1, 1]);
    assert.equal(solo.state.commitIndex, 5);
  });

  test("one that has forgotten its term as well", () => {
    const solo = cutOff(3);
    const b = follower([], 2);
    b.term = 0;
    solo.connect("b:1");
    talk(solo, b);
    assert.deepEqual(termsOf(b.log), [0, 1, 1, 1, 1]);
  });

  test("nor is one that had a link before it was a member", () => {
    const solo = new Solo({ guests: ["d:1"] });
    solo.lead();
    for (const peer of ["b:1", "c:1"]) solo.receive(peer, answerOf(3));
    solo.connect("d:1");
    const d = vanilla("d:1", [0, 1, 1, 1], 1);
    d.leader = "b:1";
    const held = [...d.log];
    solo.take();
    solo.takeAsked();
    solo.propose(encodeMembership("add", "d:1"));
    assert.ok(solo.state.members.has("d:1"));
    assert.deepEqual(solo.takeTo("d:1", "append_entries"), [], "nothing before");
    play(solo, 300, d);
    assert.deepEqual(d.log, held);
    assert.ok(solo.notes().includes("led-meanwhile"));
  });

  test("a claim beyond its own log, as 0.3.15 can make, is not believed", () => {
    const solo = cutOff(3);
    const b = follower([], 500);
    solo.connect("b:1");
    talk(solo, b);
    assert.deepEqual(termsOf(b.log), [0, 1, 1, 1, 1]);
    assert.ok(solo.state.isLeader);
  });

  test("what it knows as committed of earlier terms is no other leader's", () => {
    // We have won, and nothing of ours is committed yet: a follower may know more.
    const solo = new Solo({ log: [0, 1, 1, 1], term: 1, commit: 1 });
    solo.lead();
    solo.step({ kind: "disconnected", peer: "b:1" });
    const b = vanilla("b:1", [0, 1, 1, 1], 2);
    b.commitIndex = 4;
    solo.connect("b:1");
    play(solo, 300, b);
    assert.ok(solo.state.isLeader);
    assert.equal(solo.state.commitIndex, 5);
  });

  test("a Quorate member proves itself by its hello, and waits for nothing", () => {
    const solo = cutOff(3);
    solo.connect("b:1", true);
    const [first] = solo.takeTo("b:1", "append_entries");
    assert.equal(first?.prevLogIdx, 2);
  });
});

suite("one that answers no question", () => {
  /** All that has left for b, while it answers the messages that cut nothing. */
  function sentTo(solo: Solo, ms: number, answers: boolean): (number | null)[] {
    const prevs: (number | null)[] = [];
    for (let spent = 0; spent < ms; spent += 20) {
      for (const { prevLogIdx } of solo.takeTo("b:1", "append_entries")) {
        prevs.push(prevLogIdx);
        if (answers) solo.receive("b:1", answerOf(3, { success: false, reset: true }));
      }
      for (const peer of solo.takeAsked()) if (peer === "b:1") solo.status("b:1", null);
      solo.tick(20);
    }
    return prevs;
  }
  const isQuiet = (prev: number | null) => prev === raftLimits.unreachableIndex;

  test("is kept quiet by what cuts nothing, and sent entries after three seconds", () => {
    const solo = cutOff(3);
    solo.connect("b:1");
    const before = sentTo(solo, raftLimits.lookMsMax, true);
    assert.ok(before.length > 20, `${before.length} messages`);
    assert.ok(before.every(isQuiet));
    const after = sentTo(solo, 500, true);
    assert.equal(
      after.find((prev) => !isQuiet(prev)),
      2,
    );
    assert.ok(solo.notes().includes("look-unanswered"));
  });

  test("nor any message is sent nothing else: it takes nothing in", () => {
    const solo = cutOff(3);
    solo.connect("b:1");
    const sent = sentTo(solo, 3 * raftLimits.lookMsMax, false);
    assert.deepEqual(sent, [raftLimits.unreachableIndex]);
  });
});
