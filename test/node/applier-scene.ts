import assert from "node:assert/strict";
import type { Dump } from "../../protocol/files/dump-format.js";
import { systemClock } from "../../src/clock.js";
import { silentLogger } from "../../src/logger.js";
import { Applier } from "../../src/node/applier.js";
import { Notes } from "../../src/node/notes.js";
import { Proposals } from "../../src/node/proposals.js";
import { RaftState } from "../../src/raft/state.js";

/** An applier whose clock a look at it moves on, and whose next turns are called by hand. */
export function scene(
  lookMs: number,
  readDump: () => Promise<Dump | null> = async () => null,
  dataBytesMax = Number.POSITIVE_INFINITY,
  failed: (error: Error) => void = (error) => assert.fail(error),
) {
  let nowMs = 0;
  const soon: (() => void)[] = [];
  const clock = {
    ...systemClock,
    monotonicMs: () => {
      nowMs += lookMs;
      return nowMs;
    },
    soon: (run: () => void) => void soon.push(run),
  };
  const config = {
    ...{ selfId: "a:1", electionTimeoutMsMin: 400, electionTimeoutMsMax: 1_400 },
    ...{
      heartbeatMs: 100,
      leaderFallbackMs: 30_000,
      random: () => 0.5,
      onConflict: "keep" as const,
    },
  };
  const initial = {
    ...{ term: 1, votedFor: null, commitIndex: 1, appliedIndex: 1, entries: [] },
    ...{ members: [], mustRefetch: false },
  };
  const state = new RaftState(
    config,
    { ...initial, entries: [{ index: 1, term: 0, command: Uint8Array.of(1) }] },
    0,
  );
  const told: number[] = [];
  const held: (number | null)[] = [];
  const proposals = new Proposals({
    ...{ clock, state, store: () => applier.store, propose: () => {}, fail: () => {} },
    ...{
      sendCommand: () => false,
      refused: () => {},
      full: () => {},
      logFull: () => "",
      dataBytesMax: Infinity,
      appliedIndex: () => 1,
    },
  });
  const notes = new Notes(silentLogger, () => 0);
  const applier: Applier = new Applier(
    {
      ...{ clock, proposals, notes, applied: (index) => told.push(index), replaced: () => {} },
      ...{ readDump, failed },
      heldBack: (one) => held.push(one === null ? null : one.index),
    },
    null,
    dataBytesMax,
  );
  return { applier, told, held, soon, notes, pending: proposals.pending };
}

/** Runs what is asked for in next turns, until nothing is. */
export async function turns(soon: (() => void)[]): Promise<void> {
  for (;;) {
    await new Promise((resolve) => setImmediate(resolve));
    const run = soon.shift();
    if (run === undefined) return;
    run();
  }
}
