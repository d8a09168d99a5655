import type { MemberStatus } from "../../../protocol/wire/utility.js";
import { encodeStatus } from "../../../protocol/wire/utility.js";
import type { TwoLooks } from "../../../src/tools/doctor/looks.js";
import { lookAt } from "../../../src/tools/survey.js";

export const [a, b, c] = ["a:1", "b:2", "c:3"] as const;
export const three = [a, b, c];

export type Told = Partial<MemberStatus> & {
  /** Members that it has no link to. */
  readonly cutFrom?: readonly string[];
  /** What it counts as members, itself among them; default: all three. */
  readonly counts?: readonly string[];
};

/** A member that does not answer: the code of the error. */
export type Answers = Readonly<
  Record<string, Told | "silent" | "refused" | "timeout" | "wrong-password">
>;

/** What a healthy follower of `a` tells, but for what is given. */
export function told(self: string, { cutFrom = [], counts = three, ...given }: Told): MemberStatus {
  const others = counts.filter((each) => each !== self);
  return {
    version: "0.3.17",
    revision: "",
    self,
    state: self === a ? 2 : 0,
    leader: a,
    hasQuorum: true,
    partners: others.map((address) => ({ address, connected: !cutFrom.includes(address) })),
    observers: [],
    logLen: 7,
    lastApplied: 100,
    commitIdx: 100,
    raftTerm: 5,
    nextNodeIdx: new Map(),
    matchIdx: new Map(),
    leaderCommitIdx: 100,
    uptimeSec: 3600,
    selfCodeVersion: 0,
    enabledCodeVersion: 0,
    extra: new Map(),
    ...given,
  };
}

/** A Quorate member's own keys. */
export function ours(more: readonly (readonly [string, string | number | string[]])[] = []) {
  return new Map([["quorate_version", "0.1.0"], ...more]);
}

export async function twoLooks(before: Answers, after: Answers = before): Promise<TwoLooks> {
  const look = (answers: Answers) =>
    lookAt(async (address) => {
      const answer = answers[address];
      if (answer === undefined || typeof answer === "string") {
        throw Object.assign(new Error(`${address}: ${answer ?? "refused"}`), { code: answer });
      }
      return encodeStatus(told(address, answer));
    }, three);
  return { before: await look(before), after: await look(after), intervalSec: 3 };
}
