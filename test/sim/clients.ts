import { encodeDelete, encodeSet } from "../../protocol/log/kv-calls.js";
import { failReason } from "../../protocol/wire/messages.js";
import type { Chance } from "./chance.js";
import type { Cluster } from "./cluster.js";
import type { Profile } from "./profiles.js";
import type { Sweeps } from "./sweeps.js";

/** Clients of all members, which set, delete, sweep and let expire, each write different from all others. */
export class Workload {
  written = 0;
  readonly outcomes = new Map<number, number>();
  readonly #cluster: Cluster;
  readonly #chance: Chance;
  readonly #profile: Profile;
  readonly #sweeps: Sweeps | null;
  /** Value of a key, where one may be deleted by it. */
  readonly #values = new Map<string, { readonly at: string; readonly value: string }>();
  #isStopped = false;

  constructor(cluster: Cluster, profile: Profile, chance: Chance, sweeps: Sweeps | null) {
    this.#cluster = cluster;
    this.#profile = profile;
    this.#chance = chance;
    this.#sweeps = sweeps;
  }

  start(): void {
    const gapMs = -Math.log(1 - this.#chance.next()) * this.#profile.writeGapMs;
    this.#cluster.timeline.after(gapMs, () => {
      if (this.#isStopped) return;
      const seat = this.#chance.pick(this.#cluster.seats);
      const count = this.#chance.is(0.1) ? 8 : 1;
      for (let each = 0; each < count; each += 1) {
        this.#cluster.write(seat, this.command(seat.machine.wallSec()), (error) =>
          this.outcomes.set(error, (this.outcomes.get(error) ?? 0) + 1),
        );
      }
      this.start();
    });
  }

  stop(): void {
    this.#isStopped = true;
  }

  get acknowledged(): number {
    return this.outcomes.get(failReason.success) ?? 0;
  }

  command(nowSec: number): Uint8Array {
    const other = this.#usual(nowSec);
    return this.#sweeps?.insteadOf(other) ?? other;
  }

  #usual(nowSec: number): Uint8Array {
    const chance = this.#chance;
    const key = `/k${chance.below(24)}`;
    const old = this.#values.get(key);
    if (old !== undefined && chance.is(0.1)) {
      this.#values.delete(key);
      return encodeDelete(old.at, { prevValue: old.value });
    }
    const at = this.#place(key);
    this.written += 1;
    const token = `w${this.written}`;
    const isLarge = chance.is(this.#profile.largeShare);
    const value = isLarge ? padded(token, 60_000 + chance.below(150_000)) : this.#sized(token);
    if (!isLarge) this.#values.set(key, { at, value });
    const times = { value, created: nowSec, updated: nowSec };
    if (!chance.is(0.15)) return encodeSet(at, times);
    const expire = nowSec + chance.between(0.2, 4);
    return encodeSet(this.#place(`/ttl${chance.below(6)}`), { ...times, expire });
  }

  /** What makes room, for a member that may hold no more. */
  sweepAll(): Uint8Array {
    this.written += 1;
    return encodeDelete("", { recursive: true, prevValue: `all w${this.written}` });
  }

  /** What a member takes that has room. */
  small(nowSec: number): Uint8Array {
    this.written += 1;
    return encodeSet("/small", { value: `w${this.written}`, created: nowSec, updated: nowSec });
  }

  /** Half of them are as small as usual. */
  #sized(token: string): string {
    const { valueChars } = this.#profile;
    if (valueChars === undefined || this.#chance.is(0.5)) return token;
    return padded(token, this.#chance.below(valueChars));
  }

  #place(key: string): string {
    return this.#sweeps?.place(key) ?? key;
  }
}

function padded(token: string, chars: number): string {
  return `${token}:${"x".repeat(chars)}`;
}
