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
  {
    name: "data-without-bound",
    rule: "a member applies whatever a leader calls committed, however much the data become",
    file: "src/node/data-bound.js",
    edits: [["if (isFar && size < nodeLimits.heldKeysMax)", "if (true)"]],
    profile: "beside-bounds",
  },
  {
    name: "held-back-leads",
    rule: "a member campaigns that does not apply all that is committed",
    file: "src/raft/campaign.js",
    edits: [["|| state.isHeldBack;", ";"]],
    profile: "beside-bounds",
  },
  {
    name: "held-back-skipped",
    rule: "what is too much is left out, and what follows is applied",
    file: "src/node/applier.js",
    edits: [
      [
        "this.#heldBack = this.#bound.refusal(this.#store, entry.command, entry.index);",
        "if (this.#bound.refusal(this.#store, entry.command, entry.index)) { this.#nextAt += 1; this.#appliedIndex = index = entry.index; continue; }",
      ],
    ],
    profile: "beside-bounds",
  },
];
