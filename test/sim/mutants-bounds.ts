import type { Mutant } from "./mutant.js";

/** How much there may be. */
export const boundMutants: readonly Mutant[] = [
  {
    name: "quota-of-applied-only",
    rule: "a leader takes what the data have room for, whatever is under way already",
    file: "src/node/data-quota.js",
    edits: [
      [
        "const underWayBytes = tailBytes + held.admittedBytes + held.extraBytes;",
        "const underWayBytes = 0;",
      ],
    ],
    profile: "bounds",
  },
  {
    name: "log-without-bound",
    rule: "a leader takes writes however long its log is",
    file: "src/raft/log-bound.js",
    edits: [
      [
        "return log.bytes + commandBytes + raftLimits.entryHeldBytes > logBytesMax;",
        "return false;",
      ],
    ],
    profile: "bounds",
  },
];
