import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { commandType, encodeNoOp } from "../../protocol/log/commands.js";
import type { PeerMessage, RequestVote } from "../../protocol/wire/messages.js";
import {
  answerOf,
  appendFrom,
  entry,
  logOf,
  preVoteAnswer,
  Solo,
  type SoloOptions,
} from "./solo.js";

/* One test a rule of the raft paper (Ongaro and Ousterhout, extended version), by its section. */

const calm = { quorate: true } as const;

function requestVote(term: number, lastLogIndex: number, lastLogTerm: number): RequestVote {
  return { type: "request_vote", term, lastLogIndex, lastLogTerm };
}

function votes(solo: Solo, candidate = "b:1"): PeerMessage[] {
  return solo.takeTo(candidate, "response_vote");
}

/** A leader of term 1 whose no-op (2@1) b holds, too: committed. */
function leader(options: SoloOptions = {}): Solo {
  const solo = new Solo({ ...calm, ...options });
  solo.lead();
  for (const peer of solo.state.members) {
    solo.receive(peer, answerOf(solo.state.log.lastIndex + 1));
  }
  solo.take();
  return solo;
}

suite("5.1 terms", () => {
  test("a higher term in any message of a member makes us its follower, without a vote", () => {
    for (const message of [
      requestVote(7, 1, 0),
      appendFrom(7, [1, 0]),
      { type: "install_snapshot", term: 7, commitIndex: 1, chunk: null },
    ] satisfies PeerMessage[]) {
      const solo = leader({ guardsOff: ["vote-guard"] });
      solo.receive("b:1", message);
      assert.equal(solo.state.role, "follower");
      assert.equal(solo.state.term, 7);
      assert.equal(solo.state.votedFor, null);
    }
  });

  test("a candidate steps down for a higher term, and for a leader of its own term", () => {
    for (const [term, from] of [
      [1, "b:1"],
      [2, "c:1"],
    ] as const) {
      const solo = new Solo({ ...calm });
      solo.timeOut();
      solo.receive("b:1", preVoteAnswer(1));
      assert.equal(solo.state.role, "candidate");
      solo.receive(from, appendFrom(term, [1, 0]));
      assert.equal(solo.state.role, "follower");
      assert.equal(solo.state.leader, from);
      assert.equal(solo.state.term, term);
    }
  });

  test("messages of an older term change nothing", () => {
    const solo = new Solo({ log: [0, 3], term: 3, guardsOff: ["term-beacon"] });
    for (const message of [
      requestVote(2, 9, 9),
      { type: "response_vote", term: 2 },
      appendFrom(2, [1, 0], [entry(2, 2)], 2),
      { type: "install_snapshot", term: 2, commitIndex: 9, chunk: null },
      { type: "timeout_now", term: 2 },
    ] satisfies PeerMessage[]) {
      assert.deepEqual(solo.receive("b:1", message), []);
    }
    assert.deepEqual(solo.terms(), [0, 3]);
  });

  test("at start the term is at least that of every entry in the log", () => {
    assert.equal(new Solo({ log: [0, 9, 3], term: 4 }).state.term, 9);
    assert.equal(new Solo({ log: [0, 3], term: 4 }).state.term, 4);
  });
});

