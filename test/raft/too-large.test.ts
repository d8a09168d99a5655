import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry } from "../../protocol/log/entry.js";
import { encodeEntryTuple } from "../../protocol/wire/message-codec.js";
import type { AppendChunk, NextNodeIdx } from "../../protocol/wire/messages.js";
import { raftLimits } from "../../src/raft/limits.js";
import { refusals, tooLargeText } from "../../src/raft/too-large.js";
import { leader } from "./roles.js";
import { answerOf, appendFrom, entry, Solo } from "./solo.js";

const pieceBytes = 1024 * 1024;

/** The pieces in which a leader of this term sends entry 2, behind entry 1 of term 0. */
function pieces(term: number, commandBytes: number): AppendChunk[] {
  const command = new Uint8Array(commandBytes).fill(0x41);
  const pickle = encodeEntryTuple({ index: 2, term, command });
  const count = Math.ceil(pickle.length / pieceBytes);
  return Array.from({ length: count }, (_, n) => ({
    ...{ type: "append_chunk", term, commitIndex: 1, prevLogIdx: 1, prevLogTerm: 0 },
    transmission: n === 0 ? "start" : n === count - 1 ? "finish" : "process",
    data: pickle.subarray(n * pieceBytes, (n + 1) * pieceBytes),
  }));
}

function sendAll(solo: Solo, term: number, commandBytes: number): NextNodeIdx[] {
  for (const piece of pieces(term, commandBytes)) solo.receive("b:1", piece);
  return answers(solo);
}

function answers(solo: Solo): NextNodeIdx[] {
  return solo.takeTo("b:1", "next_node_idx") as NextNodeIdx[];
}

/** Times that it was told of. */
function told(solo: Solo): number {
  return solo.effects.filter(
    (effect) => effect.kind === "note" && effect.note.code === "entry-too-large",
  ).length;
}

/** A heartbeat of a leader whose log goes on behind the entry. */
function heartbeat(solo: Solo, term: number): NextNodeIdx | undefined {
  solo.receive("b:1", appendFrom(term, [5, term]));
  return answers(solo)[0];
}

test("an entry of the largest size is taken from its pieces", () => {
  const solo = new Solo();
  const last = sendAll(solo, 1, raftLimits.entryBytesMax).at(-1);
  assert.deepEqual([last?.nextNodeIdx, last?.success], [3, true]);
  assert.equal(solo.state.log.at(2).command.length, raftLimits.entryBytesMax);
  assert.equal(solo.state.transmission, null);
});

test("a larger one is not, nothing of it is kept, and it is told once", () => {
  const solo = new Solo();
  const all = sendAll(solo, 1, raftLimits.entryBytesMax + 1);
  assert.ok(all.every(({ success, nextNodeIdx }) => !success && nextNodeIdx === 2));
  assert.equal(solo.state.log.lastIndex, 1);
  assert.equal(solo.state.transmission, null);
  assert.equal(solo.state.tooLarge?.index, 2);
  assert.equal(solo.state.role, "follower");
  assert.equal(solo.state.leader, "b:1");
  sendAll(solo, 1, raftLimits.entryBytesMax + 1);
  assert.equal(told(solo), 1);
});

const unread = { kind: "message-too-large", from: "b:1" } as const;

test("a leader's message that is too large to be read is told of once, and waited out", () => {
  const solo = new Solo();
  solo.receive("b:1", appendFrom(1, [1, 0]));
  answers(solo);
  const refused = { type: "next_node_idx", nextNodeIdx: 2, reset: false, success: false } as const;
  for (let times = 0; times < 2; times += 1) {
    solo.step(unread);
    assert.deepEqual(answers(solo), [refused]);
  }
  assert.match(tooLargeText(solo.state.tooLarge ?? assert.fail()), /^an entry of b:1, .* 2 on, is/);
  // It goes on behind the entry, and is not asked for the same again before it is time.
  assert.deepEqual(heartbeat(solo, 1), refused);
  solo.nowMs += raftLimits.tooLargeRetryMs;
  assert.deepEqual(heartbeat(solo, 1), { ...refused, reset: true });
  solo.step(unread);
  assert.deepEqual(answers(solo), [refused]);
  assert.deepEqual(heartbeat(solo, 1), refused);
  assert.equal(told(solo), 1);
  assert.deepEqual([solo.state.role, solo.state.leader], ["follower", "b:1"]);
});

test("as a heartbeat it keeps a follower from campaigning", () => {
  const solo = new Solo();
  solo.receive("b:1", appendFrom(1, [1, 0]));
  solo.nowMs += 300;
  const before = solo.state.electionDeadlineMs;
  solo.step(unread);
  assert.equal(solo.state.leaderHeardMs, solo.nowMs);
  assert.notEqual(solo.state.electionDeadlineMs, before);
});

