import type { Chance } from "./chance.js";
import type { Bounds } from "./checkers/bounds.js";
import type { MemberKind } from "./cluster.js";
import type { Deed, DeedKind } from "./deeds.js";

/** A kind of scenario: what happens how often, and to what kind of cluster. */
export interface Profile {
  readonly weights: Readonly<Partial<Record<DeedKind, number>>>;
  /** Mean time between deeds. */
  readonly gapMs: number;
  /** Longest that one lasts. */
  readonly forMsMax: number;
  /** One of these is the cluster. */
  readonly members: readonly (readonly MemberKind[])[];
  /** Vanilla members are never stopped, so that nothing may be lost. */
  readonly vanillaStays?: boolean;
  /** What a leader says first on a new link makes nobody drop what was acknowledged. */
  readonly hearsFirstWords?: boolean;
  /** See MixedJudge: what is acknowledged in a term that was lost with the power may be overruled. */
  readonly losesTerms?: boolean;
  /** Members come and go, so that vanilla ones ask each other who is one. */
  readonly changesMembers?: boolean;
  readonly compactionEntries: number;
  readonly compactionMs: number;
  /** Mean time that a message travels where nothing slows it. */
  readonly wireMs: number;
  /** Share of the writes that are larger than one message may be. */
  readonly largeShare: number;
  /** Mean time between writes. */
  readonly writeGapMs: number;
  /** What the members hold, where that is so little that clients meet it. */
  readonly bounds?: Bounds;
  /** How long the values may be that are not large: some characters where it is not said. */
  readonly valueChars?: number;
  /** They begin with journals that members of 0.3.15 have left: see take-over.ts. */
  readonly takesOver?: boolean;
  /** No recursive deletes, and nothing in slices: a story that they would spoil. */
  readonly isUnswept?: boolean;
}

function quorate(count: number): MemberKind[] {
  return Array.from({ length: count }, () => "quorate");
}

/** With one, two and three Quorate members, in seats that dial and seats that are dialed. */
function beside(vanilla: MemberKind): MemberKind[][] {
  return [
    ["quorate", vanilla, vanilla],
    [vanilla, vanilla, "quorate"],
    ["quorate", vanilla, "quorate"],
    ["quorate", "quorate", "quorate", vanilla, vanilla],
  ];
}

const plain: Omit<Profile, "weights"> = {
  gapMs: 500,
  forMsMax: 2_500,
  members: [quorate(3), quorate(3), quorate(5)],
  compactionEntries: 60,
  compactionMs: 20_000,
  wireMs: 0.5,
  largeShare: 0.01,
  writeGapMs: 40,
};

const besideWeights = {
  kill: 5,
  "kill-all": 1,
  power: 2,
  isolate: 4,
  "cut-one-way": 2,
  "lose-link": 3,
  pause: 2,
  "slow-link": 1,
} satisfies Profile["weights"];

