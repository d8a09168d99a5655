import { encodeSet } from "../../protocol/log/kv-calls.js";
import { failReason } from "../../protocol/wire/messages.js";
import type { Cluster } from "./cluster.js";
import type { Deed } from "./deeds.js";
import { Seat } from "./seat.js";
import {
  type AnySeat,
  endsInTime,
  leads,
  split,
  storyMsMax,
  termOf,
  turned,
  waitMsMax,
  write,
} from "./stage.js";
import { Violation } from "./violation.js";

/** The longest that it takes. */
const quietMs = 3 * storyMsMax;

interface Three {
  readonly ours: Seat;
  readonly a: AnySeat;
  readonly b: AnySeat;
}

/**
 * Ours leads, and is cut off with entries that nobody else holds. The two that forget elect nobody until their
 * terms are above its own, and it sees that for a moment. Then they start again, and one of them leads the very
 * term in which our log ends, and commits. One of the two comes back alone: its log ends as a part of ours
 * does, in other entries. Ours has seen that its term has gone back, must not believe it, and is started
 * again amid that.
 */
export function ledTwice(cluster: Cluster, deed: Deed): void {
  const forgetful = cluster.seats.filter((seat) => !(seat instanceof Seat));
  const [a, b] = turned(forgetful, deed.other);
  const ours = cluster.seats.find((seat) => seat instanceof Seat);
  if (a === undefined || b === undefined || ours === undefined || cluster.size !== 3) return;
  const { timeline } = cluster;
  cluster.quietUntilMs = timeline.nowMs + quietMs;
  if (!leads(ours)) {
    const away = leads(b) ? b : a;
    away.kill();
    timeline.after(waitMsMax, () => away.start());
  }
  timeline.after(waitMsMax + 1_000, () => {
    if (leads(ours)) rise(cluster, deed, { ours, a, b });
    else cluster.quietUntilMs = timeline.nowMs;
  });
}

/** Ours is cut off, and sees the others once, in a term above its own. */
function rise(cluster: Cluster, deed: Deed, three: Three): void {
  const { ours, a, b } = three;
  const { network, timeline } = cluster;
  const term = termOf(ours);
  const seen = endsInTime(cluster, split(cluster, [ours], { keeps: [] }));
  write(cluster, ours, deed, { count: 120, bytes: 20 });
  startAgain(cluster, three);
  timeline.after(250, () => {
    network.block(a.address, b.address);
    const heard = endsInTime(cluster, () => network.unblock(a.address, b.address));
    const isAbove = () => (Math.min(termOf(a), termOf(b)) > term ? true : null);
    cluster.when(storyMsMax, isAbove, () => {
      seen();
      const hasSeen = () => (termOf(ours) > term ? true : null);
      cluster.when(waitMsMax, hasSeen, () => {
        const heal = endsInTime(cluster, split(cluster, [ours], { keeps: [] }));
        heard();
        leadAgain(cluster, { ...three, term, heal });
      });
    });
  });
}

interface Second extends Three {
  readonly term: number;
  readonly heal: () => void;
}

/** What was said one way only comes when they have reached the term, and so one of them leads it. */
function leadAgain(cluster: Cluster, second: Second): void {
  const { a, b, term } = second;
  const { network, timeline } = cluster;
  startAgain(cluster, second);
  timeline.after(250, () => {
    network.block(a.address, b.address);
    const heard = endsInTime(cluster, () => network.unblock(a.address, b.address));
    const isThere = () => (Math.max(termOf(a), termOf(b)) >= term ? true : null);
    cluster.when(storyMsMax, isThere, () => {
      heard();
      const wins = () => [a, b].find((seat) => leads(seat) && termOf(seat) === term) ?? null;
      cluster.when(waitMsMax, wins, (leader) => comeBack(cluster, { ...second, leader }));
    });
  });
}

/** A write is acknowledged in the term's second time; then one of the two goes, and ours is back. */
function comeBack(cluster: Cluster, second: Second & { readonly leader: AnySeat }): void {
  const { leader, a, b, term } = second;
  const now = leader.machine.wallSec();
  const value = `led twice ${cluster.timeline.nowMs}`;
  const command = encodeSet("/twice", { value, created: now, updated: now });
  cluster.say("world", `${leader.address} leads term ${term} a second time`);
  cluster.write(leader, command, (error) => {
    const index = indexOf(leader, command);
    if (error !== failReason.success || index === null) return;
    // By then the other one knows as well that it is committed.
    cluster.timeline.after(300, () =>
      meet(cluster, second, { away: leader === a ? b : a, index, command }),
    );
  });
}

interface Written {
  readonly away: AnySeat;
  readonly index: number;
  readonly command: Uint8Array;
}

function meet(
  cluster: Cluster,
  { ours, term, heal }: Second,
  { away, index, command }: Written,
): void {
  const { timeline } = cluster;
  away.kill();
  heal();
  let isWarned = false;
  cluster.when(
    storyMsMax,
    () => {
      if (away.standing() !== null) return true;
      isWarned ||= (ours.view()?.raft.secondTerm ?? 0) >= term;
      return isWarned && leads(ours) ? true : null;
    },
    () => {
      const standing = ours.standing();
      // What a dump has taken away cannot be looked at.
      // It has been started again before it met any of them, and cannot know that the term was led twice.
      if (!isWarned || standing === null || !leads(ours) || index < standing.firstIndex) return;
      const entry = standing.entryAt(index);
      if (entry !== undefined && Buffer.compare(entry.command, command) === 0) return;
      const what = `leads term ${termOf(ours)} without entry ${index}/${term}, acknowledged`;
      cluster.fail(new Violation("acknowledged-stays", `${ours.address} ${what}`));
    },
  );
  timeline.after(3_000, () => ours.kill());
  timeline.after(3_100, () => ours.start());
  timeline.after(8_000, () => {
    away.start();
    cluster.quietUntilMs = timeline.nowMs + 2_000;
  });
}

function indexOf(seat: AnySeat, command: Uint8Array): number | null {
  const standing = seat.standing();
  if (standing === null) return null;
  for (let index = standing.lastIndex; index >= standing.firstIndex; index -= 1) {
    const entry = standing.entryAt(index);
    if (entry !== undefined && Buffer.compare(entry.command, command) === 0) return index;
  }
  return null;
}

function startAgain(cluster: Cluster, { a, b }: Three): void {
  // The first one is dialed by the later one, which would wait for long if nobody took its call.
  for (const [at, seat] of [a, b].sort(byAddress).entries()) {
    seat.kill();
    cluster.timeline.after(50 * (at + 1), () => seat.start());
  }
}

function byAddress(one: AnySeat, other: AnySeat): number {
  return one.address < other.address ? -1 : 1;
}
