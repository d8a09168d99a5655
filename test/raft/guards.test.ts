import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { raftLimits } from "../../src/raft/limits.js";
import { appendFrom, Solo, type SoloOptions } from "./solo.js";
import { requestVote, talk, vanilla, withoutAndWith } from "./vanilla-peers.js";

/*
 * Each guard of src/raft/guards on its own: the situation with the guard, and the same situation
 * without it, in which the harm shows. The peers behave as PySyncObj 0.3.15.
 */

suite("vote guard", () => {
  test("no vote for a log that ends below our commit index, whatever its last term", () => {
    withoutAndWith("vote-guard", { log: [0, 1, 1, 1], term: 1, commit: 4 }, (solo, guarded) => {
      solo.receive("b:1", requestVote(9, 3, 8));
      const votes = solo.takeTo("b:1", "response_vote").length;
      assert.equal(votes, guarded ? 0 : 1, "without it the stale log gets our vote");
      assert.equal(solo.state.term, 9, "its term counts all the same");
    });
  });

  // Ours ends 4@1 behind a dip. What is committed of that we may not know: 0.3.15 stores its commit
  // index once a second, so a journal taken over from it can hold more.
  const dipped: SoloOptions = { log: [0, 7, 1, 1], term: 7, commit: 2 };

  test("no vote for a shorter log where ours ends below its highest term", () => {
    withoutAndWith("vote-guard", dipped, (solo, guarded) => {
      solo.receive("b:1", requestVote(8, 2, 7));
      const votes = solo.takeTo("b:1", "response_vote").length;
      assert.equal(votes, guarded ? 0 : 1, "without it what follows the dip is voted away");
    });
  });

  test("no promise of one either", () => {
    withoutAndWith("vote-guard", dipped, (solo, guarded) => {
      solo.receive("b:1", { type: "quorate_pre_vote", term: 8, lastLogIndex: 2, lastLogTerm: 7 });
      const [answer] = solo.takeTo("b:1", "quorate_pre_vote_answer");
      assert.equal(answer?.granted, !guarded);
    });
  });

  for (const [what, lastLogIndex, lastLogTerm] of [
    ["one that is as long as ours", 4, 1],
    ["a shorter one of a term that is above all of ours", 3, 9],
  ] as const) {
    test(`there, ${what} may have it`, () => {
      const solo = new Solo(dipped);
      solo.receive("b:1", requestVote(10, lastLogIndex, lastLogTerm));
      assert.equal(solo.takeTo("b:1", "response_vote").length, 1);
    });
  }

  for (const lastLogIndex of [4, 6]) {
    // A leader of the old high term that was cut off with entries nobody else has.
    test(`there, none for a log up to ${lastLogIndex} whose last term does not place it`, () => {
      withoutAndWith("vote-guard", { ...dipped, commit: 4 }, (solo, guarded) => {
        solo.receive("b:1", requestVote(10, lastLogIndex, 7));
        const votes = solo.takeTo("b:1", "response_vote").length;
        assert.equal(votes, guarded ? 0 : 1, "without it what follows the dip is voted away");
      });
    });
  }

  test("once the terms have passed the dip, the last term counts again", () => {
    const solo = new Solo({ log: [0, 7, 1, 8], term: 8, commit: 2 });
    solo.receive("b:1", requestVote(10, 3, 9));
    assert.equal(solo.takeTo("b:1", "response_vote").length, 1);
  });

  test("a log that ends at our commit index may have it", () => {
    const solo = new Solo({ log: [0, 1, 1, 1], term: 1, commit: 3 });
    solo.receive("b:1", requestVote(9, 3, 8));
    assert.equal(solo.takeTo("b:1", "response_vote").length, 1);
  });
});

