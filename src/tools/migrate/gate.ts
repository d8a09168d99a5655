import type { TwoLooks } from "../doctor/looks.js";
import type { Finding } from "../findings.js";
import { type Answer, answerOf, canHandOver, isLeader, type Look } from "../survey.js";

export type Kind = "quorate" | "pysyncobj";

/** One step of the way: a member, and on which side of its change the cluster is looked at. */
export interface Step {
  readonly member: string;
  readonly when: "before" | "after";
  /** What the members are to become. */
  readonly target: Kind;
}

export interface Gate {
  /** `go`; `wait`: not yet, it may pass by itself or needs a command; `stop`: something is wrong. */
  readonly answer: "go" | "wait" | "stop";
  readonly reasons: readonly Finding[];
  /** Time alone does not change the answer, or would only hide what was seen: waiting is of no use. */
  readonly lasts: boolean;
}

/**
 * What a person has to look at. Of a term that went down, and of a leader that lacks what others had
 * committed, the next look shows nothing any more: waiting would turn a loss into a GO.
 */
const lasting: ReadonlySet<string> = new Set([
  "term-went-down",
  "committed-more-than-leader",
  "member-lists-differ",
  "already-changed",
]);

/** What the cluster is made of does not stand in the way of changing just that. */
const ignored: ReadonlySet<string> = new Set([
  "forgets-term-and-vote",
  "syncs-nothing",
  "unknown-version",
  "number-of-members",
  "clock-differs-from-here",
  "not-a-member",
]);

/** Whether this step may be taken, or has succeeded. */
export function judge(looks: TwoLooks, findings: readonly Finding[], step: Step): Gate {
  const reasons = [
    ...findings.filter(({ code }) => !ignored.has(code)),
    ...(step.when === "before" ? before(looks, step) : after(looks, step)),
  ];
  const lasts = reasons.some(({ code }) => lasting.has(code)) || hasTwoLeadersOfOneTerm(looks);
  if (reasons.some(({ severity }) => severity === "ill")) return { answer: "stop", reasons, lasts };
  return { answer: reasons.length > 0 ? "wait" : "go", reasons, lasts };
}

function hasTwoLeadersOfOneTerm({ after: look }: TwoLooks): boolean {
  const terms = look.answers.filter(isLeader).map(({ status }) => status.raftTerm);
  return new Set(terms).size < terms.length;
}

function before({ after: look }: TwoLooks, { member, target }: Step): Finding[] {
  const own = answerOf(look, member);
  if (own === null) return [unknownMember(member)];
  if (own.software.kind === target) {
    return [
      reason(
        "already-changed",
        member,
        `${member} runs ${own.software.name} already`,
        "go on with the next member",
      ),
    ];
  }
  if (!isLeader(own) || look.answers.length === 1) return [];
  return leads(own, look, target);
}

/** The leader goes last, and hands over first where it can. */
function leads(own: Answer, look: Look, target: Kind): Finding[] {
  const { self, software } = own;
  const waiting = look.answers.filter(
    (each) => each.self !== self && each.software.kind !== target,
  );
  if (waiting.length > 0) {
    return [
      reason(
        "leader-goes-last",
        self,
        `${self} leads, and ${waiting.length} other members are not changed yet`,
        "change those first",
      ),
    ];
  }
  if (!canHandOver(own, look)) return [];
  return [
    reason(
      "hand-over-first",
      self,
      `${self} leads, and ${software.name} can hand leadership over`,
      "`quorate transfer`, then check again: nothing is refused while an election goes on then",
    ),
  ];
}

function after({ after: look }: TwoLooks, { member, target }: Step): Finding[] {
  const own = answerOf(look, member);
  if (own === null) return [unknownMember(member)];
  if (own.software.kind === target) return [];
  const wanted = target === "quorate" ? "Quorate" : "PySyncObj";
  return [
    reason(
      "not-changed",
      member,
      `${member} runs ${own.software.name}, not ${wanted}`,
      "see which program was started on its machine",
    ),
  ];
}

function unknownMember(member: string): Finding {
  return reason(
    "member-does-not-answer",
    member,
    `${member} does not answer, or is not a member`,
    "wait until it is up; `quorate members` shows who is a member",
  );
}

function reason(code: string, member: string, says: string, wayOut: string): Finding {
  return { code, severity: "risk", members: [member], says, wayOut };
}
