import { eventually } from "./eventually.js";
import { freeAddresses } from "./free-ports.js";
import { pysyncobjVersions } from "./python.js";
import type { Scene } from "./scene.js";
import { type Kind, type Seat, type SeatsOptions, startSeat, watch } from "./seats.js";
import type { VanillaNode } from "./vanilla-client.js";

const versionsWithoutTransfer: readonly string[] = pysyncobjVersions.slice(
  0,
  pysyncobjVersions.indexOf("0.3.16"),
);

/** A leader in a cluster that is starting, on a machine that is busy. */
const leaderMsMax = 60_000;

/** Members of both kinds that were started with each other as partners. */
export class Cluster {
  readonly scene: Scene;
  readonly options: SeatsOptions;
  /** In order of address. */
  readonly seats: Seat[];

  constructor(scene: Scene, options: SeatsOptions, seats: Seat[]) {
    this.scene = scene;
    this.options = options;
    this.seats = seats;
  }

  get addresses(): readonly string[] {
    return this.options.addresses;
  }

  observer(): Promise<VanillaNode> {
    return watch(this.scene, this.options);
  }

  at(address: string): Seat {
    const seat = this.seats.find(({ selfAddr }) => selfAddr === address);
    if (seat === undefined) throw new Error(`nobody sits at ${address}`);
    return seat;
  }

  /** Starts the seat's member again, on its files. */
  async restart(seat: Seat): Promise<Seat> {
    const again = await startSeat(this.scene, this.options, seat.kind, seat.selfAddr);
    this.seats[this.seats.indexOf(seat)] = again;
    return again;
  }

  /** The member that all that run say leads, whatever they have applied: writes may go on. */
  oneLeader(): Promise<Seat> {
    return eventually(
      "one leader for all",
      async () => {
        const running = this.seats.filter(({ child }) => child.isRunning);
        const leaders = new Set(
          await Promise.all(running.map(async (seat) => (await seat.state()).leader)),
        );
        return leaders.size === 1 && running.find(({ selfAddr }) => leaders.has(selfAddr));
      },
      { timeoutMs: leaderMsMax },
    );
  }

  /** The leader once all members that run follow it and have applied what it has. */
  leader(): Promise<Seat> {
    return eventually(
      "a leader that all members follow",
      async () => {
        const running = this.seats.filter(({ child }) => child.isRunning);
        const states = await Promise.all(running.map((seat) => seat.state()));
        const first = states[0];
        const agree = states.every(
          ({ leader, appliedIndex, term }) =>
            leader === first?.leader &&
            appliedIndex === first?.appliedIndex &&
            term === first?.term,
        );
        const leader = agree ? first?.leader : null;
        const seat = this.seats.find(({ selfAddr }) => selfAddr === leader);
        return seat?.child.isRunning === true && seat;
      },
      { timeoutMs: leaderMsMax },
    );
  }

  /** Has a member lead that is wanted: by transfers, and where they are not known by restarts. */
  async makeLead(wanted: (seat: Seat) => boolean): Promise<Seat> {
    return eventually(
      "the wanted leader",
      async () => {
        const leader = await this.leader();
        if (wanted(leader)) return leader;
        const target = this.seats.find((seat) => seat.child.isRunning && wanted(seat));
        if (target === undefined) throw new Error("none of the members is wanted as the leader");
        if (!(await this.#transfer(leader, target))) await this.#bounce(leader);
        return null;
      },
      { timeoutMs: leaderMsMax, everyMs: 500 },
    );
  }

  /** Older vanilla members would leave the question without an answer, until its time is over. */
  async #transfer(from: Seat, to: Seat): Promise<boolean> {
    const { version } = this.options;
    if (from.kind === "vanilla" && versionsWithoutTransfer.includes(version)) return false;
    const request = { command: "transfer", address: to.selfAddr } as const;
    const reply = await from.change(request).catch(() => "no answer");
    return reply.startsWith("SUCCESS");
  }

  /** The others elect somebody meanwhile. */
  async #bounce(seat: Seat): Promise<void> {
    await seat.stop("SIGKILL");
    await this.leader();
    await this.restart(seat);
  }
}

/** Starts members of these kinds at ascending addresses and waits for their leader. */
export async function startCluster(
  scene: Scene,
  options: Omit<SeatsOptions, "addresses">,
  kinds: readonly Kind[],
): Promise<Cluster> {
  const addresses = await freeAddresses(kinds.length);
  const given = { ...options, addresses };
  const seats = await Promise.all(
    addresses.map((address, i) => startSeat(scene, given, kinds[i] ?? "quorate", address)),
  );
  const cluster = new Cluster(scene, given, seats);
  await cluster.leader();
  return cluster;
}
