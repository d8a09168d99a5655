import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import { raftLimits } from "../../src/raft/limits.js";
import { answerOf, appendFrom, entry, logOf, Solo, type SoloOptions } from "./solo.js";
import type { VanillaModel } from "./vanilla-model.js";
import { requestVote, talk, vanilla } from "./vanilla-peers.js";

/* The guards around what a leader makes others cut, and what others make us cut. */

suite("look before you truncate", () => {
  /** Ours ends 4@4; c votes for us, and b's log is `longer`. */
  function elected(longer: readonly number[], guarded: boolean): [Solo, VanillaModel] {
    const solo = new Solo({
      log: [0, 1, 1, 4],
      term: 4,
      commit: 3,
      guardsOff: guarded ? [] : ["look-before-truncate"],
    });
    const b = vanilla("b:1", longer, 4);
    const c = vanilla("c:1", [0, 1, 1, 4], 4);
    solo.timeOut();
    for (let turn = 0; turn < 20; turn += 1) {
      talk(solo, b, c);
      solo.tick(20);
    }
    talk(solo, b, c);
    return [solo, b];
  }

  test("an honest conflict is overruled", () => {
    for (const guarded of [false, true]) {
      const [solo, b] = elected([0, 1, 1, 3, 3], guarded);
      assert.ok(solo.state.isLeader);
      assert.deepEqual(
        b.log.map(({ term }) => term),
        [0, 1, 1, 4, solo.state.term],
      );
    }
  });

  for (const [what, terms] of [
    ["a tail of our own last term", [0, 1, 1, 4, 4, 4]],
    ["a tail of lower terms (a dip)", [0, 1, 1, 4, 2, 2]],
  ] as const) {
    test(`${what} after our last entry is kept: that peer shall lead`, () => {
      const [without, cut] = elected(terms, false);
      assert.ok(without.state.isLeader);
      assert.deepEqual(
        cut.log.map(({ term }) => term),
        [0, 1, 1, 4, without.state.term],
        "without it the tail is cut",
      );
      const [solo, b] = elected(terms, true);
      assert.deepEqual(solo.notes(), ["gave-way"]);
      assert.equal(solo.state.role, "follower");
      assert.deepEqual(solo.terms(), [0, 1, 1, 4], "no no-op of ours");
      assert.deepEqual(
        b.log.map(({ term }) => term),
        terms,
      );
      assert.ok(
        solo.state.electionDeadlineMs - solo.nowMs > 1400,
        "and it has time to campaign before us",
      );
    });
  }

  test("while one peer hangs the others hear from us, and none of them campaigns", () => {
    const solo = new Solo({ log: [0, 1], term: 1, commit: 2, quorate: false });
    solo.timeOut();
    for (const peer of ["b:1", "c:1"]) solo.status(peer, { term: 1, commitIndex: 2 });
    solo.receive("c:1", { type: "response_vote", term: 2 });
    assert.notEqual(solo.state.inquest, null);
    solo.receive("c:1", answerOf(3, { success: false, reset: true }));
    solo.take();
    // b says nothing; a vanilla member waits 400 ms at least.
    for (let waited = 0; waited < 1_400; waited += 300) {
      for (let ms = 0; ms < 300; ms += 25) solo.tick(25);
      assert.ok(solo.takeTo("c:1", "append_entries").length > 0, `silent after ${waited} ms`);
      solo.receive("c:1", answerOf(3, { success: false, reset: true }));
    }
    solo.tick(raftLimits.inquestMsMax);
    assert.ok(solo.state.isLeader);
    assert.equal(solo.state.log.lastIndex, 3);
    for (let ms = 0; ms < 300; ms += 25) solo.tick(25);
    solo.receive("c:1", answerOf(4));
    assert.equal(solo.state.commitIndex, 3);
  });

  test("a peer to which we gave way gets our vote, although others can be reached", () => {
    const [solo, b] = elected([0, 1, 1, 4, 2, 2], true);
    const term = b.term + 1;
    solo.receive("b:1", requestVote(term, 6, 2));
    solo.status("b:1", { term, commitIndex: 4 });
    assert.deepEqual(
      solo.takeTo("b:1", "response_vote"),
      [{ type: "response_vote", term }],
      "without it neither of us can ever lead while c refuses the dip",
    );
  });

  test("the log that holds nothing but its first entry cuts nothing either", () => {
    const solo = new Solo({ log: [0], term: 4, connected: ["b:1", "c:1"] });
    const b = vanilla("b:1", [0, 3, 3], 4);
    const c = vanilla("c:1", [0], 4);
    solo.timeOut();
    for (let turn = 0; turn < 20; turn += 1) {
      talk(solo, b, c);
      solo.tick(20);
    }
    assert.deepEqual(
      b.log.map(({ term }) => term),
      [0, 3, 3],
    );
    assert.deepEqual(solo.notes(), ["gave-way"]);
  });

  test("no probe carries our own last term, or anything to commit or append", () => {
    const solo = new Solo({ log: [0, 1, 1, 4], term: 4, commit: 3 });
    solo.timeOut();
    solo.status("b:1", {});
    solo.status("c:1", {});
    solo.receive("c:1", { type: "response_vote", term: 5 });
    assert.deepEqual(solo.takeTo("b:1", "append_entries"), [
      appendFrom(5, [raftLimits.unreachableIndex, 0]),
    ]);
    solo.receive("b:1", answerOf(7, { success: false, reset: true }));
    assert.deepEqual(
      solo.takeTo("b:1", "append_entries"),
      [3, 2, 1, 0].map((term) => appendFrom(5, [4, term])),
    );
    assert.equal(solo.state.log.lastIndex, 4, "nothing is appended meanwhile");
  });

  test("nothing is taken from proposers meanwhile", () => {
    const solo = new Solo({ log: [0, 1, 1, 4], term: 4, commit: 3 });
    solo.timeOut();
    solo.status("b:1", {});
    solo.status("c:1", {});
    solo.receive("c:1", { type: "response_vote", term: 5 });
    const [answer] = solo.propose("x", 7).filter((effect) => effect.kind === "answer");
    assert.deepEqual(answer?.outcome, { appended: false, error: 2 });
  });

  test("a voter that does not show its log keeps us from leading; others do not", () => {
    const silent = (showing: string): Solo => {
      const solo = new Solo({ log: [0, 1, 1, 4], term: 4, commit: 3 });
      solo.timeOut();
      solo.status("b:1", {});
      solo.status("c:1", {});
      solo.receive("c:1", { type: "response_vote", term: 5 });
      solo.receive(showing, answerOf(5, { success: false, reset: true }));
      solo.tick(raftLimits.inquestMsMax + 1);
      return solo;
    };
    assert.deepEqual(silent("b:1").notes(), ["inquest-unanswered"]);
    assert.equal(silent("b:1").state.role, "follower");
    assert.equal(silent("c:1").state.role, "leader");
  });

  test("Quorate members without a dip are not asked", () => {
    const solo = new Solo({ log: [0, 1, 1, 4], term: 4, commit: 3, quorate: true });
    solo.lead(["b:1"]);
    const probes = solo.all("send").filter(({ message }) => isUnreachable(message));
    assert.deepEqual(probes, []);
    assert.equal(solo.state.role, "leader");
  });

  function isUnreachable(message: PeerMessage): boolean {
    return message.type === "append_entries" && message.prevLogIdx === raftLimits.unreachableIndex;
  }
});

