import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { appendFrom, Solo, type SoloOptions } from "./solo.js";
import type { VanillaModel } from "./vanilla-model.js";
import { requestVote, talk, vanilla, withoutAndWith } from "./vanilla-peers.js";

/** The peer asks for our vote once, in term 7. Then we want to lead. */
function campaignBeside(solo: Solo, peer: VanillaModel): void {
  solo.receive("b:1", requestVote(7, peer.lastIndex, peer.lastTerm));
  solo.timeOut();
  talk(solo, peer);
  for (let turn = 0; turn < 60; turn += 1) {
    solo.tick(70);
    talk(solo, peer);
  }
}

function termsOf(peer: VanillaModel): number[] {
  return peer.log.map(({ term }) => term);
}

suite("covered claim", () => {
  // The peer's log ends 3@7, within what is committed here; ours goes on from 2@7 to 4@5.
  const covering: SoloOptions = { log: [0, 7, 5, 5], term: 7, commit: 4, connected: ["b:1"] };

  test("a peer that is covered by our commit index is told its own last term", () => {
    withoutAndWith("covered-claim", covering, (solo, guarded) => {
      const peer = vanilla("b:1", [0, 7, 7], 7);
      peer.version = "0.3.17";
      campaignBeside(solo, peer);
      assert.equal(solo.state.isLeader, guarded, "without it the peer refuses us by its last term");
    });
  });

  // After it had forgotten its terms b:1 has counted through them again, and has committed 3@6 with c:1.
  test("nothing is taken from one that says that it has committed what it ends with", () => {
    const solo = new Solo(covering);
    const peer = vanilla("b:1", [0, 7, 6], 7);
    peer.version = "0.3.17";
    peer.commitIndex = 3;
    peer.applied = [...peer.log];
    campaignBeside(solo, peer);
    assert.deepEqual(termsOf(peer), [0, 7, 6]);
    assert.equal(solo.state.isLeader, false);
  });

  test("of one that forgets its terms the claimed end is no proof where ours is another entry there", () => {
    const solo = new Solo(covering);
    const peer = vanilla("b:1", [0, 7, 6], 7);
    campaignBeside(solo, peer);
    assert.deepEqual(termsOf(peer), [0, 7, 6]);
    assert.equal(solo.state.isLeader, false);
    assert.ok(solo.notes().includes("forgetful-voter"));
  });

  // Others have lost 3@5, which is committed here, and have committed 3@7 instead.
  test("nothing is taken from one whose last term is above all of ours: it may have committed that", () => {
    const solo = new Solo({ log: [0, 5, 5, 5], term: 5, commit: 4, connected: ["b:1"] });
    const peer = vanilla("b:1", [0, 7, 7], 7);
    peer.commitIndex = 3;
    campaignBeside(solo, peer);
    assert.deepEqual(termsOf(peer), [0, 7, 7]);
    assert.equal(solo.state.isLeader, false);
    assert.deepEqual(solo.state.laterEnd, { peer: "b:1", lastIndex: 3, lastTerm: 7 });
    assert.equal(solo.notes().filter((code) => code === "later-end").length, 1, "it is said once");
    solo.receive("b:1", appendFrom(solo.state.term + 1, [4, 5]));
    assert.equal(solo.state.laterEnd, null);
  });

  test("with a third member there nothing is said about it", () => {
    const solo = new Solo({ log: [0, 5, 5, 5], term: 5, commit: 4 });
    solo.receive("b:1", requestVote(7, 3, 7));
    solo.timeOut();
    for (const peer of ["b:1", "c:1"]) solo.status(peer, { term: 7 });
    assert.equal(solo.takeTo("b:1", "request_vote").length, 1);
    assert.equal(solo.state.laterEnd, null);
  });

  test("a third member that may have lost something votes for nobody, and is not waited for", () => {
    for (const mayLack of [true, false]) {
      const solo = new Solo({ log: [0, 7, 5, 5], term: 7, commit: 4 });
      solo.receive("b:1", requestVote(7, 3, 7));
      solo.timeOut();
      for (const peer of ["b:1", "c:1"]) {
        solo.status(peer, { term: 8, commitIndex: 1, mayLack: mayLack && peer === "c:1" });
      }
      const asked = solo.takeTo("b:1", "request_vote").at(-1);
      assert.equal(asked?.lastLogTerm, mayLack ? 7 : 5, "the last term that it is told");
    }
  });

  // Ours is 2@7 and then a dip to 4@1, of which nothing is known to be committed.
  const dipped: SoloOptions = { log: [0, 7, 1, 1], term: 7, commit: 1, connected: ["b:1"] };

  test("so is one whose whole log is the beginning of ours", () => {
    withoutAndWith("covered-claim", dipped, (solo, guarded) => {
      solo.receive("b:1", requestVote(7, 2, 7));
      solo.timeOut();
      solo.status("b:1", { term: 7 });
      const [request] = solo.takeTo("b:1", "request_vote");
      assert.equal(request?.lastLogTerm, guarded ? 7 : 1, "without it the two elect nobody");
    });
  });

  test("a Quorate member shows its log by its pre-vote", () => {
    const solo = new Solo(dipped);
    solo.receive("b:1", { type: "quorate_pre_vote", term: 8, lastLogIndex: 2, lastLogTerm: 7 });
    solo.timeOut();
    solo.status("b:1", { term: 7 });
    const [request] = solo.takeTo("b:1", "request_vote");
    assert.equal(request?.lastLogTerm, 7);
  });

  test("one that ends in the dip is told its own, and not our higher one", () => {
    // It believes no term up to 7: the log that the dip left behind claims those as well.
    const options = { ...dipped, log: [0, 7, 1, 1, 2] };
    withoutAndWith("covered-claim", options, (solo, guarded) => {
      solo.receive("b:1", requestVote(7, 4, 1));
      solo.timeOut();
      solo.status("b:1", { term: 7 });
      const [request] = solo.takeTo("b:1", "request_vote");
      assert.equal(request?.lastLogTerm, guarded ? 1 : 2, "without it the two elect nobody");
    });
  });

  test("our own last term for a peer whose log is not the beginning of ours", () => {
    const solo = new Solo(dipped);
    solo.receive("b:1", requestVote(7, 3, 7));
    solo.timeOut();
    solo.status("b:1", { term: 7 });
    const [request] = solo.takeTo("b:1", "request_vote");
    assert.equal(request?.lastLogTerm, 1);
  });

  test("our own last term for a peer whose log goes beyond our commit index", () => {
    const solo = new Solo({ ...covering, commit: 2 });
    solo.receive("b:1", requestVote(7, 3, 7));
    solo.timeOut();
    solo.status("b:1", { term: 7 });
    const [request] = solo.takeTo("b:1", "request_vote");
    assert.equal(request?.lastLogTerm, 5);
  });

  // It asked us in term 2, having forgotten its terms. Before our beacon reached it, it followed c:1
  // in term 3, and what the two hold may have been acknowledged since.
  for (const [what, terms, commit] of [
    ["has appended since then", [0, 7, 3], 1],
    ["has replaced an entry since then", [0, 3], 1],
    ["whose log lay within our commit index, and has grown since", [0, 7, 3], 2],
  ] as const) {
    test(`nothing is taken from a peer that voted by a claim and ${what}`, () => {
      const solo = new Solo({ ...dipped, commit });
      solo.receive("b:1", requestVote(2, 2, 7));
      solo.take();
      const peer = vanilla("b:1", terms, solo.state.term);
      for (let turn = 0; turn < 100; turn += 1) {
        solo.tick(70);
        talk(solo, peer);
      }
      assert.deepEqual(termsOf(peer), terms);
      assert.ok(solo.notes().includes("claim-outdated"));
      assert.equal(solo.state.isLeader, false);
    });
  }

  test("a peer that voted by a claim and is gone before it is looked at was worth no vote", () => {
    const solo = new Solo(dipped);
    solo.receive("b:1", requestVote(7, 2, 7));
    solo.timeOut();
    solo.status("b:1", { term: 7 });
    solo.receive("b:1", { type: "response_vote", term: solo.state.term });
    assert.ok(solo.state.inquest !== null);
    solo.step({ kind: "disconnected", peer: "b:1" });
    solo.tick(70);
    assert.equal(solo.state.isLeader, false);
    assert.deepEqual(solo.terms(), [0, 7, 1, 1]);
  });

  test("what a peer has shown on an earlier link is forgotten", () => {
    const solo = new Solo(covering);
    solo.receive("b:1", requestVote(7, 3, 7));
    solo.step({ kind: "disconnected", peer: "b:1" });
    solo.connect("b:1");
    solo.timeOut();
    solo.status("b:1", { term: 7 });
    const [request] = solo.takeTo("b:1", "request_vote");
    assert.equal(request?.lastLogTerm, 5);
  });
});
