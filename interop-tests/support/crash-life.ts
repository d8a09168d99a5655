import { cpSync, watch } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { encodeSet } from "../../protocol/log/kv-calls.js";
import { ObserverClient } from "../../src/client/observer-client.js";
import { type Ack, AckObserver } from "./ack-observer.js";
import { Chance } from "./chance.js";
import { differences } from "./compare.js";
import { CrashSeat } from "./crash-seat.js";
import { CrashWitness, conflictEntries, type Window } from "./crash-witness.js";
import { eventually } from "./eventually.js";
import { freeAddresses } from "./free-ports.js";
import { readJournal } from "./journal-reading.js";
import type { KvData } from "./kv-data.js";
import { mismatches, type NamedLog } from "./log-matching.js";
import { Scene } from "./scene.js";
import type { Kind } from "./seats.js";

export interface LifeOptions {
  readonly seed: number;
  /** SIGKILLs altogether, about. */
  readonly kills: number;
  /** Who sits where, in order of address. */
  readonly kinds: readonly Kind[];
  /** PySyncObj's, for the vanilla members. */
  readonly version: string;
  /** A log longer than this is compacted; null: the default, 5,000 entries. */
  readonly compactAbove: number | null;
  /** `some`: one, two or all of them at a time. */
  readonly victims: "some" | "all";
  /**
   * `dump`: when a dump has just got its name, so in a vanilla member before the journal is cut.
   * `switch`: exactly between the renames of dump and journal, all of them, ours only.
   */
  readonly moment: "random" | "dump" | "switch";
  /** How probable it is that one of those killed loses its disk as well. */
  readonly wipe?: number;
  /** Writes under way at once. */
  readonly writers?: number;
  /** Where the files and logs of a cluster go in which something went wrong; undefined: nowhere. */
  readonly keepIn?: string;
}

export interface LifeResult {
  readonly kills: number;
  /** Disks lost. */
  readonly wipes: number;
  readonly acked: number;
  /** Neither acknowledged nor refused: may be there or not. */
  readonly unknown: number;
  /** Of those acknowledged, the ones that our own client library has written. */
  readonly byClient: number;
  /** Writes that the client library called not done, and that are there all the same. */
  readonly undead: readonly string[];
  /** Keys of acknowledged writes that one member or more does not have, a line each. */
  readonly lost: readonly string[];
  /**
   * Of the lost ones, those acknowledged after the last kill by which a vanilla member can have forgotten
   * anything: it was between the renames, or its dump was on the way.
   */
  readonly unexplained: readonly string[];
  /**
   * Of the lost ones, those that a Quorate member holds in a file beside its journal, because a leader
   * without them made it drop them.
   */
  readonly keptBeside: number;
  /** Kills that found a majority of vanilla members between the two renames at once. */
  readonly cleared: number;
  /** No write was acknowledged any more although a majority ran: what each member says; null: no such thing. */
  readonly stuck: string | null;
  /** What two members hold differently. */
  readonly differing: readonly string[];
  /** What no Quorate member may do: see CrashWitness; an end of its own; a finding of lost data. */
  readonly faults: readonly string[];
  /** Terms that went back and votes that changed, of vanilla members. */
  readonly vanillaFaults: number;
  /** What the kills fell into, of all members. */
  readonly windows: ReadonlyMap<Window, number>;
}

const writersAtOnce = 6;
const writerPauseMs = 8;
const clientMsMax = 3_000;
/** Elections after a kill of all, on a busy machine; longer than this, nobody leads. */
const progressMsMax = 20_000;
/** From a start to the first compaction, on a busy machine. */
const doomMsMax = 6_000;
/** For the last one of three, which soon has nobody left to write with. */
const restMs = 250;
const settleMsMax = 60_000;
/** An acknowledgement that was under way when its member was killed is taken for one of before it. */
const ackMsMax = 200;

/** All that were to run do run, and no write is acknowledged for long. */
class Standstill extends Error {}

function hasGoneWrong({ lost, undead, stuck, differing, faults }: LifeResult): boolean {
  return stuck !== null || [lost, undead, differing, faults].some(({ length }) => length > 0);
}

/** Of one of ours: a vanilla member's log may hold what a term that was led twice has left. */
function logOf({ kind, name, dataDir, selfAddr }: CrashSeat): NamedLog[] {
  return kind === "quorate" ? [{ name, entries: readJournal(dataDir, selfAddr) }] : [];
}