suite("committed entries that a leader wants gone", () => {
  const options: SoloOptions = { log: [0, 1, 1, 1, 1], term: 1, commit: 4 };
  const demand = appendFrom(9, [2, 1], [entry(3, 8), entry(4, 8)], 4);

  test("keep: they are handed out to be kept, and the store is built again", () => {
    const solo = new Solo(options);
    const effects = solo.receive("b:1", demand);
    const kinds = effects.map(({ kind }) => kind);
    assert.ok(kinds.indexOf("conflict") < kinds.indexOf("truncate"), "kept before they go");
    assert.ok(kinds.indexOf("rebuild") < kinds.indexOf("apply"), "and applied to the new store");
    const [conflict] = solo.all("conflict");
    assert.deepEqual(conflict?.entries, logOf([1, 1, 1], 3));
    assert.deepEqual(solo.all("rebuild")[0]?.entries, logOf([0, 1]));
    assert.deepEqual(solo.terms(), [0, 1, 8, 8]);
    assert.deepEqual(solo.all("apply").at(-1)?.entries, [entry(3, 8), entry(4, 8)]);
    assert.ok(solo.notes().includes("committed-entries-conflict"));
  });

  test("halt: nothing goes, nothing is answered, nothing happens any more", () => {
    const solo = new Solo({ ...options, onConflict: "halt" });
    solo.receive("b:1", demand);
    assert.equal(solo.all("halt").length, 1);
    assert.deepEqual(solo.terms(), [0, 1, 1, 1, 1]);
    assert.deepEqual(solo.take(), []);
    assert.deepEqual(solo.timeOut(), []);
  });

  test("in the dump: only the leader's dump can replace them; until then no vote", () => {
    const solo = new Solo({ entries: logOf([1, 1, 1, 1], 7), term: 1, commit: 9, applied: 8 });
    solo.receive("b:1", appendFrom(9, [7, 1], [entry(8, 8)], 8));
    assert.deepEqual(solo.take(), [
      { to: "b:1", message: answerOf(1, { success: false, reset: true }) },
    ]);
    assert.equal(solo.state.log.lastIndex, 10, "nothing goes");
    assert.deepEqual(solo.all("must-refetch").at(-1)?.missing, true);
    solo.receive("c:1", requestVote(10, 20, 9));
    assert.deepEqual(solo.takeTo("c:1", "response_vote"), []);
  });

  test("with no dump the log's second entry can go as well", () => {
    const solo = new Solo({ log: [0, 3, 3], term: 3, commit: 3 });
    solo.receive("b:1", appendFrom(9, [1, 0], [entry(2, 8)], 2));
    assert.deepEqual(solo.terms(), [0, 8]);
    assert.deepEqual(solo.all("rebuild")[0]?.entries, logOf([0]));
  });

  test("entries that are not committed go without an alarm", () => {
    const solo = new Solo(options);
    solo.receive("b:1", appendFrom(9, [4, 1], [entry(5, 8)], 4));
    assert.deepEqual(solo.notes(), []);
    assert.deepEqual(solo.terms(), [0, 1, 1, 1, 8]);
  });
});
