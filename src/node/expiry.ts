import { encodeDeleteAt, encodeExpire } from "../../protocol/log/kv-calls.js";
import { pyEquals } from "../../protocol/pickle/py-equal.js";
import type { PyDict } from "../../protocol/pickle/values.js";
import type { Clock, Timer } from "../clock.js";
import type { RaftState } from "../raft/state.js";
import type { Note } from "../raft/types.js";
import { keyToText } from "../store/json-view.js";
import type { ExpiredKey, Store } from "../store/store.js";
import { nodeLimits } from "./limits.js";
import type { Proposals } from "./proposals.js";

export interface ExpiryHost {
  readonly clock: Clock;
  readonly proposals: Pick<Proposals, "submit" | "room">;
  store(): Store;
  state(): RaftState;
  /** A key is over that no command removes. */
  say(note: Note): void;
}

interface Removal {
  readonly value: PyDict;
  /** What key and value count for. */
  readonly bytes: number;
}

/** A command that removes a key. */
interface RemovalCommand {
  readonly command: Uint8Array;
  /** It names the whole value, as PySyncObj's does. */
  readonly isByValue: boolean;
}

/**
 * The leader looks for keys whose time has come and submits their removal; every member then removes
 * them at the same log index. Upstream: KVStoreTTL.__expire_keys (patroni/dcs/raft.py).
 *
 * Followers look as well, at the time only: whoever leads next knows how long each value has lived.
 */
export class Expiry {
  readonly #host: ExpiryHost;
  #timer: Timer | null = null;
  #lookedMs = Number.NEGATIVE_INFINITY;
  /** Removals on their way, so that none is submitted twice. */
  readonly #underWay = new Map<unknown, Removal>();
  #underWayBytes = 0;
  /** The term that they were submitted in: what an earlier one left may never be applied. */
  #leadTerm: number | null = null;
  /** The last look found more than it could submit. */
  #isMoreDue = false;
  #lookScheduled = false;
  /** What the last look saw: the store, and the term if we were in step with its leader. */
  #seen: { readonly store: Store; readonly term: number; readonly atMs: number } | null = null;

  constructor(host: ExpiryHost) {
    this.#host = host;
  }

  start(): void {
    this.#timer = this.#host.clock.every(nodeLimits.expiryTimerMs, () => this.awake());
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  /**
   * To be called whenever the member is awake anyway: heartbeats come often enough, so that a look wakes
   * nobody who sleeps. The timer is for members without any.
   */
  awake(nowMs = this.#host.clock.monotonicMs()): void {
    if (this.#timer === null) return;
    if (nowMs - this.#lookedMs >= nodeLimits.expiryPeriodMs) this.look();
  }

  /** To be called every `expiryPeriodMs` or a little later: where very many are due, the next looks follow by themselves. */
  look(): void {
    const { clock } = this.#host;
    const [state, store] = [this.#host.state(), this.#host.store()];
    const { term } = state;
    const nowMs = clock.monotonicMs();
    this.#lookedMs = nowMs;
    const monotonicSec = nowMs / 1000;
    const before = this.#seen;
    // After a pause of the process what waited meanwhile may be applied before the first look.
    const isNear = before !== null && nowMs - before.atMs < nodeLimits.expiryLookMsMax;
    store.noteTime(monotonicSec, isNear && before.store === store && before.term === term);
    this.#seen = isInStep(state, nowMs) ? { store, term, atMs: nowMs } : null;

    const leadTerm = state.isLeader ? term : null;
    if (leadTerm !== this.#leadTerm) {
      this.#underWay.clear();
      this.#underWayBytes = 0;
    }
    this.#leadTerm = leadTerm;
    this.#isMoreDue = false;
    if (leadTerm === null) return;
    this.#submitDue(store, clock.wallSec(), monotonicSec);
  }

  /** As many as there is room for: hundreds of thousands may be due at once. */
  #submitDue(store: Store, wallSec: number, monotonicSec: number): void {
    const max = Math.min(nodeLimits.expiredPerLook, this.#room());
    if (max <= 0) return;
    const retrySec = nodeLimits.expiryRetryMs / 1000;
    const due = store.expired(wallSec, monotonicSec, max);
    this.#isMoreDue = due.length === max;
    let bytes = 0;
    for (const expired of due) {
      const { weight } = expired.record;
      const isMuch = bytes > 0 && bytes + weight > nodeLimits.expiredBytesPerLook;
      if (isMuch || !this.#hasRoomFor(weight)) {
        this.#isMoreDue = true;
        break;
      }
      bytes += weight;
      store.postpone(expired, wallSec + retrySec, monotonicSec + retrySec);
      this.#submit(store, expired);
    }
  }

  #submit(store: Store, expired: ExpiredKey): void {
    const { key, value } = expired;
    const submitted = this.#underWay.get(key);
    if (submitted !== undefined && pyEquals(submitted.value, value)) return;
    const byValue = this.#byValue(expired);
    const removal = typeof byValue === "string" ? this.#byIndex(expired) : byValue;
    if (removal === null) this.#leave(store, expired, String(byValue));
    else this.#send(store, expired, removal);
  }

  #send(store: Store, expired: ExpiredKey, { command, isByValue }: RemovalCommand): void {
    const { key, value, record } = expired;
    const removal = { value, bytes: record.weight };
    this.#underWayBytes += removal.bytes - (this.#underWay.get(key)?.bytes ?? 0);
    this.#underWay.set(key, removal);
    this.#host.proposals.submit(command, (outcome) => {
      if (this.#underWay.get(key) === removal) {
        this.#underWay.delete(key);
        this.#underWayBytes -= removal.bytes;
      }
      if (!outcome.ok && outcome.reason !== "REQUEST_DENIED") return;
      const isThere = record.timed !== null && store === this.#host.store();
      // Its value equals nothing (nan), or was too much for a command.
      const other = isThere && isByValue ? this.#byIndex(expired) : null;
      if (other !== null) this.#send(store, expired, other);
      else this.#leave(store, expired, outcome.ok ? "its value equals nothing" : outcome.message);
      // Where removals fail the next look is soon enough.
      if (outcome.ok) this.#lookAgain();
    });
  }

