import type { LoadedDump } from "../../protocol/files/dump-format.js";
import { commandType, decodeCommand } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import type { Clock } from "../clock.js";
import { type Applied, Store } from "../store/store.js";
import { DataBound, type HeldBack } from "./data-bound.js";
import { nodeLimits } from "./limits.js";
import type { Notes } from "./notes.js";
import type { Proposals } from "./proposals.js";
import { SlicedApply } from "./sliced-apply.js";

export interface ApplierHost {
  readonly clock: Clock;
  /** As many as usual where it is not said. */
  readonly keysPerSlice?: number | undefined;
  readonly proposals: Proposals;
  readonly notes: Notes;
  /** The store holds the effects of all entries up to here. */
  applied(index: number): void;
  /** What the store held is gone; `dumpIndex` is where the dump that it is now ends, null: as before. */
  replaced(dumpIndex: number | null): void;
  /** Entries are committed that are not applied, null: no more. */
  heldBack(held: HeldBack | null): void;
  /** The newest dump on disk, null where there is none. */
  readDump(): Promise<LoadedDump | null>;
  failed(error: Error): void;
}

/** What came of a store that was built again. */
interface Rebuilt {
  readonly late: [Entry, Pick<Applied, "result">][];
  /** Those that are held back, with all behind them. */
  readonly rest: readonly Entry[];
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
  /** Of the next one. */
  readonly #slices = new SlicedApply();
  #isWorking = false;
  #isScheduled = false;
  /** Entries given out while the store is being built again; null at all other times. */
  #postponed: Entry[] | null = null;
  /** One after the other: each has all the values of a dump in memory beside what there is. */
  #building: Promise<void> = Promise.resolve();
  readonly #bound: DataBound;
  /** The first entry that waits is not applied before there is another store; null at all other times. */
  #heldBack: HeldBack | null = null;
  /** The host was told so last. */
  #isToldHeld = false;

  /**
   * @param dataBytesMax `quorate.max_data_bytes`.
   * @param lastIndex Of the log at the start.
   */
  constructor(
    host: ApplierHost,
    dump: LoadedDump | null,
    dataBytesMax = Number.POSITIVE_INFINITY,
    lastIndex = 0,
  ) {
    this.#host = host;
    const slice = host.keysPerSlice;
    this.#store = dump === null ? new Store(slice) : Store.fromDump(dump.data, slice);
    const stayingBytes = this.#store.bytes - this.#store.expiringBytes;
    this.#bound = new DataBound(dataBytesMax, { stayingBytes, lastIndex });
    this.codeVersion = dump?.codeVersion ?? 0;
    this.#appliedIndex = dump?.last.index ?? 1;
  }

  get store(): Store {
    return this.#store;
  }

