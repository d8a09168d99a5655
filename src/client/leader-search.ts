import type { Logger } from "../logger.js";
import { clientLimits } from "./limits.js";
import type { LogFollower } from "./log-follower.js";
import type { Membership } from "./membership.js";

export interface LeaderSearchHost {
  readonly follower: LogFollower;
  readonly membership: Membership;
  readonly logger: Logger;
  closeLink(address: string, reason: string): void;
}

/** Gives a leader up that has fallen silent, and looks for the members while none speaks. */
export class LeaderSearch {
  readonly #host: LeaderSearchHost;
  #timer: NodeJS.Timeout | null = null;
  #heardMs = performance.now();
  #askedMs = performance.now();
  #isAsking = false;

  constructor(host: LeaderSearchHost) {
    this.#host = host;
  }

  start(): void {
    this.#timer = setInterval(() => this.#tick(), clientLimits.tickMs);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** The leader has spoken. */
  heard(): void {
    this.#heardMs = performance.now();
  }

  #tick(): void {
    const { follower, closeLink, logger } = this.#host;
    const now = performance.now();
    const { leader } = follower;
    if (leader !== null && now - this.#heardMs > clientLimits.leaderSilentMs) {
      closeLink(leader, "the leader is silent");
      follower.lost(leader);
    }
    if (follower.leader !== null) return;
    if (this.#isAsking || now - this.#askedMs < clientLimits.askAgainMs) return;
    this.#look().catch((error: unknown) => {
      logger.warn(`looking for the members failed: ${String(error)}`);
    });
  }

  /** No leader speaks: the members may be others by now, or have forgotten their terms. */
  async #look(): Promise<void> {
    this.#isAsking = true;
    try {
      await this.#lookOnce();
    } finally {
      this.#isAsking = false;
      this.#askedMs = performance.now();
    }
  }

  async #lookOnce(): Promise<void> {
    const { follower, membership } = this.#host;
    await membership.learn();
    const { term } = follower;
    const highest = await membership.highestTerm();
    if (follower.leader !== null || term !== follower.term) return;
    if (highest !== null && highest < term) follower.lowerTerm(highest);
  }
}
