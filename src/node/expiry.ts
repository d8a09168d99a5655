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
  /** The term that we lead; null where we do not. */
  leadsTerm(): number | null;
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
  /** The term that they were submitted in: what an earlier one left may never be applied. */
  #term: number | null = null;

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
    const term = this.#host.leadsTerm();
    if (term !== this.#term) this.#underWay.clear();
    this.#term = term;
    if (term === null) return;
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
