import { type Finding, listed } from "../findings.js";
import { type Look, majorityOf, type Silence, type SilenceReason } from "../survey.js";
import type { TwoLooks } from "./looks.js";

/** Members that do not answer, and whether enough are left. */
export function reachability({ after }: TwoLooks): Finding[] {
  const missing = after.silences.filter(({ address }) => after.known.includes(address));
  const strangers = after.silences.filter(({ address }) => !after.known.includes(address));
  return [
    ...missing.map((silence) => silenceOf(after, silence)),
    ...majority(after, missing),
    ...strangers.map(notKnown),
  ];
}

const words: Readonly<Record<SilenceReason, { code: string; wayOut: string }>> = {
  silent: {
    code: "takes-connections-says-nothing",
    wayOut:
      "look at its log: PySyncObj's member comes to this when an entry raises each time it is applied " +
      "(a traceback again and again), or when its machine stands still. A restart does not help against " +
      "such an entry; Quorate passes it over",
  },
  "wrong-password": {
    code: "wrong-password",
    wayOut: "give the cluster's password (--password-file, or --config with Patroni's file)",
  },
  // The system takes only a few connections for a process that does not (5 for PySyncObj's members).
  timeout: {
    code: "no-answer",
    wayOut:
      "see whether its process runs: one that hangs takes no connections any more after a few, then look at " +
      "its log; otherwise start it, or find what is between it and this machine",
  },
  unreachable: {
    code: "no-answer",
    wayOut: "start it, or find what is between it and this machine",
  },
};

function silenceOf(look: Look, { address, reason, message }: Silence): Finding {
  const seenBy = look.answers.filter(({ status }) =>
    status.partners.some((partner) => partner.address === address && partner.connected),
  );
  const { code, wayOut } = words[reason];
  const others =
    seenBy.length > 0
      ? `; ${listed(seenBy.map(({ self }) => self))} ${seenBy.length === 1 ? "has" : "have"} a link to it`
      : "; no member that answers has a link to it";
  return {
    code,
    severity: reason === "silent" ? "ill" : "risk",
    members: [address],
    says: `${address} does not answer: ${message}${others}`,
    wayOut,
  };
}

function majority(look: Look, missing: readonly Silence[]): Finding[] {
  const members = look.known.length;
  const needed = majorityOf(members);
  const answering = members - missing.length;
  if (answering < needed) {
    return [
      {
        code: "no-majority-answers",
        severity: "ill",
        members: [],
        says: `${answering} of ${members} members answer and ${needed} are needed: unless the others are up and only out of reach from here, nothing can be written`,
        wayOut:
          "bring members back before anything else; do not remove members and do not wipe directories meanwhile",
      },
    ];
  }
  if (missing.length > 0 && answering === needed) {
    return [
      {
        code: "no-reserve",
        severity: "risk",
        members: [],
        says: `${answering} of ${members} members answer, which is just a majority: one more lost stops all writes`,
        wayOut: "bring the missing members back before you stop or restart any other one",
      },
    ];
  }
  return [];
}

function notKnown({ address, message }: Silence): Finding {
  return {
    code: "not-a-member",
    severity: "note",
    members: [address],
    says: `${address} was given to ask, does not answer (${message}), and no member counts it as one`,
    wayOut: "take it out of the configuration, or add it with `quorate add`",
  };
}
