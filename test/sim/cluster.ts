import type { PeerMessage } from "../../protocol/wire/messages.js";
import { parseStatus, parseUtility } from "../../protocol/wire/utility.js";
import type { GuardName } from "../../src/raft/types.js";
import type { Chance } from "./chance.js";
import type { Bounds } from "./checkers/bounds.js";
import type { MemberView, Told } from "./checkers/checker.js";
import type { Bench, Judge } from "./judge.js";
import { Seat } from "./seat.js";
import { type Question, SimNetwork } from "./sim-network.js";
import { SliceCount } from "./slices.js";
import type { AnySeat, Standing } from "./standing.js";
import { Timeline } from "./timeline.js";
import { shownMessage, type Trace } from "./trace.js";
import { VanillaSeat } from "./vanilla-seat.js";

export type MemberKind = "quorate" | "0.3.15" | "0.3.17";

export interface ClusterOptions {
  readonly chance: Chance;
  readonly trace: Trace;
  readonly judge: Judge;
  /** For each seat: what kind of member sits there. */
  readonly members: readonly MemberKind[];
  readonly compactionEntries: number;
  readonly compactionMs: number;
  /** Mean time that a message travels where nothing slows it. */
  readonly wireMs: number;
  readonly guardsOff?: ReadonlySet<GuardName>;
  /** See Machine, and SeatHost. Null: the processor takes no time, and nothing is done in slices. */
  readonly work: { readonly chance: Chance; readonly keysPerSlice: number } | null;
  /** What our members hold, where that is to be less than usual. */
  readonly bounds?: Bounds | undefined;
  /** Vanilla members are never stopped: then they forget nothing. */
  readonly vanillaStays?: boolean;
  /** Members come and go: then vanilla ones ask each other who is one, as Patroni's do. */
  readonly changesMembers?: boolean;
}

/** Members on their machines, and everything that looks at them. */
export class Cluster implements Bench {
  readonly timeline = new Timeline();
  readonly chance: Chance;
  readonly trace: Trace;
  readonly network: SimNetwork;
  readonly judge: Judge;
  readonly vanillaStays: boolean;
  readonly changesMembers: boolean;
  /** What fell between two slices of a recursive delete. */
  readonly slices = new SliceCount();
  readonly seats: readonly (Seat | VanillaSeat)[];
  /** What brings those back that are away for as long as the others can do without. */
  readonly away: (() => void)[] = [];
  /** A story is being told that takes until then, and that any other deed would spoil. */
  quietUntilMs = 0;
  /** A disk was lost while members were being taken out: see `isTorn` in peace.ts. */
  lostAmidRemoval = false;
  /** Called when processes have come to rest; true: the moment is there. */
  readonly #watches = new Set<() => boolean>();
  /** Only what fails the run at once is thrown from within a process. */
  #failure: unknown = null;
  readonly #touched = new Set<Seat | VanillaSeat>();
  readonly #told: Told[] = [];

  constructor(options: ClusterOptions) {
    this.chance = options.chance;
    this.trace = options.trace;
    this.judge = options.judge;
    this.vanillaStays = options.vanillaStays === true;
    this.changesMembers = options.changesMembers === true;
    this.network = new SimNetwork({
      timeline: this.timeline,
      chance: this.chance.fork(),
      throughCodec: this.chance.is(0.5),
      wireMs: options.wireMs,
      watch: {
        sent: (from, to, message) => this.#sent(from, to, message),
        delivered: (from, to, message) => this.#delivered(from, to, message),
        asked: (from, question) => {
          if (isAboutState(question)) this.#ask(from, (view) => this.judge.asked(view, question));
        },
        answered: (from, question, value) => {
          if (!isAboutState(question)) return;
          this.#ask(from, (view) => this.judge.answered(view, question, parseStatus(value)));
        },
        link: (event, a, b) => {
          this.say(a, `link to ${b} ${event}`);
          if (event === "up") this.judge.linked(a, b);
        },
      },
    });
    this.seats = this.#makeSeats(options);
    for (const seat of this.seats) {
      const workMs = options.work?.chance.pick([0, 1, 4]) ?? 0;
      // A vanilla model does nothing until its time is up: the looks at the clock there are its links' own, and a leader
      // that sends a long log in one turn would take them for the time of its next heartbeat.
      if (seat instanceof Seat) seat.machine.workMs = workMs;
    }
  }

