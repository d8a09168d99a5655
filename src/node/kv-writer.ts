import {
  encodeDelete,
  encodeSet,
  type KvConditions,
  type KvDeleteOptions,
} from "../../protocol/log/kv-calls.js";
import { commandBytesMax } from "../../protocol/wire/limits.js";
import type { Clock, Timer } from "../clock.js";
import { type KvEntryJson, toJson } from "../store/json-view.js";
import { numberOf } from "../store/record.js";
import { Store } from "../store/store.js";
import { nodeLimits } from "./limits.js";
import type { PendingWrites } from "./pending-writes.js";
import { notSent, type OutcomeCallback, type WriteOutcome } from "./write-outcome.js";

/** How long a write may take. */
export interface WriteOptions {
  /** How long to wait for the outcome, in milliseconds; default: what the writer was made with. */
  readonly timeoutMs?: number;
}

/** Conditions and time to live of a key that is set. */
export interface SetOptions extends KvConditions, WriteOptions {
  /** Seconds until the leader removes the key; default: never. */
  readonly ttl?: number;
}

/** Conditions of a delete, which always asks for the key to exist. */
export interface DeleteOptions extends Omit<KvDeleteOptions, "prevExist">, WriteOptions {}

/** What a writer needs of the member or client whose writes it makes. */
export interface KvWriterHost {
  /** The own copy of the store. */
  store(): Store;
  readonly pending: PendingWrites;
  readonly clock: Clock;
  /** Takes the command to the leader. `deadlineMs` is of the clock. */
  submit(command: Uint8Array, done: OutcomeCallback, deadlineMs: number): void;
}

const emptyStore = new Store();

/**
 * Writes to the replicated dictionary as Patroni's own client makes them (`KVStoreTTL.set` and
 * `delete` in patroni/dcs/raft.py), with two differences. Conditions are judged by the cluster
 * alone, not by the own copy first. And no command leaves that would stop vanilla members: a plain
 * delete always asks for the key to exist.
 */
export class KvWriter {
  readonly #host: KvWriterHost;
  readonly #timeoutMs: number;
  #timer: Timer | null = null;
  #isClosed = false;

  /** @param timeoutMs How long a write waits for its outcome, unless its options say otherwise. */
  constructor(host: KvWriterHost, timeoutMs: number) {
    this.#host = host;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * @returns the entry as it was stored; false where the conditions did not hold.
   * @throws RangeError where `ttl` is not a positive number.
   */
  async set(
    key: string,
    value: string,
    options: SetOptions = {},
  ): Promise<WriteOutcome<KvEntryJson | false>> {
    const { ttl, timeoutMs, ...conditions } = options;
    if (ttl !== undefined && !(ttl > 0 && Number.isFinite(ttl))) {
      throw new RangeError(`ttl is ${ttl} but must be seconds, more than 0`);
    }
    const updated = this.#host.clock.wallSec();
    const created = numberOf(this.#host.store().get(key)?.get("created") ?? updated) ?? updated;
    const record = { value, updated, created };
    const command = encodeSet(
      key,
      ttl === undefined ? record : { ...record, expire: updated + ttl },
      conditions,
    );
    const outcome = await this.#write(command, timeoutMs);
    if (!outcome.ok) return outcome;
    const { result } = outcome;
    return { ...outcome, result: result instanceof Map && toJson(result) };
  }

  /** @returns false where the key does not exist, or the conditions did not hold. */
  async delete(key: string, options: DeleteOptions = {}): Promise<WriteOutcome<boolean>> {
    const { timeoutMs, recursive, prevValue, prevIndex } = options;
    const command = encodeDelete(
      key,
      recursive === true
        ? { recursive }
        : {
            prevExist: true,
            ...(prevValue === undefined ? {} : { prevValue }),
            ...(prevIndex === undefined ? {} : { prevIndex }),
          },
    );
    // A key that is no str, left by somebody else, makes every recursive delete raise.
    const outcome = await (recursive === true
      ? this.submit(command, options)
      : this.#write(command, timeoutMs));
    return outcome.ok ? { ...outcome, result: outcome.result === true } : outcome;
  }

  /**
   * Any command, as it stands. Refused with REQUEST_DENIED where, by the own copy, applying it would
   * stop every vanilla member, or would in a store without the key.
   */
  async submit(command: Uint8Array, options: WriteOptions = {}): Promise<WriteOutcome> {
    // The leader's store may lack a key that the own copy still holds: hence the empty one.
    const reason = this.#host.store().refusalAsIs(command) ?? emptyStore.refusalAsIs(command);
    return reason === null
      ? await this.#write(command, options.timeoutMs)
      : notSent("REQUEST_DENIED", reason);
  }

  /** Ends all that waits; nothing is taken any more. */
  close(): void {
    this.#isClosed = true;
    this.#host.pending.close();
    this.#stopTimer();
  }

  #write(command: Uint8Array, timeoutMs = this.#timeoutMs): Promise<WriteOutcome> {
    return new Promise((resolve) => {
      if (this.#isClosed) {
        resolve(notSent("CLOSED"));
      } else if (command.length > commandBytesMax) {
        const size = `${command.length} bytes, at most ${commandBytesMax} travel in one message`;
        resolve(notSent("REQUEST_DENIED", `the command has ${size}`));
      } else {
        this.#timer ??= this.#host.clock.every(nodeLimits.writeDeadlineLookMs, () => this.#tick());
        this.#host.submit(command, resolve, this.#host.clock.monotonicMs() + timeoutMs);
      }
    });
  }

  /** One timer for all writes: thousands may be open. */
  #tick(): void {
    this.#host.pending.expire(this.#host.clock.monotonicMs());
    if (this.#host.pending.size === 0) this.#stopTimer();
  }

  #stopTimer(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}
