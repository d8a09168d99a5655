import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "../support/eventually.js";
import { QuorateMember } from "../support/quorate-member.js";
import type { DiskStage } from "./stage.js";
import type { SmallDisk } from "./tmpfs.js";

/** What a member was doing when it found no room, as its log tells it. */
export const growthPoints = {
  append: /\.journal: no space left .* while appending to the journal/,
  meta: /\.meta: no space left .* while storing term and vote/,
  dump: /no space left .* while writing the dump/,
  journal: /no space left .* while (making|writing) a new journal/,
} as const;

export type GrowthPoint = keyof typeof growthPoints;

/** Long enough for a few hundred writes and the compactions that they bring. */
const fullMs = 1_500;
const patience = { timeoutMs: 60_000 };

export interface Round {
  readonly freeKib: number;
  /** Whether the victim leads when its disk fills up. */
  readonly leads: boolean;
  /** Small ones let the log be compacted in the room that there is, large ones fill the journal. */
  readonly valueBytes: number;
  /** The victim cannot but find no room: waited for. */
  readonly mustStop?: boolean;
}

export interface RoundResult {
  /** Where the member found no room. */
  readonly points: readonly GrowthPoint[];
  /** The leader said that its disk is full; and how long it was to a write that another one acknowledged. */
  readonly isStopped: boolean;
  readonly handOverMs: number | null;
}

/**
 * Fills the disk but for some KiB, watches the cluster go on, and makes room again. The member runs
 * all the time, and is as before at the end.
 */
export async function fullDiskRound(
  stage: DiskStage,
  disk: SmallDisk,
  { freeKib, leads, valueBytes, mustStop = false }: Round,
): Promise<RoundResult> {
  const { victim } = stage;
  stage.valueBytes = valueBytes;
  if (leads) await stage.makeVictimLead();
  const linesBefore = victim.logLines().length;
  const since = () => victim.logLines().slice(linesBefore);
  disk.fillTo(freeKib);
  let stoppedMs: number | null = null;
  let handOverMs: number | null = null;
  const deadline = performance.now() + fullMs;
  const isAwaited = () =>
    (mustStop && stoppedMs === null) || (leads && stoppedMs !== null && handOverMs === null);
  while (performance.now() < deadline || isAwaited()) {
    assert.ok(performance.now() < deadline + patience.timeoutMs, "nobody else leads");
    if (stoppedMs === null && (await stage.reasons()).includes("no-space")) {
      stoppedMs = performance.now();
    }
    const leader = await stage.leader();
    if (
      stoppedMs !== null &&
      handOverMs === null &&
      leader !== null &&
      leader !== victim.selfAddr
    ) {
      await stage.more(1);
      handOverMs = performance.now() - stoppedMs;
    }
    await sleep(10);
  }
  const isStopped = (await stage.reasons()).includes("no-space");
  if (isStopped) {
    // Whoever leads now, it is another one, and writes go on through it.
    await eventually(
      "another member leads",
      async () => {
        const leader = await stage.leader();
        return leader !== null && leader !== victim.selfAddr;
      },
      patience,
    );
    const { status } = await fetch(`http://${victim.http}/health`);
    assert.equal(status, 503, "health tells of the full disk");
  }
  await stage.more(10);
  disk.release();
  await eventually(
    "the member goes on by itself",
    async () => {
      assert.ok(victim.child.isRunning, `it ended: ${stage.lastError()}`);
      const left = (await stage.reasons()).filter((code) => code !== "dump-failed");
      if (left.length > 0) throw new Error(left.join(", "));
      return true;
    },
    patience,
  );
  await caughtUp(stage);
  const text = since().map(({ message }) => String(message));
  const points = (Object.keys(growthPoints) as GrowthPoint[]).filter((point) =>
    text.some((line) => growthPoints[point].test(line)),
  );
  return { points, isStopped: stoppedMs !== null, handOverMs: leads ? handOverMs : null };
}

/** The victim has applied what the others had committed at this time. */
export async function caughtUp(stage: DiskStage): Promise<void> {
  const indexes = await Promise.all(stage.others.map((other) => other.data()));
  const wanted = Math.max(...indexes.map(({ appliedIndex }) => appliedIndex));
  assert.ok(stage.victim instanceof QuorateMember);
  await eventually(
    `the member has applied entry ${wanted}`,
    async () => {
      const { appliedIndex } = await stage.victim.httpStatus();
      if (Number(appliedIndex) < wanted) throw new Error(String(appliedIndex));
      return true;
    },
    patience,
  );
}
