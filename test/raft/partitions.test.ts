import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { encodeEntryTuple } from "../../protocol/wire/message-codec.js";
import type { AppendChunk } from "../../protocol/wire/messages.js";
import { appendFrom, entry, preVoteAnswer, Solo } from "./solo.js";

/** b leads term 1 and sends entry 2 in four pieces. */
function pieces(): AppendChunk[] {
  const pickle = encodeEntryTuple(entry(2, 1, "v".repeat(1_000)));
  const size = Math.ceil(pickle.length / 4);
  return [0, 1, 2, 3].map((n) => ({
    type: "append_chunk",
    transmission: n === 0 ? "start" : n === 3 ? "finish" : "process",
    data: pickle.subarray(n * size, (n + 1) * size),
    term: 1,
    commitIndex: 1,
    prevLogIdx: 1,
    prevLogTerm: 0,
  }));
}

suite("a slow link to the leader", () => {
  test("pieces of an entry that come more slowly than an election timeout make the entry", () => {
    const solo = new Solo({ quorate: true });
    for (const piece of pieces()) {
      solo.receive("b:1", piece);
      solo.timeOut();
    }
    assert.equal(solo.state.term, 1, "the others heard the leader: no campaign");
    assert.equal(solo.state.log.lastIndex, 2);
  });

  test("… but pieces of an earlier leader, or of an earlier term, are none of this one's", () => {
    for (const [from, term] of [
      ["c:1", 2],
      ["b:1", 2],
    ] as const) {
      const solo = new Solo({ quorate: true });
      const [first, second, third, last] = pieces();
      assert.ok(first && second && third && last);
      for (const piece of [first, second]) solo.receive("b:1", piece);
      for (const piece of [third, last]) solo.receive(from, { ...piece, term });
      assert.equal(solo.state.log.lastIndex, 1);
      assert.equal(solo.takeTo(from, "next_node_idx").at(-1)?.reset, true);
    }
  });

  test("pieces of a dump are taken on as well", () => {
    const solo = new Solo({ quorate: true });
    const piece = (isFirst: boolean, isLast: boolean) => {
      const chunk = { data: Uint8Array.of(1), isFirst, isLast };
      solo.receive("b:1", { type: "install_snapshot", term: 1, commitIndex: 1, chunk });
      solo.timeOut();
    };
    piece(true, false);
    piece(false, false);
    piece(false, true);
    assert.equal(solo.all("snapshot-chunk").length, 3);
  });
});

suite("a member that cannot reach the leader, which the others can", () => {
  /** Follows b, which is then gone. */
  function without(leader: "silent" | "closed"): Solo {
    const solo = new Solo({ quorate: true });
    solo.receive("b:1", appendFrom(1, [1, 0]));
    if (leader === "closed") solo.step({ kind: "disconnected", peer: "b:1" });
    solo.take();
    return solo;
  }

  test("asks whether they would vote for it, and raises no term when they would not", () => {
    for (const how of ["silent", "closed"] as const) {
      const solo = without(how);
      for (let turn = 0; turn < 50; turn += 1) {
        solo.timeOut();
        assert.equal(solo.takeTo("c:1", "quorate_pre_vote").length, 1);
        solo.receive("c:1", preVoteAnswer(2, false));
      }
      assert.equal(solo.state.term, 1);
      assert.equal(solo.state.leader, null, "it does not claim to know a leader");
    }
  });

  test("… also where it had to ask about a peer that has not said yet what it is", () => {
    const solo = without("closed");
    solo.step({ kind: "disconnected", peer: "c:1" });
    solo.connect("c:1");
    solo.takeAsked();
    solo.timeOut();
    assert.deepEqual(solo.takeAsked(), ["c:1"], "it might be a PySyncObj member");
    solo.step({ kind: "peer-is-quorate", peer: "c:1" });
    solo.take();
    solo.status("c:1", { leader: "b:1" });
    assert.equal(solo.takeTo("c:1", "quorate_pre_vote").length, 1);
    assert.equal(solo.state.term, 1);
  });

  test("… or where a link to the leader is half open, and nothing ever comes over it", () => {
    const solo = without("closed");
    solo.connect("b:1");
    solo.take();
    for (let ms = 0; ms < 20_000; ms += 100) {
      solo.tick(100);
      for (const peer of solo.takeAsked()) solo.status(peer, peer === "b:1" ? null : {});
    }
    const sent = solo.take();
    assert.ok(sent.some(({ message }) => message.type === "quorate_pre_vote"));
    assert.ok(sent.every(({ message }) => message.type !== "request_vote"));
    assert.equal(solo.state.term, 1);
  });

  test("elected by pre-votes beside a silent peer, it asks only those for votes who answered", () => {
    const solo = new Solo({
      peers: ["b:1", "c:1", "d:1"],
      quorate: true,
      connected: ["c:1", "d:1"],
    });
    solo.connect("b:1");
    for (let ms = 0; ms < 20_000 && solo.state.role === "follower"; ms += 100) {
      solo.tick(100);
      for (const peer of solo.takeAsked()) solo.status(peer, peer === "b:1" ? null : {});
      for (const peer of ["c:1", "d:1"]) {
        solo.receive(peer, preVoteAnswer(1));
      }
    }
    const asked = solo.take().filter(({ message }) => message.type === "request_vote");
    assert.deepEqual(
      asked.map(({ to }) => to),
      ["c:1", "d:1"],
    );
  });

  test("a message of an earlier leader does not make it raise its term", () => {
    const solo = new Solo({ term: 1, quorate: true });
    solo.receive("b:1", appendFrom(2, [1, 0]));
    solo.step({ kind: "disconnected", peer: "b:1" });
    solo.timeOut();
    solo.take();
    solo.receive("c:1", appendFrom(1, [1, 0]));
    assert.equal(solo.state.term, 2, "b leads term 2, and would have to go");
    const [beacon] = solo.takeTo("c:1", "request_vote");
    assert.deepEqual([beacon?.term, beacon?.lastLogIndex], [2, 0], "but c learns of term 2");
  });
});

suite("a leader that can send and not receive", () => {
  test("steps down in time, though it connects again and again", () => {
    const solo = new Solo({ quorate: true });
    solo.lead();
    solo.propose("x");
    const fromMs = solo.nowMs;
    for (let tenth = 1; solo.state.isLeader && tenth <= 600; tenth += 1) {
      solo.tick(100);
      if (tenth % 40 !== 0) continue;
      for (const peer of ["b:1", "c:1"]) {
        solo.step({ kind: "disconnected", peer });
        solo.connect(peer);
      }
    }
    const tookMs = solo.nowMs - fromMs;
    assert.ok(tookMs >= 30_000 && tookMs <= 30_100, `${tookMs} ms`);
    assert.equal(solo.state.commitIndex, 1, "nobody confirmed anything");
  });
});
