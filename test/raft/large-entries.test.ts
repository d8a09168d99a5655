import assert from "node:assert/strict";
import { test } from "node:test";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import { raftLimits } from "../../src/raft/limits.js";
import type { Effect } from "../../src/raft/types.js";
import { answerOf, appendFrom, Solo } from "./solo.js";

/** Who is sent pieces, of which entries, and who is sent anything at all, by one look at all receivers. */
function round(
  solo: Solo,
  heartbeat: boolean,
): { pieces: string[]; any: string[]; entries: number } {
  if (heartbeat) solo.state.nextHeartbeatMs = solo.nowMs;
  else solo.state.waitingDueMs = solo.nowMs;
  const pieces = new Set<string>();
  const any = new Set<string>();
  const entries = new Set<number | null>();
  for (const effect of solo.tick()) {
    if (effect.kind !== "send") continue;
    for (const to of effect.to) {
      any.add(to);
      if (effect.message.type !== "append_chunk") continue;
      pieces.add(to);
      entries.add(effect.message.prevLogIdx);
    }
  }
  return { pieces: [...pieces].sort(), any: [...any].sort(), entries: entries.size };
}

function behind(solo: Solo, id: string, nextIndex: number): void {
  const progress = solo.state.progress.get(id);
  assert.ok(progress !== undefined);
  Object.assign(progress, { mode: "replicate", nextIndex, unanswered: 0, inFlightBytes: 0 });
}

/** What the pieces among these effects carry. */
function dataOf(effects: readonly Effect[]): Uint8Array[] {
  return effects.flatMap((effect) => {
    const isPiece = effect.kind === "send" && effect.message.type === "append_chunk";
    return isPiece ? [effect.message.data] : [];
  });
}

function bytesOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}

/** Of a later term. */
function leaderOf(solo: Solo): PeerMessage {
  return appendFrom(solo.state.term + 1, [solo.state.log.lastIndex, solo.state.log.lastTerm]);
}

function scene(): Solo {
  const solo = new Solo();
  solo.lead();
  for (let n = 0; n < 3; n += 1) solo.propose(new Uint8Array(raftLimits.pieceBytesMax));
  for (const id of ["o1", "o2"]) solo.step({ kind: "observer-connected", id });
  solo.take();
  solo.state.takeEffects();
  return solo;
}

test("receivers that lack different large entries get them one after the other, and heartbeats meanwhile", () => {
  const solo = scene();
  const first = solo.state.log.lastIndex - 2;
  const receivers = ["b:1", "c:1", "o1"];
  for (const [n, id] of receivers.entries()) behind(solo, id, first + n);
  const served = new Set<string>();
  for (let rounds = 0; served.size < receivers.length; rounds += 1) {
    assert.ok(rounds < receivers.length);
    const { pieces, any, entries } = round(solo, rounds === 0);
    assert.equal(entries, 1, "one is cut into pieces");
    if (rounds === 0) assert.deepEqual(any, ["b:1", "c:1", "o1", "o2"]);
    for (const id of pieces) served.add(id);
    if (served.size < receivers.length) {
      assert.ok(solo.core.nextTickMs() <= solo.nowMs, "the next look is at once");
    }
  }
});

test("those that lack the same get it together", () => {
  const solo = scene();
  const { lastIndex } = solo.state.log;
  for (const id of ["b:1", "c:1", "o1", "o2"]) behind(solo, id, lastIndex);
  assert.deepEqual(round(solo, false).pieces, ["b:1", "c:1", "o1", "o2"]);
});

test("a piece that waits for a slow receiver keeps no other piece in memory", () => {
  const solo = scene();
  behind(solo, "o1", solo.state.log.lastIndex);
  solo.state.nextHeartbeatMs = solo.nowMs;
  const pieces = dataOf(solo.tick());
  assert.ok(pieces.length > 10);
  for (const piece of pieces) assert.equal(piece.buffer.byteLength, piece.length);
});

test("those that ask for the same one after the other get what was cut for the first", () => {
  const solo = scene();
  const { lastIndex } = solo.state.log;
  for (const id of ["b:1", "c:1"]) behind(solo, id, lastIndex - 1);
  const sent = ["b:1", "c:1"].map((id) => dataOf(solo.receive(id, answerOf(lastIndex))));
  const [first = [], second = []] = sent;
  assert.ok(first.length > 10);
  assert.equal(second.length, first.length);
  for (const [at, data] of first.entries()) assert.equal(second[at], data);
});

