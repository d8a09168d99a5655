import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { commandType, encodeMembership } from "../../protocol/log/commands.js";
import { failReason } from "../../protocol/wire/messages.js";
import { raftLimits } from "../../src/raft/limits.js";
import { follower, leader, outcomes, quorate, refused } from "./roles.js";
import { answerOf, appendFrom, entry, logOf, Solo } from "./solo.js";

/* One test a rule of PySyncObj (pysyncobj/syncobj.py), where raft alone does not say it. */

suite("transfer of leadership", () => {
  test("timeout_now from the leader: we campaign at once, whatever its heartbeats say", () => {
    const solo = follower();
    solo.receive("b:1", { type: "timeout_now", term: 1 });
    solo.receive("b:1", appendFrom(1, [1, 0]));
    assert.equal(solo.state.role, "candidate");
    assert.equal(solo.takeTo("c:1", "request_vote")[0]?.term, 2);
  });

  for (const [why, from, term] of [
    ["from a member that does not lead", "c:1", 1],
    ["of an older term", "b:1", 0],
  ] as const) {
    test(`timeout_now ${why} is ignored`, () => {
      const solo = follower();
      assert.deepEqual(solo.receive(from, { type: "timeout_now", term }), []);
    });
  }

  test("a timeout_now that could not be followed is forgotten: heartbeats count again", () => {
    const solo = follower({ mustRefetch: true });
    solo.receive("b:1", { type: "timeout_now", term: 1 });
    const before = solo.state.electionDeadlineMs;
    solo.nowMs += 50;
    solo.receive("b:1", appendFrom(1, [1, 0]));
    assert.ok(solo.state.electionDeadlineMs > before);
  });

  test("to a follower that holds our whole log, told by timeout_now", () => {
    const solo = leader();
    const effects = solo.step({ kind: "transfer", target: "b:1", id: 1 });
    assert.equal((outcomes(effects)[0] as { appended: boolean }).appended, true);
    assert.deepEqual(solo.takeTo("b:1", "timeout_now"), [{ type: "timeout_now", term: 1 }]);
    assert.deepEqual(outcomes(solo.propose("x", 2)), [refused(failReason.notLeader)]);
    solo.tick(raftLimits.transferMsMax);
    assert.equal(outcomes(solo.propose("x", 2)).length, 1);
    assert.equal(solo.state.log.lastIndex, 3, "a transfer that fails is over after a while");
  });

  test("denied to one that lags, to a stranger and to ourselves; refused where we do not lead", () => {
    const solo = leader();
    solo.propose("x");
    for (const target of ["b:1", "z:1", "a:1"]) {
      const effects = solo.step({ kind: "transfer", target, id: 1 });
      assert.deepEqual(outcomes(effects), [refused(failReason.requestDenied)]);
    }
    const effects = follower().step({ kind: "transfer", target: "b:1", id: 1 });
    assert.deepEqual(outcomes(effects), [refused(failReason.notLeader)]);
  });

  for (const [version, allowed] of [
    ["0.3.8", false],
    ["0.3.15", false],
    ["0.3.16", true],
    ["0.3.17", true],
    ["0.4.0", true],
  ] as const) {
    test(`${allowed ? "allowed" : "denied"} to a vanilla member of ${version}`, () => {
      const solo = leader({ quorate: false });
      const { lastIndex } = solo.state.log;
      solo.receive("b:1", answerOf(lastIndex + 1));
      solo.status("b:1", { version });
      const effects = solo.step({ kind: "transfer", target: "b:1", id: 1 });
      assert.equal((outcomes(effects)[0] as { appended: boolean }).appended, allowed);
    });
  }

  test("without a name it goes to a caught-up member, a Quorate one first", () => {
    const solo = leader({ quorate: false });
    const { lastIndex } = solo.state.log;
    for (const peer of ["b:1", "c:1"]) {
      solo.receive(peer, answerOf(lastIndex + 1));
      solo.status(peer, { version: "0.3.17" });
    }
    solo.step({ kind: "peer-is-quorate", peer: "c:1" });
    solo.take();
    solo.step({ kind: "transfer", target: null, id: 1 });
    assert.equal(solo.takeTo("c:1", "timeout_now").length, 1);
  });

  test("one that did not take over comes behind all others, and has its turn again behind them", () => {
    const solo = leader(quorate);
    const asked: string[] = [];
    for (let n = 0; n < 5; n += 1) {
      for (const peer of ["b:1", "c:1"]) solo.receive(peer, answerOf(solo.state.log.lastIndex + 1));
      solo.take();
      solo.step({ kind: "transfer", target: null, id: 1 });
      for (const { to, message } of solo.take()) if (message.type === "timeout_now") asked.push(to);
      solo.tick(raftLimits.transferMsMax);
    }
    assert.deepEqual(asked, ["b:1", "c:1", "b:1", "c:1", "b:1"]);
    solo.step({ kind: "transfer", target: "b:1", id: 1 });
    assert.equal(solo.takeTo("b:1", "timeout_now").length, 1, "who is named is asked");
  });

  test("nor is that forgotten where nobody is level with us when it is to go on", () => {
    const solo = leader(quorate);
    const level = () => {
      for (const peer of ["b:1", "c:1"]) solo.receive(peer, answerOf(solo.state.log.lastIndex + 1));
      solo.take();
    };
    const asked = () => {
      solo.step({ kind: "transfer", target: null, id: 1 });
      const all = solo.take().filter(({ message }) => message.type === "timeout_now");
      solo.tick(raftLimits.transferMsMax);
      return all.map(({ to }) => to);
    };
    level();
    assert.deepEqual(asked(), ["b:1"]);
    solo.propose("x");
    assert.deepEqual(asked(), [], "nobody holds it yet");
    level();
    assert.deepEqual(asked(), ["c:1"]);
  });

  test("under load, where nobody is level with us: to the first that catches up", () => {
    const solo = leader();
    solo.receive("c:1", answerOf(solo.state.log.lastIndex + 1));
    solo.propose("x", 1);
    const { lastIndex } = solo.state.log;
    solo.take();
    const [begun] = solo.step({ kind: "transfer", target: null, id: 2 });
    assert.ok(begun?.kind === "answer" && begun.outcome.appended);
    assert.deepEqual(outcomes(solo.propose("y", 3)), [{ appended: false, error: 4 }]);
    assert.deepEqual(solo.takeTo("c:1", "timeout_now"), []);
    solo.receive("c:1", answerOf(lastIndex + 1));
    assert.equal(solo.takeTo("c:1", "timeout_now").length, 1);
  });
});

