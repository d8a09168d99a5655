import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import { raftLimits } from "../../src/raft/limits.js";
import { answerOf, appendFrom, entry, logOf, Solo, type SoloOptions } from "./solo.js";
import type { VanillaModel } from "./vanilla-model.js";
import { requestVote, talk, vanilla, withoutAndWith } from "./vanilla-peers.js";

/* The guards around what a leader makes others cut, and what others make us cut. */

const tailed: SoloOptions = { log: [0, 1, 6, 6, 6], term: 6, commit: 2 };

/** Elections and what follows, for as long as three of them take. */
function play(solo: Solo, ...peers: VanillaModel[]): void {
  for (let turn = 0; turn < 200; turn += 1) {
    solo.tick(25);
    talk(solo, ...peers);
  }
}

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

  test("the longer log that a dip left behind is overruled, and gets no vote", () => {
    // Ours ends 4@1 behind a dip; b's is 7@7, the last four of which nobody else ever had.
    const solo = new Solo({ log: [0, 7, 1, 1], term: 7, commit: 2 });
    const b = vanilla("b:1", [0, 7, 7, 7, 7, 7, 7], 7);
    const c = vanilla("c:1", [0, 7, 1, 1], 7);
    solo.receive("b:1", requestVote(8, 7, 7));
    assert.deepEqual(solo.takeTo("b:1", "response_vote"), []);
    solo.timeOut();
    for (let turn = 0; turn < 40; turn += 1) {
      talk(solo, b, c);
      solo.tick(20);
    }
    assert.ok(solo.state.isLeader, solo.notes().join(", "));
    assert.deepEqual(
      b.log.map(({ term }) => term),
      [0, 7, 1, 1, solo.state.term],
    );
  });

  // Ours ends 5@6 behind 2@1, and nobody else has these. b and c have forgotten their terms since and
  // have committed 3@1 to 6@1; b does not know it yet, and votes for the higher last term.
  for (const [version, term] of [
    ["0.3.15", 1],
    ["0.3.17", 0],
  ] as const) {
    test(`the vote of a member of ${version} that forgot its term is no proof`, () => {
      withoutAndWith("forgetful-voters", { ...tailed, connected: ["b:1"] }, (solo, guarded) => {
        const b = vanilla("b:1", [0, 1, 1, 1, 1, 1], term);
        b.commitIndex = 2;
        b.version = version;
        play(solo, b);
        assert.equal(solo.state.isLeader, !guarded);
        const terms = b.log.map((each) => each.term);
        const kept = [0, 1, 1, 1, 1, 1];
        if (guarded) assert.deepEqual(terms, kept);
        else assert.deepEqual(terms, [0, 1, 6, 6, 6, solo.state.term], "without it they are cut");
        if (guarded) assert.ok(solo.notes().includes("forgetful-voter"));
      });
    });
  }

  // b was with us in term 6. Then it and c started again: they have led terms 1 and 2 once more, and
  // have committed what b holds now. Its log ends 6@1, and so did ours.
  function comesBack(b: VanillaModel): Solo {
    const solo = new Solo({
      log: [0, 1, 1, 1, 1, 1, 6, 6],
      term: 6,
      commit: 7,
      connected: ["b:1"],
    });
    solo.status("b:1", { term: 6 });
    solo.step({ kind: "disconnected", peer: "b:1" });
    solo.connect("b:1");
    play(solo, b);
    return solo;
  }

  test("that a log ends as ours did shows nothing where the term of its end was led again", () => {
    const b = vanilla("b:1", [0, 1, 2, 2, 1, 1], 2);
    const held = [...b.log];
    const solo = comesBack(b);
    assert.equal(solo.state.isLeader, false);
    assert.ok(solo.notes().includes("forgetful-voter"));
    assert.deepEqual(b.log, held);
  });

  test("a member that comes back with the beginning of ours follows us", () => {
    for (const [terms, term] of [
      [[0, 1, 1, 1, 1, 1, 6], 2],
      [[0, 1, 1, 1, 1, 1], 0],
      [[0], 2],
    ] as const) {
      const b = vanilla("b:1", terms, term);
      const solo = comesBack(b);
      assert.ok(solo.state.isLeader, solo.notes().join(", "));
      assert.equal(b.lastTerm, solo.state.term);
    }
  });

  test("two of three whose logs are part of ours are enough, whatever the third holds", () => {
    const solo = new Solo(tailed);
    const b = vanilla("b:1", [0, 1, 1, 1, 1, 1], 1);
    const c = vanilla("c:1", [0, 1, 6], 1);
    play(solo, b, c);
    assert.ok(solo.state.isLeader);
    for (const { log } of [b, c]) {
      assert.deepEqual(
        log.map(({ term }) => term),
        [0, 1, 6, 6, 6, solo.state.term],
      );
    }
  });

  test("while one peer hangs the others hear from us, and none of them campaigns", () => {
    const solo = new Solo({ log: [0, 1], term: 1, commit: 2, quorate: false });
    solo.timeOut();
    for (const peer of ["b:1", "c:1"]) solo.status(peer, { term: 1, commitIndex: 2 });
    solo.receive("c:1", { type: "response_vote", term: 2 });
    assert.notEqual(solo.state.inquest, null);
    solo.receive("c:1", answerOf(3, { success: false, reset: true }));
    solo.receive("c:1", answerOf(3));
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

  test("no probe at a longer log carries our own last term, or anything to commit or append", () => {
    const solo = new Solo({ log: [0, 1, 1, 4], term: 4, commit: 3 });
    solo.timeOut();
    solo.status("b:1", {});
    solo.status("c:1", {});
    solo.receive("c:1", { type: "response_vote", term: 5 });
    assert.deepEqual(solo.takeTo("b:1", "append_entries"), [
      appendFrom(5, [raftLimits.unreachableIndex, 0]),
    ]);
    solo.receive("b:1", answerOf(7, { success: false, reset: true }));
    assert.deepEqual(solo.takeTo("b:1", "append_entries"), [], "what it holds may be committed");
    solo.receive("c:1", answerOf(5, { success: false, reset: true }));
    assert.deepEqual(solo.takeTo("c:1", "append_entries").slice(-1), [appendFrom(5, [4, 4])]);
    solo.receive("c:1", answerOf(5));
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
      solo.receive(showing, answerOf(5));
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
    const lowered = solo.all("save-commit").find(({ index }) => index === 2);
    assert.equal(lowered?.after, conflict?.seq, "killed before, the next start must know of them");
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
    assert.deepEqual(solo.all("conflict"), [], "they stay in the journal: nothing is kept beside");
    assert.deepEqual(solo.take(), []);
    assert.deepEqual(solo.timeOut(), []);
  });

  /** Of one leader, in one term: what stands at index 4, and is committed, is another one each time. */
  function contradict(solo: Solo, times: number): void {
    for (let at = 0; at < times; at++) {
      solo.receive("b:1", appendFrom(9, [3, 1], [entry(4, 7 + (at % 2))], 4));
    }
  }

  test("a leader that contradicts itself on and on is heard a few times, then once a minute", () => {
    const solo = new Solo(options);
    contradict(solo, 40);
    const most = raftLimits.yieldsMax;
    assert.equal(solo.all("conflict").length, most);
    assert.equal(solo.all("rebuild").length, most);
    assert.ok(solo.notes().includes("conflict-refused"));
    const kept = solo.terms();
    solo.take();
    contradict(solo, 2);
    assert.deepEqual(solo.terms(), kept, "nothing goes");
    assert.deepEqual(
      solo.takeTo("b:1", "next_node_idx").find(({ success }) => !success),
      answerOf(5, { success: false }),
      "it is told that it is not taken, and not to send it again at once",
    );
    solo.nowMs += raftLimits.yieldAgainMs;
    contradict(solo, 2);
    assert.equal(solo.all("conflict").length, most + 1);
    // Quiet for long, and there are as many again.
    solo.nowMs += raftLimits.yieldAgainMs * most * 2;
    contradict(solo, 40);
    assert.equal(solo.all("conflict").length, 2 * most + 1);
  });

  test("nor is what it says in dumps heard more often", () => {
    const solo = new Solo(options);
    contradict(solo, raftLimits.yieldsMax);
    const { length } = solo.all("conflict");
    const summary = { previous: entry(2, 1), last: entry(3, 8), members: ["a:1", "b:1", "c:1"] };
    solo.take();
    solo.step({ kind: "snapshot-received", from: "b:1", term: 9, summary });
    assert.equal(solo.all("conflict").length, length);
    assert.equal(solo.all("install").length, 0);
    assert.equal(solo.all("discard-snapshot").length, 1);
    solo.nowMs += raftLimits.yieldAgainMs;
    solo.step({ kind: "snapshot-received", from: "b:1", term: 9, summary });
    assert.equal(solo.all("install").length, 1);
  });

  const inDump = { entries: logOf([1, 1, 1, 1], 7), term: 1, commit: 9, applied: 8 };

  test("in the dump: only the leader's dump can replace them, and until it has come nothing is gone", () => {
    const solo = new Solo(inDump);
    solo.receive("b:1", appendFrom(9, [7, 1], [entry(8, 8)], 8));
    assert.deepEqual(solo.take(), [
      { to: "b:1", message: answerOf(1, { success: false, reset: true }) },
    ]);
    assert.equal(solo.state.log.lastIndex, 10, "nothing goes");
    // Its own entries, and the dump that holds what is committed before them.
    solo.receive("b:1", appendFrom(9, [7, 1], [entry(8, 8)], 8));
    assert.deepEqual(
      solo.all("conflict").map(({ entries, withDump }) => ({ entries, withDump })),
      [{ entries: logOf([1, 1, 1], 8), withDump: true }],
      "once, however often the leader asks",
    );
    assert.deepEqual(solo.all("must-refetch"), []);
    solo.receive("c:1", requestVote(10, 10, 1));
    assert.equal(solo.takeTo("c:1", "response_vote").length, 1, "its log is as good as before");
  });

  test("in the dump, once the leader's has come: no vote until it has caught up", () => {
    for (const lastIndex of [8, 9, 12]) {
      const solo = new Solo(inDump);
      solo.receive("b:1", appendFrom(9, [7, 1], [entry(8, 8)], 8));
      const summary = {
        ...{ previous: entry(lastIndex - 1, 8), last: entry(lastIndex, 8) },
        members: ["a:1", "b:1", "c:1"],
      };
      solo.step({ kind: "snapshot-received", from: "b:1", term: 9, summary });
      assert.equal(solo.all("install").length, 1);
      assert.equal(solo.all("must-refetch").at(-1)?.missing, true, `${lastIndex}`);
      solo.receive("c:1", requestVote(10, 20, 9));
      assert.deepEqual(solo.takeTo("c:1", "response_vote"), []);
    }
  });

  test("in the dump: what one leader demands is not taken of the next one unasked", () => {
    const solo = new Solo(inDump);
    solo.receive("b:1", appendFrom(9, [7, 1], [entry(8, 8)], 8));
    solo.receive("c:1", appendFrom(10, [10, 1], [], 9));
    const summary = { previous: entry(7, 1), last: entry(8, 1), members: ["a:1", "b:1", "c:1"] };
    const effects = solo.step({ kind: "snapshot-received", from: "c:1", term: 10, summary });
    assert.ok(effects.some(({ kind }) => kind === "discard-snapshot"));
    assert.deepEqual(solo.all("must-refetch"), []);
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

test("a follower whose log is in conflict from its head on is asked once round, then gets a dump", () => {
  const solo = new Solo({ log: [0, 1, 1, 4, 4, 4, 4], term: 4, commit: 7, quorate: true });
  solo.lead();
  // b's log is 4@2 to 6@2: what came before is in its dump.
  const end = 7;
  const asked = [7];
  for (let prev = 7; asked.length < 20 && solo.all("send-snapshot").length === 0; ) {
    const next = prev < 4 || prev > 6 ? end : prev;
    solo.receive("b:1", answerOf(next, { success: false, reset: true }));
    const [message] = solo.takeTo("b:1", "append_entries").slice(-1);
    if (message === undefined) break;
    prev = message.prevLogIdx ?? 0;
    asked.push(prev);
  }
  assert.deepEqual(asked, [7, 6, 5, 4, 3]);
  assert.equal(solo.all("send-snapshot")[0]?.to, "b:1");
});
