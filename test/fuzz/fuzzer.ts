import { ProtocolError } from "../../protocol/errors.js";
import { Dice } from "./dice.js";
import { type Mutator, mutate } from "./mutators.js";

/** A decoder, and what must hold for whatever it is fed. */
export interface Target {
  readonly name: string;
  /** What it was made for: the beginnings of all inputs. */
  readonly seeds: readonly Uint8Array[];
  readonly mutators?: readonly Mutator[];
  /**
   * Feeds it. A ProtocolError is the honest way to refuse; anything else that is thrown is a find.
   *
   * @returns whether the input was taken.
   */
  run(input: Uint8Array, dice: Dice): boolean;
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

/** One input may keep the loop no longer than this. */
export const inputMsMax = 100;
/** Again so often before time counts: the machine has other things to do as well. */
const slowTriesMax = 4;
/** Inputs that guidance has found worth to go on from. */
const poolMax = 4_000;

/** Feeds one target with mutations of its seeds and of what was found to lead further. */
export class Fuzzer {
  readonly target: Target;
  readonly tally: Tally = { executions: 0, taken: 0, refused: 0, longestMs: 0 };
  readonly finds: Find[] = [];
  readonly #pool: Uint8Array[];
  readonly #dice: Dice;

  constructor(target: Target, seed: number) {
    this.target = target;
    this.#pool = [...target.seeds];
    this.#dice = new Dice(seed);
    for (const input of target.seeds) this.execute(input, this.#dice.next());
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

  step(): Uint8Array {
    const input = this.make();
    this.execute(input, this.#dice.next());
    return input;
  }

  execute(input: Uint8Array, diceSeed: number): void {
    this.tally.executions += 1;
    let ms = this.#timed(input, diceSeed);
    for (let tries = 1; ms > inputMsMax && tries < slowTriesMax; tries++) {
      ms = Math.min(ms, this.#timed(input, diceSeed));
    }
    this.tally.longestMs = Math.max(this.tally.longestMs, ms);
    if (ms > inputMsMax) this.#found(`took ${ms.toFixed(0)} ms`, input, diceSeed);
  }

  #timed(input: Uint8Array, diceSeed: number): number {
    // Most inputs end in an error, and most of an error's time goes to its stack.
    const stackLimit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    const began = performance.now();
    try {
      if (this.target.run(input, new Dice(diceSeed))) this.tally.taken += 1;
      else this.tally.refused += 1;
    } catch (error) {
      if (error instanceof ProtocolError) this.tally.refused += 1;
      else
        this.#found(error instanceof Error ? (error.stack ?? "") : String(error), input, diceSeed);
    }
    Error.stackTraceLimit = stackLimit;
    return performance.now() - began;
  }

  #found(why: string, input: Uint8Array, diceSeed: number): void {
    if (this.finds.length < 20) this.finds.push({ target: this.target.name, why, input, diceSeed });
  }
}
