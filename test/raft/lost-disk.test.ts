import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { appendFrom, logOf, Solo, type SoloOptions } from "./solo.js";
import { requestVote } from "./vanilla-peers.js";

/*
 * A member without any files is new, or has lost its disk. In the second case an entry that it had
 * confirmed may be held by one other member only, which is away: its vote would elect a third one
 * that never saw the entry.
 */
suite("a member without any files", () => {
  function granted(solo: Solo, peer: string): boolean {
    return solo.takeTo(peer, "response_vote").length > 0;
  }

  test("votes for no log that goes back beyond its own beginning, after a restart neither", () => {
    const solo = new Solo({ isNew: true });
    solo.receive("b:1", requestVote(4, 7, 3));
    assert.equal(granted(solo, "b:1"), false);
    assert.deepEqual(
      solo.all("must-refetch").map(({ missing }) => missing),
      [true],
    );
    const asked = new Solo({ isNew: true, quorate: true });
    asked.receive("b:1", {
      ...{ type: "quorate_pre_vote", term: 4, lastLogIndex: 7, lastLogTerm: 3 },
    });
    assert.deepEqual(
      asked.takeTo("b:1", "quorate_pre_vote_answer").map((answer) => answer.granted),
      [false],
    );
  });

  test("takes part in the first election of a new cluster, and in those that follow", () => {
    const solo = new Solo({ isNew: true });
    solo.receive("b:1", requestVote(1, 1, 0));
    assert.equal(granted(solo, "b:1"), true);
    // The leader dies before we have its first entry, comes back, and needs us again.
    solo.receive("b:1", requestVote(2, 2, 1));
    assert.equal(granted(solo, "b:1"), true);
    const leading = new Solo({ isNew: true });
    leading.lead();
    assert.ok(leading.state.isLeader);
  });

  test("votes for no empty log once it has read that others have committed", () => {
    const solo = new Solo({ isNew: true, quorate: true });
    solo.status("b:1", { term: 6, commitIndex: 500 });
    solo.receive("c:1", requestVote(7, 1, 0));
    assert.equal(granted(solo, "c:1"), false);
  });

  test("of two votes for the other one, which holds all that was ever confirmed", () => {
    const solo = new Solo({ isNew: true, peers: ["b:1"] });
    solo.receive("b:1", requestVote(4, 7, 3));
    assert.equal(granted(solo, "b:1"), false, "it has not said yet that they are two");
    solo.status("b:1", { partners: ["a:1"] });
    solo.receive("b:1", requestVote(4, 7, 3));
    assert.equal(granted(solo, "b:1"), true);
  });

  test("of two it votes for the other one as well where a part of its files is lost, but not of three", () => {
    for (const partners of [["a:1"], ["a:1", "c:1"]]) {
      // The tail that nobody has confirmed is left to it, and it cannot lead with that.
      const solo = new Solo({ log: [0, 4, 5, 5], term: 5, mustRefetch: true, peers: ["b:1"] });
      solo.status("b:1", { partners });
      solo.receive("b:1", requestVote(6, 3, 5));
      assert.equal(granted(solo, "b:1"), partners.length === 1);
      const asked = new Solo({ log: [0, 4], term: 5, mustRefetch: true, peers: ["b:1"] });
      asked.status("b:1", { partners });
      asked.receive("b:1", {
        ...{ type: "quorate_pre_vote", term: 6, lastLogIndex: 3, lastLogTerm: 5 },
      });
      const answers = asked.takeTo("b:1", "quorate_pre_vote_answer");
      assert.deepEqual(
        answers.map((answer) => answer.granted),
        [partners.length === 1],
      );
    }
  });

  test("votes once a leader has brought it up to date", () => {
    const solo = new Solo({ isNew: true });
    const [, ...entries] = logOf([0, 1, 3, 3]);
    for (const peer of ["b:1", "c:1"]) solo.status(peer, { term: 3 });
    solo.receive("b:1", appendFrom(3, [1, 0], entries.slice(0, 2), 2));
    assert.ok(solo.state.mustRefetch);
    solo.receive("b:1", appendFrom(3, [3, 3], entries.slice(2), 4));
    assert.equal(solo.state.mustRefetch, false);
    solo.take();
    solo.receive("c:1", requestVote(4, 4, 3));
    assert.equal(granted(solo, "c:1"), true);
  });
});

