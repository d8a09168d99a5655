import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { Logger } from "../logger.js";
import { addressesTriedMax, lookupsInFlightMax, resolverEntriesMax } from "./limits.js";

/** What a lookup finds; in the form of node:dns. */
export interface FoundAddress {
  readonly address: string;
  readonly family: number;
}

export interface ResolverOptions {
  /** A good answer is used for this long. */
  readonly dnsCacheMs: number;
  /** A failed one for this long, and one whose addresses all refused (see `suspect`). */
  readonly dnsFailCacheMs: number;
  readonly logger: Logger;
  readonly find?: (host: string) => Promise<readonly FoundAddress[]>;
  readonly monotonicMs?: () => number;
}

interface Cached {
  readonly at: number;
  readonly failed: boolean;
  readonly addresses: readonly string[];
}

/**
 * Names to addresses with a cache, as upstream's DnsCachingResolver (pysyncobj/dns_resolver.py):
 * IPv4 where there is any, earlier addresses kept where the name server fails. Unlike upstream all
 * addresses are handed out and not a random one, and a name whose addresses are all dead is asked
 * for again after the short time: containers change their addresses.
 */
export class Resolver {
  readonly #options: ResolverOptions;
  readonly #find: (host: string) => Promise<readonly FoundAddress[]>;
  readonly #now: () => number;
  readonly #cache = new Map<string, Cached>();
  readonly #underWay = new Map<string, Promise<readonly string[]>>();
  readonly #waiting: (() => void)[] = [];
  #inFlight = 0;

  constructor(options: ResolverOptions) {
    this.#options = options;
    this.#find = options.find ?? ((host) => lookup(host, { all: true }));
    this.#now = options.monotonicMs ?? (() => performance.now());
  }

  /** Addresses in the order to try them; none where the name is unknown. Never rejects. */
  async resolve(host: string): Promise<readonly string[]> {
    if (isIP(host) !== 0) {
      return [host];
    }
    const cached = this.#cache.get(host);
    if (cached !== undefined && this.#isFresh(cached)) {
      return cached.addresses;
    }
    const underWay = this.#underWay.get(host);
    if (underWay !== undefined) {
      return underWay;
    }
    const asked = this.#ask(host, cached?.addresses ?? []);
    this.#underWay.set(host, asked);
    try {
      return await asked;
    } finally {
      this.#underWay.delete(host);
    }
  }

  /** None of the addresses answered: the good answer is worth no more than a failed one. */
  suspect(host: string): void {
    const cached = this.#cache.get(host);
    if (cached !== undefined) {
      this.#cache.set(host, { ...cached, failed: true });
    }
  }

  #isFresh(cached: Cached): boolean {
    const { dnsCacheMs, dnsFailCacheMs } = this.#options;
    return this.#now() - cached.at <= (cached.failed ? dnsFailCacheMs : dnsCacheMs);
  }

  async #ask(host: string, previous: readonly string[]): Promise<readonly string[]> {
    await this.#takeTurn();
    try {
      const found = await this.#find(host);
      const addresses = preferIPv4(found);
      this.#store(host, { at: this.#now(), failed: addresses.length === 0, addresses });
      return addresses;
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error);
      this.#options.logger.warn("cannot resolve host name", { host, error: cause });
      this.#store(host, { at: this.#now(), failed: true, addresses: previous });
      return previous;
    } finally {
      this.#inFlight -= 1;
      this.#waiting.shift()?.();
    }
  }

  async #takeTurn(): Promise<void> {
    while (this.#inFlight >= lookupsInFlightMax) {
      await new Promise<void>((resume) => this.#waiting.push(resume));
    }
    this.#inFlight += 1;
  }

  #store(host: string, cached: Cached): void {
    this.#cache.delete(host);
    if (this.#cache.size >= resolverEntriesMax) {
      for (const oldest of this.#cache.keys()) {
        this.#cache.delete(oldest);
        break;
      }
    }
    this.#cache.set(host, cached);
  }
}

function preferIPv4(found: readonly FoundAddress[]): readonly string[] {
  const preferred = found.filter((entry) => entry.family === 4);
  const chosen = preferred.length > 0 ? preferred : found;
  return [...new Set(chosen.map((entry) => entry.address))].slice(0, addressesTriedMax);
}
