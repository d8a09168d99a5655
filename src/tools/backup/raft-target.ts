import { setTimeout as sleep } from "node:timers/promises";
import { encodeStoredSet } from "../../../protocol/log/kv-calls.js";
import type { PyDict, PyValue } from "../../../protocol/pickle/values.js";
import type { WriteOutcome } from "../../node/write-outcome.js";
import { holdNow } from "../conditions.js";
import type { ReadyEntry } from "./ready-entry.js";
import { type RestoreCondition, RestoreError, type RestoreTarget } from "./restore.js";

/** Between two attempts of a write that was not done: an election takes about this long. */
const retryMs = 250;

/** What is needed of an observer (src/client/observer-client.ts). */
export interface RaftClient {
  get(key: string): { readonly value: unknown; readonly index: unknown } | null;
  submit(
    command: Uint8Array,
    options: { readonly timeoutMs: number },
  ): Promise<WriteOutcome<PyValue>>;
  snapshot(): {
    readonly records: Iterable<readonly [PyValue, PyDict]>;
    readonly end: () => void;
  };
}

/** A raft cluster of PySyncObj's or Quorate's members, through an observer. */
export class RaftTarget implements RestoreTarget {
  readonly #client: RaftClient;
  readonly #timeoutMs: number;

  /** @param timeoutMs For each key; an election within it is waited out. */
  constructor(client: RaftClient, timeoutMs: number) {
    this.#client = client;
    this.#timeoutMs = timeoutMs;
  }

  async holdsAny(prefix: string): Promise<boolean> {
    const snapshot = this.#client.snapshot();
    try {
      for (const [key] of snapshot.records) {
        if (prefix === "" || (typeof key === "string" && key.startsWith(prefix))) return true;
      }
      return false;
    } finally {
      snapshot.end();
    }
  }

  async wouldSet(entry: ReadyEntry, condition: RestoreCondition): Promise<boolean> {
    return holdNow(this.#client.get(entry.key), condition);
  }

  async set(entry: ReadyEntry, condition: RestoreCondition): Promise<boolean> {
    const command = encodeStoredSet(entry.storedKey, entry.dict, condition);
    const deadlineMs = performance.now() + this.#timeoutMs;
    // Done twice it comes to the same, unless the condition is about the value that it replaces.
    const isSafeTwice = condition.prevValue === undefined && condition.prevIndex === undefined;
    let wasUnknown = false;
    for (;;) {
      const leftMs = Math.max(1, deadlineMs - performance.now());
      const outcome = await this.#client.submit(command, { timeoutMs: leftMs });
      if (outcome.ok) {
        if (outcome.result !== false) return true;
        return wasUnknown && this.#isOurs(entry);
      }
      const { reason, message, mayBeDone } = outcome;
      wasUnknown ||= mayBeDone;
      const isOver = performance.now() + retryMs >= deadlineMs;
      if (isOver || reason === "REQUEST_DENIED" || (mayBeDone && !isSafeTwice)) {
        const verdict = wasUnknown ? "it may be set or not" : "it is not set";
        throw new RestoreError(`${JSON.stringify(entry.key)}: ${reason}: ${message}: ${verdict}`, {
          mayBeDone: wasUnknown,
        });
      }
      await sleep(retryMs);
    }
  }

  /** An attempt whose answer was lost had been done after all. */
  #isOurs(entry: ReadyEntry): boolean {
    return entry.text !== null && this.#client.get(entry.key)?.value === entry.text;
  }
}