/*
 * It has confirmed entries to a leader of term 6, which the third member holds; a leader of term 5, cut
 * off from that one, would commit other entries with it.
 */
suite("a member that has lost its term with its files follows nobody", () => {
  const [, ...entries] = logOf([0, 1, 5]);
  const stale = appendFrom(5, [1, 0], entries, 3);

  function start(options: SoloOptions): Solo {
    const solo = new Solo(options);
    solo.status("b:1", { term: 5 });
    return solo;
  }

  function confirmed(solo: Solo, leader: string): boolean {
    return solo.takeTo(leader, "next_node_idx").some(({ success }) => success);
  }

  for (const options of [{ isNew: true }, { mustRefetch: true, forgotTerm: true }]) {
    test(`before the others have told theirs: ${Object.keys(options).join(", ")}`, () => {
      const solo = start({ ...options, quorate: true });
      solo.receive("b:1", stale);
      assert.equal(confirmed(solo, "b:1"), false);
      assert.equal(solo.state.log.lastIndex, 1);
      assert.ok(solo.state.forgotTerm);
      solo.status("c:1", { term: 6 });
      solo.receive("b:1", stale);
      assert.equal(confirmed(solo, "b:1"), false, "its term is behind that of the third member");
      assert.deepEqual([solo.state.term, solo.state.leader], [6, null]);
      assert.ok(!solo.state.forgotTerm && solo.state.mustRefetch);
      solo.receive("c:1", appendFrom(6, [1, 0], logOf([1, 5, 6], 2), 4));
      assert.ok(confirmed(solo, "c:1"));
      assert.ok(!solo.state.mustRefetch);
    });
  }

  test("the term is stored before the member passes for one that knows it", () => {
    const solo = start({ isNew: true, quorate: true });
    solo.status("c:1", { term: 6 });
    solo.receive("b:1", stale);
    const kinds = solo.effects.flatMap((effect) => {
      if (effect.kind === "must-refetch") return [effect.forgotTerm ? "forgot" : "knows"];
      return effect.kind === "meta" ? [`term ${effect.term}`] : [];
    });
    assert.deepEqual(kinds, ["forgot", "term 6", "knows"]);
  });

  test("it asks those that have said nothing, not at every heartbeat", () => {
    const solo = start({ isNew: true });
    solo.receive("b:1", stale);
    assert.deepEqual(solo.takeAsked(), ["c:1", "b:1"], "the leader says who the members are");
    solo.receive("b:1", stale);
    assert.deepEqual(solo.takeAsked(), []);
    assert.deepEqual(solo.all("note"), [], "the answer may be on its way");
    solo.nowMs += 1_000;
    solo.receive("b:1", stale);
    assert.deepEqual(solo.takeAsked(), ["c:1", "b:1"]);
    assert.match(solo.all("note")[0]?.note.text ?? "", /before it has heard from c:1/u);
  });

  for (const [isJoining, needed] of [
    [false, 4],
    [true, 3],
  ] as const) {
    test(`of five, ${needed} others have to be heard where the cluster ${isJoining ? "does not know it" : "lists it"}`, () => {
      const solo = start({ isNew: true, isJoining, peers: ["b:1", "c:1", "d:1", "e:1"] });
      for (const peer of ["c:1", "d:1", "e:1"].slice(0, needed - 2)) solo.status(peer, { term: 5 });
      solo.receive("b:1", stale);
      assert.equal(confirmed(solo, "b:1"), false);
      solo.status("e:1", { term: 5 });
      solo.receive("b:1", stale);
      assert.ok(confirmed(solo, "b:1"));
    });
  }

  test("of four, two others are enough: one of them is in every majority, and one in each two", () => {
    const solo = start({ isNew: true, peers: ["b:1", "c:1", "d:1"] });
    solo.receive("b:1", stale);
    assert.equal(confirmed(solo, "b:1"), false);
    solo.status("c:1", { term: 5 });
    solo.receive("b:1", stale);
    assert.ok(confirmed(solo, "b:1"));
  });

  test("of two, the leader itself is enough", () => {
    const solo = start({ mustRefetch: true, forgotTerm: true, peers: ["b:1"] });
    solo.receive("b:1", stale);
    assert.ok(confirmed(solo, "b:1"));
  });

  test("who has kept its term follows at once, whatever else is lost", () => {
    const solo = start({ mustRefetch: true, term: 5 });
    solo.receive("b:1", stale);
    assert.ok(confirmed(solo, "b:1"));
  });
});
