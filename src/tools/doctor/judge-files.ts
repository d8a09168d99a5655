import { type Finding, listed, sortFindings } from "../findings.js";
import { majorityOf } from "../survey.js";
import { type KeyAcross, writtenSecOf } from "./compare-data.js";
import type { Span, Variant } from "./compare-logs.js";
import { timeRange, timeText } from "./file-times.js";
import { type Conflict, endOf, type Lack } from "./histories.js";
import { leftOut, oddCopy } from "./judge-copies.js";
import type { OddCopy } from "./odd-copies.js";
import type { FileMember, SideBySide } from "./side-by-side.js";

const keepAll =
  "start none of these members before all directories are copied away. Then decide whose history is to go on, " +
  "make that member's files the cluster's (`quorate recover DIR --force-new-cluster`), begin the others with empty " +
  "directories, and write again with `quorate kv put` what only theirs held: all of it is in `--json`, and in " +
  "`quorate inspect DIR --entries`";
/** PySyncObj's members write one after so long, unless their log grows first. */
const dumpEveryMin = 5;

/** Places of a dip that are told in one sentence. */
const dipsToldMax = 3;

/** What the files of several members, side by side, show. */
export function judgeFiles(all: SideBySide): Finding[] {
  return sortFindings([
    ...all.histories.conflicts.map(conflict),
    ...all.histories.oddCopies.flatMap(oddPlaces),
    ...leftOut(all.members),
    ...cutOff(all),
    ...all.histories.lacks.flatMap((lack) =>
      // Of files that cannot be read nobody knows what they lack.
      all.members.some((each) => each.name === lack.name && isUnreadable(each))
        ? []
        : [lacking(all, lack)],
    ),
    ...data(all),
    ...droppedEntries(all.members),
    ...dips(all.members),
    ...all.members.flatMap(damage),
    ...inUse(all.members),
    ...all.histories.tails.map((span) => tail(span, all)),
  ]);
}

function conflict({ span, committed }: Conflict): Finding {
  const sides = committed.map((variant) => sideText(variant, span.first));
  const garbled = garbledIn(span);
  if (garbled.length > 0) {
    const who = listed(garbled);
    return {
      ...{ code: "entry-garbled", severity: "ill", members: garbled },
      says: `${rangeText(span)} of ${who} ${span.first === span.last ? "is" : "are"} nothing that a member writes, and the others hold commands there, in the same term: the bytes were changed on the disk of ${who}, or on the way to these files`,
      wayOut: `put the directory of ${who} aside, and have it begin with an empty one once the others run: they hold what was there. Check the disk`,
    };
  }
  return {
    code: "committed-entries-differ",
    severity: "ill",
    members: span.variants.flatMap(({ names }) => names),
    says: `${rangeText(span)} ${span.first === span.last ? "exists" : "exist"} twice, and each was committed as far as the files tell: ${sides.join("; ")}`,
    wayOut: keepAll,
  };
}

/** What is no command at all has a finding of its own. */
function oddPlaces({ spans, ...copy }: OddCopy): Finding[] {
  const garbled = spans.filter((span) => garbledIn(span).length > 0);
  const others = spans.filter((span) => !garbled.includes(span));
  const sides = others.flatMap(({ variants, first }) =>
    variants.map((variant) => sideText(variant, first)),
  );
  return [
    ...garbled.map((span) => conflict({ span, committed: span.variants })),
    ...(others.length > 0 ? [oddCopy(copy, sides)] : []),
  ];
}

/**
 * Who holds bytes in the place of the others' commands, in the same term. Of a term that was led twice both
 * sides would be commands.
 */
function garbledIn({ variants }: Span): readonly string[] {
  const isGarbled = ({ writes }: Variant) =>
    writes.length > 0 && writes.every(({ operation }) => operation === "other");
  const isOneTerm = variants.every(({ term }) => term === variants[0]?.term);
  const garbled = variants.filter(isGarbled);
  if (!isOneTerm || garbled.length === variants.length) return [];
  return garbled.flatMap(({ names }) => names);
}

function sideText({ names, term, says, writeCount, writes }: Variant, first: number): string {
  const when = timeRange(writes.map(({ writtenSec }) => writtenSec));
  const counted = writeCount === 1 ? "1 write" : `${writeCount} writes`;
  return `${listed(names)}: at ${first}, in term ${term}, ${says} (${counted}${when === null ? "" : ` of ${when}`})`;
}

