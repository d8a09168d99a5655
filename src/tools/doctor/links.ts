import { type Finding, listed } from "../findings.js";
import { type Answer, memberList } from "../survey.js";
import { type Pair, pairsOf, type TwoLooks } from "./looks.js";

/** Links that only one end has, or neither, and members that count different members. */
export function links(looks: TwoLooks): Finding[] {
  const lists = differentLists(looks);
  return [...lists, ...betweenPairs(pairsOf(looks))];
}

function betweenPairs(pairs: readonly Pair[]): Finding[] {
  return pairs.flatMap((a, at) =>
    pairs.slice(at + 1).flatMap((b) => {
      const [aSeesB, bSeesA] = [sees(a, b.self), sees(b, a.self)];
      if (aSeesB === false && bSeesA === false) return [noLink(a.self, b.self)];
      if (aSeesB === true && bSeesA === false) return [oneWay(a.self, b.self)];
      return aSeesB === false && bSeesA === true ? [oneWay(b.self, a.self)] : [];
    }),
  );
}

/** Null: not the same both times, or not a member for it. */
function sees({ before, after }: Pair, other: string): boolean | null {
  const [was, is] = [linkOf(before, other), linkOf(after, other)];
  return was === is ? is : null;
}

function linkOf({ status }: Answer, other: string): boolean | null {
  return status.partners.find(({ address }) => address === other)?.connected ?? null;
}

function oneWay(from: string, to: string): Finding {
  return {
    code: "one-way-link",
    severity: "risk",
    members: [from, to].sort(),
    says: `${from} has a link to ${to}, ${to} has none to ${from}`,
    wayOut:
      `${dialer(from, to)} opens the connection between these two: see from there whether the other's port is open and ` +
      "is that member, whether a firewall drops what comes back, and whether both have the same password",
  };
}

function noLink(a: string, b: string): Finding {
  return {
    code: "no-link",
    severity: "risk",
    members: [a, b],
    says: `${a} and ${b} have no link to each other, though both answer here`,
    wayOut: `${dialer(a, b)} opens the connection between these two: see from there whether the other's address resolves and its port is open`,
  };
}

/** Of two members the one with the larger address dials. */
function dialer(a: string, b: string): string {
  return a > b ? a : b;
}

function differentLists({ before, after }: TwoLooks): Finding[] {
  const now = byList(after.answers);
  if (now.size < 2 || byList(before.answers).size < 2) return [];
  const said = [...now].map(
    ([list, who]) => `${listed(who)} ${who.length === 1 ? "counts" : "count"} ${list}`,
  );
  return [
    {
      code: "member-lists-differ",
      severity: "ill",
      members: after.answers.map(({ self }) => self),
      says: `the members do not agree on who is a member: ${said.join("; ")}. Majorities differ, so two leaders are possible`,
      wayOut:
        "find the list that is meant (the leader's, as a rule), correct `partner_addrs` of the others, and " +
        "restart those one at a time; remove members that are no more with `quorate remove`",
    },
  ];
}

/** Who has each list of members. */
function byList(answers: readonly Answer[]): Map<string, string[]> {
  const lists = new Map<string, string[]>();
  for (const answer of answers) {
    const list = memberList(answer).join(", ");
    lists.set(list, [...(lists.get(list) ?? []), answer.self]);
  }
  return lists;
}