/** What each member says of itself. */
async function stateOf(seats: readonly CrashSeat[]): Promise<string> {
  const all = seats.map(async (seat) => {
    const said = await seat.state().then(JSON.stringify, (error: unknown) => String(error));
    return `${seat.name}: ${said}`;
  });
  return (await Promise.all(all)).join("; ");
}

/** One cluster from its first start to its last kill. */
export class CrashLife {
  readonly #options: LifeOptions;
  readonly #chance: Chance;
  readonly #scene = new Scene();
  readonly #acked = new Map<string, Ack>();
  readonly #faults: string[] = [];
  /** Keys that the client library called not done, and why. */
  readonly #notDone = new Map<string, string>();
  #byClient = 0;
  #cleared = 0;
  /** When a vanilla member was started again that can have forgotten something: milliseconds since 1970. */
  #forgottenAtMs = Number.NEGATIVE_INFINITY;
  #witnesses: readonly CrashWitness[] = [];
  #unknown = 0;
  #kills = 0;
  #wipes = 0;
  /** The last entry acknowledged when a disk was lost: a member that has applied it was brought up to date. */
  #ackedAtWipe = 0;
  #stuck: string | null = null;
  #isWriting = true;

  constructor(options: LifeOptions) {
    this.#options = options;
    this.#chance = new Chance(options.seed);
  }

  /** @param progress Called after each round of kills. */
  async run(progress: (kills: number, acked: number) => void = () => {}): Promise<LifeResult> {
    let result: LifeResult | null = null;
    try {
      result = await this.#run(progress);
      return result;
    } finally {
      this.#isWriting = false;
      if (result === null || hasGoneWrong(result)) this.#keep();
      await this.#scene.close();
    }
  }

  #keep(): void {
    const { keepIn, seed } = this.#options;
    if (keepIn === undefined) return;
    cpSync(this.#scene.folder, join(keepIn, `seed-${seed}`), { recursive: true });
  }