export const profiles: Readonly<Record<string, Profile>> = {
  /** Processes and machines that stop at any moment. */
  crashes: {
    ...plain,
    weights: { kill: 6, power: 6, "kill-all": 1, "power-all": 2, stop: 2, "lose-link": 3 },
  },
  /** Every way in which packets do not arrive. */
  partitions: {
    ...plain,
    weights: {
      "cut-one-way": 6,
      "cut-sending": 3,
      "cut-receiving": 3,
      isolate: 4,
      "lose-link": 6,
      "slow-link": 4,
      pause: 4,
      drift: 1,
      kill: 2,
      power: 1,
    },
  },
  /** Disks that are full, slow or broken. */
  disks: {
    ...plain,
    weights: {
      "disk-full": 4,
      "disk-slow": 4,
      "fail-sync": 3,
      "fail-write": 2,
      "fail-read": 2,
      power: 4,
      "power-all": 1,
      kill: 2,
      isolate: 2,
    },
  },
  /** Members come, go, lead in turn, lose their disks. */
  members: {
    ...plain,
    members: [quorate(3), quorate(4), quorate(5)],
    weights: {
      remove: 5,
      transfer: 6,
      "lose-disk": 2,
      kill: 2,
      power: 3,
      isolate: 3,
      "cut-one-way": 3,
      "wall-jump": 1,
    },
  },
  /** Dumps all the time, and followers that need them. */
  dumps: {
    ...plain,
    compactionEntries: 12,
    compactionMs: 3_000,
    largeShare: 0.03,
    writeGapMs: 15,
    weights: {
      isolate: 5,
      kill: 3,
      power: 4,
      "power-all": 2,
      "stop-at-rename": 6,
      "disk-slow": 2,
      "disk-full": 1,
    },
  },
  /** Elections as often as they can be had: much isolation, hardly a moment of peace. */
  elections: {
    ...plain,
    gapMs: 250,
    forMsMax: 1_500,
    weights: {
      isolate: 6,
      "cut-one-way": 4,
      "lose-link": 4,
      kill: 4,
      power: 3,
      pause: 3,
      transfer: 2,
      "slow-link": 4,
    },
  },
  /** Beside PySyncObj up to 0.3.15, whose members forget term and vote when they restart. */
  "beside-0.3.15": { ...plain, members: beside("0.3.15"), weights: besideWeights },
  /** The same, all of them started again and again: their terms collapse, their logs stay. */
  collapses: {
    ...plain,
    members: beside("0.3.15"),
    gapMs: 700,
    compactionEntries: 5_000,
    compactionMs: 10 ** 9,
    weights: {
      "kill-all": 4,
      kill: 3,
      isolate: 3,
      "lose-link": 2,
      "cut-one-way": 2,
      "leave-behind": 3,
      strike: 2,
    },
  },
  /** Their terms collapse at the worst of moments: with a log that is long, or of a high term, left behind. */
  dips: {
    ...plain,
    members: beside("0.3.15").filter((members) => members.length === 3),
    gapMs: 4_000,
    compactionEntries: 5_000,
    compactionMs: 10 ** 9,
    weights: { "pile-up": 4, "false-height": 4, "leave-behind": 1, strike: 1 },
  },
  /** A log of a high last term that ends early, and one member that can elect it. */
  "late-votes": {
    ...plain,
    members: beside("0.3.15").slice(0, 1),
    gapMs: 4_000,
    compactionEntries: 5_000,
    compactionMs: 10 ** 9,
    weights: { "asks-for-vote": 1 },
  },
  /** Beside PySyncObj from 0.3.16 on, whose members sync nothing. */
  "beside-0.3.17": {
    ...plain,
    members: beside("0.3.17"),
    losesTerms: true,
    weights: besideWeights,
  },
  /** Beside vanilla members that are never stopped: they follow the rules, and nothing may be lost. */
  "beside-steady": {
    ...plain,
    members: [...beside("0.3.15"), ...beside("0.3.17")],
    vanillaStays: true,
    weights: { ...besideWeights, "power-all": 0, "kill-all": 0 },
  },
  /** Far apart, and new leaders that fall at once: a minority's entries can win. */
  leaders: {
    ...plain,
    members: [quorate(5), quorate(5), quorate(3)],
    gapMs: 700,
    forMsMax: 1_500,
    wireMs: 6,
    compactionEntries: 400,
    largeShare: 0.15,
    writeGapMs: 100,
    weights: { strike: 12, "slow-link": 2, "stop-at-cut": 2, transfer: 1 },
  },
  /** Leadership to and fro between the sides of splits, and administrators on the smaller side. */
  splits: {
    ...plain,
    members: [quorate(5), quorate(3), quorate(5), quorate(4)],
    gapMs: 2_000,
    writeGapMs: 25,
    weights: { "see-saw": 6, "remove-others": 3, "stop-at-cut": 3, strike: 2, "slow-link": 1 },
  },
  /** Stories that raft's own rules are there for. */
  stories: {
    ...plain,
    members: [quorate(3)],
    gapMs: 4_000,
    compactionEntries: 12,
    weights: {
      "figure-eight": 4,
      "cut-behind-compaction": 4,
      "sent-again": 2,
      strike: 1,
      "pile-up": 1,
    },
  },
  /** Disks that are lost, one at a time, at the worst of moments. */
  "lost-disks": {
    ...plain,
    members: [quorate(3), quorate(5)],
    gapMs: 1_500,
    weights: {
      "older-leader": 2,
      "cut-off-refill": 3,
      "blank-twice": 3,
      "slow-leader": 2,
      "older-journal": 3,
      "counted-vote": 4,
      "lose-disk": 1,
      strike: 1,
    },
  },
  /** Everything at once. */
  all: {
    ...plain,
    compactionEntries: 40,
    weights: {
      kill: 3,
      "kill-all": 0.5,
      power: 3,
      "power-all": 0.7,
      "stop-at-rename": 1,
      stop: 1,
      pause: 2,
      "cut-one-way": 2,
      "cut-sending": 1,
      "cut-receiving": 1,
      isolate: 2,
      "lose-link": 3,
      "slow-link": 1,
      drift: 1,
      "wall-jump": 1,
      "disk-full": 1,
      "disk-slow": 1,
      "fail-sync": 0.7,
      "fail-write": 0.5,
      "fail-read": 0.5,
      transfer: 1,
      remove: 1,
      "lose-disk": 0.5,
    },
  },
  /** Beside vanilla members, and all of them come and go. */
  "beside-members": {
    ...plain,
    members: [...beside("0.3.15"), ...beside("0.3.17")],
    changesMembers: true,
    gapMs: 700,
    weights: {
      remove: 6,
      transfer: 2,
      kill: 3,
      power: 1,
      isolate: 3,
      "cut-one-way": 2,
      "lose-link": 2,
      strike: 1,
    },
  },
  /** A leader is away while members that forget lead its term for the second time. */
  "led-again": {
    ...plain,
    members: beside("0.3.15").slice(0, 2),
    hearsFirstWords: true,
    isUnswept: true,
    gapMs: 2_500,
    compactionEntries: 5_000,
    compactionMs: 10 ** 9,
    weights: { "led-again": 1, "led-twice": 1 },
  },
  /** Members are taken out beside one that has lost its disk, and by a leader that is cut off amid that. */
  removals: {
    ...plain,
    members: [quorate(3), quorate(4)],
    gapMs: 1_500,
    weights: { "take-out-beside-emptied": 1, "take-out-and-lead": 1 },
  },
  /** Two members lose with the power what was committed, and go on without it in a later term. */
  "gone-on": {
    ...plain,
    members: beside("0.3.17").slice(0, 2),
    gapMs: 2_500,
    compactionEntries: 5_000,
    compactionMs: 10 ** 9,
    losesTerms: true,
    weights: { "gone-on": 1 },
  },
  /** Vanilla members lose committed entries with the power, while ours writes a dump that holds them. */
  conflicts: {
    ...plain,
    members: beside("0.3.17").slice(0, 2),
    gapMs: 1_500,
    writeGapMs: 50,
    compactionEntries: 400,
    compactionMs: 8_000,
    losesTerms: true,
    weights: { "dump-amid-conflict": 1 },
  },
  /** So little may be held that the clients come to the bounds of the data and of the log all the time. */
  bounds: {
    ...plain,
    members: [quorate(3), quorate(3), quorate(5)],
    compactionEntries: 1_000,
    compactionMs: 10 ** 9,
    largeShare: 0,
    writeGapMs: 25,
    bounds: { dataBytesMax: 128 * 1024, logBytesMax: 256 * 1024 },
    valueChars: 28_000,
    weights: {
      kill: 3,
      power: 3,
      isolate: 4,
      "cut-one-way": 2,
      "lose-link": 2,
      transfer: 2,
      "slow-link": 1,
      "disk-full": 4,
      "disk-slow": 3,
      "fail-write": 3,
      "fail-sync": 1,
    },
  },
  /** The same beside members that know no bounds: ours are held back under a vanilla leader. */
  "beside-bounds": {
    ...plain,
    members: [...beside("0.3.15"), ...beside("0.3.17")],
    vanillaStays: true,
    largeShare: 0,
    writeGapMs: 50,
    bounds: { dataBytesMax: 128 * 1024, logBytesMax: 256 * 1024 },
    valueChars: 28_000,
    weights: {
      ...besideWeights,
      "kill-all": 0,
      transfer: 2,
      "disk-full": 2,
      "disk-slow": 2,
      "fail-write": 1,
      "fail-sync": 1,
    },
  },
  /** On the journals of members of 0.3.15 that were started again time and again. */
  "taken-over": {
    ...plain,
    members: [quorate(3)],
    takesOver: true,
    gapMs: 2_000,
    compactionEntries: 5_000,
    compactionMs: 10 ** 9,
    weights: { kill: 3, power: 2, isolate: 3, "lose-link": 2, "cut-one-way": 2, transfer: 1 },
  },
};

/** What happens in a run, from the chance of its seed. */
export function planDeeds(profile: Profile, chance: Chance, untilMs: number): Deed[] {
  const kinds = Object.entries(profile.weights) as [DeedKind, number][];
  const total = kinds.reduce((sum, [, weight]) => sum + weight, 0);
  const deeds: Deed[] = [];
  for (let atMs = 2_000; ; ) {
    atMs += -Math.log(1 - chance.next()) * profile.gapMs;
    if (atMs > untilMs) return deeds;
    let roll = chance.next() * total;
    const [kind] = kinds.find(([, weight]) => {
      roll -= weight;
      return roll <= 0;
    }) ?? ["kill" as const];
    deeds.push({
      atMs,
      kind,
      seat: chance.below(1_000),
      other: chance.below(1_000),
      forMs: 20 + chance.next() ** 2 * profile.forMsMax,
      amount: chance.next(),
    });
  }
}
