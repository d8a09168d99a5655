import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry } from "../../protocol/log/entry.js";
import { encodeSet } from "../../protocol/log/kv-calls.js";
import { failReason } from "../../protocol/wire/messages.js";
import { Store } from "../../src/store/store.js";
import { MixedJudge } from "./mixed-judge.js";
import type { Standing } from "./standing.js";

interface Log {
  readonly address: string;
  readonly kind: Standing["kind"];
  /** Each different from those of another writer at the same index and term. */
  readonly entries: readonly Entry[];
}

/** Entries from index 1 on: their terms, and who led these. */
function written(
  ...runs: readonly (readonly [by: string, term: number, count: number])[]
): Entry[] {
  const entries: Entry[] = [];
  for (const [by, term, count] of runs) {
    for (let each = 0; each < count; each += 1) {
      const index = entries.length + 1;
      const value = `${by} ${index}`;
      entries.push({ index, term, command: encodeSet("/k", { value, created: 1, updated: 1 }) });
    }
  }
  return entries;
}

function standingOf({ address, kind, entries }: Log, term: number | null): Standing {
  return {
    address,
    kind,
    role: term === null ? "follower" : "leader",
    leads: term !== null,
    term: term ?? 0,
    firstIndex: 1,
    lastIndex: entries.length,
    commitIndex: entries.length,
    appliedIndex: entries.length,
    store: new Store(),
    others: [],
    mustRefetch: false,
    entryAt: (index) => entries[index - 1],
  };
}

const addresses = ["a:1", "b:1", "c:1"] as const;

/**
 * The first member tells that the last but one of its entries is done; then the third, which is ours,
 * leads.
 */
function lostWith(first: readonly Entry[], second: readonly Entry[], third: readonly Entry[]) {
  const judge = new MixedJudge(false);
  const logs = [first, second, third].map((entries, at): Log => {
    return { address: addresses[at] ?? "", kind: at === 2 ? "quorate" : "vanilla", entries };
  });
  const bench = {
    views: () => [],
    standings: () => logs.map((log) => standingOf(log, null)),
    holders: (index: number, term: number) =>
      logs
        .filter(({ entries }) => entries[index - 1]?.term === term)
        .map(({ entries }) => ({ lastEntry: () => entries.at(-1) ?? null })),
    size: logs.length,
    say: () => {},
  };
  const told = first.at(-2);
  assert.ok(told !== undefined);
  // All of those that ran then held it.
  const then = { ...bench, standings: () => bench.standings().slice(0, 1) };
  judge.told({ by: "a:1", command: told.command, error: failReason.success }, then);
  assert.equal(judge.acknowledged, 1);
  judge.lookAtVanilla(standingOf({ address: "c:1", kind: "quorate", entries: third }, 9), bench);
  return judge.sum.lost;
}

const ours = written(["c", 1, 6], ["c", 7, 4]);
const honest = written(["c", 1, 3], ["a", 2, 4]);
/** Its last term has been led for the second time, at an index where it was led for the first. */
const alike = written(["c", 1, 3], ["a", 2, 2], ["a", 1, 1]);
const alikeFurther = written(["c", 1, 3], ["a", 2, 2], ["a", 1, 4]);

test("a Quorate leader that lacks what two others hold, and show, is to blame", () => {
  assert.deepEqual(lostWith(honest, honest, ours), { quorate: 1, vanilla: 0 });
  assert.deepEqual(lostWith(alikeFurther, alikeFurther, ours), { quorate: 1, vanilla: 0 });
});

test("it is not where one of the two has a log that ends in index and term of an entry of its own", () => {
  assert.deepEqual(lostWith(alike, alike, ours), { quorate: 0, vanilla: 1 });
  assert.deepEqual(lostWith(alike, alikeFurther, ours), { quorate: 0, vanilla: 1 });
});

test("it is not where only one machine still holds the entry", () => {
  assert.deepEqual(lostWith(honest, honest.slice(0, 3), ours), { quorate: 0, vanilla: 1 });
});

/** A member that has applied all of its entries, and of which a dump holds those before `firstIndex`. */
function dumpedOf(log: Log, firstIndex: number, term: number | null = null): Standing {
  const store = new Store();
  for (const { command, index } of log.entries) store.apply(command, index);
  const entryAt = (index: number) => (index < firstIndex ? undefined : log.entries[index - 1]);
  return { ...standingOf(log, term), store, firstIndex, entryAt };
}

/** The first member tells that each of its entries is done, all others hold them; then they are these. */
function toldThen(entries: readonly Entry[], later: readonly Standing[]) {
  const judge = new MixedJudge(false);
  const bench = {
    views: () => [],
    standings: () => later,
    holders: () => later.map(() => ({ lastEntry: () => null })),
    size: later.length,
    say: () => {},
  };
  const first = dumpedOf({ address: "a:1", kind: "vanilla", entries }, 1);
  judge.lookAtVanilla(first, bench);
  for (const { command } of entries) {
    const told = { by: "a:1", command, error: failReason.success };
    judge.told(told, { ...bench, standings: () => [first] });
  }
  assert.equal(judge.acknowledged, entries.length);
  return { judge, bench };
}

function each(...keys: readonly string[]): Entry[] {
  return keys.map((key, at) => {
    const command = encodeSet(key, { value: key, created: 1, updated: 1 });
    return { index: at + 1, term: 1, command };
  });
}

const told = each("/a", "/b", "/c", "/d");
const without = each("/a", "/other", "/c", "/d");

test("a leader's dump that lacks an acknowledged write is found by its store", () => {
  for (const [entries, lost] of [
    [told, 0],
    [without, 1],
  ] as const) {
    const leader = dumpedOf({ address: "c:1", kind: "quorate", entries }, 4, 9);
    const { judge, bench } = toldThen(told, [leader]);
    judge.lookAtVanilla(leader, bench);
    assert.deepEqual(judge.sum.lost, { quorate: lost, vanilla: 0 });
  }
});

test("a dump that a leader makes later is looked at as well", () => {
  const leader = dumpedOf({ address: "c:1", kind: "quorate", entries: told }, 1, 9);
  const { judge, bench } = toldThen(told, [leader]);
  judge.lookAtVanilla(leader, bench);
  assert.deepEqual(judge.sum.lost, { quorate: 0, vanilla: 0 });
  const worse = dumpedOf({ address: "c:1", kind: "quorate", entries: without }, 4, 9);
  judge.lookAtVanilla(worse, { ...bench, standings: () => [worse] });
  assert.deepEqual(judge.sum.lost, { quorate: 1, vanilla: 0 });
});

test("at the end each Quorate member has what was acknowledged, and what all that was committed makes", () => {
  const well = dumpedOf({ address: "c:1", kind: "quorate", entries: told }, 4);
  const kept = toldThen(told, [well]);
  kept.judge.end(kept.bench);
  assert.equal(kept.judge.sum.folded, 1);
  const lacking = dumpedOf({ address: "c:1", kind: "quorate", entries: without }, 4);
  const lost = toldThen(told, [lacking]);
  assert.throws(() => lost.judge.end(lost.bench), /without entry 2\/1, acknowledged/);
  const more = dumpedOf({ address: "c:1", kind: "quorate", entries: told }, 4);
  more.store.apply(encodeSet("/e", { value: "e", created: 1, updated: 1 }), 4);
  const wrong = toldThen(told, [more]);
  assert.throws(() => wrong.judge.end(wrong.bench), /not what the committed entries 1…4 make/);
});
