import type { Mutant } from "./mutant.js";

/** Beside members that forget. */
export const guardMutants: readonly Mutant[] = [
  {
    name: "no-vote-guard",
    rule: "a vote for a log that ends below our commit index, or that lacks what was confirmed behind a dip",
    file: "src/raft/guards/vote-guard.js",
    edits: [['if (!state.guarded("vote-guard"))', "if (true)"]],
    profile: "late-votes",
  },
  {
    name: "no-candidate-guard",
    rule: "a campaign without asking the peers how far they are",
    file: "src/raft/guards/candidate-guard.js",
    edits: [['if (!state.guarded("candidate-guard"))', "if (true)"]],
    profile: "led-again",
  },
  {
    name: "more-committed-ignored",
    rule: "a campaign although a peer has told that more is committed than the candidate holds",
    file: "src/raft/guards/candidate-guard.js",
    edits: [["if (Math.min(committed, held) > state.log.lastIndex)", "if (false)"]],
    profile: "gone-on",
  },
  {
    name: "no-term-beacon",
    rule: "peers that forgot their term are left at theirs",
    file: "src/raft/guards/term-beacon.js",
    edits: [['if (!state.guarded("term-beacon") || seenTerm >= state.term)', "if (true)"]],
    profile: "dips",
  },
  {
    name: "no-first-look",
    rule: "a leader that was cut off sends entries on a new link without a look at the member",
    file: "src/raft/first-look.js",
    edits: [['if (!state.guarded("look-before-truncate"))', "if (true)"]],
    profile: "led-again",
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
      ["if (committedTerm(state) > known.lastTerm)", "if (false)"],
      [
        "return claimed >= state.log.lastIndex && claimed <= knownOfMajority(state, candidate);",
        "return true;",
      ],
    ],
    profile: "dips",
  },
  {
    name: "covered-claim-unbounded",
    rule: "a covered claim also of a last term above all of our log's: others may have gone on in it without what is committed here",
    file: "src/raft/guards/covered-claim.js",
    edits: [
      [
        "const isWithin = isOlder && known.lastIndex <= state.commitIndex && !isEndCommitted(known);",
        "const isWithin = known.lastIndex <= state.commitIndex;",
      ],
      [
        "const isCovered = isWithin && !canElectWithout(state, peer, answers);",
        "const isCovered = isWithin;",
      ],
    ],
    profile: "gone-on",
  },
  {
    name: "claim-beside-majority",
    rule: "a covered claim also while the others can elect a leader without that member: one of them may know its end for committed",
    file: "src/raft/guards/covered-claim.js",
    edits: [
      [
        "const isCovered = isWithin && !canElectWithout(state, peer, answers);",
        "const isCovered = isWithin;",
      ],
    ],
    profile: "taken-over",
  },
  {
    name: "covered-vote-of-older-term",
    rule: "a covered vote also where what is committed here ends in a later term than the candidate's log",
    file: "src/raft/guards/covered-vote.js",
    edits: [["if (committedTerm(state) > known.lastTerm)", "if (false)"]],
    profile: "gone-on",
  },
  {
    name: "led-twice-believed",
    rule: "a log that ends in a term which was led twice is taken for the beginning of ours",
    file: "src/raft/guards/forgetful-voters.js",
    edits: [["return term > 0 && term <= state.secondTerm;", "return false;"]],
    profile: "led-again",
  },
  {
    name: "led-twice-forgotten",
    rule: "a restart forgets which terms were led twice",
    file: "src/storage/recovery.js",
    edits: [["secondTerm: meta?.secondTerm ?? 0,", "secondTerm: 0,"]],
    profile: "led-again",
  },
];
