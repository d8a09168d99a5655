import type { Cluster } from "./cluster.js";
import type { Deed } from "./deeds.js";
import { Seat } from "./seat.js";
import { type AnySeat, between, cut, turned, type Way, waitMsMax, write } from "./stage.js";

/** How long the second half and an emptied member are left alone: enough for some elections. */
export const aloneMs = 3_500;
/** One at a time: each would spoil the other. */
const sceneMsMax = 7_000;
const sceneOf = new WeakMap<Cluster, Scene>();

/**
 * Two halves of a cluster and one member more, which is a majority with either half: what it has promised to
 * the first half the second one does not know.
 */
export class Scene {
  readonly cluster: Cluster;
  readonly deed: Deed;
  readonly leader: Seat;
  /** The leader, and as many as make a majority with the one in the middle. */
  readonly first: readonly Seat[];
  readonly middle: Seat;
  readonly second: readonly Seat[];
  isOver = false;
  readonly #ends: (() => void)[] = [];

  private constructor(cluster: Cluster, deed: Deed, [leader, rest]: [Seat, readonly Seat[]]) {
    const half = (cluster.size - 1) / 2;
    this.cluster = cluster;
    this.deed = deed;
    this.leader = leader;
    this.middle = rest[0] ?? leader;
    this.first = [leader, ...rest.slice(1, half)];
    this.second = rest.slice(half);
  }

  /** Null where the cluster is not as it has to be. */
  static begin(cluster: Cluster, deed: Deed): Scene | null {
    const leader = cluster.leader();
    if (!(leader instanceof Seat) || cluster.size % 2 === 0 || cluster.size < 3) return null;
    if (sceneOf.get(cluster)?.isOver === false) return null;
    const seats = cluster.seats.filter((seat) => seat instanceof Seat);
    const isComplete = seats.length === cluster.size;
    if (!isComplete || seats.some((seat) => !isAtHand(seat, leader))) return null;
    const rest = seats.filter((seat) => seat !== leader);
    const scene = new Scene(cluster, deed, [leader, turned(rest, deed.other)]);
    sceneOf.set(cluster, scene);
    cluster.timeline.after(sceneMsMax, () => scene.end());
    return scene;
  }

  /** Mends whatever was cut or slowed. */
  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.cluster.say("world", "the story ends");
    for (const end of this.#ends) end();
  }

  /** @param end Called once, by the function that is returned or when all is over. */
  ends(end: () => void): () => void {
    let isDone = false;
    const once = () => {
      if (!isDone) end();
      isDone = true;
    };
    this.#ends.push(once);
    return once;
  }

  cut(ways: readonly Way[]): () => void {
    return this.ends(cut(this.cluster, ways));
  }

  after(ms: number, run: () => void): void {
    this.cluster.timeline.after(ms, () => {
      if (!this.isOver) run();
    });
  }

  when<T>(look: () => T | null, then: (found: T) => void): void {
    this.cluster.when(waitMsMax, look, (found) => {
      if (!this.isOver) then(found);
    });
  }

  say(what: string): void {
    this.cluster.say("world", what);
  }

  write(seat: AnySeat, entries: { readonly count: number; readonly bytes: number }): void {
    write(this.cluster, seat, this.deed, entries);
  }

  /** Commits entries with the middle one, of which the second half hears nothing. */
  commitBehind(
    entries: { readonly count: number; readonly bytes: number },
    then: (range: { readonly from: number; readonly to: number }) => void,
  ): void {
    const { leader, first, second } = this;
    this.cut(between(first, second));
    const from = (leader.standing()?.lastIndex ?? 0) + 1;
    const to = from + entries.count - 1;
    this.write(leader, entries);
    const isDone = () => ((leader.standing()?.commitIndex ?? 0) >= to ? true : null);
    this.when(isDone, () => then({ from, to }));
  }

  /** The first half is cut off with all that it knows; what is left is a majority. */
  leaveAlone(): void {
    const { first, middle } = this;
    this.say(`${first.map(({ address }) => address)} cut off`);
    this.cut(between(first, [middle]));
    this.after(aloneMs, () => this.end());
  }

  /** It starts again at once, after a kill or a loss of power. */
  again(seat: Seat): void {
    if (this.deed.seat % 2 === 0) seat.kill();
    else seat.losePower();
    seat.start();
  }
}

/** It runs, follows, and has what the leader has told it. */
function isAtHand(seat: Seat, leader: Seat): boolean {
  const standing = seat.standing();
  const isMember = standing?.others.length === leader.standing()?.others.length;
  if (standing === null || standing.mustRefetch || !isMember) return false;
  return seat === leader || seat.view()?.raft.leader === leader.address;
}
