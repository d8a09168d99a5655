import type { Running } from "../systems/system.js";
import { EtcdLoad } from "./etcd-load.js";
import type { LoadClient, Workload } from "./load-client.js";
import { ObserverLoad } from "./observer-load.js";

const keys = 100;
/** Between a write that came to nothing and the next. */
const retryMs = 5;
/** A write without an answer for so long is given up: etcd keeps those that met no leader for 7 s. */
const patienceMs = 100;

export interface Commit {
  /** Milliseconds of performance.now(). */
  readonly sentMs: number;
  readonly doneMs: number;
}

export interface ProbeTimes {
  /** Between a commit and the next write; default: none. */
  readonly pauseMs?: number;
  /** How long a write is waited for; default: 100. */
  readonly patienceMs?: number;
}

/** One write after the other, as long as it lasts: shows when a cluster commits and when it does not. */
export class Probe {
  readonly commits: Commit[] = [];
  failed = 0;
  readonly #client: LoadClient;
  readonly #pauseMs: number;
  readonly #patienceMs: number;
  #isStopped = false;
  #key = 0;

  constructor(client: LoadClient, times: ProbeTimes) {
    this.#client = client;
    this.#pauseMs = times.pauseMs ?? 0;
    this.#patienceMs = times.patienceMs ?? patienceMs;
  }

  static async start(
    running: Running,
    password: string | null,
    times: ProbeTimes = {},
  ): Promise<Probe> {
    const probe = new Probe(clientOf(running, { valueBytes: 128, keys }, password), times);
    await probe.#client.open();
    probe.#next();
    return probe;
  }

  stop(): void {
    this.#isStopped = true;
    this.#client.close();
  }

  /** Resolves when a write that was sent after this time is committed; gives when. */
  async firstSentAfter(fromMs: number, timeoutMs: number): Promise<number> {
    while (performance.now() < fromMs + timeoutMs) {
      const found = this.commits.findLast(({ sentMs }) => sentMs >= fromMs);
      const first = found && this.commits.find(({ sentMs }) => sentMs >= fromMs);
      if (first !== undefined) return first.doneMs;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    throw new Error(`nothing was committed within ${timeoutMs} ms`);
  }

  #next(): void {
    if (this.#isStopped) return;
    const sentMs = performance.now();
    this.#key = (this.#key + 1) % keys;
    let isOver = false;
    const end = (committed: boolean) => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      if (committed) this.commits.push({ sentMs, doneMs: performance.now() });
      else this.failed += 1;
      const pause = committed ? this.#pauseMs : retryMs;
      if (pause > 0) setTimeout(() => this.#next(), pause);
      else this.#next();
    };
    const timer = setTimeout(() => end(false), this.#patienceMs);
    this.#client.write(this.#key, end);
  }
}

export function clientOf(
  running: Running,
  workload: Workload,
  password: string | null,
): LoadClient {
  const addresses = running.members.map(({ address }) => address);
  return running.wire === "etcd"
    ? new EtcdLoad(addresses, workload)
    : new ObserverLoad(addresses, workload, password);
}