  /** As PySyncObj does it, or why that cannot be: better than a leader that ends. */
  #byValue({ key, value, record }: ExpiredKey): RemovalCommand | string {
    // No command with it is larger than what it counts for.
    if (record.weight > this.#host.state().entryBytesMax) return "it is too large for a command";
    try {
      return { command: encodeExpire(key, value), isByValue: true };
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  /** The same by the entry that has set it, of which there is one; null where the value does not tell. */
  #byIndex({ key, record }: ExpiredKey): RemovalCommand | null {
    const index = record.field("index");
    if (typeof index !== "number" || index <= 0) return null;
    try {
      return { command: encodeDeleteAt(key, index), isByValue: false };
    } catch {
      return null;
    }
  }

  /** Mostly it is gone. Else it is not tried again until it is set again. */
  #leave(store: Store, expired: ExpiredKey, why: string): void {
    const isThere = expired.record.timed !== null && store === this.#host.store();
    store.leave(expired);
    if (!isThere) return;
    const key = keyToText(expired.key).slice(0, shownKeyChars);
    const text = `a key whose time is over stays until it is deleted or set again: ${key}: ${why}`;
    this.#host.say({ level: "warn", code: "key-stays", text });
  }

  #room(): number {
    const room = nodeLimits.removalsUnderWayMax - this.#underWay.size;
    return Math.min(room, this.#host.proposals.room);
  }

  #hasRoomFor(bytes: number): boolean {
    if (this.#underWay.size === 0) return true;
    return this.#underWayBytes + bytes <= nodeLimits.removalBytesUnderWayMax;
  }

  /**
   * Behind whatever else waits, where more is due and half of those under way are done: the key of somebody
   * who waits for it, Patroni's leader key, may be the last of hundreds of thousands.
   */
  #lookAgain(): void {
    if (!this.#isMoreDue || this.#lookScheduled) return;
    if (this.#room() < nodeLimits.removalsUnderWayMax / 2) return;
    if (this.#underWayBytes > nodeLimits.removalBytesUnderWayMax / 2) return;
    this.#lookScheduled = true;
    this.#host.clock.soon(() => {
      this.#lookScheduled = false;
      if (this.#timer !== null) this.look();
    });
  }
}

/** Of a key that stays, in the log. */
const shownKeyChars = 200;

/**
 * Whether what we apply from now on has just been taken in by the leader: we are it, or we hear it and
 * have applied all that it has committed. What a member applies that still catches up may be old.
 */
function isInStep(state: RaftState, nowMs: number): boolean {
  if (state.isLeader) return state.inquest === null && state.lastApplied >= state.noOpIndex;
  const { leader, leaderHeardMs, lastApplied, commitIndex, config } = state;
  const isHeard = leader !== null && nowMs - leaderHeardMs < config.electionTimeoutMsMin;
  return isHeard && lastApplied === commitIndex;
}
