import { clientLimits } from "./limits.js";

interface Run {
  readonly from: number;
  readonly term: number;
}

/**
 * The term of each entry from some index on, without the entries: a log holds few different terms,
 * one after the other. Never empty.
 */
export class TermRuns {
  #runs: Run[];
  #last: number;

  constructor(index: number, term: number) {
    this.#runs = [{ from: index, term }];
    this.#last = index;
  }

  /** First index whose term is known. */
  get first(): number {
    return this.#runs[0]?.from ?? this.#last;
  }

  get last(): number {
    return this.#last;
  }

  /** Null where it is not known. */
  termAt(index: number): number | null {
    return index > this.#last ? null : (this.#runAt(index)?.term ?? null);
  }

  /** Where the entries begin that have the term of this one without a break. */
  startOfRun(index: number): number {
    return this.#runAt(index)?.from ?? index;
  }

  append(term: number): void {
    this.#last += 1;
    if (this.#runs.at(-1)?.term === term) return;
    this.#runs.push({ from: this.#last, term });
    if (this.#runs.length > clientLimits.termRunsMax) this.#runs.shift();
  }

  /** Forgets everything after `index`, which must be known. */
  truncateAfter(index: number): void {
    this.#runs = this.#runs.filter(({ from }) => from <= index);
    this.#last = index;
  }

  #runAt(index: number): Run | null {
    for (let at = this.#runs.length - 1; at >= 0; at -= 1) {
      const run = this.#runs[at];
      if (run !== undefined && run.from <= index) return run;
    }
    return null;
  }
}