  async #run(progress: (kills: number, acked: number) => void): Promise<LifeResult> {
    const seats = await this.#seats();
    this.#witnesses = seats.map((seat) => new CrashWitness(seat));
    const observer = new AckObserver(seats.map(({ selfAddr }) => selfAddr));
    await observer.start();
    const asking = this.#keepAsking();
    try {
      const { moment, writers: count = writersAtOnce } = this.#options;
      await Promise.all(seats.map((seat) => seat.start(moment === "switch")));
      const writers = Array.from({ length: count }, (_, n) => this.#write(observer, n));
      writers.push(this.#writeByClient(seats.map(({ selfAddr }) => selfAddr)));
      await this.#rounds(seats.length, progress).catch(async (error: unknown) => {
        if (!(error instanceof Standstill)) throw error;
        this.#stuck = `after ${this.#kills} kills: ${error.message}: ${await stateOf(seats)}`;
      });
      this.#isWriting = false;
      await Promise.all([...writers, asking]);
      return await this.#judge(seats);
    } finally {
      this.#isWriting = false;
      await observer.close();
    }
  }

  async #rounds(
    seatsCount: number,
    progress: (kills: number, acked: number) => void,
  ): Promise<void> {
    const { moment, kills } = this.#options;
    while (this.#kills < kills) {
      if (moment === "switch") await this.#doomedRound(this.#kills + seatsCount < kills);
      else await this.#round();
      progress(this.#kills, this.#acked.size);
    }
    await this.#progress(20);
  }

  async #seats(): Promise<CrashSeat[]> {
    const { kinds, version, compactAbove } = this.#options;
    const found = await freeAddresses(2 * kinds.length);
    const addresses = found.slice(0, kinds.length);
    return addresses.map((selfAddr, at) => {
      const kind = kinds[at] ?? "quorate";
      const http = kind === "quorate" ? (found[kinds.length + at] ?? null) : null;
      const partners = addresses.filter((address) => address !== selfAddr);
      return new CrashSeat(this.#scene, { kind, version, selfAddr, partners, http, compactAbove });
    });
  }

  async #write(observer: AckObserver, writer: number): Promise<void> {
    for (let n = 0; this.#isWriting; n++) {
      if (observer.leader === null) {
        await sleep(writerPauseMs);
        continue;
      }
      const key = `/crash/${writer}/${n}`;
      const now = Date.now() / 1000;
      const ack = await observer.write(encodeSet(key, { value: key, created: now, updated: now }));
      if (ack === null) this.#unknown += 1;
      else this.#acked.set(key, ack);
      await sleep(writerPauseMs);
    }
  }

  /** As an application does it, with the library's own word for what became of a write. */
  async #writeByClient(addresses: readonly string[]): Promise<void> {
    const client = await this.#connect(addresses);
    for (let n = 0; this.#isWriting && client !== null; n++) {
      const key = `/crash/client/${n}`;
      const outcome = await client.set(key, key, { timeoutMs: clientMsMax });
      if (outcome.ok) {
        const { index, term } = outcome;
        this.#acked.set(key, { index, term, atMs: Date.now() });
        this.#byClient += 1;
      } else if (outcome.mayBeDone) this.#unknown += 1;
      else this.#notDone.set(key, outcome.reason);
      await sleep(writerPauseMs);
    }
    await client?.close();
  }

  async #connect(addresses: readonly string[]): Promise<ObserverClient | null> {
    while (this.#isWriting) {
      const options = { addresses, connectTimeoutMs: clientMsMax };
      const client = await ObserverClient.connect(options).catch(() => null);
      if (client !== null) return client;
    }
    return null;
  }

  async #keepAsking(): Promise<void> {
    while (this.#isWriting) {
      await Promise.all(this.#witnesses.map((witness) => witness.ask()));
      await sleep(100);
    }
  }

  /** Waits for the moment of the next kill: mostly amid writes, sometimes amid a start or election. */
  async #moment(): Promise<void> {
    if (this.#options.moment === "dump") {
      await this.#progress(1);
      await this.#nextDump();
    } else if (this.#chance.is(0.75)) {
      await this.#progress(1 + this.#chance.pick(30));
      await sleep(this.#chance.pick(60));
    } else await sleep(this.#chance.pick(400));
  }

  async #progress(count: number): Promise<void> {
    const wanted = this.#acked.size + count;
    const options = { timeoutMs: progressMsMax, everyMs: 5 };
    await eventually("a write is acknowledged", () => this.#acked.size >= wanted, options).catch(
      (cause: unknown) => {
        throw new Standstill(`nothing acknowledged in ${progressMsMax} ms`, { cause });
      },
    );
  }

  /** Each kills itself; those that are left over without a majority are killed a little later. */
  async #doomedRound(again: boolean): Promise<void> {
    const all = this.#witnesses;
    let endedCount = 0;
    const ending = all.map(async ({ seat }) => {
      await seat.ended();
      endedCount += 1;
      if (endedCount > all.length / 2) await sleep(restMs);
      else await new Promise(() => {});
    });
    await Promise.race([...ending, sleep(doomMsMax, null, { ref: false })]);
    for (const witness of all) {
      await witness.seat.kill();
      this.#checkLog(witness.seat);
      await witness.look();
    }
    this.#kills += all.length;
    for (const { seat } of all) await seat.start(again);
  }

  async #round(): Promise<void> {
    await this.#moment();
    const { victims, moment } = this.#options;
    const all = this.#witnesses;
    const count = victims === "all" ? all.length : 1 + this.#chance.pick(all.length);
    const chosen = this.#chance.some(all, count);
    const loser = await this.#loser(chosen);
    const delays = chosen.map(() => (this.#chance.is(0.5) ? 0 : this.#chance.pick(40)));
    await Promise.all(
      chosen.map(async ({ seat }, at) => {
        if (moment !== "dump") await sleep(delays[at] ?? 0);
        this.#checkRunning(seat);
        await seat.kill();
        this.#checkLog(seat);
      }),
    );
    this.#kills += chosen.length;
    if (loser !== null) this.#wipes += 1;
    await Promise.all(
      chosen.map(async (witness) => {
        await witness.look();
        if (witness.seat.kind === "vanilla" && witness.mayForget) this.#forgottenAtMs = Date.now();
        if (witness === loser) witness.loseDisk();
        await sleep(this.#chance.is(0.5) ? 0 : this.#chance.pick(120));
        await witness.seat.start();
      }),
    );
    const cleared = chosen.filter((one) => one.seat.kind === "vanilla" && one.wasBetween);
    if (cleared.length > all.length / 2) this.#cleared += 1;
  }

  /** Who of them loses its disk. A majority of three keeps theirs, so all are whole before it. */
  async #loser(chosen: readonly CrashWitness[]): Promise<CrashWitness | null> {
    if (!this.#chance.is(this.#options.wipe ?? 0)) return null;
    const whole = this.#witnesses.map(({ seat }) => seat.isWhole(this.#ackedAtWipe));
    if ((await Promise.all(whole)).includes(false)) return null;
    this.#ackedAtWipe = Math.max(0, ...[...this.#acked.values()].map(({ index }) => index));
    return this.#chance.some(chosen, 1)[0] ?? null;
  }

  /** A new file under the dump's name: upstream's child renames it, the parent cuts the journal later. */
  #nextDump(): Promise<void> {
    return new Promise((resolve) => {
      const watchers = this.#witnesses.map(({ seat }) =>
        watch(seat.dataDir, (_, name) => {
          if (name?.endsWith(".dump") === true) done();
        }),
      );
      const timer = setTimeout(() => done(), progressMsMax);
      const done = () => {
        clearTimeout(timer);
        for (const watcher of watchers) watcher.close();
        resolve();
      };
    });
  }

  #checkRunning(seat: CrashSeat): void {
    if (seat.isRunning || seat.kind === "vanilla") return;
    this.#faults.push(`${seat.name} ended by itself:\n${seat.log().slice(-2000)}`);
  }

  /** A kill leaves the system's cache: a start may find unfinished writes, never a loss. */
  #checkLog(seat: CrashSeat): void {
    if (seat.kind === "vanilla") return;
    const isMixed = this.#options.kinds.includes("vanilla");
    for (const line of seat.log().split("\n")) {
      // A member that came to a cluster without files waits for a leader, over restarts as well.
      if (line.includes("incomplete at the last start")) continue;
      // Two vanilla members have elected one that has lost them: counted with what is lost.
      if (isMixed && /committed entries|committed-entries-conflict/.test(line)) continue;
      if (/"level":"error"|mustRefetch":true|degraded/.test(line)) {
        this.#faults.push(`${seat.name} says ${line}`);
      }
    }
  }

  async #judge(seats: readonly CrashSeat[]): Promise<LifeResult> {
    const { all, differing } = await this.#settled(seats);
    const lost: string[] = [];
    const unexplained: string[] = [];
    const beside = new Set(seats.flatMap(conflictEntries));
    let keptBeside = 0;
    for (const [key, { index, term, atMs }] of this.#acked) {
      const without = seats.filter((_, at) => all[at]?.entries[key]?.value !== key);
      if (without.length === 0) continue;
      if (beside.has(`${index} ${term}`)) keptBeside += 1;
      const where = without.map(({ name }) => name).join(", ");
      lost.push(`${key}, acknowledged at index ${index} of term ${term}, is not on ${where}`);
      if (atMs > this.#forgottenAtMs + ackMsMax) unexplained.push(lost.at(-1) ?? key);
    }
    const undead = [...this.#notDone]
      .filter(([key]) => all.some(({ entries }) => key in entries))
      .map(([key, reason]) => `${key} is there, and was called not done: ${reason}`);
    for (const seat of seats) {
      this.#checkRunning(seat);
      await seat.kill();
      this.#checkLog(seat);
    }
    const windows = new Map<Window, number>();
    const faults = [...this.#faults, ...mismatches(seats.flatMap(logOf))];
    let vanillaFaults = 0;
    for (const witness of this.#witnesses) {
      await witness.look();
      for (const [window, count] of witness.found) {
        windows.set(window, (windows.get(window) ?? 0) + count);
      }
      if (witness.seat.kind === "quorate") faults.push(...witness.faults);
      else vanillaFaults += witness.faults.length;
    }
    const [kills, acked, unknown] = [this.#kills, this.#acked.size, this.#unknown];
    const counts = {
      kills,
      acked,
      unknown,
      byClient: this.#byClient,
      wipes: this.#wipes,
      cleared: this.#cleared,
      vanillaFaults,
    };
    const gone = { lost, unexplained, keptBeside, undead };
    return { ...counts, ...gone, stuck: this.#stuck, differing, faults, windows };
  }

  /** What all members hold once they have applied the same, or what they hold when they never do. */
  async #settled(seats: readonly CrashSeat[]): Promise<{ all: KvData[]; differing: string[] }> {
    let all: KvData[] = [];
    const differing: string[] = [];
    try {
      await eventually(
        "the same applied index on all members",
        async () => {
          all = await Promise.all(seats.map((seat) => seat.data()));
          const indexes = all.map(({ appliedIndex }) => appliedIndex);
          if (new Set(indexes).size > 1) throw new Error(`applied: ${indexes.join(", ")}`);
          return true;
        },
        { timeoutMs: settleMsMax },
      );
    } catch (error) {
      differing.push(String(error));
    }
    const [first, ...others] = all;
    if (first !== undefined) {
      for (const data of others) differing.push(...differences(first, data));
    }
    return { all, differing };
  }
}
