import { laterEndCode, laterEndText } from "../raft/guards/covered-claim.js";
import { isLogFull, logFullText } from "../raft/log-bound.js";
import type { RaftState } from "../raft/state.js";
import { refusals, refusedCode, tooLargeText } from "../raft/too-large.js";
import { vainElectionsCode, vainElectionsText } from "../raft/vain-elections.js";
import { type HeldBack, heldBackCode, heldBackText } from "./data-bound.js";
import { fullText } from "./data-quota.js";
import type { MemberNetwork } from "./environment.js";
import { nodeLimits } from "./limits.js";
import { type DegradedReason, refetchingCode } from "./member-types.js";
import type { Notes } from "./notes.js";

export interface DegradedSources {
  readonly state: RaftState;
  readonly network: Pick<MemberNetwork, "isConnected">;
  readonly notes: Notes;
  /** What the store's data come to, and what they may. */
  readonly dataBytes: number;
  readonly dataBytesMax: number;
  /** What is committed and not applied. */
  readonly heldBack: HeldBack | null;
}

/** All that a member says against itself, to whoever asks: by wire, by HTTP, in its own program. */
export function degradedOf(sources: DegradedSources): DegradedReason[] {
  const { state, notes } = sources;
  return [
    ...notes.degraded().map((reason) => withAwaitedDump(reason, state)),
    ...refetching(sources),
    ...unprovenLog(state),
    ...laterEnd(state),
    ...vainElections(state),
    ...tooMuch(sources),
  ];
}

/** Which may never come: its leader need not have one, nor lead on. */
function withAwaitedDump(
  reason: DegradedReason,
  { awaitsDump, leader }: RaftState,
): DegradedReason {
  if (!awaitsDump || reason.code !== "committed-entries-conflict") return reason;
  const waits = `it waits for the dump of ${leader ?? "that leader"} to take the place of log and data`;
  return {
    ...reason,
    message: `${reason.message}. Now ${waits}, and holds all that it had before`,
  };
}

function refetching({ state, network }: DegradedSources): DegradedReason[] {
  if (!state.showsMissing) return [];
  const away = [...state.members].filter((member) => !network.isConnected(member)).sort();
  const who = away.length === 0 ? "" : ` (not connected: ${away.join(", ")})`;
  const terms = state.forgotTerm
    ? ". It follows nobody before enough others have told their terms; `term-forgotten` in the log names them"
    : "";
  const named = [...state.guests].sort();
  const guests =
    named.length === 0
      ? ""
      : `. ${named.join(", ")}: of partner_addrs, and no member as others have it; take out of partner_addrs who is gone ` +
        "for good, and start again";
  const message =
    "waits for a leader to bring it up to date: acknowledged writes may be missing here, so it neither votes nor leads, " +
    `and shows no data${terms}. It goes on by itself when one leads; where none does, start the members that are ` +
    `away${who}${guests}. Where they are lost for good, or there are no others, see docs/recovery.md`;
  return [{ code: refetchingCode, message }];
}

/** Without a word here nobody would know why there is no leader, nor what to do. */
function unprovenLog({ unprovenLog: unproven }: RaftState): DegradedReason[] {
  if (unproven === null) return [];
  const { peer, lastTerm } = unproven;
  const message =
    `does not lead with the vote of ${peer}: that member forgets its term, and its log ends in term ` +
    `${lastTerm}, which was led twice, so that nobody can tell whether it is the beginning of ours. Start ` +
    "the members that are away. Where none of them comes back, compare the files of the two (quorate " +
    `doctor DIR DIR); where ${peer} has nothing that is missing here, start it with an empty directory`;
  return [{ code: "forgetful-voter", message }];
}

function laterEnd({ laterEnd: end }: RaftState): DegradedReason[] {
  return end === null ? [] : [{ code: laterEndCode, message: laterEndText(end) }];
}

function vainElections(state: RaftState): DegradedReason[] {
  const message = vainElectionsText(state);
  return message === null ? [] : [{ code: vainElectionsCode, message }];
}

/** All that has to do with a bound on what is held. */
function tooMuch(sources: DegradedSources): DegradedReason[] {
  return [...tooLarge(sources.state), ...notApplied(sources), ...full(sources)];
}

function notApplied({ heldBack }: DegradedSources): DegradedReason[] {
  return heldBack === null ? [] : [{ code: heldBackCode, message: heldBackText(heldBack) }];
}

function tooLarge(state: RaftState): DegradedReason[] {
  const refused = refusals(state);
  if (refused.length > 0) {
    return refused.map((each) => ({ code: refusedCode(each.what), message: tooLargeText(each) }));
  }
  return isLogFull(state) ? [{ code: "log-too-large", message: logFullText(state) }] : [];
}

/** So do all members say that hold the same, whoever leads them: before the last write is refused. */
function full({ dataBytes, dataBytesMax }: DegradedSources): DegradedReason[] {
  if (dataBytes <= dataBytesMax * nodeLimits.nearlyFullShare) return [];
  return [{ code: "data-full", message: fullText(dataBytes, dataBytesMax) }];
}
