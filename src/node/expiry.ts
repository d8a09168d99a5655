import { encodeExpire } from "../../protocol/log/kv-calls.js";
import { pyEquals } from "../../protocol/pickle/py-equal.js";
import type { PyDict } from "../../protocol/pickle/values.js";
import type { Store } from "../store/store.js";
import type { Clock } from "./clock.js";
import { nodeLimits } from "./limits.js";
import type { Proposals } from "./proposals.js";

export interface ExpiryHost {
  readonly clock: Clock;
  readonly proposals: Proposals;
  store(): Store;
  isLeader(): boolean;
}

/**
 * The leader looks for keys whose time has come and submits their removal; every member then removes
 * them at the same log index. Upstream: KVStoreTTL.__expire_keys (patroni/dcs/raft.py).
 */
export class Expiry {
  readonly #host: ExpiryHost;
  #timer: NodeJS.Timeout | null = null;
  /** Removals on their way, so that none is submitted twice. */
  readonly #underWay = new Map<unknown, PyDict>();

  constructor(host: ExpiryHost) {
    this.#host = host;
  }

  start(): void {
    this.#timer = setInterval(() => this.#look(), nodeLimits.expiryPeriodMs);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #look(): void {
    if (!this.#host.isLeader()) {
      this.#underWay.clear();
      return;
    }
    for (const { key, value } of this.#host.store().expired(this.#host.clock.wallSec())) {
      const submitted = this.#underWay.get(key);
      if (submitted !== undefined && pyEquals(submitted, value)) continue;
      this.#underWay.set(key, value);
      this.#host.proposals.submit(encodeExpire(key, value), () => {
        if (this.#underWay.get(key) === value) this.#underWay.delete(key);
      });
    }
  }
}
