import type { Finding } from "../findings.js";
import { pairsOf, steadyLeader, type TwoLooks } from "./looks.js";

/** Terms that go down, lag behind the leader's, or run away from it. */
export function terms(looks: TwoLooks): Finding[] {
  return [...wentDown(looks), ...apart(looks), ...lostCommit(looks)];
}

function wentDown(looks: TwoLooks): Finding[] {
  return pairsOf(looks).flatMap(({ self, before, after }) => {
    const [was, is] = [before.status.raftTerm, after.status.raftTerm];
    if (is >= was) return [];
    return [
      {
        code: "term-went-down",
        severity: "ill",
        members: [self],
        says: `the term of ${self} went down from ${was} to ${is} during the look: it was restarted and has forgotten it (${after.software.name})`,
        wayOut:
          "restart nobody else now. Compare the members' directories with `quorate doctor DIR DIR`; then " +
          "move the members to software that keeps its term (`quorate migrate plan`)",
      } satisfies Finding,
    ];
  });
}

/** A term that stays another one than that of a leader that stays. */
function apart(looks: TwoLooks): Finding[] {
  const leader = steadyLeader(looks);
  if (leader === null) return [];
  const [led, leads] = [leader.before.status.raftTerm, leader.after.status.raftTerm];
  return pairsOf(looks).flatMap(({ self, before, after }) => {
    const [was, is] = [before.status.raftTerm, after.status.raftTerm];
    if (self === leader.self) return [];
    if (is > leads && was > led) {
      const rises = is > was ? `, and rises (${was} before)` : "";
      return [
        {
          code: "term-ahead-of-leader",
          severity: "risk",
          members: [self],
          says: `${self} is in term ${is}${rises}, the leader ${leader.self} in term ${leads}: it asks for votes that it does not get`,
          wayOut: `mend the link between ${leader.self} and ${self}; when it comes back, the higher term costs one election`,
        } satisfies Finding,
      ];
    }
    if (is < leads && was < led) {
      return [
        {
          code: "term-behind-leader",
          severity: "risk",
          members: [self],
          says: `${self} is in term ${is}, the leader ${leader.self} in term ${leads}: it hears nothing from the leader`,
          wayOut: `mend the link between ${leader.self} and ${self}`,
        } satisfies Finding,
      ];
    }
    return [];
  });
}

/** What a member had committed the leader must have committed seconds later. */
function lostCommit(looks: TwoLooks): Finding[] {
  const leader = steadyLeader(looks);
  if (leader === null) return [];
  const committed = leader.after.status.commitIdx;
  const ahead = looks.before.answers.filter(
    ({ self, status }) => self !== leader.self && status.commitIdx > committed,
  );
  return ahead.map(({ self, status }) => ({
    code: "committed-more-than-leader",
    severity: "ill",
    members: [self],
    says: `${self} had committed entries up to ${status.commitIdx} when the leader ${leader.self}, ${looks.intervalSec} s later, has only committed up to ${committed}: acknowledged entries are missing in the leader's log, or were replaced`,
    wayOut:
      `stop nobody. Copy the data directories of ${self} and ${leader.self} away at once, compare them with ` +
      "`quorate doctor DIR DIR`, and write what is missing again with `quorate kv put`",
  }));
}
