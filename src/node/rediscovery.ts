import type { Timer } from "../clock.js";
import type { RaftState } from "../raft/state.js";
import { askMembers, type DiscoveryHost } from "./discovery.js";
import { nodeLimits } from "./limits.js";

export interface RediscoveryHost extends DiscoveryHost {
  readonly selfAddr: string;
  readonly partnerAddrs: readonly string[];
  state(): RaftState;
  /** Members of a cluster that counts us in. */
  found(members: readonly string[]): void;
}

/**
 * A member that was cut off while others came does not know them, and refuses their links: where one
 * of them leads, it would hear nothing for ever. So whoever is without a leader for a while asks its
 * members and partners who is in the cluster. PySyncObj's members ask at their start only.
 */
export class Rediscovery {
  readonly #host: RediscoveryHost;
  #timer: Timer | null = null;
  #isAsking = false;
  #wasLeaderless = false;

  constructor(host: RediscoveryHost) {
    this.#host = host;
  }

  start(): void {
    this.#timer = this.#host.clock.every(nodeLimits.rediscoverEveryMs, () => void this.#look());
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  async #look(): Promise<void> {
    const isLeaderless = this.#host.state().leader === null;
    const isDue = isLeaderless && this.#wasLeaderless && !this.#isAsking;
    this.#wasLeaderless = isLeaderless;
    if (!isDue) return;
    this.#isAsking = true;
    try {
      await this.#ask();
    } finally {
      this.#isAsking = false;
    }
  }

  async #ask(): Promise<void> {
    const { selfAddr, partnerAddrs } = this.#host;
    const known = new Set([...this.#host.state().members, ...partnerAddrs]);
    known.delete(selfAddr);
    for (const address of known) {
      const members = await askMembers(this.#host, address, nodeLimits.rediscoverAnswerMs);
      if (this.#timer === null) return;
      const addresses = members.map((member) => member.address);
      if (addresses.includes(selfAddr)) this.#host.found(addresses);
    }
  }
}
