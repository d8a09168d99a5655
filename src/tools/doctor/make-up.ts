import { type Finding, listed } from "../findings.js";
import type { Durability } from "../software.js";
import { type Answer, majorityOf } from "../survey.js";
import type { TwoLooks } from "./looks.js";

/** What the cluster is made of: versions with the defect, and how many members there are. */
export function makeUp({ after }: TwoLooks): Finding[] {
  return [
    ...forgetful(after.answers, after.known.length),
    ...unsynced(after.answers, after.known.length),
    ...unknown(after.answers),
    ...codeVersions(after.answers),
    ...size(after.known),
  ];
}

const toQuorate = "move the members to Quorate one at a time: `quorate migrate plan`";

function withDurability(answers: readonly Answer[], durability: Durability): Answer[] {
  return answers.filter(({ software }) => software.durability === durability);
}

function named(answers: readonly Answer[]): string {
  return listed(answers.map(({ self, software }) => `${self} (${software.version})`));
}

function forgetful(answers: readonly Answer[], members: number): Finding[] {
  const found = withDurability(answers, "forgets");
  if (found.length === 0) return [];
  const isMajority = found.length >= majorityOf(members);
  return [
    {
      code: "forgets-term-and-vote",
      severity: "risk",
      members: found.map(({ self }) => self),
      says:
        `${named(found)}: PySyncObj up to 0.3.15 forgets term and vote at each restart; ` +
        (isMajority
          ? "these are a majority, and when they restart together, acknowledged writes can be lost"
          : "these are a minority, which cannot lose acknowledged writes on its own"),
      wayOut: `restart one member at a time, and the next only when the last has caught up; ${toQuorate}`,
    },
  ];
}

function unsynced(answers: readonly Answer[], members: number): Finding[] {
  const found = withDurability(answers, "unsynced");
  if (found.length === 0) return [];
  const isMajority = found.length >= majorityOf(members);
  return [
    {
      code: "syncs-nothing",
      severity: "risk",
      members: found.map(({ self }) => self),
      says:
        `${named(found)}: PySyncObj 0.3.16 and 0.3.17 store term and vote, but sync nothing to disk; ` +
        (isMajority
          ? "these are a majority, and a loss of power in one place can cost acknowledged writes"
          : "these are a minority"),
      wayOut: toQuorate,
    },
  ];
}

function unknown(answers: readonly Answer[]): Finding[] {
  const found = withDurability(answers, "unknown");
  if (found.length === 0) return [];
  return [
    {
      code: "unknown-version",
      severity: "note",
      members: found.map(({ self }) => self),
      says: `${named(found)}: this version of PySyncObj is not known here, and what it keeps is not either`,
      wayOut: null,
    },
  ];
}

function codeVersions(answers: readonly Answer[]): Finding[] {
  const versions = new Set(answers.map(({ status }) => status.enabledCodeVersion));
  if (versions.size < 2) return [];
  const each = answers.map(({ self, status }) => `${self} ${status.enabledCodeVersion}`);
  return [
    {
      code: "code-versions-differ",
      severity: "risk",
      members: answers.map(({ self }) => self),
      says: `the members have enabled different code versions (${each.join(", ")}): they may apply one entry differently`,
      wayOut: "see that all have caught up; then set it again with `quorate set-version`",
    },
  ];
}

function size(known: readonly string[]): Finding[] {
  const members = known.length;
  if (members === 1 || members % 2 === 1) {
    return members === 1 ? [few("one member: when it is down, nothing can be written")] : [];
  }
  const spare = members - majorityOf(members);
  return [
    few(
      members === 2
        ? "two members: when either is down, nothing can be written"
        : `${members} members stand the loss of ${spare}, as ${members - 1} would`,
    ),
  ];
}

function few(says: string): Finding {
  return {
    code: "number-of-members",
    severity: "note",
    members: [],
    says,
    wayOut: "three or five members are usual; add one with `quorate add`",
  };
}