suite("5.2 leader election", () => {
  test("a follower stays one while it hears a leader", () => {
    const solo = new Solo({ ...calm });
    for (let beat = 0; beat < 50; beat += 1) {
      solo.receive("b:1", appendFrom(1, [1, 0]));
      solo.tick(300);
    }
    assert.equal(solo.state.role, "follower");
    assert.equal(solo.state.term, 1);
  });

  test("a follower that hears none campaigns in the next term, with its own vote", () => {
    const solo = new Solo({ log: [0, 3], term: 4 });
    solo.timeOut();
    solo.status("b:1", {});
    solo.status("c:1", {});
    assert.equal(solo.state.role, "candidate");
    assert.deepEqual(solo.all("meta").at(-1), { kind: "meta", seq: 1, term: 5, votedFor: "a:1" });
    assert.deepEqual(solo.take(), [
      { to: "b:1", message: requestVote(5, 2, 3) },
      { to: "c:1", message: requestVote(5, 2, 3) },
    ]);
  });

  test("election timeouts are random within their bounds", () => {
    for (const [chance, ms] of [
      [0, 400],
      [0.25, 650],
      [0.999, 1399],
    ] as const) {
      assert.equal(new Solo({ random: () => chance }).state.electionDeadlineMs, ms);
    }
  });

  for (const [members, needed] of [
    [1, 0],
    [2, 1],
    [3, 1],
    [4, 2],
    [5, 2],
    [7, 3],
  ] as const) {
    test(`of ${members} members it takes ${needed} votes beside our own`, () => {
      const peers = ["b:1", "c:1", "d:1", "e:1", "f:1", "g:1"].slice(0, members - 1);
      const solo = new Solo({ ...calm, peers });
      solo.timeOut();
      for (const peer of peers) {
        solo.receive(peer, preVoteAnswer(1));
      }
      for (const peer of peers.slice(0, needed)) {
        assert.equal(solo.state.role, "candidate");
        solo.receive(peer, { type: "response_vote", term: 1 });
      }
      assert.equal(solo.state.role, "leader");
    });
  }

  test("one vote a term, first come first served, and the same again after a restart", () => {
    const solo = new Solo({ log: [0, 1], term: 1 });
    solo.receive("b:1", requestVote(2, 2, 1));
    solo.receive("c:1", requestVote(2, 9, 1));
    assert.equal(votes(solo, "b:1").length, 1);
    assert.equal(solo.state.votedFor, "b:1");
    solo.receive("c:1", requestVote(2, 9, 1));
    assert.deepEqual(votes(solo, "c:1"), []);
    const again = new Solo({ log: [0, 1], term: 2, votedFor: "b:1" });
    again.receive("c:1", requestVote(2, 9, 1));
    assert.deepEqual(votes(again, "c:1"), []);
  });

  test("a candidate and a leader vote for nobody else in their term", () => {
    const solo = leader();
    solo.receive("b:1", requestVote(1, 9, 9));
    assert.deepEqual(votes(solo), []);
  });

  test("a split vote is followed by another election in a higher term", () => {
    const solo = new Solo({ log: [0, 1], term: 1, commit: 2 });
    for (const term of [2, 3]) {
      solo.timeOut();
      solo.status("b:1", {});
      solo.status("c:1", {});
      assert.equal(solo.state.role, "candidate");
      assert.equal(solo.state.term, term);
    }
  });

  test("an old vote does not count in a new election", () => {
    const solo = new Solo({ log: [0, 1], term: 1, commit: 2 });
    for (let election = 0; election < 2; election += 1) {
      solo.timeOut();
      solo.status("b:1", {});
      solo.status("c:1", {});
    }
    solo.receive("b:1", { type: "response_vote", term: 2 });
    assert.equal(solo.state.role, "candidate");
  });

  test("a leader makes itself known at once, and again in every heartbeat period", () => {
    const solo = new Solo({ ...calm });
    solo.lead();
    assert.equal(solo.takeTo("b:1", "append_entries").length, 1);
    solo.tick(100);
    const beats = solo.takeTo("b:1", "append_entries");
    assert.equal(beats.length, 1);
    assert.equal(beats[0]?.term, 1);
  });

  test("at most one leader a term: a second one is refused, and a warning given", () => {
    const solo = new Solo({ ...calm });
    solo.receive("b:1", appendFrom(3, [1, 0]));
    solo.take();
    solo.receive("c:1", appendFrom(3, [1, 0], [entry(2, 3)]));
    assert.deepEqual(solo.terms(), [0]);
    assert.deepEqual(solo.notes(), ["two-leaders-in-a-term"]);
    // Neither may be followed, and the second may have a majority without us: a new term ends both.
    assert.deepEqual([solo.state.term, solo.state.leader], [4, null]);
    assert.deepEqual(solo.take(), [{ to: "c:1", message: requestVote(4, 0, 0) }]);
    solo.receive("b:1", appendFrom(3, [1, 0]));
    assert.deepEqual(solo.take(), [{ to: "b:1", message: requestVote(4, 0, 0) }]);
  });
});

