import type { Dump } from "../../protocol/files/dump-format.js";
import { commandType, decodeCommand } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import type { Clock } from "../clock.js";
import { type Applied, Store } from "../store/store.js";
import { nodeLimits } from "./limits.js";
import type { Notes } from "./notes.js";
import type { Proposals } from "./proposals.js";

export interface ApplierHost {
  readonly clock: Clock;
  readonly proposals: Proposals;
  readonly notes: Notes;
  /** The store holds the effects of all entries up to here. */
  applied(index: number): void;
  /** What the store held is gone; `dumpIndex` is where the dump that it is now ends, null: as before. */
  replaced(dumpIndex: number | null): void;
  /** The newest dump on disk, null where there is none. */
  readDump(): Promise<Dump | null>;
  failed(error: Error): void;
}

/** The store and how it follows the log: nothing else changes it. */
export class Applier {
  readonly #host: ApplierHost;
  #store: Store;
  /** Enabled code version: KVStoreTTL's functions are all of version 0. */
  codeVersion: number;
  #appliedIndex: number;
  /** Given out, and not applied yet, from `#nextAt` on. */
  #waiting: Entry[] = [];
  #nextAt = 0;
  #isWorking = false;
  #isScheduled = false;
  /** Entries given out while the store is being built again; null at all other times. */
  #postponed: Entry[] | null = null;

  constructor(host: ApplierHost, dump: Dump | null) {
    this.#host = host;
    this.#store = dump === null ? new Store() : Store.fromDump(dump.data);
    this.codeVersion = dump?.codeVersion ?? 0;
    this.#appliedIndex = dump?.last.index ?? 1;
  }

  get store(): Store {
    return this.#store;
  }

  /**
   * The entry up to which the store holds all effects, and none beyond; null while it is being
   * built again. The core learns of it a little later: what is read from the store belongs to this.
   */
  get appliedIndex(): number | null {
    return this.#postponed === null ? this.#appliedIndex : null;
  }

  /** As many at once as a turn of the loop has time for, the rest in the next turns. */
  apply(entries: readonly Entry[]): void {
    const list = this.#postponed ?? this.#waiting;
    for (const entry of entries) list.push(entry);
    if (list === this.#waiting && !this.#isWorking && !this.#isScheduled) this.#work();
  }

  /** After committed entries had to go: the store again, from the dump and these entries. */
  rebuild(entries: readonly Entry[]): void {
    if (this.#postponed !== null) {
      this.#host.failed(new Error("a second conflict while the store is being built again"));
      return;
    }
    const postponed: Entry[] = [];
    this.#postponed = postponed;
    // They are among the entries from which the store is built, or have to go.
    this.#clearWaiting();
    this.#host.replaced(null);
    this.#host.readDump().then(
      (dump) => {
        // A leader's dump has replaced the store meanwhile, or a later rebuild has begun.
        if (this.#postponed === postponed) this.#rebuildFrom(dump, entries, postponed);
      },
      (error: unknown) => {
        if (this.#postponed !== postponed) return;
        this.#host.failed(new Error("cannot read the dump", { cause: error }));
      },
    );
  }

  /** A leader's dump, and the store built from it, take the place of what was here. */
  install(dump: Dump, store: Store): void {
    this.#postponed = null;
    this.#clearWaiting();
    this.#store = store;
    this.codeVersion = dump.codeVersion;
    this.#appliedIndex = dump.last.index;
    this.#host.replaced(dump.last.index);
    this.#host.proposals.pending.appliedByDump(dump.last.index);
  }

  #rebuildFrom(dump: Dump | null, entries: readonly Entry[], postponed: readonly Entry[]): void {
    const store = dump === null ? new Store() : Store.fromDump(dump.data);
    const from = dump?.last.index ?? 1;
    const appliedBefore = this.#appliedIndex;
    this.#store = store;
    this.#appliedIndex = from;
    for (const entry of entries) {
      if (entry.index <= from) continue;
      const applied = this.#applyOne(entry);
      // It waited for its turn when the conflict came, and so does whoever wrote it.
      if (entry.index > appliedBefore) this.#host.proposals.pending.applied(entry, applied);
    }
    // What this brings about still comes behind what was postponed.
    if (this.#appliedIndex > appliedBefore) this.#host.applied(this.#appliedIndex);
    this.#postponed = null;
    this.apply(postponed);
  }

  #work(): void {
    this.#isScheduled = false;
    const { clock, proposals } = this.#host;
    const untilMs = clock.monotonicMs() + nodeLimits.applyTurnMsMax;
    let index = 0;
    this.#isWorking = true;
    do {
      const entry = this.#waiting[this.#nextAt];
      if (entry === undefined) break;
      this.#nextAt += 1;
      const applied = this.#applyOne(entry);
      proposals.pending.applied(entry, applied);
      index = entry.index;
    } while (clock.monotonicMs() < untilMs);
    this.#isWorking = false;
    if (this.#nextAt === this.#waiting.length) this.#clearWaiting();
    else {
      this.#isScheduled = true;
      clock.soon(() => this.#work());
    }
    if (index > 0) this.#host.applied(index);
  }

  #clearWaiting(): void {
    this.#waiting = [];
    this.#nextAt = 0;
  }

  #applyOne(entry: Entry): Pick<Applied, "result"> {
    if (entry.command[0] === commandType.version) this.#applyVersion(entry);
    const outcome = this.#store.apply(entry.command, entry.index);
    this.#appliedIndex = entry.index;
    if (!("raised" in outcome)) return outcome;
    this.#host.notes.say({
      level: "warn",
      code: "raising-entry",
      text:
        `entry ${entry.index} of term ${entry.term} changes nothing: ${outcome.raised}. Every ` +
        "PySyncObj member stops applying at it, after restarts too.",
    });
    return { result: null };
  }

  #applyVersion(entry: Entry): void {
    try {
      const command = decodeCommand(entry.command);
      if (command.kind === "version" && command.version === 0) this.codeVersion = 0;
    } catch {
      // The store says why the entry is none.
    }
  }
}