function cutOff({ members, histories }: SideBySide): Finding[] {
  return members.flatMap((member): Finding[] => {
    if (!histories.cut.includes(member.name)) return [];
    const [end, told] = [endOf(member), member.commitIndex ?? 0];
    const holders = new Set(
      histories.atStake.flatMap(({ index, heldBy }) => (index > end ? heldBy : [])),
    );
    const where =
      holders.size > 0
        ? `${listed([...holders].sort())} still holds what was there`
        : "none of these files holds them";
    const says = `${member.name} has stored that entries up to ${told} are committed, and its files end at ${end}: committed entries were cut off; ${where}`;
    return [
      {
        ...{ code: "committed-entries-cut", severity: "ill", members: [member.name] },
        ...{ says, wayOut: keepAll },
      },
    ];
  });
}

function lacking({ members, histories }: SideBySide, lack: Lack): Finding {
  const { name, from, heldBy, wins, isContradiction, isClaimed } = lack;
  const end = endOf(members.find((each) => each.name === name) ?? none);
  const what = isContradiction
    ? `${name} holds others in the place of the committed entries from ${from} on`
    : `${name} lacks the committed entries from ${from} to ${histories.committedEnd}`;
  if (!wins) {
    // Where something was cut off nobody can tell which side was meant by the stored commit index.
    const isOpen = isContradiction && histories.cut.includes(name);
    return {
      ...{ code: "lags", severity: "note", members: [name] },
      says: `${isContradiction ? what : `${name} holds entries up to ${end}; ${histories.committedEnd} are committed`}${isOpen ? "; a leader would cut off what it has" : ": the next leader settles it"}`,
      wayOut: isOpen ? keepAll : null,
    };
  }
  const holders = members.filter((each) => heldBy.includes(each.name));
  const basis = isClaimed
    ? ""
    : ", which a majority holds though nobody has stored it as committed";
  const says =
    `${what} (${listed(heldBy)} ${heldBy.length === 1 ? "has" : "have"} them${basis}), and its last term ` +
    `${termOf(members, name)} is higher than ${listed([...new Set(holders.map(({ log }) => String(log.lastTerm)))])}: PySyncObj's members would elect it, and cut those entries off`;
  const severity = isClaimed || holders.some(({ log }) => log.dipCount > 0) ? "ill" : "risk";
  const winners = histories.lacks.filter((each) => each.wins).length;
  const others = members.length - winners;
  return {
    ...{ code: "stale-log-wins", severity, members: [name], says },
    // Without a majority that is whole there is nobody whom it could begin anew beside.
    wayOut:
      others < majorityOf(members.length)
        ? keepAll
        : `do not start ${name} on these files beside PySyncObj's members: put its directory aside, and have it begin with an empty one once the others run`,
  };
}

const none: Pick<FileMember, "log" | "dumpIndex"> = {
  log: { name: "", first: null, last: null, lastTerm: 0, dipCount: 0, dips: [] },
  dumpIndex: null,
};

function termOf(members: readonly FileMember[], name: string): number {
  return members.find((each) => each.name === name)?.log.lastTerm ?? 0;
}

