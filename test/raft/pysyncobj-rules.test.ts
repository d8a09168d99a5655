import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { commandType } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import { encodeEntryTuple } from "../../protocol/wire/message-codec.js";
import type { AppendChunk } from "../../protocol/wire/messages.js";
import { raftLimits } from "../../src/raft/limits.js";
import { follower, leader, quorate } from "./roles.js";
import { answerOf, appendFrom, entry, logOf, preVoteAnswer, Solo } from "./solo.js";

/* One test a rule of PySyncObj (pysyncobj/syncobj.py), where raft alone does not say it. */

suite("votes", () => {
  test("a refused vote is silence", () => {
    const solo = new Solo({ log: [0, 2], term: 2 });
    solo.receive("b:1", { type: "request_vote", term: 3, lastLogIndex: 9, lastLogTerm: 1 });
    assert.deepEqual(solo.take(), []);
  });

  test("answers are counted by voter: the same one twice is one", () => {
    const solo = new Solo({ ...quorate, peers: ["b:1", "c:1", "d:1", "e:1"] });
    solo.timeOut();
    for (const peer of ["b:1", "c:1"]) {
      solo.receive(peer, preVoteAnswer(1));
    }
    for (let twice = 0; twice < 2; twice += 1) {
      solo.receive("b:1", { type: "response_vote", term: 1 });
    }
    assert.equal(solo.state.role, "candidate");
    solo.receive("c:1", { type: "response_vote", term: 1 });
    assert.equal(solo.state.role, "leader");
  });

  test("unknown peers and observers neither vote nor lead nor change our term", () => {
    const solo = new Solo({ ...quorate });
    solo.step({ kind: "observer-connected", id: "observer-1" });
    solo.timeOut();
    solo.receive("b:1", preVoteAnswer(1));
    for (const from of ["observer-1", "z:1"]) {
      solo.receive(from, { type: "response_vote", term: 1 });
      solo.receive(from, { type: "request_vote", term: 10, lastLogIndex: 9, lastLogTerm: 9 });
      solo.receive(from, appendFrom(10, [1, 0], [entry(2, 10)]));
      solo.receive(from, { type: "timeout_now", term: 10 });
    }
    assert.equal(solo.state.role, "candidate");
    assert.equal(solo.state.term, 1);
    assert.equal(solo.state.log.lastIndex, 1);
  });
});

suite("a leader's messages to us", () => {
  test("heartbeats and entries that we hold cut nothing", () => {
    const solo = follower({ log: [0, 1, 1, 1], commit: 2 });
    solo.receive("b:1", appendFrom(1, [2, 1]));
    solo.receive("b:1", appendFrom(1, [1, 0], logOf([1, 1], 2)));
    assert.deepEqual(solo.all("truncate"), []);
    assert.deepEqual(
      solo.takeTo("b:1", "next_node_idx").map(({ nextNodeIdx }) => nextNodeIdx),
      [3, 4],
      "and we claim only what this message has shown",
    );
  });

  test("where the entry before is not ours we say where our log ends", () => {
    const solo = follower({ log: [0, 1, 1] });
    for (const [prev, term] of [
      [9, 1],
      [raftLimits.unreachableIndex, 0],
    ] as const) {
      solo.receive("b:1", appendFrom(1, [prev, term]));
      assert.deepEqual(solo.take(), [
        { to: "b:1", message: answerOf(4, { success: false, reset: true }) },
      ]);
    }
    solo.receive("b:1", { ...appendFrom(1, [0, 0]), prevLogIdx: null, prevLogTerm: null });
    assert.equal(solo.takeTo("b:1", "next_node_idx")[0]?.reset, true);
  });

  test("where it is of another term we send the leader back to before that run of entries", () => {
    const solo = follower({ log: [0, 1, 2, 2, 2], term: 3 });
    solo.receive("b:1", appendFrom(3, [5, 3]));
    assert.deepEqual(solo.take(), [
      { to: "b:1", message: answerOf(3, { success: false, reset: true }) },
    ]);
  });

  test("entries with a gap are refused with a warning", () => {
    const solo = follower();
    solo.receive("b:1", appendFrom(1, [1, 0], [entry(3, 1)]));
    assert.equal(solo.state.log.lastIndex, 1);
    assert.deepEqual(solo.notes(), ["entries-with-gap"]);
  });

  test("a leader whose term collapsed: its entries are taken, our term is then theirs", () => {
    const solo = follower({ log: [0], term: 2 });
    solo.receive("b:1", appendFrom(2, [1, 0], logOf([50, 2], 2), 3));
    assert.deepEqual(solo.terms(), [0, 50, 2]);
    assert.equal(solo.state.term, 50);
    assert.equal(solo.state.leader, null);
    assert.deepEqual(solo.notes(), ["term-collapse"]);
  });
});