test("of somebody else, and before it is known who leads, it is no entry of the leader", () => {
  const solo = new Solo();
  solo.step(unread);
  solo.receive("c:1", appendFrom(1, [1, 0]));
  solo.step(unread);
  assert.equal(solo.state.tooLarge, null);
  assert.equal(told(solo), 0);
  assert.deepEqual(answers(solo), []);
});

test("one that comes in a message with others is not either", () => {
  const solo = new Solo();
  const command = new Uint8Array(raftLimits.entryBytesMax + 1);
  const entries = [entry(2, 1), { index: 3, term: 1, command }];
  solo.receive("b:1", appendFrom(1, [1, 0], entries));
  assert.deepEqual(answers(solo), [
    { type: "next_node_idx", nextNodeIdx: 2, reset: false, success: false },
  ]);
  assert.equal(told(solo), 1);
});

test("its leader is told where our log ends from time to time only: it would send it all again", () => {
  const solo = new Solo();
  sendAll(solo, 1, raftLimits.entryBytesMax + 1);
  assert.equal(heartbeat(solo, 1)?.reset, false);
  solo.nowMs += raftLimits.tooLargeRetryMs;
  assert.deepEqual(heartbeat(solo, 1), {
    ...{ type: "next_node_idx", nextNodeIdx: 2, reset: true, success: false },
  });
  assert.equal(heartbeat(solo, 1)?.reset, false);
});

test("another leader is asked at once, and what it has in that place is taken", () => {
  const solo = new Solo();
  sendAll(solo, 1, raftLimits.entryBytesMax + 1);
  solo.receive("c:1", appendFrom(2, [5, 1]));
  assert.deepEqual(solo.takeTo("c:1", "next_node_idx"), [
    { type: "next_node_idx", nextNodeIdx: 2, reset: true, success: false },
  ]);
  solo.receive("c:1", appendFrom(2, [1, 0], [entry(2, 2)]));
  assert.equal(solo.state.log.lastIndex, 2);
  assert.equal(solo.state.tooLarge, null);
});

const refused = (term = 1, fixed: string | null = null) =>
  ({ kind: "snapshot-refused", from: "b:1", term, bytesMax: 1_000, fixed }) as const;

/** The beginning of a dump of b:1. @returns whether it is taken. */
function dumpBegins(solo: Solo, term = 1): boolean {
  const chunk = { data: Uint8Array.of(1), isFirst: true, isLast: false };
  const effects = solo.receive("b:1", { type: "install_snapshot", term, commitIndex: 1, chunk });
  return effects.some(({ kind }) => kind === "snapshot-chunk");
}

test("a dump that holds too much is told of once, and is not asked for again at once", () => {
  const solo = new Solo();
  assert.ok(dumpBegins(solo));
  solo.step(refused());
  assert.equal(solo.state.tooLarge?.what, "dump");
  assert.equal(solo.state.role, "follower");
  // Its leader sends it again all the same, and what follows on it.
  assert.equal(dumpBegins(solo), false);
  assert.equal(heartbeat(solo, 1)?.reset, false);
  solo.nowMs += raftLimits.tooLargeRetryMs;
  assert.equal(heartbeat(solo, 1)?.reset, true);
  assert.ok(dumpBegins(solo), "it was asked for");
  solo.step(refused());
  assert.equal(dumpBegins(solo), false);
  const notes = solo.effects.filter((effect) => effect.kind === "note");
  assert.deepEqual(
    notes.map(({ note: { code } }) => code).filter((code) => code.endsWith("too-large")),
    ["dump-too-large"],
  );
});

test("a dump that is refused stays spoken of when a message of the same leader cannot be read", () => {
  const solo = new Solo();
  const kinds = () => refusals(solo.state).map(({ what }) => what);
  dumpBegins(solo);
  for (let times = 0; times < 3; times += 1) {
    solo.step(refused());
    assert.equal(kinds()[0], "dump");
    solo.step(unread);
    assert.deepEqual(kinds(), ["entry", "dump"]);
  }
  assert.deepEqual(
    solo.notes().filter((code) => code.endsWith("too-large")),
    ["dump-too-large", "entry-too-large"],
    "each is told once",
  );
  solo.receive("c:1", appendFrom(2, [1, 0]));
  solo.step({ ...unread, from: "c:1" });
  assert.deepEqual(kinds(), ["entry"], "another leader may have a dump that is taken");
  solo.receive("c:1", appendFrom(2, [1, 0], [entry(2, 2)]));
  assert.deepEqual(kinds(), []);
});

