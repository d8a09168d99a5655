import type { Effect } from "../../src/raft/types.js";
import { answerOf, appendFrom, Solo, type SoloOptions } from "./solo.js";

export const quorate = { quorate: true } as const;

/** A leader of term 1; its no-op, 2@1, is committed. */
export function leader(options: SoloOptions = {}): Solo {
  const solo = new Solo({ ...quorate, ...options });
  solo.lead();
  for (const peer of solo.state.members) {
    solo.receive(peer, answerOf(solo.state.log.lastIndex + 1));
  }
  solo.take();
  return solo;
}

export function follower(options: SoloOptions = {}): Solo {
  const solo = new Solo({ term: 1, ...quorate, ...options });
  const { lastIndex, lastTerm } = solo.state.log;
  solo.receive("b:1", appendFrom(solo.state.term, [lastIndex, lastTerm]));
  solo.take();
  return solo;
}

export function outcomes(effects: readonly Effect[]): unknown[] {
  return effects.filter((effect) => effect.kind === "answer").map(({ outcome }) => outcome);
}

export function refused(error: number): unknown {
  return { appended: false, error };
}
