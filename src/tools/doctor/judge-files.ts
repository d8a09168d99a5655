import { type Finding, listed, sortFindings } from "../findings.js";
import type { Difference } from "./compare-logs.js";
import type { FileMember, SideBySide } from "./side-by-side.js";

const keepAll =
  "start none of these members. Copy all directories away first; what is lost of the data is named above, " +
  "and can be written again with `quorate kv put` once the cluster is well";

/** What the files of several members, side by side, show. */
export function judgeFiles(all: SideBySide): Finding[] {
  const told = all.members.flatMap(({ commitIndex, dumpIndex }) => [
    commitIndex ?? 0,
    dumpIndex ?? 0,
  ]);
  const committed = Math.max(0, ...told);
  return sortFindings([
    ...all.members.flatMap((member) => alone(member)),
    ...all.logs.differences.map((difference) => differs(difference, committed)),
    ...data(all),
    ...staleWins(all.members, committed),
    ...behind(all.members, committed),
  ]);
}

function alone(member: FileMember): Finding[] {
  const { name, log, commitIndex, dumpIndex, damaged, conflictFiles } = member;
  const end = Math.max(log.last ?? 0, dumpIndex ?? 0);
  const found: Finding[] = [];
  const add = (code: string, severity: Finding["severity"], says: string, wayOut: string) =>
    found.push({ code, severity, members: [name], says, wayOut });
  // 1 is the entry that every log begins with.
  if (commitIndex !== null && commitIndex > Math.max(end, 1)) {
    const says = `${name} has stored that entries up to ${commitIndex} are committed, and its files end at ${end}: committed entries were cut off`;
    add("committed-entries-cut", "ill", says, keepAll);
  }
  for (const { index, from, to, afterSec } of log.dips) {
    const when = afterSec === null ? "" : `, after ${new Date(afterSec * 1000).toISOString()}`;
    const says = `the term in the log of ${name} goes down from ${from} to ${to} at entry ${index}${when}: the cluster had forgotten its term there`;
    const wayOut =
      "a log of the old, higher term can overrule what was written since. Do not start PySyncObj's members on these files; Quorate's judge such logs with care (docs/upstream-defect.md)";
    add("term-goes-down", "risk", says, wayOut);
  }
  for (const what of damaged) {
    add("damaged", "risk", `the ${what} of ${name} is damaged`, "see `quorate inspect` of it");
  }
  if (conflictFiles.length > 0) {
    const says = `${name} was made to drop committed entries by a leader, and has kept them: ${listed(conflictFiles)}`;
    add("dropped-committed", "ill", says, "see what they hold, and write again what is missing");
  }
  return found;
}

function differs({ first, last, held }: Difference, committed: number): Finding {
  const range = first === last ? `entry ${first}` : `entries ${first} to ${last}`;
  const sides = held.map(({ name, term, says }) => `${name} (term ${term}) has ${says}`);
  const isCommitted = first <= committed;
  return {
    code: isCommitted ? "committed-entries-differ" : "tails-differ",
    severity: isCommitted ? "ill" : "note",
    members: held.map(({ name }) => name),
    says: isCommitted
      ? `${range} differ, and a member has stored that they are committed: at ${first} ${sides.join("; ")}`
      : `${range} differ, and nobody has stored that they are committed: at ${first} ${sides.join("; ")}`,
    wayOut: isCommitted ? keepAll : "nothing: the next leader settles it",
  };
}

function data({ data: differences, comparedAt, members }: SideBySide): Finding[] {
  const unread = members.filter(({ notCompared }) => notCompared !== null);
  return [
    ...differences.map(
      ({ one, other, count, keys }): Finding => ({
        code: "data-differ",
        severity: "ill",
        members: [one, other],
        says: `the data of ${one} and ${other} differ at entry ${comparedAt} in ${count} keys: ${keys.join(", ")}`,
        wayOut: `see each with \`quorate inspect DIR --at ${comparedAt}\`, decide which is right, and have the other member begin with an empty directory`,
      }),
    ),
    ...unread.map(
      ({ name, notCompared }): Finding => ({
        code: "data-not-compared",
        severity: members.length - unread.length < 2 ? "risk" : "note",
        members: [name],
        says: `the data of ${name} at entry ${comparedAt} could not be compared: ${notCompared}`,
        wayOut: null,
      }),
    ),
  ];
}

/** A log that lacks committed entries and has the last term that wins an election. */
function staleWins(members: readonly FileMember[], committed: number): Finding[] {
  const holders = members.filter(({ log }) => (log.last ?? 0) >= committed && committed > 0);
  return members.flatMap(({ name, log }) => {
    const beaten = holders.filter(
      (other) => other.name !== name && other.log.lastTerm < log.lastTerm,
    );
    if ((log.last ?? 0) >= committed || beaten.length === 0) return [];
    return [
      {
        code: "stale-log-wins",
        severity: "ill",
        members: [name],
        says: `${name} lacks the committed entries from ${(log.last ?? 0) + 1} to ${committed}, and its last term ${log.lastTerm} is higher than that of ${listed(beaten.map((each) => each.name))}: PySyncObj's members would elect it, and cut those entries off`,
        wayOut: `do not start ${name} on these files beside PySyncObj's members: put its directory aside, and have it begin with an empty one once the others run`,
      } satisfies Finding,
    ];
  });
}

function behind(members: readonly FileMember[], committed: number): Finding[] {
  return members.flatMap(({ name, log, dumpIndex }) => {
    const last = Math.max(log.last ?? 0, dumpIndex ?? 0);
    if (last >= committed) return [];
    return [
      {
        code: "lags",
        severity: "note",
        members: [name],
        says: `${name} holds entries up to ${last}; ${committed} are committed`,
        wayOut: null,
      } satisfies Finding,
    ];
  });
}
