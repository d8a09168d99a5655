import { Worker } from "node:worker_threads";
import {
  type DiskMemory,
  type DiskThreadMessage,
  diskJobBytesMax,
  diskJobWritesMax,
  slot,
} from "./disk-job.js";
import { FailedSync, type PlacedBytes } from "./file-system.js";
import { threadStaysMs } from "./limits.js";

type Done = (error: Error | null) => void;

/**
 * A thread that writes a batch and syncs it in one trip. By way of Node's pool each write and the sync is a
 * trip of its own: the pool is woken, then the loop, three times one after the other. The calls of the
 * system are the same ones in the same order; only who makes them differs.
 *
 * One at a time has it. It takes some time to start: `canDo` says no until then.
 */
export class DiskThread {
  static readonly #idle: DiskThread[] = [];
  readonly #worker: Worker;
  readonly #numbers: Int32Array;
  readonly #positions: Float64Array;
  readonly #bytes: Uint8Array;
  #state: "starting" | "ready" | "gone" = "starting";
  #job = 0;
  #waiting: Done | null = null;
  #idleTimer: NodeJS.Timeout | null = null;

  private constructor() {
    const memory: DiskMemory = {
      numbers: new SharedArrayBuffer(4 * (slot.lengths + diskJobWritesMax)),
      positions: new SharedArrayBuffer(8 * diskJobWritesMax),
      bytes: new SharedArrayBuffer(diskJobBytesMax),
    };
    this.#numbers = new Int32Array(memory.numbers);
    this.#positions = new Float64Array(memory.positions);
    this.#bytes = new Uint8Array(memory.bytes);
    this.#worker = new Worker(new URL("./disk-thread-main.js", import.meta.url), {
      workerData: memory,
      // Nor what NODE_OPTIONS has a program load besides: it takes more memory than there is here.
      ...{ execArgv: [], env: {} },
      resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
    });
    this.#worker.on("message", (message: DiskThreadMessage) => {
      if (message !== "ready") this.#ended(message);
      else if (this.#state === "starting") this.#state = "ready";
    });
    this.#worker.on("error", (error) => this.#gone(error));
    this.#worker.on("exit", () => this.#gone(new Error("the thread that writes has ended")));
    // It keeps the process only while somebody waits for it.
    this.#worker.unref();
  }

  /** One that nobody has: a journal that is compacted gives its own to the next one. */
  static take(): DiskThread {
    const thread = DiskThread.#idle.pop() ?? new DiskThread();
    if (thread.#idleTimer !== null) clearTimeout(thread.#idleTimer);
    thread.#idleTimer = null;
    return thread;
  }

  /** Nobody needs it at the moment. Not while it is busy. */
  giveBack(): void {
    if (this.#state === "gone" || this.#idleTimer !== null) return;
    DiskThread.#idle.push(this);
    this.#idleTimer = setTimeout(() => this.#end(), threadStaysMs).unref();
  }

  get isBusy(): boolean {
    return this.#waiting !== null;
  }

  /** Whether it can do this now. */
  canDo(writes: readonly PlacedBytes[]): boolean {
    if (this.#state !== "ready" || this.isBusy) return false;
    const length = writes.reduce((sum, { bytes }) => sum + bytes.length, 0);
    return writes.length <= diskJobWritesMax && length <= diskJobBytesMax;
  }

  /**
   * Writes in order, then syncs; nothing is done behind what fails.
   *
   * @param done Is told a FailedSync, or what a write has thrown.
   */
  writeThenSync(descriptor: number, writes: readonly PlacedBytes[], done: Done): void {
    const numbers = this.#numbers;
    numbers[slot.descriptor] = descriptor;
    numbers[slot.writes] = writes.length;
    let start = 0;
    for (const [at, { bytes, position }] of writes.entries()) {
      this.#bytes.set(bytes, start);
      numbers[slot.lengths + at] = bytes.length;
      this.#positions[at] = position;
      start += bytes.length;
    }
    this.#waiting = done;
    this.#worker.ref();
    // Behind all of the above: what is stored atomically is seen with what was stored before.
    this.#job = (this.#job + 1) | 0;
    Atomics.store(numbers, slot.job, this.#job);
    Atomics.notify(numbers, slot.job);
  }

  #ended({ job, fault }: Exclude<DiskThreadMessage, "ready">): void {
    // It does none twice; but what is acknowledged is never to rest on that.
    if (job !== this.#job) return;
    const waiting = this.#waiting;
    this.#waiting = null;
    this.#worker.unref();
    if (fault === null) waiting?.(null);
    else {
      const { step, message, code, errno } = fault;
      const error = Object.assign(new Error(message), { code, errno });
      waiting?.(step === "sync" ? new FailedSync(message, { cause: error }) : error);
    }
  }

  /** What it was doing may be done, or not: to whoever waits that is a sync that failed. */
  #gone(error: Error): void {
    this.#state = "gone";
    this.#forget();
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.(new FailedSync(error.message, { cause: error }));
  }

  #end(): void {
    this.#state = "gone";
    this.#forget();
    void this.#worker.terminate();
  }

  #forget(): void {
    const at = DiskThread.#idle.indexOf(this);
    if (at >= 0) DiskThread.#idle.splice(at, 1);
  }
}
