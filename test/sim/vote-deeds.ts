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
} from "./stage.js";

/** The longest that it takes. */
const quietMs = 16_000;

/**
 * As the story of a false height, from its beginning on and with nothing else amid it: the two that forget
 * start again, and fail to elect one of them until that one's term is high. It stops with its first entry.
 * Ours goes on with the other one at a lower term, and is started again when it has stored what is committed
 * then: so it does not lead when the first one comes back, and is asked for its vote.
 */
export function asksForVote(cluster: Cluster, deed: Deed): void {
  const forgetful = cluster.seats.filter((seat) => !(seat instanceof Seat));
  const [a, b] = turned(forgetful, deed.other);
  if (a === undefined || b === undefined || cluster.size !== 3) return;
  const ours = cluster.seats.find((seat) => seat instanceof Seat);
  if (ours === undefined) return;
  const { network, timeline } = cluster;
  const alone = endsInTime(cluster, split(cluster, [ours], { keeps: [] }));
  cluster.quietUntilMs = timeline.nowMs + quietMs;
  // The first ones are dialed by the later ones, who would wait for long if nobody took their call.
  for (const [at, seat] of forgetful.entries()) startAgain(cluster, seat, 50 * (at + 1));
  // They have a link before the one way is cut, and elect nobody before.
  timeline.after(250, () => {
    network.block(a.address, b.address);
    const heard = endsInTime(cluster, () => network.unblock(a.address, b.address));
    const due = termOf(ours) + 4;
    const isHigh = () => (Math.max(termOf(a), termOf(b)) >= due ? true : null);
    cluster.when(storyMsMax, isHigh, () => {
      heard();
      const wins = () => [a, b].find((seat) => leads(seat) && termOf(seat) >= due) ?? null;
      cluster.when(waitMsMax, wins, (high) => {
        alone();
        comesBackLate(cluster, { high, low: high === a ? b : a, ours });
      });
    });
  });
}

/** The one with the high last term is away while the others commit behind it; then one of these is. */
function comesBackLate(
  cluster: Cluster,
  { high, low, ours }: { readonly high: AnySeat; readonly low: AnySeat; readonly ours: Seat },
): void {
  const { timeline } = cluster;
  const { lastIndex = 0, term = 0 } = high.standing() ?? {};
  cluster.say("world", `${high.address} stops at ${lastIndex} with an entry of term ${term}`);
  high.kill();
  timeline.after(storyMsMax, () => high.start());
  startAgain(cluster, low, 50);
  const isBehind = () => {
    // What it has not stored it does not know after a restart.
    const { commitIndex } = ours.durable.meta();
    const last = ours.standing()?.entryAt(commitIndex)?.term ?? term;
    return commitIndex > lastIndex + 2 && last < term ? true : null;
  };
  cluster.when(2 * waitMsMax, isBehind, () => {
    cluster.say("world", `${high.address} is back, ${low.address} away`);
    low.kill();
    startAgain(cluster, ours, 20);
    startAgain(cluster, high, 120);
    timeline.after(4_000, () => {
      low.start();
      cluster.quietUntilMs = timeline.nowMs;
    });
  });
}

function startAgain(cluster: Cluster, seat: AnySeat, afterMs: number): void {
  seat.kill();
  cluster.timeline.after(afterMs, () => seat.start());
}
