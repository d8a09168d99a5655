import { ticksMs } from "../systems/vital-signs.js";
import type { LoadClient } from "./load-client.js";

export interface LoopOptions {
  /** Writes in flight at each moment. */
  readonly concurrency: number;
  readonly keys: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** The members' processes, whose processor time is looked at. */
  readonly pids: readonly number[];
}

/** What was seen in a stretch of time. */
export interface Seen {
  readonly committed: number;
  readonly failed: number;
  readonly seconds: number;
  /** Writes committed a second. */
  readonly rate: number;
  /** Milliseconds from the call to the commit. */
  readonly latencyMs: Percentiles;
  /** Processor time of this process, in microseconds a committed write. */
  readonly cpuUsPerWrite: number;
  /** The same of all members together. */
  readonly membersUsPerWrite: number;
}

/** What was seen between the end of the warm-up and the end. */
export interface LoopResult extends Seen {
  /** The same for the warm-up: the first seconds of a load. */
  readonly warmUp: Seen;
}

export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Latencies kept: at the highest rates each so-manyth of a long run would be enough as well. */
const samplesMax = 8_000_000;

export function percentiles(samples: Float64Array): Percentiles {
  const sorted = samples.slice().sort();
  const at = (part: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
  return {
    p50: at(0.5) ?? 0,
    p90: at(0.9) ?? 0,
    p99: at(0.99) ?? 0,
    p999: at(0.999) ?? 0,
    max: sorted.at(-1) ?? 0,
  };
}

/** Counts what ends in a stretch of time. */
class Stretch {
  readonly #began = performance.now();
  readonly #cpu = process.cpuUsage();
  readonly #pids: readonly number[];
  readonly #membersBeganMs: number;
  #samples = new Float64Array(65_536);
  #committed = 0;
  #failed = 0;

  constructor(pids: readonly number[]) {
    this.#pids = pids;
    this.#membersBeganMs = ticksMs(pids);
  }

  note(committed: boolean, latencyMs: number): void {
    if (!committed) {
      this.#failed += 1;
      return;
    }
    if (this.#committed < samplesMax) {
      if (this.#committed === this.#samples.length) this.#grow();
      this.#samples[this.#committed] = latencyMs;
    }
    this.#committed += 1;
  }

  /** Percentiles are sorted for later, since that takes as long as many writes. */
  end(): () => Seen {
    const seconds = (performance.now() - this.#began) / 1000;
    const { user, system } = process.cpuUsage(this.#cpu);
    const membersMs = ticksMs(this.#pids) - this.#membersBeganMs;
    const committed = this.#committed;
    const perWrite = (us: number) => (committed === 0 ? 0 : us / committed);
    return () => ({
      committed,
      failed: this.#failed,
      seconds,
      rate: committed / seconds,
      latencyMs: percentiles(this.#samples.subarray(0, Math.min(committed, samplesMax))),
      cpuUsPerWrite: perWrite(user + system),
      membersUsPerWrite: perWrite(membersMs * 1000),
    });
  }

  #grow(): void {
    const larger = new Float64Array(this.#samples.length * 2);
    larger.set(this.#samples);
    this.#samples = larger;
  }
}

/** Keeps so many writes in flight: each that ends is followed by the next. */
export class ClosedLoop {
  readonly #client: LoadClient;
  readonly #options: LoopOptions;
  #stretch: Stretch;
  #isStopped = false;
  #key = 0;

  constructor(client: LoadClient, options: LoopOptions) {
    this.#client = client;
    this.#options = options;
    this.#stretch = new Stretch(options.pids);
  }

  async run(): Promise<LoopResult> {
    const { concurrency, warmUpMs, measureMs, pids } = this.#options;
    const first = new Stretch(pids);
    this.#stretch = first;
    for (let i = 0; i < concurrency; i++) this.#writeNext();
    await sleep(warmUpMs);
    const warmUp = first.end();
    const measured = new Stretch(pids);
    this.#stretch = measured;
    await sleep(measureMs);
    const seen = measured.end();
    this.#isStopped = true;
    return { ...seen(), warmUp: warmUp() };
  }

  #writeNext(): void {
    if (this.#isStopped) return;
    const began = performance.now();
    this.#key = (this.#key + 1) % this.#options.keys;
    this.#client.write(this.#key, (committed) => {
      this.#stretch.note(committed, performance.now() - began);
      this.#writeNext();
    });
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
