import { type Answer, answerOf, type Look, leaderOf } from "../survey.js";

/** The same members twice, a few seconds apart: what moves and what stands still. */
export interface TwoLooks {
  readonly before: Look;
  readonly after: Look;
  /** Between the two. */
  readonly intervalSec: number;
}

/** A member that answered both times. */
export interface Pair {
  readonly self: string;
  readonly before: Answer;
  readonly after: Answer;
}

export function pairsOf({ before, after }: TwoLooks): Pair[] {
  return after.answers.flatMap((answer) => {
    const earlier = answerOf(before, answer.self);
    return earlier === null ? [] : [{ self: answer.self, before: earlier, after: answer }];
  });
}

/** The member that led both times; null: none, or it changed in between. */
export function steadyLeader(looks: TwoLooks): Pair | null {
  const [before, after] = [leaderOf(looks.before), leaderOf(looks.after)];
  if (before === null || after === null || before.self !== after.self) return null;
  return { self: after.self, before, after };
}