suite("a leader and its followers' answers", () => {
  test("a reset moves what is sent next, and the same place is asked again", () => {
    const solo = leader({ log: [0, 1, 1, 1, 1], term: 1 });
    solo.receive("b:1", answerOf(3, { success: false, reset: true }));
    assert.equal(solo.takeTo("b:1", "append_entries")[0]?.prevLogIdx, 2);
    solo.receive("b:1", answerOf(3));
    assert.deepEqual(
      solo.takeTo("b:1", "append_entries")[0]?.entries.map(({ index }) => index),
      [3, 4, 5, 6],
    );
  });

  test("a reset to before our log's head brings a dump", () => {
    const solo = leader({ entries: logOf([1, 1, 1], 7), term: 1, commit: 8, applied: 8 });
    solo.receive("b:1", answerOf(2, { success: false, reset: true }));
    assert.deepEqual(
      solo.all("send-snapshot").map(({ to }) => to),
      ["b:1"],
    );
    const [beat] = solo.takeTo("b:1", "install_snapshot");
    assert.equal(beat?.chunk, null, "meanwhile it must know that its leader lives");
    solo.tick(100);
    assert.equal(solo.takeTo("b:1", "install_snapshot").length, 1);
  });

  test("0.3.8 tells a success that is one too low: the next heartbeat's answer mends it", () => {
    const solo = leader({ peers: ["b:1"] });
    solo.propose("x");
    solo.take();
    solo.receive("b:1", answerOf(3));
    assert.equal(solo.state.commitIndex, 2);
    solo.tick(100);
    const [beat] = solo.takeTo("b:1", "append_entries");
    assert.equal(beat?.prevLogIdx, 3);
    solo.receive("b:1", answerOf(4));
    assert.equal(solo.state.commitIndex, 3);
  });

  test("a claim beyond our own log is worth no more than our log", () => {
    const solo = leader();
    solo.receive("b:1", answerOf(1_000));
    solo.propose("x");
    assert.equal(solo.state.commitIndex, 2, "3 is not committed by it");
  });

  /** Leads, sends one entry to b that is not answered, loses the lead, and wins it again. */
  function leaderAgain(answeredMeanwhile: boolean): Solo {
    const solo = leader({ peers: ["b:1", "c:1", "d:1", "e:1"] });
    // It has been told that the no-op is committed.
    solo.receive("b:1", answerOf(3));
    solo.propose("x");
    solo.receive("c:1", appendFrom(2, [2, 1]));
    if (answeredMeanwhile) solo.receive("b:1", answerOf(4));
    solo.lead(["c:1", "d:1"]);
    solo.take();
    return solo;
  }

  test("an answer to an earlier leadership does not count in this one", () => {
    const solo = leaderAgain(false);
    solo.receive("b:1", answerOf(4));
    assert.equal(solo.state.progress.get("b:1")?.matchIndex, 0);
    solo.receive("b:1", answerOf(4));
    assert.equal(solo.state.progress.get("b:1")?.matchIndex, 3, "the next one does");
  });

  test("… and one that came between the two leaderships is not waited for", () => {
    const solo = leaderAgain(true);
    solo.receive("b:1", answerOf(4));
    assert.equal(solo.state.progress.get("b:1")?.matchIndex, 3);
  });

  test("nor does an answer over a link that broke since", () => {
    const solo = leaderAgain(false);
    solo.step({ kind: "disconnected", peer: "b:1" });
    solo.connect("b:1", true);
    solo.receive("b:1", answerOf(4));
    assert.equal(solo.state.progress.get("b:1")?.matchIndex, 3, "what comes now is of now");
  });

  test("a voter's answers count at once: all that was before its vote has come before it", () => {
    const solo = leader({ peers: ["b:1", "c:1"] });
    solo.propose("x");
    solo.receive("c:1", appendFrom(2, [2, 1]));
    solo.lead(["b:1"]);
    solo.receive("b:1", answerOf(5));
    assert.equal(solo.state.progress.get("b:1")?.matchIndex, 4);
  });

  test("a leader that no majority has answered for 30 s steps down", () => {
    const solo = leader();
    solo.tick(29_900);
    assert.equal(solo.state.role, "leader");
    solo.tick(200);
    assert.equal(solo.state.role, "follower");
    assert.deepEqual(solo.notes(), ["leader-without-majority"]);
    const alive = leader();
    for (let second = 0; second < 40; second += 1) {
      alive.receive("b:1", answerOf(3));
      alive.tick(1_000);
    }
    assert.equal(alive.state.role, "leader", "one answer of two others is a majority");
  });

  test("entries are batched up to 64 KiB and pipelined", () => {
    const solo = leader();
    const command = new Uint8Array(30_000);
    const proposals = Array.from({ length: 5 }, () => ({
      command,
      origin: { kind: "nobody" } as const,
    }));
    solo.step({ kind: "propose", proposals });
    const sizes = solo.takeTo("b:1", "append_entries").map(({ entries }) => entries.length);
    assert.deepEqual(sizes, [2, 2, 1]);
  });
});

