import { encodeDelete } from "../../protocol/log/kv-calls.js";
import type { Chance } from "./chance.js";
import type { Deed } from "./deeds.js";
import type { Profile } from "./profiles.js";

/** How often a member falls amid one, in a run in which members fall at any moment. */
const fallsPerRun = 3;

/** So many writes are none for each recursive delete. */
const writesPerSweep = 30;

/**
 * Recursive deletes among the writes of the clients, and directories for them. They have a chance of their own: what
 * the clients draw besides is the same with them and without.
 */
export class Sweeps {
  readonly #chance: Chance;
  #count = 0;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  /** Where a client writes what another one would write at this key. */
  place(key: string): string {
    const chance = this.#chance;
    return chance.is(0.6) ? `/d${chance.below(2)}${key}` : key;
  }

  /** A recursive delete now and then, no two of them the same: it asks for no conditions, and may have some. */
  insteadOf(command: Uint8Array): Uint8Array {
    if (!this.#chance.is(1 / writesPerSweep)) return command;
    this.#count += 1;
    return encodeDelete(this.#prefix(), { recursive: true, prevValue: `sweep ${this.#count}` });
  }

  #prefix(): string {
    const chance = this.#chance;
    const roll = chance.next();
    if (roll < 0.05) return "";
    if (roll < 0.2) return "/d";
    if (roll < 0.3) return chance.pick(["/k1", "/ttl"]);
    const directory = `/d${chance.below(2)}/`;
    return roll < 0.8 ? directory : `${directory}${chance.pick(["k", "k1", "ttl"])}`;
  }
}

/** What happens in a run besides, because there are recursive deletes. */
export function planSweepDeeds({ weights }: Profile, chance: Chance, untilMs: number): Deed[] {
  if (weights.kill === undefined) return [];
  return Array.from({ length: fallsPerRun }, () => ({
    atMs: chance.between(2_000, untilMs),
    kind: "stop-at-slice",
    seat: 0,
    other: 0,
    forMs: chance.between(20, 1_000),
    amount: chance.next(),
  }));
}