test("what was cut is kept until the next heartbeat, and not beyond a lead", () => {
  const solo = scene();
  const { lastIndex } = solo.state.log;
  const entry = solo.state.log.at(lastIndex);
  const ends = [() => solo.tick(100), () => solo.receive("b:1", leaderOf(solo))];
  for (const end of ends) {
    behind(solo, "b:1", lastIndex - 1);
    solo.receive("b:1", answerOf(lastIndex));
    const kept = solo.state.cuts.piecesOf(entry);
    assert.equal(solo.state.cuts.piecesOf(entry), kept);
    behind(solo, "b:1", lastIndex + 1);
    end();
    solo.tick();
    assert.notEqual(solo.state.cuts.piecesOf(entry), kept);
  }
});

test("however many answers ask for large entries, so much is cut before the next tick", () => {
  const solo = scene();
  const last = solo.state.log.lastIndex;
  const entryBytes = raftLimits.pieceBytesMax;
  const at = (n: number): number => last - (n % 3);
  // A member that has all and lacks one by turns, each time another one.
  for (const id of ["b:1", "c:1"]) solo.receive(id, answerOf(last + 1));
  const sent: Uint8Array[] = [];
  for (let n = 0; n < 20; n += 1) {
    sent.push(...dataOf(solo.receive("b:1", answerOf(at(n), { success: false, reset: true }))));
    sent.push(...dataOf(solo.receive("b:1", answerOf(last + 1))));
  }
  const cut = new Set(sent);
  assert.ok(cut.size > 10);
  assert.ok(bytesOf([...cut]) < 2 * entryBytes, `${bytesOf([...cut])} bytes`);
  solo.receive("b:1", answerOf(at(1), { success: false, reset: true }));
  assert.ok(solo.core.nextTickMs() <= solo.nowMs, "the next look is at once");
  assert.ok(dataOf(solo.tick()).length > 10);
});

/** The two small answers with which an observer is sent the entry at `index` over again. */
const demands = {
  "that it has all, and that it lacks one": (index: number, last: number) => [
    answerOf(last + 1),
    answerOf(index, { success: false, reset: true }),
  ],
  "that it lacks one, and that it has what is before": (index: number) => [
    answerOf(index, { success: false, reset: true }),
    answerOf(index),
  ],
};

for (const [name, demand] of Object.entries(demands)) {
  test(`an observer that says by turns ${name} is sent it at a pace`, () => {
    const solo = scene();
    const last = solo.state.log.lastIndex;
    solo.receive("o1", answerOf(last + 1));
    const pairs = (): number => {
      let bytes = 0;
      for (let n = 0; n < 20; n += 1) {
        for (const answer of demand(last, last))
          bytes += bytesOf(dataOf(solo.receive("o1", answer)));
      }
      return bytes;
    };
    const entryBytes = raftLimits.pieceBytesMax;
    // Once as a question whether the logs meet there, once as what it lacks.
    assert.ok(pairs() < 3 * entryBytes);
    // Whatever else is sent meanwhile.
    assert.ok(bytesOf(dataOf(solo.propose("x"))) === 0);
    solo.tick(raftLimits.paceMsMax / 2);
    assert.ok(pairs() < entryBytes, "the interval is not over");
    const dueMs = solo.core.nextTickMs();
    assert.ok(dueMs <= solo.nowMs + raftLimits.paceMsMax, "it is not forgotten");
    assert.ok(bytesOf(dataOf(solo.tick(dueMs - solo.nowMs))) >= entryBytes);
  });
}

test("an observer that lacks something once is served at once", () => {
  const solo = scene();
  const last = solo.state.log.lastIndex;
  solo.receive("o1", answerOf(last + 1));
  const lacks = answerOf(last, { success: false, reset: true });
  for (let n = 0; n < 3; n += 1) {
    assert.ok(dataOf(solo.receive("o1", lacks)).length > 10);
    solo.receive("o1", answerOf(last + 1));
    solo.tick(raftLimits.paceMsMax);
  }
});
