import type { Mutant } from "./mutant.js";

/** Who counts, who campaigns, and what stays of what had to go. */
export const memberMutants: readonly Mutant[] = [
  {
    name: "own-vote-not-stored",
    rule: "a candidate does not store its vote for itself",
    file: "src/raft/state.js",
    edits: [
      [
        'this.emit({ kind: "meta", seq: this.seq, term, votedFor });',
        'this.emit({ kind: "meta", seq: this.seq, term, votedFor: votedFor === this.selfId ? null : votedFor });',
      ],
    ],
    profile: "crashes",
  },
  {
    name: "no-pre-vote",
    rule: "a member campaigns without asking whether the others hear a leader",
    file: "src/raft/campaign.js",
    edits: [
      ["else if (understandPreVotes(state, state.connectedMembers())) {", "else if (false) {"],
      ["if (!state.log.hasTermDip && understandPreVotes(state, electors)) {", "if (false) {"],
    ],
    profile: "partitions",
  },
  {
    name: "removal-of-anybody",
    rule: "a member is taken out where those of the rest that are up to date would be no majority",
    file: "src/raft/removal.js",
    edits: [["if (ready.length + 1 >= needed)", "if (true)"]],
    profile: "removals",
  },
  {
    name: "guests-counted",
    rule: "the votes of those count that an uncommitted change takes out",
    file: "src/raft/state.js",
    edits: [
      [
        "return [...this.members].filter((member) => this.connected.has(member));",
        "return [...this.members, ...this.guests].filter((member) => this.connected.has(member));",
      ],
    ],
    also: [
      {
        file: "src/raft/campaign.js",
        edits: [
          [
            "const members = [...state.votes].filter((v) => v === state.selfId || state.members.has(v));",
            "const members = [...state.votes];",
          ],
          [
            "if (!preVotes.peers.includes(from) || !state.members.has(from))",
            "if (!preVotes.peers.includes(from))",
          ],
        ],
      },
    ],
    profile: "removals",
  },
  {
    name: "store-not-rebuilt",
    rule: "where committed entries had to go the store stays as it was",
    file: "src/raft/yield-committed.js",
    edits: [
      [
        'state.emit({ kind: "rebuild", entries: state.log.slice(state.log.firstIndex, index) });',
        ";",
      ],
    ],
    profile: "gone-on",
  },
];
