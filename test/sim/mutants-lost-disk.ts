import type { Mutant } from "./mutant.js";

/** What a member may do that has lost its disk. */
export const lostDiskMutants: readonly Mutant[] = [
  {
    name: "refetch-ignored",
    rule: "a member that has lost its disk votes and campaigns at once",
    file: "src/raft/vote.js",
    edits: [["return !state.mustRefetch || holdsAllThatWeLack(state, candidate);", "return true;"]],
    profile: "lost-disks",
  },
  {
    name: "forgotten-term",
    rule: "a member that has lost its disk follows any leader at once",
    file: "src/raft/guards/forgotten-term.js",
    edits: [["!state.forgotTerm || ", "true || "]],
    profile: "lost-disks",
  },
  {
    name: "old-commits-count",
    rule: "a member that has lost its disk follows a leader that has committed anything, before or after its start",
    file: "src/raft/guards/forgotten-term.js",
    edits: [["status.lastIndex !== undefined && message.commitIndex > status.lastIndex", "true"]],
    profile: "lost-disks",
  },
  {
    name: "vote-still-counted",
    rule: "a member that has lost its disk asks only as many as are in every majority: of five, its vote may still elect one that it has not heard",
    file: "src/raft/guards/forgotten-term.js",
    edits: [
      [
        "return others <= 3 || state.isJoining ? inEveryMajority : others;",
        "return inEveryMajority;",
      ],
    ],
    profile: "lost-disks",
  },
  {
    name: "caught-up-early",
    rule: "a member that has lost its disk votes when the first entries of the present term are there",
    file: "src/raft/follower.js",
    edits: [["state.mustRefetch && !isBehind && holdsAll", "state.mustRefetch && holdsAll"]],
    profile: "lost-disks",
  },
  {
    name: "blank-forgotten",
    rule: "the second start of an emptied member takes what the first one wrote for all that it ever had",
    file: "src/storage/recovery.js",
    edits: [
      [
        "return meta.isBlank && !meta.mustRefetch && journal.entries.at(-1)?.index === 1;",
        "return false;",
      ],
    ],
    profile: "lost-disks",
  },
  {
    name: "blank-votes",
    rule: "an emptied member that meets a history votes and follows as a new one does",
    file: "src/raft/history.js",
    edits: [["state.setMustRefetch(true, true);", ";"]],
    also: [
      {
        file: "src/node/start-state.js",
        edits: [
          [
            "return others.size > 1 && discovered.members.some(({ leader }) => leader);",
            "return false;",
          ],
        ],
      },
    ],
    profile: "lost-disks",
  },
  {
    name: "incomplete-forgotten",
    rule: "a restart forgets that the member was not up to date yet",
    file: "src/storage/recovery.js",
    edits: [['if (meta !== null && meta !== "damaged" && meta.mustRefetch) {', "if (false) {"]],
    profile: "lost-disks",
  },
  {
    name: "tail-not-missed",
    rule: "a log that ends before the stored commit index is taken for whole",
    file: "src/storage/recovery.js",
    edits: [
      ["const isTailGone = noteTailGone(found, lastIndex, findings);", "const isTailGone = false;"],
    ],
    profile: "lost-disks",
  },
  {
    name: "earlier-link-counted",
    rule: "a leader counts what a follower had confirmed on an earlier link: it may be another disk",
    file: "src/raft/commit.js",
    edits: [
      ["progress?.isMatchFresh === true ? progress.matchIndex : 0", "progress?.matchIndex ?? 0"],
    ],
    profile: "lost-disks",
  },
];