suite("5.3 log replication", () => {
  test("a leader appends what is proposed to its own log, and sends it", () => {
    const solo = leader();
    solo.propose("x");
    const [message] = solo.takeTo("b:1", "append_entries");
    const command = Uint8Array.of(
      commandType.regular,
      ..."x".split("").map((c) => c.charCodeAt(0)),
    );
    assert.deepEqual(message, appendFrom(1, [2, 1], [{ index: 3, term: 1, command }], 2));
    assert.equal(solo.state.log.lastIndex, 3);
  });

  test("an entry is committed, and applied, when a majority holds it durably", () => {
    const solo = leader({ peers: ["b:1", "c:1", "d:1", "e:1"] });
    solo.propose("x");
    solo.receive("b:1", answerOf(4));
    assert.equal(solo.state.commitIndex, 2);
    solo.receive("c:1", answerOf(4));
    assert.equal(solo.state.commitIndex, 3);
    assert.deepEqual(
      solo
        .all("apply")
        .at(-1)
        ?.entries.map(({ index }) => index),
      [3],
    );
  });

  test("our own copy counts only when it is durable", () => {
    const solo = leader();
    solo.autoDisk = false;
    solo.propose("x");
    solo.receive("b:1", answerOf(4));
    assert.equal(solo.state.commitIndex, 2);
    solo.sync();
    assert.equal(solo.state.commitIndex, 3);
  });

  test("the commit index is told, and a follower applies up to it", () => {
    const solo = leader();
    solo.propose("x");
    solo.take();
    solo.receive("b:1", answerOf(4));
    assert.equal(solo.takeTo("b:1", "append_entries").at(-1)?.commitIndex, 3);
    const follower = new Solo({ ...calm });
    follower.receive("b:1", appendFrom(1, [1, 0], logOf([1, 1], 2), 2));
    assert.equal(follower.state.commitIndex, 2);
    follower.receive("b:1", appendFrom(1, [3, 1], [], 3));
    assert.deepEqual(
      follower.all("apply").flatMap(({ entries }) => entries.map(({ index }) => index)),
      [2, 3],
    );
  });

  test("a follower's commit index does not go beyond what this leader has verified", () => {
    const solo = new Solo({ log: [0, 1, 1, 1], term: 1 });
    solo.receive("b:1", appendFrom(2, [2, 1], [], 9));
    assert.equal(solo.state.commitIndex, 2, "3 and 4 may differ from the leader's");
  });

  test("a follower refuses entries where the entry before is missing or of another term", () => {
    const solo = new Solo({ log: [0, 1, 1], term: 1 });
    solo.receive("b:1", appendFrom(2, [5, 1], [entry(6, 2)]));
    solo.receive("b:1", appendFrom(2, [3, 2], [entry(4, 2)]));
    assert.deepEqual(
      solo
        .takeTo("b:1", "next_node_idx")
        .map(({ success, reset, nextNodeIdx }) => [success, reset, nextNodeIdx]),
      [
        [false, true, 4],
        [false, true, 2],
      ],
    );
    assert.deepEqual(solo.terms(), [0, 1, 1]);
  });

  test("an entry that conflicts goes, and all that follow it", () => {
    const solo = new Solo({ log: [0, 1, 1, 1, 1], term: 1 });
    solo.receive("b:1", appendFrom(2, [2, 1], [entry(3, 2)]));
    assert.deepEqual(solo.terms(), [0, 1, 2]);
    assert.equal(solo.all("truncate")[0]?.fromIndex, 3);
  });

  test("only a conflict cuts: an old message that was delayed does not", () => {
    const solo = new Solo({ log: [0, 1, 1, 1], term: 1 });
    solo.receive("b:1", appendFrom(1, [1, 0], logOf([1], 2)));
    assert.deepEqual(solo.terms(), [0, 1, 1, 1]);
    assert.deepEqual(solo.all("truncate"), []);
  });

  // Figure 7 of the paper: six followers of the leader of term 8.
  const leaderLog = [0, 1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
  for (const [name, follower] of [
    ["a", [0, 1, 1, 1, 4, 4, 5, 5, 6, 6]],
    ["b", [0, 1, 1, 1, 4]],
    ["c", [0, 1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6]],
    ["d", [0, 1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7]],
    ["e", [0, 1, 1, 1, 4, 4, 4, 4]],
    ["f", [0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]],
  ] as const) {
    test(`figure 7: follower ${name} comes to hold the leader's log`, () => {
      const lead = new Solo({ log: leaderLog, term: 7, peers: ["b:1", "c:1"], ...calm });
      const follow = new Solo({
        self: "b:1",
        peers: ["a:1", "c:1"],
        log: follower,
        term: 7,
        ...calm,
      });
      lead.lead(["c:1"]);
      for (let turn = 0; turn < 100; turn += 1) {
        lead.tick(100);
        for (const { to, message } of lead.take()) {
          if (to === "b:1") follow.receive("a:1", message);
        }
        for (const { message } of follow.take()) lead.receive("b:1", message);
      }
      assert.deepEqual(follow.terms(), lead.terms());
      assert.equal(lead.state.commitIndex, lead.state.log.lastIndex);
    });
  }

  test("a leader never cuts or rewrites its own log", () => {
    const solo = leader();
    solo.propose("x");
    solo.receive("b:1", answerOf(1, { success: false, reset: true }));
    solo.receive("c:1", answerOf(9));
    assert.deepEqual(solo.all("truncate"), []);
    assert.deepEqual(solo.terms(), [0, 1, 1]);
  });
});

suite("5.4 safety", () => {
  for (const [last, ours, granted] of [
    [[2, 1], [0, 1], true],
    [[3, 1], [0, 1], true],
    [[1, 2], [0, 1], true],
    [[2, 1], [0, 1, 1], false],
    [[9, 1], [0, 2], false],
    [[1, 2], [0, 1, 1], true],
  ] as const) {
    test(`a log that ends ${last.join("@")} ${granted ? "is" : "is not"} as good as ${ours}`, () => {
      const solo = new Solo({ log: ours, term: 2 });
      solo.receive("b:1", requestVote(5, last[0], last[1]));
      assert.equal(votes(solo).length, granted ? 1 : 0);
    });
  }

  test("figure 8: entries of earlier terms are not committed by counting, but by one of ours", () => {
    const solo = new Solo({ ...calm, log: [0, 1, 2, 2], term: 3, commit: 2 });
    solo.lead();
    solo.take();
    solo.receive("b:1", answerOf(5));
    solo.receive("c:1", answerOf(5));
    assert.equal(solo.state.commitIndex, 2, "all hold 4@2, and still it may be overwritten");
    solo.receive("b:1", answerOf(6));
    assert.equal(solo.state.commitIndex, 5);
  });

  test("a new leader appends a no-op, so that what came before is committed soon", () => {
    const solo = new Solo({ ...calm, log: [0, 1], term: 1 });
    solo.lead();
    const last = solo.state.log.at(3);
    assert.deepEqual(last, { index: 3, term: 2, command: encodeNoOp() });
  });

  test("a member that may lack acknowledged entries neither votes nor campaigns", () => {
    const solo = new Solo({ log: [0, 1], term: 1, mustRefetch: true });
    solo.receive("b:1", requestVote(2, 9, 9));
    assert.deepEqual(votes(solo), []);
    solo.timeOut();
    solo.timeOut();
    assert.deepEqual(solo.takeAsked(), []);
    assert.equal(solo.state.role, "follower");
  });

  test("… until a leader has committed an entry of its own term here", () => {
    const solo = new Solo({ log: [0, 1, 1], term: 1, mustRefetch: true });
    // Just elected, it knows of an old commit index only: more may be committed.
    solo.receive("b:1", appendFrom(2, [3, 1], [], 3));
    assert.equal(solo.state.mustRefetch, true);
    solo.receive("b:1", appendFrom(2, [3, 1], [entry(4, 1), entry(5, 2)], 4));
    assert.equal(solo.state.mustRefetch, true);
    solo.receive("b:1", appendFrom(2, [5, 2], [], 5));
    assert.equal(solo.state.mustRefetch, false);
    solo.receive("c:1", requestVote(3, 5, 2));
    assert.equal(votes(solo, "c:1").length, 1);
  });
});

suite("6 membership, and members that disturb", () => {
  test("a pre-vote is refused while a leader is heard", () => {
    const solo = new Solo({ ...calm });
    solo.receive("b:1", appendFrom(1, [1, 0]));
    solo.take();
    const ask = { type: "quorate_pre_vote", term: 2, lastLogIndex: 9, lastLogTerm: 9 } as const;
    solo.receive("c:1", ask);
    const refused = preVoteAnswer(2, false);
    const heard = { ...refused, hearsLeader: true };
    assert.deepEqual(solo.take(), [{ to: "c:1", message: heard }]);
    solo.nowMs += 400;
    solo.receive("c:1", ask);
    assert.deepEqual(solo.take(), [{ to: "c:1", message: { ...refused, granted: true } }]);
    assert.equal(solo.state.term, 1, "and costs no term");
  });

  test("a pre-vote is refused where the log, or we, could not give the vote", () => {
    const ask = { type: "quorate_pre_vote", term: 2, lastLogIndex: 2, lastLogTerm: 1 } as const;
    for (const options of [
      { log: [0, 1, 1], term: 1 },
      { log: [0, 1], term: 2 },
      { log: [0], term: 1, mustRefetch: true },
    ]) {
      const solo = new Solo({ ...calm, ...options });
      solo.receive("c:1", ask);
      const [answer] = solo.takeTo("c:1", "quorate_pre_vote_answer");
      assert.equal(answer?.granted, false);
    }
  });

  test("a member that is cut off does not raise its term", () => {
    const solo = new Solo({ ...calm, connected: [] });
    for (let turn = 0; turn < 10; turn += 1) solo.timeOut();
    assert.equal(solo.state.term, 0);
  });
});

suite("the one safe order", () => {
  /** A core whose disk has not synced anything of what the step asked for. */
  function unsynced(options: SoloOptions = {}): Solo {
    const solo = new Solo({ ...calm, ...options });
    solo.autoDisk = false;
    return solo;
  }

  function leavesOnlyAfterSync(solo: Solo, type: PeerMessage["type"]): void {
    const before = solo.take().map(({ message }) => message.type);
    assert.ok(!before.includes(type), `${type} leaves before the write`);
    solo.sync();
    const after = solo.take().map(({ message }) => message.type);
    assert.ok(after.includes(type), `${type} leaves after the write`);
  }

  test("a follower's next_node_idx leaves after its append", () => {
    const solo = unsynced({ term: 1 });
    solo.receive("b:1", appendFrom(1, [1, 0], [entry(2, 1)]));
    leavesOnlyAfterSync(solo, "next_node_idx");
  });

  test("also the one for entries that an earlier message brought and that are still being written", () => {
    const solo = unsynced({ term: 1 });
    solo.receive("b:1", appendFrom(1, [1, 0], [entry(2, 1)]));
    solo.receive("b:1", appendFrom(1, [2, 1]));
    assert.deepEqual(solo.take(), []);
  });

  test("also the refusal, which shows the term, after the term", () => {
    const solo = unsynced({ term: 1 });
    solo.receive("b:1", appendFrom(9, [7, 7]));
    leavesOnlyAfterSync(solo, "next_node_idx");
  });

  test("a vote leaves after term and vote", () => {
    const solo = unsynced();
    solo.receive("b:1", requestVote(4, 1, 0));
    const [meta] = solo.all("meta").slice(-1);
    assert.deepEqual([meta?.term, meta?.votedFor], [4, "b:1"]);
    leavesOnlyAfterSync(solo, "response_vote");
  });

  test("a request for votes leaves after our own vote, and that counts only then", () => {
    const solo = unsynced();
    solo.timeOut();
    solo.receive("b:1", preVoteAnswer(1));
    solo.receive("b:1", { type: "response_vote", term: 1 });
    assert.equal(solo.state.role, "candidate", "a vote that comes early is not enough");
    leavesOnlyAfterSync(solo, "request_vote");
    assert.equal(solo.state.role, "leader");
  });

  test("a leader's entries leave while its own write is under way", () => {
    const solo = leader();
    solo.autoDisk = false;
    solo.propose("x", 5);
    assert.equal(solo.takeTo("b:1", "append_entries")[0]?.entries.length, 1);
  });

  test("an answer to a proposal waits for the append, here and to a peer", () => {
    const solo = leader();
    solo.autoDisk = false;
    const [answer] = solo.propose("x", 5).filter((effect) => effect.kind === "answer");
    assert.equal(answer?.after, solo.all("append").at(-1)?.seq);
    const command = Uint8Array.of(commandType.regular, 1);
    solo.receive("b:1", { type: "apply_command", command, requestId: 3 });
    leavesOnlyAfterSync(solo, "apply_command_response");
  });

  test("the commit is not told to a proposer before its answer may leave", () => {
    const solo = leader();
    solo.autoDisk = false;
    const command = Uint8Array.of(commandType.regular, 1);
    solo.receive("b:1", { type: "apply_command", command, requestId: 3 });
    solo.receive("b:1", answerOf(4));
    solo.receive("c:1", answerOf(4));
    assert.equal(solo.state.commitIndex, 2);
    solo.sync();
    const types = solo.take().filter(({ to }) => to === "b:1");
    const answered = types.findIndex(({ message }) => message.type === "apply_command_response");
    const told = types.findIndex(
      ({ message }) => message.type === "append_entries" && message.commitIndex === 3,
    );
    assert.ok(answered !== -1 && told !== -1 && answered < told);
  });

  test("the commit index is stored after the truncation that it follows", () => {
    const solo = unsynced({ log: [0, 1, 1, 1], term: 1 });
    solo.receive("b:1", appendFrom(2, [2, 1], [entry(3, 2)], 3));
    const writes = solo.all("append").at(-1)?.seq ?? 0;
    assert.equal(solo.all("save-commit").at(-1)?.after, writes);
  });

  test("a snapshot is answered when it is in place", () => {
    const solo = unsynced({ term: 1 });
    solo.receive("b:1", appendFrom(1, [1, 0]));
    solo.take();
    solo.step({
      kind: "snapshot-received",
      from: "b:1",
      term: 1,
      summary: { previous: entry(8, 1), last: entry(9, 1), members: ["a:1", "b:1", "c:1"] },
    });
    leavesOnlyAfterSync(solo, "next_node_idx");
  });
});
