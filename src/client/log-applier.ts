import type { Entry } from "../../protocol/log/entry.js";
import { nodeLimits } from "../node/limits.js";
import { SlicedApply } from "../node/sliced-apply.js";
import type { ApplyOutcome } from "../store/outcome.js";
import type { Store } from "../store/store.js";
import { clientLimits } from "./limits.js";

export interface LogApplierHost {
  /** What the next entry is applied to. */
  store(): Store;
  /** Tells of it, in slices where it is much: no other entry is applied before all of it is told. */
  applied(entry: Entry, outcome: ApplyOutcome): Generator<void, void>;
  /** Something was done in a turn of its own. */
  worked(): void;
  /** Too much waits, whoever leads now; or no more. */
  setHeld(isHeld: boolean): void;
}

/**
 * Applies committed entries to the own copy, as many in a turn of the loop as there is time for: a recursive
 * delete goes through a million keys, and a leader removes as many that are over with as many entries. The
 * program that the client lives in has other things to do.
 */
export class LogApplier {
  readonly #host: LogApplierHost;
  /** Not applied yet, from `#nextAt` on. */
  #waiting: Entry[] = [];
  #nextAt = 0;
  #waitingBytes = 0;
  readonly #slices = new SlicedApply();
  /** Of the entry that was applied last. */
  #telling: Generator<void, void> | null = null;
  #appliedIndex = 1;
  #turn: NodeJS.Immediate | null = null;
  #isHeld = false;

  constructor(host: LogApplierHost) {
    this.#host = host;
  }

  /** The copy holds the effects of all entries up to here, and of none beyond. */
  get appliedIndex(): number {
    return this.#appliedIndex;
  }

  /** Nothing waits to be applied or to be told. */
  get isIdle(): boolean {
    return this.#nextAt === this.#waiting.length && this.#telling === null;
  }

  /** Done with the next `work`, or later. */
  add(entry: Entry): void {
    this.#waiting.push(entry);
    this.#waitingBytes += costOf(entry);
  }

  /** As much as there is time for, the rest in the next turns. */
  work(): void {
    if (this.#turn !== null) this.#hold();
    // What brought it here may have taken long as well.
    else if (this.#nextIsLarge) this.#schedule();
    else this.#work();
  }

  /** There is another copy, which holds all up to here: what waits is in it, or was another history's. */
  restart(index: number): void {
    // What it has removed is in neither copy: whoever compares the two would not see it.
    while (this.#telling !== null) this.#tellOn();
    this.stop();
    this.#appliedIndex = index;
    this.#hold();
  }

  /** What waits is forgotten. */
  stop(): void {
    if (this.#turn !== null) clearImmediate(this.#turn);
    this.#turn = null;
    this.#waiting = [];
    this.#nextAt = 0;
    this.#waitingBytes = 0;
    this.#telling = null;
    this.#slices.drop();
  }

  #work(): void {
    const untilMs = performance.now() + nodeLimits.applyTurnMsMax;
    while (this.#step() && !this.#nextIsLarge && performance.now() < untilMs);
    if (this.#nextAt * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#nextAt);
      this.#nextAt = 0;
    }
    if (!this.isIdle || this.#host.store().isSweeping) this.#schedule();
    this.#hold();
  }

  /** @returns false where nothing is left to be done. */
  #step(): boolean {
    if (this.#telling !== null) {
      this.#tellOn();
      return true;
    }
    const store = this.#host.store();
    if (store.sweep()) return true;
    const entry = this.#waiting[this.#nextAt];
    if (entry === undefined) return false;
    const outcome = this.#slices.next(store, entry);
    if (outcome === null) return true;
    this.#nextAt += 1;
    this.#waitingBytes -= costOf(entry);
    this.#appliedIndex = entry.index;
    const telling = this.#host.applied(entry, outcome);
    if (telling.next().done !== true) this.#telling = telling;
    return true;
  }

  #tellOn(): void {
    if (this.#telling?.next().done === true) this.#telling = null;
  }

  /** It takes milliseconds by itself: it begins a turn. */
  get #nextIsLarge(): boolean {
    const bytes = this.#waiting[this.#nextAt]?.command.length ?? 0;
    return bytes > nodeLimits.largeCommandBytes && this.#telling === null;
  }

  #schedule(): void {
    this.#turn ??= setImmediate(() => {
      this.#turn = null;
      this.#work();
      this.#host.worked();
    });
  }

  /** A leader sends on as soon as it is answered, long before what it has sent is applied. */
  #hold(): void {
    const { entriesWaitingBytesMax } = clientLimits;
    const isMuch =
      this.#waitingBytes > (this.#isHeld ? entriesWaitingBytesMax / 2 : entriesWaitingBytesMax);
    if (!isMuch && !this.#isHeld) return;
    this.#isHeld = isMuch;
    this.#host.setHeld(isMuch);
  }
}

/** An entry takes memory beside its command. */
function costOf({ command }: Entry): number {
  return command.length + entryCostBytes;
}

const entryCostBytes = 256;