suite("membership", () => {
  const add = (address: string) => encodeMembership("add", address);
  const remove = (address: string) => encodeMembership("rem", address);

  test("takes effect when it is appended", () => {
    const solo = leader();
    solo.propose(add("d:1"), 1);
    assert.deepEqual([...solo.state.members], ["b:1", "c:1", "d:1"]);
    assert.deepEqual(solo.all("members").at(-1)?.members, ["b:1", "c:1", "d:1"]);
    solo.connect("d:1", true);
    solo.tick();
    assert.equal(solo.takeTo("d:1", "append_entries").length, 1, "it is sent the log at once");
  });

  test("one change at a time", () => {
    const solo = leader();
    assert.deepEqual(outcomes(solo.propose(add("d:1"), 1)), [
      { appended: true, index: 3, term: 1 },
    ]);
    assert.deepEqual(outcomes(solo.propose(add("e:1"), 2)), [refused(failReason.requestDenied)]);
    for (const peer of ["b:1", "c:1"]) solo.receive(peer, answerOf(4));
    assert.equal(solo.state.commitIndex, 3, "three of four hold it");
    assert.equal(outcomes(solo.propose(add("e:1"), 2)).length, 1);
    assert.ok(solo.state.members.has("e:1"));
  });

  test("also within one batch of proposals", () => {
    const solo = leader();
    const origin = { kind: "nobody" } as const;
    const proposals = [
      { command: add("d:1"), origin },
      { command: add("e:1"), origin },
    ];
    solo.step({ kind: "propose", proposals });
    assert.equal(solo.state.log.lastIndex, 3);
    assert.ok(!solo.state.members.has("e:1"));
  });

  test("not before this leadership's no-op is applied", () => {
    const solo = new Solo({ ...quorate });
    solo.lead();
    assert.deepEqual(outcomes(solo.propose(add("d:1"), 1)), [refused(failReason.requestDenied)]);
    solo.autoApply = false;
    for (const peer of ["b:1", "c:1"]) solo.receive(peer, answerOf(3));
    assert.deepEqual(outcomes(solo.propose(add("d:1"), 1)), [refused(failReason.requestDenied)]);
    solo.step({ kind: "applied", index: 2 });
    assert.equal((outcomes(solo.propose(add("d:1"), 1))[0] as { index: number }).index, 3);
  });

  test("our own removal, and changes that change nothing, are denied", () => {
    const solo = leader();
    for (const command of [remove("a:1"), add("a:1"), add("b:1"), remove("z:1")]) {
      assert.deepEqual(outcomes(solo.propose(command, 1)), [refused(failReason.requestDenied)]);
    }
    const malformed = Uint8Array.of(commandType.membership, 1, 2, 3);
    assert.deepEqual(outcomes(solo.propose(malformed, 1)), [refused(failReason.requestDenied)]);
  });

  test("rolled back when it is cut from the log, the latest first", () => {
    const solo = follower({ term: 1 });
    const changes = [add("d:1"), remove("c:1"), add("c:1")].map((command, i) => ({
      index: i + 2,
      term: 1,
      command,
    }));
    solo.receive("b:1", appendFrom(1, [1, 0], changes));
    assert.deepEqual([...solo.state.members].sort(), ["b:1", "c:1", "d:1"]);
    solo.receive("b:1", appendFrom(2, [2, 1], [entry(3, 2)]));
    assert.deepEqual([...solo.state.members].sort(), ["b:1", "c:1", "d:1"]);
    solo.receive("b:1", appendFrom(3, [1, 0], [entry(2, 3)]));
    assert.deepEqual([...solo.state.members].sort(), ["b:1", "c:1"]);
  });

  test("… but only where it had had an effect", () => {
    const solo = follower({ term: 1 });
    const command = add("c:1");
    solo.receive("b:1", appendFrom(1, [1, 0], [{ index: 2, term: 1, command }]));
    solo.receive("b:1", appendFrom(2, [1, 0], [entry(2, 2)]));
    assert.ok(solo.state.members.has("c:1"), "upstream drops it here");
  });

  test("a restart finds the changes in the log, and rolls them back as well", () => {
    const entries = [...logOf([0]), { index: 2, term: 1, command: add("d:1") }];
    const solo = new Solo({ entries, term: 1, peers: ["b:1", "c:1"] });
    assert.ok(solo.state.members.has("d:1"));
    solo.receive("b:1", appendFrom(2, [1, 0], [entry(2, 2)]));
    assert.ok(!solo.state.members.has("d:1"));
  });

  test("… also where a running member had told us the members with the change in it", () => {
    const entries = [...logOf([0]), { index: 2, term: 1, command: add("d:1") }];
    const peers = ["b:1", "c:1", "d:1"];
    const solo = new Solo({ entries, term: 1, peers, areMembersTold: true });
    solo.receive("b:1", appendFrom(2, [1, 0], [entry(2, 2)]));
    assert.deepEqual([...solo.state.members], ["b:1", "c:1"]);
  });

  test("a removed member has no say any more, and does not count", () => {
    const solo = leader({ peers: ["b:1", "c:1", "d:1"] });
    solo.propose(remove("d:1"), 1);
    solo.take();
    solo.receive("b:1", answerOf(4));
    assert.equal(solo.state.commitIndex, 3, "two of three");
    solo.receive("d:1", { type: "request_vote", term: 9, lastLogIndex: 9, lastLogTerm: 9 });
    assert.equal(solo.state.term, 1);
  });
});

