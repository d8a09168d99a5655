import { type Clock, systemClock } from "../clock.js";
import type { Logger } from "../logger.js";
import type { Storage, StorageWrite } from "../storage/storage.js";
import { StorageError } from "../storage/storage-error.js";
import { nodeLimits } from "./limits.js";

/** Why nothing becomes durable at the moment. */
export interface DiskTrouble {
  readonly code: "no-space" | "disk-hangs";
  readonly message: string;
}

export interface DiskEvents {
  /** Everything up to this sequence number is durable. */
  durable(seq: number): void;
  /** The disk is full or hangs; null: it takes writes again. */
  trouble(trouble: DiskTrouble | null): void;
  /** The disk failed in a way that only a restart can mend. */
  failed(error: Error): void;
}

/**
 * Group commit: while one write is under way the next one gathers. A full disk, and one that hangs,
 * is waited out, with nothing acknowledged meanwhile; any other error ends the member, because what
 * a failed fdatasync has kept is not known.
 */
export class DiskWriter {
  readonly #storage: Pick<Storage, "write" | "worksOn">;
  readonly #events: DiskEvents;
  readonly #logger: Logger;
  readonly #clock: Clock;
  #waiting: StorageWrite[] = [];
  #waitingSeq = 0;
  #running: Promise<void> | null = null;
  #stopped = false;

  constructor(
    storage: Pick<Storage, "write" | "worksOn">,
    events: DiskEvents,
    logger: Logger,
    clock: Clock = systemClock,
  ) {
    this.#storage = storage;
    this.#events = events;
    this.#logger = logger;
    this.#clock = clock;
  }

  push(op: StorageWrite, seq: number): void {
    this.#waiting.push(op);
    this.#waitingSeq = seq;
  }

  /** Starts writing what waits. Called when a turn's effects are all there. */
  kick(): void {
    if (this.#running !== null || this.#waiting.length === 0 || this.#stopped) return;
    this.#running = this.#run().finally(() => {
      this.#running = null;
      this.kick();
    });
  }

  /** Resolves when everything pushed is durable, or cannot be. */
  async settle(): Promise<void> {
    this.kick();
    while (this.#running !== null) await this.#running;
  }

  /** Nothing more is written but what is under way. */
  stop(): void {
    this.#stopped = true;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0 && !this.#stopped) {
      const ops = this.#waiting;
      const seq = this.#waitingSeq;
      this.#waiting = [];
      if (!(await this.#write(ops))) return;
      this.#events.durable(seq);
    }
  }

  /** @returns false where the member can write no more. */
  async #write(ops: readonly StorageWrite[]): Promise<boolean> {
    let told: string | null = null;
    const tell = (trouble: DiskTrouble): void => {
      if (told === trouble.code) return;
      told = trouble.code;
      this.#logger.error(trouble.message, { code: trouble.code });
      this.#events.trouble(trouble);
    };
    for (;;) {
      const hanging = this.#clock.after(nodeLimits.diskHangsMs, () => tell(this.#hangs())).unref();
      try {
        await this.#storage.write(ops);
        if (told !== null) this.#events.trouble(null);
        return true;
      } catch (error) {
        if (!(error instanceof StorageError) || error.code !== "no-space") {
          this.#stopped = true;
          this.#events.failed(error instanceof Error ? error : new Error(String(error)));
          return false;
        }
        tell({ code: error.code, message: error.message });
      } finally {
        hanging.cancel();
      }
      await new Promise<void>((resolve) => this.#clock.after(nodeLimits.diskRetryMs, resolve));
      if (this.#stopped) return false;
    }
  }

  #hangs(): DiskTrouble {
    const message =
      `a write has taken more than ${nodeLimits.diskHangsMs} ms: check the disk. Nothing is acknowledged ` +
      "meanwhile, what was is safe, and the member goes on by itself when the write is done";
    return { code: "disk-hangs", message: `${this.#storage.worksOn}: ${message}` };
  }
}
