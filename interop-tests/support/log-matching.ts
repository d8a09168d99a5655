import type { Entry } from "../../protocol/log/entry.js";

export interface NamedLog {
  readonly name: string;
  readonly entries: readonly Entry[];
}

/**
 * Where these logs break raft's log matching: an entry of the same index and term in both has to be the same in
 * both, and so has all before it, as far as both still hold it.
 */
export function mismatches(logs: readonly NamedLog[]): string[] {
  return logs.flatMap((one, at) => logs.slice(at + 1).flatMap((other) => between(one, other)));
}

function between(one: NamedLog, other: NamedLog): string[] {
  const byIndex = new Map(one.entries.map((entry) => [entry.index, entry]));
  const shared = other.entries.flatMap((entry) => {
    const twin = byIndex.get(entry.index);
    return twin === undefined ? [] : [[twin, entry] as const];
  });
  const lastAlike = shared.findLastIndex(([a, b]) => a.term === b.term);
  return shared
    .slice(0, lastAlike + 1)
    .filter(([a, b]) => a.term !== b.term || Buffer.compare(a.command, b.command) !== 0)
    .map(([a, b]) => `index ${a.index}: ${one.name} has term ${a.term}, ${other.name} ${b.term}`);
}