suite("proposals", () => {
  const command = Uint8Array.of(commandType.regular, 7);
  const ask = (from: string, solo: Solo) => {
    solo.receive(from, { type: "apply_command", command, requestId: 5 });
    return solo.takeTo(from, "apply_command_response")[0];
  };

  test("from members and observers are answered when appended, with index and term", () => {
    const solo = leader();
    solo.step({ kind: "observer-connected", id: "observer-1" });
    for (const [from, logIdx] of [
      ["b:1", 3],
      ["observer-1", 4],
    ] as const) {
      const answer = ask(from, solo);
      assert.deepEqual(answer, {
        type: "apply_command_response",
        requestId: 5,
        logIdx,
        logTerm: 1,
      });
    }
  });

  test("one that nobody waits for is not answered", () => {
    const solo = leader();
    solo.receive("b:1", { type: "apply_command", command, requestId: null });
    assert.equal(solo.state.log.lastIndex, 3);
    assert.deepEqual(solo.takeTo("b:1", "apply_command_response"), []);
  });

  for (const [what, solo, error] of [
    ["a follower answers NOT_LEADER", () => follower(), failReason.notLeader],
    [
      "a member without a leader answers MISSING_LEADER",
      () => new Solo(),
      failReason.missingLeader,
    ],
  ] as const) {
    test(what, () => {
      const answer = ask("c:1", solo());
      assert.deepEqual(answer, { type: "apply_command_response", requestId: 5, error });
    });
  }

  test("beyond the bound of what is not committed they are answered QUEUE_FULL", () => {
    const solo = leader();
    solo.autoDisk = false;
    const large = new Uint8Array(raftLimits.entryBytesMax);
    for (let i = 0; i < raftLimits.uncommittedBytesMax / large.length; i += 1) {
      assert.equal((outcomes(solo.propose(large, 1))[0] as { appended: boolean }).appended, true);
    }
    assert.deepEqual(outcomes(solo.propose("x", 1)), [refused(failReason.queueFull)]);
    solo.sync();
    solo.receive("b:1", answerOf(solo.state.log.lastIndex + 1));
    assert.equal((outcomes(solo.propose("x", 1))[0] as { appended: boolean }).appended, true);
  });

  test("a command that stops every vanilla member is denied: an empty one", () => {
    const solo = leader();
    assert.deepEqual(outcomes(solo.propose(new Uint8Array(0), 1)), [
      refused(failReason.requestDenied),
    ]);
  });

  test("one larger than what followers take is denied", () => {
    const solo = leader();
    const large = new Uint8Array(raftLimits.entryBytesMax + 1);
    assert.deepEqual(outcomes(solo.propose(large, 1)), [refused(failReason.requestDenied)]);
  });

  test("a leader whose disk refuses writes asks who holds all of its log to take over", () => {
    const solo = leader({ quorate: true });
    solo.receive("b:1", answerOf(solo.state.log.lastIndex + 1));
    solo.step({ kind: "disk", usable: false });
    assert.equal(solo.state.role, "follower");
    assert.deepEqual(solo.takeTo("b:1", "timeout_now"), [{ type: "timeout_now", term: 1 }]);
    assert.deepEqual(solo.takeTo("c:1", "timeout_now"), []);
  });

  test("a disk that refuses writes costs the lead, and no vote is given meanwhile", () => {
    const solo = leader();
    solo.step({ kind: "disk", usable: false });
    assert.equal(solo.state.role, "follower");
    solo.receive("b:1", { type: "request_vote", term: 2, lastLogIndex: 9, lastLogTerm: 9 });
    assert.deepEqual(solo.takeTo("b:1", "response_vote"), []);
    solo.step({ kind: "disk", usable: true });
    solo.receive("b:1", { type: "request_vote", term: 3, lastLogIndex: 9, lastLogTerm: 9 });
    assert.equal(solo.takeTo("b:1", "response_vote").length, 1);
  });
});

suite("observers", () => {
  test("get the whole log from the leader, and count for nothing", () => {
    const solo = leader({ log: [0, 1, 1], term: 1 });
    solo.step({ kind: "observer-connected", id: "observer-1" });
    solo.tick();
    const [first] = solo.takeTo("observer-1", "append_entries");
    assert.equal(first?.entries.length, 0, "first it is asked where its log ends");
    solo.receive("observer-1", answerOf(2, { success: false, reset: true }));
    solo.receive("observer-1", answerOf(2));
    assert.deepEqual(
      solo
        .takeTo("observer-1", "append_entries")
        .at(-1)
        ?.entries.map(({ index }) => index),
      [2, 3, 4],
    );
    solo.propose("x");
    solo.receive("observer-1", answerOf(6));
    assert.equal(solo.state.commitIndex, 4, "its copy does not commit");
    solo.step({ kind: "observer-disconnected", id: "observer-1" });
    assert.equal(solo.state.progress.has("observer-1"), false);
  });

  test("hear nothing from a follower", () => {
    const solo = follower();
    solo.step({ kind: "observer-connected", id: "observer-1" });
    solo.tick(100);
    assert.deepEqual(solo.take(), []);
  });
});
