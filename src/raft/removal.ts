import type { RaftState } from "./state.js";

/**
 * Why a member cannot be taken out now: those of the rest that are up to date would be no majority of
 * it, and the cluster could neither commit nor elect anybody. Null where it can. PySyncObj takes
 * anybody out at any time.
 */
export function removalRefusal(state: RaftState, removed: string): string | null {
  const rest = [...state.members].filter((member) => member !== removed);
  const ready = rest.filter((member) => isReady(state, member));
  const needed = Math.floor((rest.length + 1) / 2) + 1;
  if (ready.length + 1 >= needed) return null;
  const missing = rest.filter((member) => !ready.includes(member));
  return (
    `${removed} is not taken out of the cluster: of the ${rest.length + 1} members that would remain, ` +
    `${missing.join(", ")} ${missing.length === 1 ? "does" : "do"} not answer or ` +
    `${missing.length === 1 ? "is" : "are"} not up to date, and the rest is no majority. ` +
    "Start them, or take them out first"
  );
}

/** It has confirmed, on its present link, all that was there when this leadership began. */
function isReady(state: RaftState, member: string): boolean {
  const progress = state.progress.get(member);
  if (progress === undefined || !progress.isMatchFresh || progress.mode === "snapshot")
    return false;
  const since = state.nowMs - state.config.leaderFallbackMs;
  return progress.lastAnswerMs >= since && progress.matchIndex >= state.noOpIndex;
}
