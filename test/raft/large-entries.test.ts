import assert from "node:assert/strict";
import { test } from "node:test";
import { raftLimits } from "../../src/raft/limits.js";
import { replicate } from "../../src/raft/replicate.js";
import { Solo } from "./solo.js";

/** Who is sent pieces, of which entries, and who is sent anything at all, by one look at all receivers. */
function round(
  solo: Solo,
  heartbeat: boolean,
): { pieces: string[]; any: string[]; entries: number } {
  replicate(solo.state, heartbeat);
  const pieces = new Set<string>();
  const any = new Set<string>();
  const entries = new Set<number | null>();
  for (const effect of solo.state.takeEffects()) {
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

function scene(): Solo {
  const solo = new Solo();
  solo.lead();
  for (let n = 0; n < 3; n += 1) solo.propose(new Uint8Array(raftLimits.roundPieceBytesMax));
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
  replicate(solo.state, true);
  const pieces = solo.state.takeEffects().flatMap((effect) => {
    const isPiece = effect.kind === "send" && effect.message.type === "append_chunk";
    return isPiece ? [effect.message.data] : [];
  });
  assert.ok(pieces.length > 10);
  for (const piece of pieces) assert.equal(piece.buffer.byteLength, piece.length);
});
