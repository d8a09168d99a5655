import { pyEquals } from "../../protocol/pickle/py-equal.js";
import type { Effect, KvState } from "./kv-rules.js";
import { evaluate } from "./kv-rules.js";
import { costlyPrefixesMax, nestingMax } from "./limits.js";
import type { KvCall } from "./python-call.js";
import { isStr, isTextPrefix, matchCost } from "./python-key.js";
import { numberOf } from "./record.js";
import { isBeyondCommand, nestsTooDeep } from "./written-form.js";

/**
 * Why the call must not be appended behind the state, or null. That is where applying it would
 * raise, where its effect would make vanilla raise later, and where a member of ours might fail to write it again.
 *
 * @throws what `evaluate` throws: vanilla would raise when applying it.
 */
export function refusalOf(call: KvCall, state: KvState): string | null {
  if (call.kind === "resubmitted") return "every vanilla member would submit the call again";
  // The index only becomes a value's field: what raises does not depend on it.
  const effect = evaluate(call, state, 0);
  if (effect.kind === "sweep") return sweepRefusal(effect, state);
  return effect.kind === "set" ? poisonOf(effect) : null;
}

/** Without a look at the keys, of which there may be a million. */
function sweepRefusal({ prefix }: Effect & { kind: "sweep" }, { oddKeys }: KvState): string | null {
  if (!isTextPrefix(prefix)) {
    return "a recursive delete takes a str or a tuple of them: others raise where there are keys";
  }
  if (matchCost(prefix) > costlyPrefixesMax)
    return "too many prefixes that end in half a character";
  return oddKeys === 0 ? null : "AttributeError: a key that is no str has no startswith";
}

/** What raises in a vanilla process, or goes beyond a bound of ours, on account of a value that `_set` itself stores. */
function poisonOf({ key, dict }: Effect & { kind: "set" }): string | null {
  // `str.startswith` is asked of every key: by each recursive delete when it is applied, and by
  // each recursive get of Patroni's.
  if (!isStr(key)) return "a key that is no str makes every recursive get and delete raise";
  // Raft._on_set in patroni/dcs/raft.py looks at them while `_set` is being applied.
  const created = dict.get("created");
  if (created === undefined) return "a value without 'created' raises KeyError in Patroni's on_set";
  if (!dict.has("updated") && pyEquals(key, created)) {
    return "a value without 'updated' raises KeyError in Patroni's on_set";
  }
  // KVStoreTTL.__expire_keys compares it with the clock at each tick of the leader.
  const expire = dict.get("expire");
  if (expire !== undefined && numberOf(expire) === null) {
    return "an 'expire' that is no number raises TypeError in every vanilla leader";
  }
  if (nestsTooDeep(dict)) return `a value that nests more than ${nestingMax} deep`;
  // Whoever leads names the whole value in the command that removes it.
  if (expire !== undefined && isBeyondCommand(dict)) {
    return "a value with a time to live that has too many parts: no command could remove it";
  }
  return null;
}