suite("covered vote", () => {
  // Ours ends 3@5, with nothing above term 2 known to be committed; the candidate's ends 4@2, after a term
  // dip. The third member is away.
  const options: SoloOptions = { log: [0, 2, 5], term: 5, commit: 2, connected: ["b:1"] };

  test("a candidate whose commit index covers our log gets our vote despite its last term", () => {
    withoutAndWith("covered-vote", options, (solo, guarded) => {
      solo.receive("b:1", requestVote(6, 4, 2));
      assert.deepEqual(solo.take(), [], "first its status is asked for");
      assert.deepEqual(solo.takeAsked(), guarded ? ["b:1"] : []);
      solo.status("b:1", { term: 6, commitIndex: 4 });
      const votes = solo.takeTo("b:1", "response_vote").length;
      assert.equal(votes, guarded ? 1 : 0, "without it nobody is ever elected");
    });
  });

  for (const [why, status] of [
    ["its commit index ends below our log", { term: 6, commitIndex: 2 }],
    ["it has applied less than it claims", { term: 6, commitIndex: 4, lastApplied: 2 }],
    ["its status is of another term", { term: 5, commitIndex: 4 }],
  ] as const) {
    test(`none where ${why}`, () => {
      const solo = new Solo(options);
      solo.receive("b:1", requestVote(6, 4, 2));
      solo.status("b:1", status);
      assert.deepEqual(solo.take(), []);
      assert.equal(solo.state.votedFor, null);
    });
  }

  // b:1 has committed up to 4@5 with c:1, which lost all of it, and then led term 8 with us: 2@8 is committed.
  test("none where what is committed here is of a later term than its log: it may lack that", () => {
    const solo = new Solo({ log: [0, 8], term: 8, commit: 2, connected: ["b:1"] });
    solo.receive("b:1", requestVote(9, 4, 5));
    solo.status("b:1", { term: 9, commitIndex: 4 });
    assert.deepEqual(solo.take(), []);
    assert.equal(solo.state.votedFor, null);
  });

  test("none where the log that it has shown ends below ours, whatever it claims", () => {
    const solo = new Solo(options);
    solo.receive("b:1", requestVote(6, 2, 2));
    solo.status("b:1", { term: 6, commitIndex: 40 });
    assert.deepEqual(solo.take(), []);
  });

  test("none while a majority can be reached without the candidate", () => {
    const solo = new Solo({ ...options, connected: ["b:1", "c:1"] });
    solo.receive("b:1", requestVote(6, 4, 2));
    assert.deepEqual(solo.takeAsked(), []);
    solo.status("b:1", { term: 6, commitIndex: 4 });
    assert.deepEqual(solo.take(), []);
  });

  test("one vote a term, also where it is a covered one", () => {
    const solo = new Solo(options);
    solo.receive("b:1", requestVote(6, 4, 2));
    solo.status("b:1", { term: 6, commitIndex: 4 });
    solo.take();
    solo.connect("c:1");
    solo.receive("c:1", requestVote(6, 9, 9));
    assert.deepEqual(solo.takeTo("c:1", "response_vote"), []);
  });

  test("a status that comes without a request for our vote grants nothing", () => {
    const solo = new Solo(options);
    solo.receive("b:1", requestVote(6, 4, 2));
    // The answer is late: a term has gone by in which the peer has not asked us.
    solo.receive("c:1", requestVote(7, 1, 0));
    solo.status("b:1", { term: 7, commitIndex: 4 });
    assert.deepEqual(solo.takeTo("b:1", "response_vote"), []);
    assert.equal(solo.state.votedFor, null);
  });
});

