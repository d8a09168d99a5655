import type { Clock, Timer } from "../clock.js";
import type { Logger } from "../logger.js";
import { commitIndexIntervalMs, commitIndexRetryMs } from "./limits.js";
import type { MetaFile } from "./meta-file.js";
import { lackOfDescriptors } from "./storage-error.js";

export interface CommitIndexHost {
  readonly meta: MetaFile;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether anything is written any more. */
  isUsable(): boolean;
  /** It could not be stored, and not only for want of descriptors. */
  failed(error: unknown): void;
}

/** The stored commit index: a hint, written within a second or so, of which a crash may lose the newest. */
export class CommitIndexHint {
  readonly #host: CommitIndexHost;
  #index: number;
  #timer: Timer | null = null;
  #isStopped = false;
  /** It is told once that it could not be stored. */
  #isLate = false;

  constructor(host: CommitIndexHost, index: number) {
    this.#host = host;
    this.#index = index;
  }

  /** What is stored next, with whatever else is. */
  get index(): number {
    return this.#index;
  }

  save(index: number): void {
    this.#index = index;
    this.#storeAfter(commitIndexIntervalMs);
  }

  async store(): Promise<void> {
    const { meta } = this.#host;
    if (meta.stored.commitIndex === this.#index) return;
    await meta.store({ commitIndex: this.#index });
  }

  /** It would vouch, after a crash, for whatever comes in the place of what is cut. */
  async lower(index: number): Promise<void> {
    const { meta } = this.#host;
    this.#index = Math.min(this.#index, index);
    // One may be on its way to the file that was known before.
    await meta.settled();
    if (meta.stored.commitIndex > index) await meta.store({ commitIndex: index });
  }

  /** Nothing is stored by itself any more. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #storeAfter(ms: number): void {
    if (this.#timer !== null || this.#isStopped) return;
    const timer = this.#host.clock.after(ms, () => {
      this.#timer = null;
      if (!this.#host.isUsable()) return;
      this.store().then(
        () => {
          this.#isLate = false;
        },
        (error: unknown) => this.#failed(error),
      );
    });
    this.#timer = timer.unref();
  }

  /** What nobody waits for can wait for descriptors as well as for room: what was stored before stands. */
  #failed(error: unknown): void {
    const { meta, logger } = this.#host;
    const code = lackOfDescriptors(error);
    if (code === null) this.#host.failed(error);
    else if (!this.#isLate) {
      const text =
        `${meta.path}: too many files are open (${code}), so that the commit index is stored later. ` +
        "Nothing is lost; raise the limit (`ulimit -n`, LimitNOFILE of systemd)";
      logger.error(text, { code: "few-descriptors" });
      this.#isLate = true;
    }
    if (this.#host.isUsable()) this.#storeAfter(commitIndexRetryMs);
  }
}