  /** With this entry the data would be more than is held: neither it nor what follows is applied. */
  get heldBack(): HeldBack | null {
    return this.#heldBack;
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
    // At a start it is all of a long log: as many places as there are entries, and no more.
    if (this.#postponed === null && this.#waiting.length === 0) this.#waiting = [...entries];
    else for (const entry of entries) (this.#postponed ?? this.#waiting).push(entry);
    if (this.#postponed !== null || this.#isWorking || this.#isScheduled) return;
    if (this.#heldBack !== null) return;
    // What brought it here may have taken long as well.
    if (this.#nextIsLarge) this.#schedule();
    else this.#work();
  }

  /**
   * After committed entries had to go: the store again, from the dump and these entries, in slices. What
   * is there is as before until all of it is built. Another conflict meanwhile has it begun anew, once the
   * reading that is under way has ended: only the latest is carried out, whatever a leader demands.
   */
  rebuild(entries: readonly Entry[]): void {
    const postponed: Entry[] = [];
    this.#postponed = postponed;
    // They are among the entries from which the store is built, or have to go.
    this.#clearWaiting();
    this.#host.replaced(null);
    this.#building = this.#building
      .then(() => this.#rebuildFrom(entries, postponed))
      .catch((error: unknown) => {
        if (this.#postponed !== postponed) return;
        this.#host.failed(new Error("cannot build the store again", { cause: error }));
      });
  }

  /** A leader's dump, and the store built from it, take the place of what was here. */
  install(dump: LoadedDump, store: Store): void {
    this.#postponed = null;
    this.#clearWaiting();
    this.#store = store;
    this.codeVersion = dump.codeVersion;
    this.#appliedIndex = dump.last.index;
    this.#host.replaced(dump.last.index);
    this.#host.proposals.pending.appliedByDump(dump.last.index);
    this.#letGo();
  }

  async #rebuildFrom(entries: readonly Entry[], postponed: readonly Entry[]): Promise<void> {
    // A leader's dump has replaced the store meanwhile, or a later rebuild has begun.
    const isOver = () => this.#postponed !== postponed;
    if (isOver()) return;
    const dump = await this.#host.readDump();
    if (isOver()) return;
    assertJoins(dump, entries);
    const slice = this.#host.keysPerSlice;
    const steps = dump === null ? null : Store.fromDumpSteps(dump.data, undefined, slice);
    const store = steps === null ? new Store(slice) : await this.#inTurns(steps, isOver);
    if (store === null) return;
    const from = dump?.last.index ?? 1;
    const appliedBefore = this.#appliedIndex;
    const fresh = entries.filter(({ index }) => index > from);
    const rebuilt = await this.#inTurns(this.#applySteps(store, fresh, appliedBefore), isOver);
    if (rebuilt === null) return;
    const { late, rest } = rebuilt;
    this.#store = store;
    this.#appliedIndex = fresh[fresh.length - rest.length - 1]?.index ?? from;
    // They waited for their turn when the conflict came, and so do those who wrote them.
    for (const [entry, applied] of late) this.#host.proposals.pending.applied(entry, applied);
    // What this brings about still comes behind what was postponed.
    if (this.#appliedIndex > appliedBefore) this.#host.applied(this.#appliedIndex);
    this.#postponed = null;
    if (rest.length === 0) this.#letGo();
    // It is seen again that the first of them is too much.
    this.#heldBack = null;
    this.apply([...rest, ...postponed]);
  }

  /** Up to the entry with which the data would be too much. */
  *#applySteps(
    store: Store,
    entries: readonly Entry[],
    appliedBefore: number,
  ): Generator<void, Rebuilt> {
    const late: Rebuilt["late"] = [];
    const slices = new SlicedApply();
    for (const [i, entry] of entries.entries()) {
      const { command, index } = entry;
      while (store.sweep()) yield;
      if (this.#bound.refusal(store, command, index) !== null)
        return { late, rest: entries.slice(i) };
      let applied = this.#applyTo(store, entry, slices);
      for (; applied === null; applied = this.#applyTo(store, entry, slices)) yield;
      if (index > appliedBefore) late.push([entry, applied]);
      yield;
    }
    return { late, rest: [] };
  }

  /** As much at once as a turn of the loop has time for. @returns null where it is over before its end. */
  async #inTurns<T>(work: Generator<void, T>, isOver: () => boolean): Promise<T | null> {
    const { clock } = this.#host;
    while (!isOver()) {
      const untilMs = clock.monotonicMs() + nodeLimits.applyTurnMsMax;
      do {
        const step = work.next();
        if (step.done === true) return step.value;
      } while (clock.monotonicMs() < untilMs);
      await new Promise<void>((resolve) => clock.soon(resolve));
    }
    return null;
  }

  #work(): void {
    this.#isScheduled = false;
    const { clock, proposals } = this.#host;
    const untilMs = clock.monotonicMs() + nodeLimits.applyTurnMsMax;
    let index = 0;
    this.#isWorking = true;
    do {
      if (this.#store.sweep()) continue;
      const entry = this.#waiting[this.#nextAt];
      if (entry === undefined) break;
      if (!this.#slices.isUnderWay) {
        this.#heldBack = this.#bound.refusal(this.#store, entry.command, entry.index);
        if (this.#heldBack !== null) break;
      }
      const applied = this.#applyTo(this.#store, entry, this.#slices);
      if (applied === null) continue;
      this.#nextAt += 1;
      this.#appliedIndex = entry.index;
      proposals.pending.applied(entry, applied);
      index = entry.index;
    } while (!this.#nextIsLarge && clock.monotonicMs() < untilMs);
    this.#isWorking = false;
    this.#forgetApplied();
    const isWaiting = this.#waiting.length > 0 && this.#heldBack === null;
    if (isWaiting || this.#store.isSweeping) this.#schedule();
    if (index > 0) this.#host.applied(index);
    if (this.#heldBack === null) return;
    this.#isToldHeld = true;
    this.#host.heldBack(this.#heldBack);
  }

  /** The log may be rid of them long before all that waits is applied. */
  #forgetApplied(): void {
    const isMost = this.#nextAt * 2 >= this.#waiting.length;
    if (!isMost && this.#heldBack === null) return;
    this.#waiting = this.#waiting.slice(this.#nextAt);
    this.#nextAt = 0;
  }

  /** There is another store than the one for which an entry was too much. */
  #letGo(): void {
    this.#heldBack = null;
    if (!this.#isToldHeld) return;
    this.#isToldHeld = false;
    this.#host.heldBack(null);
  }

  /** It takes milliseconds by itself: it begins a turn. */
  get #nextIsLarge(): boolean {
    const bytes = this.#waiting[this.#nextAt]?.command.length ?? 0;
    return bytes > nodeLimits.largeCommandBytes;
  }

  #schedule(): void {
    this.#isScheduled = true;
    this.#host.clock.soon(() => this.#work());
  }

  #clearWaiting(): void {
    this.#waiting = [];
    this.#nextAt = 0;
    this.#slices.drop();
  }

  /** @returns null where it is not applied yet: to be called again. */
  #applyTo(store: Store, entry: Entry, slices: SlicedApply): Pick<Applied, "result"> | null {
    if (entry.command[0] === commandType.version) this.#applyVersion(entry);
    const outcome = slices.next(store, entry);
    if (outcome === null) return null;
    if (!("raised" in outcome)) return outcome;
    if (outcome.isBeyondLimits === true) this.#sayDiffers(entry, outcome.raised);
    else
      this.#host.notes.say({
        level: "warn",
        code: "raising-entry",
        text:
          `entry ${entry.index} of term ${entry.term} changes nothing: ${outcome.raised}. Every ` +
          "PySyncObj member stops applying at it, after restarts too.",
      });
    return { result: null };
  }

  /** No leader of ours takes such a command. PySyncObj's members have what it set. */
  #sayDiffers({ index, term }: Entry, why: string): void {
    const text =
      `entry ${index} of term ${term} changes nothing here, and may have changed something in PySyncObj's members: it is ` +
      `beyond what this member takes of one command (${why}). Its data may differ from theirs in that key, until it is set ` +
      "or deleted again: see which client writes such values";
    this.#host.notes.say({ level: "error", code: "entry-beyond-limits", text });
    this.#host.notes.degrade("entry-beyond-limits", text);
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

/**
 * A dump of which the core has not heard yet may hold what has to go: that would stay, and its successors be applied on
 * top of it, without a word. A start reads both again, and finds out what they are worth.
 */
function assertJoins(dump: LoadedDump | null, entries: readonly Entry[]): void {
  const first = entries[0]?.index ?? 1;
  if (dump === null) {
    // The first entry of all is a no-op.
    if (first <= 2) return;
    throw new Error(`there is no dump, and the log to be kept begins at ${first}`);
  }
  const { last } = dump;
  const end = entries.at(-1)?.index ?? 1;
  const isTheSame = entries.find(({ index }) => index === last.index)?.term === last.term;
  if (last.index <= end && first <= last.index + 1 && (isTheSame || first > last.index)) return;
  throw new Error(`the dump ends at ${last.index}, and the log to be kept is ${first}…${end}`);
}
