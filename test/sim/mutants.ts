/** One piece of text for another. */
interface Change {
  /** Under the build folder. */
  readonly file: string;
  readonly edits: readonly (readonly [from: string, to: string])[];
}

/** A safety rule taken out of the built code. */
export interface Mutant extends Change {
  readonly name: string;
  /** What is wrong then. */
  readonly rule: string;
  /** The rule that would be enough without this one, and has to go as well. */
  readonly also?: Change;
  /** The kind of scenario that is most likely to show it; each in turn where it is not said. */
  readonly profile?: string;
}

export const mutants: readonly Mutant[] = [
  {
    name: "persist-before-send",
    rule: "messages leave before what they tell is durable",
    file: "src/node/outbox.js",
    edits: [["else if (after > this.#durableSeq)", "else if (false)"]],
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
    name: "count-own-copy-early",
    rule: "a leader counts its own copy before it is durable",
    file: "src/raft/commit.js",
    edits: [
      ["const held = [state.durableIndex];", "const held = [state.log.lastIndex];"],
      ["held[state.majority - 1] ?? 0, state.durableIndex)", "held[state.majority - 1] ?? 0)"],
    ],
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
    name: "commit-old-terms",
    rule: "a leader commits entries of earlier terms by counting copies",
    file: "src/raft/commit.js",
    edits: [["if (state.log.termAt(majorityHolds) !== state.term)", "if (false)"]],
    profile: "stories",
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
    name: "vote-forgotten",
    rule: "a restart forgets whom the member voted for",
    file: "src/storage/recovery.js",
    edits: [
      ["votedFor: storedTerm >= entryTerm ? (meta?.votedFor ?? null) : null", "votedFor: null"],
    ],
    profile: "beside-0.3.17",
  },
  {
    name: "term-forgotten",
    rule: "a restart forgets the term, and knows only that of its entries",
    file: "src/storage/recovery.js",
    edits: [["term: Math.max(storedTerm, entryTerm)", "term: entryTerm"]],
    profile: "crashes",
  },
  {
    name: "stale-answers-count",
    rule: "an answer to an earlier leadership counts",
    file: "src/raft/progress.js",
    edits: [["if (this.staleAnswers > 0)", "if (false)"]],
    profile: "splits",
  },
  {
    name: "cut-without-conflict",
    rule: "a follower cuts its log at every message, as PySyncObj does",
    file: "src/raft/follower.js",
    edits: [
      [
        "const known = entries.findIndex((entry) => state.log.termAt(entry.index) !== entry.term);",
        "const known = entries.length > 0 && state.log.lastIndex > entries[0].index && entries[0].index > state.commitIndex ? 0 : entries.findIndex((entry) => state.log.termAt(entry.index) !== entry.term);",
      ],
    ],
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
    name: "commit-saved-early",
    rule: "the commit index is stored before the truncation that it stands on",
    file: "src/raft/state.js",
    edits: [['kind: "save-commit", index, after }', 'kind: "save-commit", index, after: 0 }']],
    profile: "stories",
  },
  {
    name: "refetch-ignored",
    rule: "a member that has lost its disk votes and campaigns at once",
    file: "src/raft/vote.js",
    edits: [["return !state.mustRefetch && ", "return "]],
    profile: "members",
  },
  {
    name: "forgotten-term",
    rule: "a member that has lost its disk follows any leader at once",
    file: "src/raft/guards/forgotten-term.js",
    edits: [["!state.forgotTerm || ", "true || "]],
    profile: "all",
  },
  {
    name: "journal-not-synced",
    rule: "an append is not synced",
    file: "src/storage/journal-file.js",
    edits: [
      ["await this.#sync();\n        this.#isTailDirty = false;", "this.#isTailDirty = false;"],
    ],
    profile: "crashes",
  },
  {
    name: "meta-not-synced",
    rule: "term and vote are renamed into place without a sync",
    file: "src/storage/meta-file.js",
    edits: [["await file.sync();", ""]],
    profile: "crashes",
  },
  {
    name: "meta-name-not-synced",
    rule: "the directory is not synced after term and vote were renamed",
    file: "src/storage/meta-file.js",
    edits: [["await this.#fs.syncDirectory(dirname(this.path));", ""]],
    profile: "crashes",
  },
  {
    name: "failed-sync-ignored",
    rule: "a failed sync is taken for a good one",
    file: "src/storage/journal-file.js",
    edits: [["throw syncFault(cause, this.path);", ""]],
    profile: "disks",
  },
  {
    name: "journal-before-dump",
    rule: "a compaction puts the journal in place before the dump",
    file: "src/storage/log-files.js",
    edits: [
      [
        "if (dump !== this.dumps.current) {\n                await this.dumps.putInPlace(dump);\n                await this.#fs.syncDirectory(directory);\n            }\n            await this.#fs.rename(temporaryJournal, path);",
        "await this.#fs.rename(temporaryJournal, path);\n            if (dump !== this.dumps.current) {\n                await this.dumps.putInPlace(dump);\n                await this.#fs.syncDirectory(directory);\n            }",
      ],
    ],
    profile: "dumps",
  },
  {
    name: "dump-not-synced",
    rule: "a dump is put in place without a sync",
    file: "src/storage/dump-files.js",
    edits: [["await file.sync();\n            }\n            finally", "}\n            finally"]],
    profile: "dumps",
  },
  {
    name: "dump-of-replaced-store",
    rule: "a dump begun before a leader's dump came is put in place",
    file: "src/node/compaction.js",
    edits: [["this.#abort.abort();\n        if (dumpIndex", "if (dumpIndex"]],
    profile: "dumps",
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
    name: "overtaking",
    rule:
      "a message to a peer overtakes one that waits for the disk (and entries are committed that " +
      "only others have on their disks)",
    file: "src/node/outbox.js",
    edits: [["if (queue !== undefined)", "if (queue !== undefined && after > this.#durableSeq)"]],
    also: {
      file: "src/raft/commit.js",
      edits: [
        ["held[state.majority - 1] ?? 0, state.durableIndex)", "held[state.majority - 1] ?? 0)"],
      ],
    },
    profile: "disks",
  },

  {
    name: "no-vote-guard",
    rule: "a vote for a log that ends below our commit index, or that lacks what was confirmed behind a dip",
    file: "src/raft/guards/vote-guard.js",
    edits: [['if (!state.guarded("vote-guard"))', "if (true)"]],
    profile: "dips",
  },
  {
    name: "no-candidate-guard",
    rule: "a campaign without asking the peers how far they are",
    file: "src/raft/guards/candidate-guard.js",
    edits: [['if (!state.guarded("candidate-guard"))', "if (true)"]],
    profile: "dips",
  },
  {
    name: "no-term-beacon",
    rule: "peers that forgot their term are left at theirs",
    file: "src/raft/guards/term-beacon.js",
    edits: [['if (!state.guarded("term-beacon") || seenTerm >= state.term)', "if (true)"]],
    profile: "dips",
  },
  {
    name: "no-look-before-truncate",
    rule: "a new leader does not look at its peers' logs",
    file: "src/raft/inquest.js",
    edits: [['if (!state.guarded("look-before-truncate"))', "if (true)"]],
    profile: "dips",
  },
  {
    name: "forgetful-voters-believed",
    rule: "the votes of members that forget their terms are believed",
    file: "src/raft/guards/forgetful-voters.js",
    edits: [["return part.length + 1 >= state.majority;", "return true;"]],
    profile: "dips",
  },
  {
    name: "covered-vote-uncovered",
    rule: "a covered vote without looking at the commit index",
    file: "src/raft/guards/covered-vote.js",
    edits: [
      [
        "return claimed >= state.log.lastIndex && claimed <= knownOfMajority(state, candidate);",
        "return true;",
      ],
    ],
    profile: "dips",
  },
];
