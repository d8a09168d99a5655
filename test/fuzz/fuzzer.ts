import { ProtocolError } from "../../protocol/errors.js";
import { Dice } from "./dice.js";
import { LoopWatch } from "./loop-watch.js";
import { type Mutator, mutate } from "./mutators.js";

/** A decoder, and what must hold for whatever it is fed. */
export interface Target {
  readonly name: string;
  /** What it was made for: the beginnings of all inputs. */
  readonly seeds: readonly Uint8Array[];
  readonly mutators?: readonly Mutator[];
  /** How many executions it gets for each of the others': less than 1 where one takes much longer. */
  readonly share?: number;
  /**
   * Feeds it. A ProtocolError is the honest way to refuse; anything else that is thrown is a find.
   * What works in slices gives a promise: what counts of its time is the longest step of the loop.
   *
   * @returns whether the input was taken.
   */
  run(input: Uint8Array, dice: Dice): boolean | Promise<boolean>;
}

export interface Find {
  readonly target: string;
  readonly why: string;
  readonly input: Uint8Array;
  /** Of the dice that the target itself used. */
  readonly diceSeed: number;
}

export interface Tally {
  executions: number;
  taken: number;
  refused: number;
  longestMs: number;
}

/** One input may keep the loop no longer than this: of so many attempts the shortest counts. */
export const inputMsMax = 100;
const slowTriesMax = 4;
/**
 * And no two attempts may take longer than this, whatever the collector of garbage does meanwhile. One may: a
 * virtual machine that is halted for a moment counts that as its own work.
 */
export const attemptMsMax = 250;
/** Inputs that guidance has found worth to go on from. */
const poolMax = 4_000;

/** Feeds one target with mutations of its seeds and of what was found to lead further. */
export class Fuzzer {
  readonly target: Target;
  readonly tally: Tally = { executions: 0, taken: 0, refused: 0, longestMs: 0 };
  readonly finds: Find[] = [];
  readonly #pool: Uint8Array[];
  readonly #dice: Dice;
  #hasBegun = false;

  constructor(target: Target, seed: number) {
    this.target = target;
    this.#pool = [...target.seeds];
    this.#dice = new Dice(seed);
  }

  get poolSize(): number {
    return this.#pool.length;
  }

  /** The next input; which one depends on the seed and on what was kept. */
  make(): Uint8Array {
    const dice = this.#dice;
    return mutate(dice.pick(this.#pool), dice, dice.pick(this.#pool), this.target.mutators);
  }

  keep(input: Uint8Array): void {
    if (this.#pool.length < poolMax) this.#pool.push(input);
  }

  /** Before the first of them come the seeds as they are. */
  async step(): Promise<Uint8Array> {
    if (!this.#hasBegun) {
      this.#hasBegun = true;
      for (const input of this.target.seeds) await this.execute(input, this.#dice.next());
    }
    const input = this.make();
    await this.execute(input, this.#dice.next());
    return input;
  }

  async execute(input: Uint8Array, diceSeed: number): Promise<void> {
    this.tally.executions += 1;
    let [bestMs, longOnes] = [Number.POSITIVE_INFINITY, 0];
    for (let tries = 0; tries < slowTriesMax && bestMs > inputMsMax; tries++) {
      const ms = await this.#timed(input, diceSeed);
      bestMs = Math.min(bestMs, ms);
      if (ms > attemptMsMax) longOnes += 1;
    }
    this.tally.longestMs = Math.max(this.tally.longestMs, bestMs);
    if (bestMs > inputMsMax) this.#found(`took ${bestMs.toFixed(0)} ms`, input, diceSeed);
    else if (longOnes > 1) {
      this.#found(`took more than ${attemptMsMax} ms, ${longOnes} times`, input, diceSeed);
    }
  }

  async #timed(input: Uint8Array, diceSeed: number): Promise<number> {
    // Most inputs end in an error, and most of an error's time goes to its stack.
    const stackLimit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    const cpu = process.cpuUsage();
    const began = performance.now();
    let watch: LoopWatch | null = null;
    try {
      const running = this.target.run(input, new Dice(diceSeed));
      if (typeof running === "boolean") this.#count(running);
      else {
        watch = new LoopWatch(began);
        this.#count(await running);
      }
    } catch (error) {
      this.#count(false);
      if (!(error instanceof ProtocolError)) {
        this.#found(error instanceof Error ? (error.stack ?? "") : String(error), input, diceSeed);
      }
    }
    const ms = watch === null ? performance.now() - began : watch.end();
    Error.stackTraceLimit = stackLimit;
    return ms <= inputMsMax ? ms : ownMs(ms, cpu);
  }

  #count(wasTaken: boolean): void {
    this.tally[wasTaken ? "taken" : "refused"] += 1;
  }

  #found(why: string, input: Uint8Array, diceSeed: number): void {
    if (this.finds.length < 20) this.finds.push({ target: this.target.name, why, input, diceSeed });
  }
}

/** Of a slow attempt: no more than the time that the processor worked for this process. */
function ownMs(ms: number, before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return Math.min(ms, (user + system) / 1_000);
}
