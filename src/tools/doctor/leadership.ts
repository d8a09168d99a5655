import { type Finding, listed } from "../findings.js";
import { type Answer, isLeader, type Look, leaderOf } from "../survey.js";
import type { TwoLooks } from "./looks.js";

/** Leaders: none, several, one that others do not follow, one without a quorum. */
export function leadership(looks: TwoLooks): Finding[] {
  const leaders = looks.after.answers.filter(isLeader);
  const [leader] = leaders;
  if (leader === undefined) return [noLeader(looks)];
  if (leaders.length > 1) return [severalLeaders(looks, leaders)];
  return [...changed(looks, leader), ...withoutQuorum(leader), ...notFollowed(looks, leader)];
}

function noLeader({ before, after }: TwoLooks): Finding {
  const candidates = after.answers.filter(({ status }) => status.state === 1);
  const terms = after.answers.map(({ self, status }) => `${self} ${status.raftTerm}`);
  const elsewhere = hearsay(after);
  const says =
    leaderOf(before) === null
      ? "none of the members that answer leads: nothing can be written"
      : "the leader stepped down or went away during the look";
  return {
    code: "no-leader",
    severity: "ill",
    members: candidates.map(({ self }) => self),
    says:
      `${says} (terms: ${terms.join(", ")}` +
      `${candidates.length > 0 ? `; ${listed(candidates.map(({ self }) => self))} asking for votes` : ""}` +
      `${elsewhere.length > 0 ? `; ${listed(elsewhere)} named as leader` : ""})`,
    wayOut:
      "see that a majority of the members is up and that each pair of them has a link; look again after " +
      "a few seconds. Where it stays, look at the terms and at who is behind before you restart anybody",
  };
}

/** Members that are said to lead and do not answer themselves. */
function hearsay(look: Look): string[] {
  const named = look.answers.flatMap(({ status }) => status.leader ?? []);
  return [...new Set(named)].filter((each) => !look.answers.some(({ self }) => self === each));
}

function severalLeaders({ before }: TwoLooks, leaders: readonly Answer[]): Finding {
  const terms = new Set(leaders.map(({ status }) => status.raftTerm));
  const names = leaders.map(({ self, status }) => `${self} in term ${status.raftTerm}`);
  const isOld = leaders.every(({ self }) => {
    const earlier = before.answers.find((answer) => answer.self === self);
    return earlier !== undefined && isLeader(earlier);
  });
  const how =
    terms.size === 1
      ? "two leaders of one term cannot be where every member keeps its vote: what one of them acknowledges can be lost"
      : isOld
        ? "the one with the lower term is cut off from a majority, and acknowledges nothing more"
        : "the one with the lower term has not heard of the other yet";
  return {
    code: "several-leaders",
    severity: "ill",
    members: leaders.map(({ self }) => self),
    says: `${leaders.length} members lead at once: ${listed(names)}; ${how}`,
    wayOut:
      "mend the links between them; clients that reach only the old leader have to be moved. With one " +
      "term for both, compare the members' data with `quorate doctor DIR DIR` before you restart anybody",
  };
}

function changed({ before }: TwoLooks, leader: Answer): Finding[] {
  const earlier = leaderOf(before);
  if (earlier !== null && earlier.self === leader.self) {
    return [];
  }
  return [
    {
      code: "election-just-now",
      severity: "note",
      members: [leader.self],
      says: `${leader.self} was elected during the look, in term ${leader.status.raftTerm}; before it: ${earlier?.self ?? "nobody"}`,
      wayOut: "look again: what is said of lag and links may be of the moment",
    },
  ];
}

function withoutQuorum({ self, status }: Answer): Finding[] {
  if (status.hasQuorum !== false) return [];
  return [
    {
      code: "leader-without-quorum",
      severity: "ill",
      members: [self],
      says: `the leader ${self} has no links to a majority: what it takes is not acknowledged`,
      wayOut: "mend its links, or let the others elect: stop this member",
    },
  ];
}

/** Members that name another leader, or none, both times. */
function notFollowed({ before, after }: TwoLooks, leader: Answer): Finding[] {
  return after.answers.flatMap((answer) => {
    const { self, status } = answer;
    const earlier = before.answers.find((each) => each.self === self)?.status;
    if (status.leader === leader.self || status.leader !== earlier?.leader) return [];
    return [
      {
        code: "does-not-follow",
        severity: "risk",
        members: [self],
        says: `${self} takes ${status.leader ?? "nobody"} for the leader, not ${leader.self}; its term is ${status.raftTerm}, the leader's ${leader.status.raftTerm}`,
        wayOut: `see whether ${leader.self} and ${self} have a link, and whether both name the same members`,
      } satisfies Finding,
    ];
  });
}