  #makeSeats(options: ClusterOptions): (Seat | VanillaSeat)[] {
    const { members, compactionEntries, compactionMs } = options;
    const partners = members.map((_, at) => `m${at + 1}:1`);
    const host = {
      network: this.network,
      chance: this.chance.fork(),
      partners,
      compactionEntries,
      touched: (seat: Seat | VanillaSeat) => void this.#touched.add(seat),
      say: (who: string, what: string) => this.say(who, what),
    };
    const quorate = {
      ...host,
      guardsOff: options.guardsOff ?? new Set<GuardName>(),
      compactionMs,
      keysPerSlice: options.work?.keysPerSlice,
      bounds: options.bounds,
      fail: (error: unknown) => this.fail(error),
    };
    const vanilla = { ...host, discovers: this.changesMembers };
    return partners.map((address, at) => {
      const kind = members[at] ?? "quorate";
      return kind === "quorate"
        ? new Seat(address, quorate)
        : new VanillaSeat(address, { ...vanilla, remembers: kind === "0.3.17" });
    });
  }

  say(who: string, what: string): void {
    this.trace.add(this.timeline.nowMs, who, what);
  }

  fail(error: unknown): void {
    this.#failure ??= error;
  }

  *views(): IterableIterator<MemberView> {
    for (const seat of this.seats) {
      const view = seat instanceof Seat ? seat.view() : null;
      if (view !== null) yield view;
    }
  }

  *standings(): IterableIterator<Standing> {
    for (const seat of this.seats) {
      const standing = seat.standing();
      if (standing !== null) yield standing;
    }
  }

  get isQuorateAlone(): boolean {
    return this.seats.every((seat) => seat instanceof Seat);
  }

  get size(): number {
    return this.seats.length;
  }

  holders(index: number, term: number): (Seat | VanillaSeat)[] {
    return this.seats.filter((seat) => seat.holds(index, term));
  }

  /** Whoever leads the highest term. */
  leader(): (Seat | VanillaSeat) | null {
    let best: { seat: Seat | VanillaSeat; term: number } | null = null;
    for (const seat of this.seats) {
      const standing = seat.standing();
      if (standing?.leads !== true) continue;
      if (best === null || standing.term > best.term) best = { seat, term: standing.term };
    }
    return best?.seat ?? null;
  }

  /** Waits for a moment, looked for whenever processes have come to rest; not longer than that. */
  when<T>(msMax: number, look: () => T | null, then: (found: T) => void): void {
    const untilMs = this.timeline.nowMs + msMax;
    this.#watches.add(() => {
      if (this.timeline.nowMs > untilMs) return true;
      const found = look();
      if (found !== null) then(found);
      return found !== null;
    });
  }

  /** A client of this member writes. */
  write(seat: AnySeat, command: Uint8Array, done?: (error: number) => void): void {
    const by = seat.address;
    seat.submit(command, (error) => {
      this.#told.push({ by, command, error });
      done?.(error);
    });
  }

  /** The member's disk is gone: it starts anew. */
  wipe(seat: Seat): void {
    seat.kill();
    seat.disk.image.wipe();
    this.judge.lostDisk(seat.address);
    this.say(seat.address, "disk lost");
  }

  /** The member's journal is an older one again, as where the disk has lost what it had confirmed. */
  rollBack(seat: Seat, journal: Buffer): void {
    seat.kill();
    seat.disk.image.replace(seat.durable.journalPath, journal);
    this.judge.lostDisk(seat.address);
    this.say(seat.address, "journal rolled back");
  }

  /** Lets things happen until then. Throws what went wrong. */
  async run(untilMs: number): Promise<void> {
    while (this.timeline.advance(untilMs)) {
      if (this.#touched.size > 0) await this.#settle();
      if (this.#failure !== null) throw this.#failure;
    }
  }

  /** @param haveAgreed False: nobody had to lead in the end, and the members need not be alike. */
  end(haveAgreed = true): void {
    this.judge.end(this, haveAgreed);
  }

  /** All that a process can do without the outside is done before the next event. */
  async #settle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    const touched = [...this.#touched];
    this.#touched.clear();
    for (const seat of touched) {
      if (seat instanceof Seat) {
        const view = seat.view();
        if (view === null) continue;
        this.judge.look(view, this);
        this.slices.look(view);
      } else {
        const standing = seat.standing();
        if (standing !== null) this.judge.lookAtVanilla(standing, this);
      }
    }
    for (const told of this.#told.splice(0)) {
      this.say(told.by, `client is told ${told.error}`);
      this.judge.told(told, this);
    }
    for (const watch of [...this.#watches]) if (watch()) this.#watches.delete(watch);
  }

  #sent(from: string, to: string, message: PeerMessage): void {
    this.#ask(from, (view) => this.judge.sent(view, to, message, this));
  }

  /** Has the judge look at a Quorate member that runs; thrown in here it would look like a fault of its own. */
  #ask(address: string, judge: (view: MemberView) => void): void {
    const seat = this.seats.find((each) => each.address === address);
    const view = seat instanceof Seat ? seat.view() : null;
    if (view === null) return;
    try {
      judge(view);
    } catch (error) {
      this.fail(error);
    }
  }

  #delivered(from: string, to: string, message: PeerMessage): void {
    this.#ask(to, (view) => this.judge.received(view, from, message));
    if (message.type.startsWith("quorate_p") && !message.type.includes("vote")) return;
    this.say(to, `from ${from}: ${shownMessage(message)}`);
  }
}

function isAboutState({ request }: Question): boolean {
  return parseUtility(request).command === "status";
}
