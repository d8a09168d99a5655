import { hasLoneSurrogate } from "../../../protocol/pickle/text.js";
import type { PyValue } from "../../../protocol/pickle/values.js";
import { base64, type EtcdApi, EtcdError } from "./etcd-api.js";
import type { ReadyEntry } from "./ready-entry.js";
import { type RestoreCondition, RestoreError, type RestoreTarget } from "./restore.js";

/**
 * etcd, as Patroni's `etcd3` uses it (patroni/dcs/etcd3.py): the same key, the same text as value,
 * and a lease where the key has a time to live. Patroni renews leader and member keys under a lease
 * of its own as soon as it runs; until then each has one that ends when the key was to end.
 */
export class EtcdTarget implements RestoreTarget {
  readonly #api: EtcdApi;

  constructor(api: EtcdApi) {
    this.#api = api;
  }

  holdsAny(prefix: string): Promise<boolean> {
    return this.#api.holdsAny(prefix);
  }

  async wouldSet(entry: ReadyEntry, condition: RestoreCondition): Promise<boolean> {
    textOf(entry);
    const found = await this.#api.get(entry.key);
    const { prevExist, prevValue } = condition;
    if (prevExist !== undefined && prevExist !== (found !== null)) return false;
    return prevValue === undefined || found?.value === prevValue;
  }

  async set(entry: ReadyEntry, condition: RestoreCondition): Promise<boolean> {
    const value = textOf(entry);
    const key = base64(entry.key);
    let lease: string | null = null;
    try {
      // Whole seconds, and not less than what is left.
      if (entry.leftSec !== null) lease = await this.#api.grantLease(Math.ceil(entry.leftSec));
      const put = { key, value: base64(value), ...(lease === null ? {} : { lease }) };
      const isSet = await this.#api.putWhere(comparisons(key, condition), put);
      if (!isSet) await this.#giveUp(lease);
      return isSet;
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      // Where the key may be set it would go with its lease.
      if (!error.mayBeDone) await this.#giveUp(lease);
      const verdict = error.mayBeDone ? "it may be set or not" : "it is not set";
      const message = `${JSON.stringify(entry.key)}: ${error.message}: ${verdict}`;
      throw new RestoreError(message, { mayBeDone: error.mayBeDone, cause: error });
    }
  }

  /** A lease without a key. Where it cannot be given back it ends by itself, at the time when the key was to end. */
  async #giveUp(lease: string | null): Promise<void> {
    if (lease !== null) await this.#api.revokeLease(lease).catch(() => {});
  }
}

function comparisons(key: string, { prevExist, prevValue }: RestoreCondition) {
  const exists =
    prevExist === undefined
      ? []
      : [
          {
            ...{ key, target: "CREATE", create_revision: "0" },
            result: prevExist ? "GREATER" : "EQUAL",
          },
        ];
  if (prevValue === undefined) return exists;
  return [...exists, { key, target: "VALUE", result: "EQUAL", value: base64(prevValue) }];
}

function textOf(entry: ReadyEntry): string {
  const why = etcdRefusal(entry);
  if (why === null && entry.text !== null) return entry.text;
  throw new RestoreError(`${JSON.stringify(entry.key)} ${why}`, { mayBeDone: false });
}

/** Why etcd cannot hold the key as Patroni would have written it, or null where it can. */
export function etcdRefusal({ key, storedKey, text }: ReadyEntry): string | null {
  if (key === "") return "is an empty key, which etcd does not take";
  if (text === null) return "holds what is no text, which has no place in etcd";
  // UTF-8 has no form of it: another character would take its place, and two keys could become one.
  const isBroken = [storedKey, text].some((part) => !isWellFormed(part));
  return isBroken ? "holds half of a character, which has no place in etcd" : null;
}

function isWellFormed(text: PyValue): boolean {
  return typeof text === "string" && !hasLoneSurrogate(text);
}