suite("candidate guard", () => {
  const options: SoloOptions = { log: [0, 1, 1], term: 5, commit: 3 };
  const requests = (solo: Solo) =>
    solo
      .take()
      .filter(({ message }) => message.type === "request_vote" && message.lastLogIndex > 0);

  test("no campaign while a peer has committed more than we hold", () => {
    withoutAndWith("candidate-guard", options, (solo, guarded) => {
      solo.timeOut();
      assert.deepEqual(solo.takeAsked(), guarded ? ["b:1", "c:1"] : []);
      solo.status("b:1", { commitIndex: 9 });
      solo.status("c:1", { commitIndex: 3 });
      const sent = requests(solo).length;
      assert.equal(sent, guarded ? 0 : 2, "without it the stale member campaigns at once");
      assert.equal(solo.state.term, guarded ? 5 : 6);
      if (guarded) assert.deepEqual(solo.notes(), ["campaign-behind"]);
    });
  });

  test("the campaign begins with the last answer, and goes to those that answered", () => {
    const solo = new Solo({ ...options, peers: ["b:1", "c:1", "d:1"], connected: ["b:1", "c:1"] });
    solo.timeOut();
    solo.status("b:1", {});
    assert.equal(solo.state.role, "follower");
    solo.connect("d:1");
    solo.status("c:1", {});
    assert.deepEqual(
      requests(solo).map(({ to }) => to),
      ["b:1", "c:1"],
    );
  });

  test("peers behind our term are lifted first, asked again, and only then asked for votes", () => {
    const solo = new Solo(options);
    solo.timeOut();
    solo.takeAsked();
    solo.status("b:1", { term: 2 });
    solo.status("c:1", { term: 5 });
    // Our term + 1, stored first: one that nobody has voted in yet.
    const beacons = solo.take();
    assert.deepEqual(beacons, [
      { to: "b:1", message: requestVote(6, 0, 0) },
      { to: "c:1", message: requestVote(6, 0, 0) },
    ]);
    assert.deepEqual(solo.all("meta").at(-1), { kind: "meta", seq: 1, term: 6, votedFor: null });
    assert.deepEqual(solo.takeAsked(), []);
    solo.tick(raftLimits.confirmDelayMs);
    assert.deepEqual(solo.takeAsked(), ["b:1", "c:1"]);
    solo.status("b:1", { term: 6 });
    assert.equal(solo.state.role, "follower", "one answer is not all");
    solo.status("c:1", { term: 6 });
    assert.deepEqual(requests(solo), [
      { to: "b:1", message: requestVote(7, 3, 1) },
      { to: "c:1", message: requestVote(7, 3, 1) },
    ]);
  });

  test("the second question shows what was committed in between", () => {
    const solo = new Solo(options);
    solo.timeOut();
    solo.status("b:1", { term: 2, commitIndex: 3 });
    solo.status("c:1", { term: 2, commitIndex: 3 });
    solo.take();
    solo.tick(raftLimits.confirmDelayMs);
    solo.status("b:1", { term: 6, commitIndex: 4 });
    solo.status("c:1", { term: 6, commitIndex: 4 });
    assert.deepEqual(requests(solo), []);
    assert.deepEqual(solo.notes(), ["campaign-behind"]);
  });

  test("peers that never take our term over put the campaign off", () => {
    const solo = new Solo(options);
    solo.timeOut();
    for (let turn = 0; turn < raftLimits.confirmRoundsMax; turn += 1) {
      solo.status("b:1", { term: 2 });
      solo.status("c:1", { term: 2 });
      solo.tick(raftLimits.confirmDelayMs);
    }
    assert.deepEqual(requests(solo), []);
    assert.deepEqual(solo.notes(), ["campaign-term-behind"]);
    assert.equal(solo.state.term, 6, "and cost one term");
  });

  test("a connected peer that does not answer puts the campaign off", () => {
    const solo = new Solo(options);
    solo.timeOut();
    solo.status("b:1", {});
    solo.status("c:1", null);
    assert.deepEqual(requests(solo), []);
    assert.deepEqual(solo.notes(), ["campaign-unanswered"]);
    solo.timeOut();
    assert.deepEqual(solo.takeAsked().slice(-2), ["b:1", "c:1"], "later it asks again");
  });

  test("a peer that stays silent counts as gone in the end, until it answers again", () => {
    const solo = new Solo(options);
    const rounds = (): number => {
      for (let round = 1; round < 20; round += 1) {
        solo.timeOut();
        solo.status("b:1", { term: 5 });
        if (solo.state.role === "candidate") return round;
        solo.tick(raftLimits.statusAnswerMsMax);
        solo.status("c:1", null);
      }
      return 0;
    };
    const began = solo.nowMs;
    assert.ok(rounds() > 1);
    assert.ok(solo.nowMs - began >= raftLimits.silentPeerMsMax);
    assert.deepEqual(
      requests(solo).map(({ to }) => to),
      ["b:1"],
      "the silent one is asked for nothing",
    );
    solo.timeOut();
    solo.status("c:1", { term: solo.state.term });
    assert.equal(solo.state.silences.size, 0);
  });

  test("with a term dip in our log a silent peer is waited for, whatever it takes", () => {
    const solo = new Solo({ ...options, log: [0, 1, 4, 2], term: 5 });
    for (let round = 1; round < 40; round += 1) {
      solo.timeOut();
      solo.status("b:1", { term: solo.state.term });
      solo.tick(raftLimits.statusAnswerMsMax);
      solo.status("c:1", null);
    }
    assert.deepEqual(requests(solo), []);
  });

  test("one that has not answered for long counts as gone, until its link is a new one", () => {
    const solo = new Solo(options);
    const ask = (): void => {
      solo.timeOut();
      solo.status("c:1", null);
    };
    for (let turn = 0; turn < 8; turn += 1) ask();
    assert.deepEqual(requests(solo), []);
    solo.receive("b:1", appendFrom(5, [3, 1]));
    solo.step({ kind: "disconnected", peer: "c:1" });
    solo.connect("c:1");
    solo.timeOut();
    solo.status("b:1", {});
    assert.deepEqual(requests(solo), [], "it has come back, and may answer now");
  });

  test("without an answer at all the round ends by itself", () => {
    const solo = new Solo(options);
    solo.timeOut();
    solo.tick(raftLimits.statusAnswerMsMax * raftLimits.confirmRoundsMax + 1);
    assert.equal(solo.state.round, null);
    assert.deepEqual(requests(solo), []);
  });

  for (const [what, message] of [
    ["a heartbeat", appendFrom(5, [3, 1])],
    ["a request for our vote", requestVote(5, 9, 9)],
  ] as const) {
    test(`${what} in the meantime ends the round`, () => {
      const solo = new Solo(options);
      solo.timeOut();
      solo.status("b:1", {});
      solo.receive("c:1", message);
      solo.take();
      solo.status("c:1", {});
      assert.equal(solo.state.role, "follower");
      assert.deepEqual(requests(solo), []);
    });
  }

  test("a claim beyond the log that the peer has shown is not believed", () => {
    const solo = new Solo({ ...options, votedFor: "b:1" });
    solo.receive("b:1", requestVote(5, 3, 1));
    solo.timeOut();
    solo.status("b:1", { commitIndex: 7, lastApplied: 3 });
    solo.status("c:1", {});
    assert.equal(requests(solo).length, 2);
  });

  test("what it has shown on an earlier link does not make its claim smaller", () => {
    const solo = new Solo({ ...options, votedFor: "b:1" });
    solo.receive("b:1", requestVote(5, 3, 1));
    solo.step({ kind: "disconnected", peer: "b:1" });
    solo.connect("b:1");
    solo.timeOut();
    solo.status("b:1", { commitIndex: 7, lastApplied: 3 });
    solo.status("c:1", {});
    assert.deepEqual(requests(solo), []);
  });

  test("no questions among Quorate members whose logs hold no dip: a pre-vote instead", () => {
    const solo = new Solo({ ...options, quorate: true });
    solo.timeOut();
    assert.deepEqual(solo.takeAsked(), []);
    assert.equal(solo.takeTo("b:1", "quorate_pre_vote").length, 1);
    const dipped = new Solo({ ...options, log: [0, 5, 3], quorate: true });
    dipped.timeOut();
    assert.deepEqual(dipped.takeAsked(), ["b:1", "c:1"]);
  });

  test("a member alone with a dip in its log elects itself", () => {
    const solo = new Solo({ peers: [], log: [0, 5, 3], term: 5, commit: 1 });
    solo.timeOut();
    solo.tick(10);
    assert.equal(solo.state.role, "leader");
    assert.equal(solo.state.commitIndex, 4);
  });

  test("links that break between the questions do not leave the round open for ever", () => {
    const solo = new Solo(options);
    solo.timeOut();
    solo.status("b:1", { term: 2 });
    solo.status("c:1", { term: 2 });
    solo.step({ kind: "disconnected", peer: "b:1" });
    solo.step({ kind: "disconnected", peer: "c:1" });
    solo.tick(raftLimits.confirmDelayMs);
    const { term } = solo.state;
    for (let turn = 0; turn < 5; turn += 1) solo.timeOut();
    assert.equal(solo.state.term, term, "alone it does not raise its term");
    solo.connect("b:1");
    solo.takeAsked();
    solo.timeOut();
    assert.deepEqual(solo.takeAsked(), ["b:1"]);
  });
});