function data({ data: differences, comparedAt, members, spans }: SideBySide): Finding[] {
  const unread = members.filter(({ notCompared }) => notCompared !== null);
  const isAlike = spans.every(({ first, variants }) => first > comparedAt || variants.length < 2);
  const defect = isAlike
    ? ". Their journals are alike: memories differed, as they do where PySyncObj has applied entries that were cut off later (docs/upstream-defect.md)"
    : "";
  return [
    ...differences.map(
      ({ one, other, count, keys }): Finding => ({
        code: "data-differ",
        severity: "ill",
        members: [one, other],
        says: `the data of ${one} and ${other} differ at entry ${comparedAt} in ${count === 1 ? "1 key" : `${count} keys`}: ${keysText(keys, count)}${writtenText(keys)}${defect}`,
        wayOut: `see each with \`quorate inspect DIR --at ${comparedAt}\`, decide which is right, and have the other member begin with an empty directory; write what only the other one holds again with \`quorate kv put\``,
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

/** Keys told in a sentence: the table has more. */
const keysToldMax = 5;

function keysText(keys: readonly KeyAcross[], count: number): string {
  const told = keys.slice(0, keysToldMax).map(({ key }) => key);
  return count > told.length ? `${told.join(", ")} and ${count - told.length} more` : listed(told);
}

function writtenText(keys: readonly KeyAcross[]): string {
  const range = timeRange(keys.map(writtenSecOf));
  return range === null ? "" : ` (written ${range})`;
}

function droppedEntries(members: readonly FileMember[]): Finding[] {
  return members.flatMap(({ name, conflictFiles }): Finding[] =>
    conflictFiles.length === 0
      ? []
      : [
          {
            ...{ code: "dropped-committed", severity: "ill", members: [name] },
            says: `${name} was made to drop committed entries by a leader, and has kept them: ${listed(conflictFiles)}`,
            wayOut:
              "see what they hold with `quorate inspect FILE --entries`, and write again what is missing",
          },
        ],
  );
}

/** One finding for all members whose logs hold the same dips. */
function dips(members: readonly FileMember[]): Finding[] {
  const groups = new Map<string, FileMember[]>();
  for (const member of members) {
    if (member.log.dipCount === 0) continue;
    const shape = JSON.stringify([member.log.dipCount, member.log.dips]);
    groups.set(shape, [...(groups.get(shape) ?? []), member]);
  }
  return [...groups.values()].flatMap((group): Finding[] => {
    const log = group[0]?.log;
    if (log === undefined) return [];
    const names = group.map(({ name }) => name);
    const places = log.dips
      .slice(0, dipsToldMax)
      .map(({ index, from, to, afterSec, beforeSec }) => {
        const after = afterSec === null ? "" : `, after ${timeText(afterSec)}`;
        const before = beforeSec === null ? "" : `, before ${timeText(beforeSec)}`;
        return `from ${from} to ${to} at entry ${index}${after}${before}`;
      });
    const more = log.dipCount > places.length ? `; ${log.dipCount - places.length} times more` : "";
    return [
      {
        ...{ code: "term-goes-down", severity: "risk", members: names },
        says: `the term in the ${names.length === 1 ? "log" : "logs"} of ${listed(names)} goes down ${places.join("; ")}${more}: the cluster had forgotten its term there`,
        wayOut:
          "a log of the old, higher term can overrule what was written since. Do not start PySyncObj's members on these files: take `quorate backup`, stop all members, and start all of them as Quorate, which judge such logs with care (docs/migration.md). " +
          `Of running members compare copies again after ${dumpEveryMin} minutes: memories that differ show in the next dumps only`,
      },
    ];
  });
}

function isUnreadable(member: FileMember): boolean {
  return endOf(member) === 0 && member.damaged.some((what) => what !== "meta");
}

function damage(member: FileMember): Finding[] {
  const { name, damaged, directory } = member;
  if (isUnreadable(member)) {
    return [
      {
        ...{ code: "nothing-readable", severity: "ill", members: [name] },
        says: `no entry of ${name} can be read (damaged: ${listed(damaged)}): it was compared with nothing, and what is said here is of the others`,
        wayOut: `see \`quorate verify ${directory}\`, and compare another copy of its files where there is one`,
      },
    ];
  }
  return damaged.map((what) => ({
    ...{ code: "damaged", severity: "risk", members: [name] },
    says: `the ${what} of ${name} is damaged, and is compared as far as it can be read`,
    wayOut: `see \`quorate verify ${directory}\``,
  }));
}

function inUse(members: readonly FileMember[]): Finding[] {
  const held = members.filter(({ inUseBy }) => inUseBy !== null);
  if (held.length === 0) return [];
  const names = held.map(({ name }) => name);
  const verb = held.length === 1 ? "runs" : "run";
  return [
    {
      ...{ code: "in-use", severity: "note", members: names },
      says: `${listed(names)} ${verb} on these files: what was read may have changed meanwhile`,
      wayOut:
        "look again before you act on what is said of them, and ask the running cluster itself: `quorate doctor` with its configuration in the place of the directories",
    },
  ];
}

function tail(span: Span, { members, histories }: SideBySide): Finding {
  const sides = span.variants.map((variant) => sideText(variant, span.first)).join("; ");
  const what = `${rangeText(span)} ${span.first === span.last ? "differs" : "differ"}`;
  const cut = members.filter(
    ({ name }) =>
      histories.cut.includes(name) &&
      span.variants.some(({ claimedBy }) => claimedBy.includes(name)),
  );
  const told = cut.map(
    (member) =>
      `${member.name} has stored that entries up to ${member.commitIndex} are committed, which is beyond the end of its files: whether it meant these or others that stood there before is not to be seen`,
  );
  return {
    ...{ code: "tails-differ", severity: "note" },
    members: span.variants.flatMap(({ names }) => names),
    says:
      cut.length === 0
        ? `${what}, and not more than one side has stored that they are committed: ${sides}`
        : `${what}: ${sides}. ${told.join("; ")}`,
    wayOut:
      cut.length === 0
        ? "nothing, where no other finding speaks of them: the next leader settles it"
        : keepAll,
  };
}

function rangeText({ first, last }: Span): string {
  return first === last ? `entry ${first}` : `entries ${first} to ${last}`;
}