suite("large entries", () => {
  function chunksOf(large: Entry, twoFinishes = false): AppendChunk[] {
    const pickle = encodeEntryTuple(large);
    const size = raftLimits.batchBytesMax;
    const chunks: AppendChunk[] = [];
    for (let at = 0; at < pickle.length; at += size) {
      // Upstream compares with the command's length, not with the pickle's.
      const end = twoFinishes ? large.command.length : pickle.length;
      chunks.push({
        type: "append_chunk",
        transmission: at === 0 ? "start" : at + size >= end ? "finish" : "process",
        data: pickle.subarray(at, at + size),
        term: 1,
        commitIndex: 1,
        prevLogIdx: large.index - 1,
        prevLogTerm: 0,
      });
    }
    return chunks;
  }

  function large(bytes: number): Entry {
    const command = new Uint8Array(bytes).fill(0x41);
    command[0] = commandType.regular;
    return { index: 2, term: 1, command };
  }

  test("come in pieces, each but the last answered without success", () => {
    const solo = follower();
    const chunks = chunksOf(large(200_000));
    assert.ok(chunks.length > 3);
    for (const chunk of chunks) solo.receive("b:1", chunk);
    const answers = solo.takeTo("b:1", "next_node_idx");
    assert.deepEqual(
      answers.map(({ success, reset }) => [success, reset]),
      [...chunks.slice(1).map(() => [false, false]), [true, false]],
    );
    assert.equal(answers.at(-1)?.nextNodeIdx, 3);
    assert.deepEqual(solo.state.log.at(2), large(200_000));
  });

  test("two pieces marked finish, as upstream's sender does for some sizes", () => {
    // Where the command is a multiple of 64 KiB its pickle has one piece more.
    for (const bytes of [131_072, 131_071, 131_060, 196_608]) {
      const chunks = chunksOf(large(bytes), true);
      const finishes = chunks.filter(({ transmission }) => transmission === "finish").length;
      const solo = follower();
      for (const chunk of chunks) solo.receive("b:1", chunk);
      assert.equal(solo.state.log.lastIndex, 2, `${bytes} bytes, ${finishes} finishes`);
      if (bytes === 131_072) assert.equal(finishes, 2);
    }
  });

  test("a lost start makes the leader begin again", () => {
    const solo = follower();
    const chunks = chunksOf(large(200_000));
    for (const chunk of chunks.slice(1)) solo.receive("b:1", chunk);
    const answers = solo.takeTo("b:1", "next_node_idx");
    assert.ok(answers.every(({ reset, nextNodeIdx }) => reset && nextNodeIdx === 2));
    assert.equal(solo.state.log.lastIndex, 1);
    for (const chunk of chunks) solo.receive("b:1", chunk);
    assert.equal(solo.state.log.lastIndex, 2);
  });

  test("a vanilla leader that sent on behind a conflict is told of the conflict again", () => {
    const solo = new Solo({ log: [0, 1, 1, 2, 2], term: 2, commit: 2 });
    // It believes the last answer that it gets to what it has sent in one go.
    solo.receive("b:1", appendFrom(3, [5, 3], [entry(6, 3)]));
    solo.receive("b:1", appendFrom(3, [6, 3], [entry(7, 3)]));
    solo.receive("b:1", appendFrom(3, [7, 3]));
    const asked = solo.takeTo("b:1", "next_node_idx").map(({ nextNodeIdx }) => nextNodeIdx);
    assert.deepEqual(asked, [4, 4, 4]);
    solo.receive("b:1", appendFrom(3, [3, 1], [entry(4, 3)]));
    solo.receive("b:1", appendFrom(3, [9, 3]));
    const last = solo.takeTo("b:1", "next_node_idx").at(-1);
    assert.deepEqual([last?.reset, last?.nextNodeIdx], [true, 5]);
  });

  test("what it sent behind a conflict with what is committed does not take the word back", () => {
    const solo = new Solo({ entries: logOf([2, 2, 2, 2], 8), term: 2, commit: 10, applied: 9 });
    solo.receive("b:1", appendFrom(3, [10, 3], [entry(11, 3)]));
    solo.receive("b:1", appendFrom(3, [11, 3], [entry(12, 3)]));
    const asked = solo.takeTo("b:1", "next_node_idx").map(({ nextNodeIdx }) => nextNodeIdx);
    assert.deepEqual(asked, [1, 1], "only its dump can help, and it believes the last answer");
  });

  test("heartbeats between the pieces change nothing", () => {
    const solo = follower();
    for (const chunk of chunksOf(large(200_000))) {
      solo.receive("b:1", chunk);
      if (chunk.transmission !== "finish") solo.receive("b:1", appendFrom(1, [1, 0]));
    }
    assert.equal(solo.state.log.lastIndex, 2);
  });

  test("pieces of another leader do not mix with ours", () => {
    const solo = follower();
    const chunks = chunksOf(large(200_000));
    for (const chunk of chunks.slice(0, 2)) solo.receive("b:1", chunk);
    for (const chunk of chunks.slice(2)) solo.receive("c:1", { ...chunk, term: 2 });
    assert.equal(solo.state.log.lastIndex, 1);
    assert.equal(solo.takeTo("c:1", "next_node_idx").at(-1)?.reset, true);
  });

  test("pieces that make no entry are dropped with an error", () => {
    const solo = follower();
    const [start] = chunksOf(large(200_000));
    assert.ok(start !== undefined);
    solo.receive("b:1", { ...start, data: Uint8Array.of(0xff, 0xff) });
    solo.receive("b:1", { ...start, transmission: "finish", data: Uint8Array.of(0xff) });
    assert.deepEqual(solo.notes(), ["entry-malformed"]);
    assert.equal(solo.state.transmission, null);
  });

  test("we send pieces of 64 KiB with one finish, and wait for as many answers", () => {
    const solo = leader();
    const before = solo.state.progress.get("b:1")?.unanswered ?? 0;
    solo.propose(large(200_000).command);
    const chunks = solo.takeTo("b:1", "append_chunk");
    assert.deepEqual(
      chunks.map(({ transmission }) => transmission),
      ["start", "process", "process", "finish"],
    );
    assert.equal(solo.state.progress.get("b:1")?.unanswered, before + chunks.length);
    for (let piece = 1; piece < chunks.length; piece += 1) {
      solo.receive("b:1", answerOf(3, { success: false }));
    }
    assert.equal(solo.state.commitIndex, 2);
    solo.receive("b:1", answerOf(4));
    assert.equal(solo.state.commitIndex, 3);
  });

  test("a command of 64 KiB less one goes whole, one of 64 KiB in pieces", () => {
    const solo = leader();
    solo.propose(large(65_535).command);
    assert.equal(solo.takeTo("b:1", "append_entries")[0]?.entries.length, 1);
    solo.propose(large(65_536).command);
    assert.equal(solo.takeTo("b:1", "append_chunk").length, 2);
  });
});