suite("term beacon", () => {
  test("a candidate behind our term is lifted, without a grant", () => {
    const options: SoloOptions = { log: [0, 1, 50], term: 50, commit: 3 };
    withoutAndWith("term-beacon", options, (solo, guarded) => {
      solo.receive("c:1", appendFrom(50, [3, 50]));
      solo.take();
      const peer = vanilla("b:1", [0, 1], 1);
      solo.receive("b:1", requestVote(1, 2, 1));
      talk(solo, peer);
      assert.equal(peer.term, guarded ? 50 : 1, "without it the others commit at term 1");
      assert.equal(peer.votedFor, null);
    });
  });

  test("so is a leader behind our term", () => {
    const options: SoloOptions = { log: [0, 1, 50], term: 50, commit: 3, votedFor: "c:1" };
    withoutAndWith("term-beacon", options, (solo, guarded) => {
      const peer = vanilla("b:1", [0, 1, 50, 2], 2);
      peer.role = "leader";
      solo.receive("b:1", appendFrom(2, [4, 2]));
      talk(solo, peer);
      assert.equal(peer.role, guarded ? "follower" : "leader");
      assert.equal(peer.term, guarded ? 50 : 2);
    });
  });

  test("with no leader known, the term is one that nobody has voted in, and stored first", () => {
    const solo = new Solo({ log: [0, 1, 50], term: 50, commit: 3 });
    solo.autoDisk = false;
    solo.receive("b:1", requestVote(1, 2, 1));
    assert.deepEqual(solo.take(), []);
    solo.sync();
    assert.deepEqual(solo.take(), [{ to: "b:1", message: requestVote(51, 0, 0) }]);
  });

  test("an election under way in our term is not disturbed: we have voted in it", () => {
    const solo = new Solo({ log: [0, 1, 50], term: 50, commit: 3 });
    solo.receive("c:1", requestVote(51, 3, 50));
    solo.take();
    solo.receive("b:1", requestVote(1, 2, 1));
    assert.deepEqual(solo.take(), [{ to: "b:1", message: requestVote(51, 0, 0) }]);
    assert.equal(solo.state.votedFor, "c:1");
  });

  test("none to a peer at our term, and none to a stranger", () => {
    const solo = new Solo({ log: [0, 1, 50], term: 50, commit: 3, connected: ["b:1"] });
    solo.receive("b:1", requestVote(50, 2, 1));
    solo.receive("c:1", requestVote(1, 2, 1));
    solo.receive("z:1", requestVote(1, 2, 1));
    assert.deepEqual(solo.take(), []);
  });

  test("it grants nothing at either end", () => {
    const solo = new Solo({ log: [0], guardsOff: ["vote-guard"] });
    solo.receive("b:1", requestVote(7, 0, 0));
    assert.equal(solo.state.term, 7);
    assert.equal(solo.state.votedFor, null);
    assert.deepEqual(solo.take(), []);
  });
});