test("a tail that was refused is not spoken of any more when it would be taken", () => {
  const solo = new Solo({ dataBytesMax: 2_000 });
  solo.receive("b:1", appendFrom(1, [1, 0], [large(2), large(3)]));
  solo.receive("b:1", appendFrom(1, [3, 1], [large(4)]));
  solo.step(unread);
  const kinds = () => refusals(solo.state).map(({ what }) => what);
  assert.deepEqual(kinds(), ["entry", "tail"]);
  solo.receive("b:1", appendFrom(1, [3, 1], [], 3));
  assert.deepEqual(kinds(), ["entry"], "all that it holds is applied");
});

function large(index: number): Entry {
  return { ...entry(index, 1), command: new Uint8Array(600) };
}

test("what is said of a dump names the bound, or what no setting allows", () => {
  const textOf = (fixed: string | null) => {
    const solo = new Solo();
    dumpBegins(solo);
    solo.step(refused(1, fixed));
    return tooLargeText(solo.state.tooLarge ?? assert.fail("not refused"));
  };
  assert.match(
    textOf(null),
    /more than the 1000 bytes .*max_data_bytes and a quarter.*Raise the setting/,
  );
  const text = textOf("str of 40000000 bytes at byte 7");
  assert.match(text, /\(str of 40000000 bytes at byte 7\), whatever its settings are.*smaller/);
  assert.doesNotMatch(text, /Raise/);
});

test("a leader whose log contradicts ours is not asked for its dump at once either", () => {
  const solo = new Solo({ log: [0, 1, 1], term: 1 });
  solo.receive("b:1", appendFrom(2, [3, 2]));
  assert.equal(answers(solo)[0]?.reset, true);
  solo.step(refused(2));
  solo.receive("b:1", appendFrom(2, [3, 2]));
  assert.equal(answers(solo)[0]?.reset, false);
  solo.nowMs += raftLimits.tooLargeRetryMs;
  solo.receive("b:1", appendFrom(2, [3, 2]));
  assert.equal(answers(solo)[0]?.reset, true);
});

test("another leader's dump is taken at once, and what it brings ends the matter", () => {
  const solo = new Solo();
  dumpBegins(solo);
  solo.step(refused());
  const chunk = { data: Uint8Array.of(1), isFirst: true, isLast: true };
  solo.receive("c:1", { type: "install_snapshot", term: 2, commitIndex: 1, chunk });
  const summary = { previous: entry(8, 2), last: entry(9, 2), members: ["a:1", "b:1", "c:1"] };
  solo.step({ kind: "snapshot-received", from: "c:1", term: 2, summary });
  assert.equal(solo.state.log.lastIndex, 9);
  assert.equal(solo.state.tooLarge, null);
});

test("a dump of a leader that leads no more is told of, and nothing is missing because of it", () => {
  const solo = new Solo();
  dumpBegins(solo);
  solo.receive("c:1", appendFrom(2, [1, 0]));
  const effects = solo.step(refused());
  assert.equal(solo.state.tooLarge, null);
  assert.deepEqual(
    effects.map((effect) => (effect.kind === "note" ? effect.note.code : effect.kind)),
    ["dump-too-large"],
  );
});

test("entries that are taken after all end it too: somebody has deleted what was too much", () => {
  const solo = new Solo();
  dumpBegins(solo);
  solo.step(refused());
  solo.receive("b:1", appendFrom(1, [1, 0], [entry(2, 1)]));
  assert.equal(solo.state.tooLarge, null);
});

test("whoever neither takes a probe nor asks for anything is sent the next with a heartbeat only", () => {
  const solo = leader();
  const sent = () => solo.take().filter(({ to }) => to === "b:1").length;
  for (let n = 0; n < 4; n += 1) solo.propose(new Uint8Array(60_000).fill(1));
  solo.take();
  const progress = solo.state.progress.get("b:1");
  // One answer to each of them, until it is sent a probe.
  while ((progress?.owed ?? 0) > 0 && progress?.mode !== "probe") {
    solo.receive("b:1", answerOf(2, { success: false, reset: true }));
  }
  while ((progress?.owed ?? 0) > 1) solo.receive("b:1", answerOf(2, { success: false }));
  solo.take();
  solo.receive("b:1", answerOf(2, { success: false, reset: true }));
  assert.equal(sent(), 1, "the probe");
  solo.receive("b:1", answerOf(2, { success: false }));
  assert.equal(sent(), 0);
  solo.tick(200);
  assert.equal(sent(), 1);
  solo.receive("b:1", answerOf(2, { success: false, reset: true }));
  assert.equal(sent(), 1);
});
