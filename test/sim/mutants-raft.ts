import type { Mutant } from "./mutant.js";

/** Rules of raft, and the order of disk and wire. */
export const raftMutants: readonly Mutant[] = [
  {
    name: "persist-before-send",
    rule: "messages leave before what they tell is durable",
    file: "src/node/outbox.js",
    edits: [["has(receiver) || after > this.#durableSeq", "has(receiver)"]],
  },
  {
    name: "confirm-before-durable",
    rule: "a follower confirms entries before they are durable",
    file: "src/raft/state.js",
    edits: [["after: Math.max(this.metaSeq, this.logSeq)", "after: this.metaSeq"]],
  },
  {
    name: "vote-before-durable",
    rule: "votes and terms are shown before they are durable",
    file: "src/raft/state.js",
    edits: [["message, after: this.metaSeq })", "message, after: 0 })"]],
  },
  {
    name: "durable-reported-early",
    rule: "a write is reported as durable when it begins",
    file: "src/node/disk-writer.js",
    edits: [
      [
        "if (!(await this.#write(ops)))\n                return;\n            this.#events.durable(seq);",
        "this.#events.durable(seq);\n            if (!(await this.#write(ops)))\n                return;",
      ],
    ],
  },
  {
    name: "count-own-copy-early",
    rule: "a leader counts its own copy before it is durable",
    file: "src/raft/commit.js",
    edits: [
      ["const held = [state.durableIndex];", "const held = [state.log.lastIndex];"],
      ["held[state.majority - 1] ?? 0, state.durableIndex)", "held[state.majority - 1] ?? 0)"],
    ],
  },
  {
    name: "half-is-majority",
    rule: "half of the members is a majority",
    file: "src/raft/state.js",
    edits: [
      ["Math.floor((this.members.size + 1) / 2) + 1", "Math.ceil((this.members.size + 1) / 2)"],
    ],
    profile: "members",
  },
  {
    name: "vote-for-old-log",
    rule: "a vote for a candidate whose log is older",
    file: "src/raft/vote.js",
    edits: [
      ["return message.lastLogTerm > state.log.lastTerm;", "return true;"],
      [
        "return message.lastLogIndex >= state.log.lastIndex;\n}\nfunction grant",
        "return true;\n}\nfunction grant",
      ],
    ],
  },
  {
    name: "cut-without-conflict",
    rule: "a follower cuts its log at every message, as PySyncObj does",
    file: "src/raft/follower.js",
    edits: [
      [
        "const known = entries.findIndex((entry) => !holdsIt(state, entry));",
        "const known = entries.length > 0 && state.log.lastIndex > entries[0].index && entries[0].index > state.commitIndex ? 0 : entries.findIndex((entry) => !holdsIt(state, entry));",
      ],
    ],
    profile: "stories",
  },
  {
    name: "previous-term-ignored",
    rule: "a follower appends behind an entry of another term",
    file: "src/raft/follower.js",
    edits: [["if (state.log.termAt(prevLogIdx) !== prevLogTerm)", "if (false)"]],
  },
  {
    name: "commit-unverified",
    rule: "a follower commits beyond what the message has verified",
    file: "src/raft/follower.js",
    edits: [["Math.min(message.commitIndex, verified)", "message.commitIndex"]],
    profile: "elections",
  },
  {
    name: "commit-old-terms",
    rule: "a leader commits entries of earlier terms by counting copies",
    file: "src/raft/commit.js",
    edits: [["if (state.log.termAt(majorityHolds) !== state.term)", "if (false)"]],
    profile: "stories",
  },
  {
    name: "stale-answers-count",
    rule: "an answer to an earlier leadership counts",
    file: "src/raft/progress.js",
    edits: [["if (this.staleAnswers > 0)", "if (false)"]],
    profile: "splits",
  },
  {
    name: "two-changes-at-once",
    rule: "a leader changes members before its own term has committed anything",
    file: "src/raft/propose.js",
    edits: [
      [
        "if (state.lastApplied < state.noOpIndex || state.lastApplied < state.membershipChangeIndex)",
        "if (false)",
      ],
    ],
    profile: "splits",
  },
  {
    name: "commit-saved-early",
    rule: "the commit index is stored before the truncation that it stands on",
    file: "src/raft/state.js",
    edits: [['kind: "save-commit", index, after }', 'kind: "save-commit", index, after: 0 }']],
    profile: "stories",
  },
  {
    name: "other-entry-acknowledged",
    rule: "an entry of another leader at the same index counts as the client's",
    file: "src/node/pending-writes.js",
    edits: [
      [
        "const isOurs = term === entry.term && sameBytes(write.command, entry.command);",
        "const isOurs = true;",
      ],
    ],
    profile: "elections",
  },
  {
    name: "overtaking",
    rule:
      "a message to a peer overtakes one that waits for the disk (and entries are committed that " +
      "only others have on their disks)",
    file: "src/node/outbox.js",
    edits: [["this.#held.has(receiver) || after > this.#durableSeq", "after > this.#durableSeq"]],
    also: [
      {
        file: "src/raft/commit.js",
        edits: [
          ["held[state.majority - 1] ?? 0, state.durableIndex)", "held[state.majority - 1] ?? 0)"],
        ],
      },
    ],
    profile: "disks",
  },
];
