import { commandBytesMax } from "../../protocol/wire/limits.js";

/** Bounds of the core, each with its reason. Times are in milliseconds, sizes in bytes. */
export const raftLimits = {
  /** Upstream's appendEntriesBatchSizeBytes: a vanilla receiver is known to cope with it. */
  batchBytesMax: 65_536,
  /** Any observer may write commands of one byte: a Quorate member of before took 24,000 of them in a message. */
  batchEntriesMax: 8_192,
  /**
   * So many messages a millisecond go to observers that write nothing, to all of them together: each
   * message and its answer take some 40 µs of the leader.
   */
  observerMessagesPerMs: 5,
  /**
   * Nobody waits longer for entries or for a commit index. Upstream tells the latter with its heartbeats, every
   * 100 ms; Patroni looks at what it was sent every 50 ms.
   */
  paceMsMax: 20,
  /** Whoever has written is told everything at once for so long: Patroni writes in bursts. */
  writerMs: 1_000,
  /** Answers that a follower may owe us before we send it heartbeats only. */
  inFlightMessagesMax: 256,
  /** Entry bytes on their way to one follower: keeps a slow one's socket buffer bounded. */
  inFlightBytesMax: 8 * 1024 * 1024,
  /** Of large entries that are cut into pieces in one turn: some ten milliseconds for the largest one. */
  pieceBytesMax: 2 * 1024 * 1024,
  /** Bytes appended and not committed; beyond it a proposal is answered QUEUE_FULL. */
  uncommittedBytesMax: 128 * 1024 * 1024,
  /** The same in their number: each takes memory beside its command. */
  uncommittedEntriesMax: 256 * 1024,
  /**
   * Of one message of a leader, the rest of which it sends again: entries; those that change the members, in number
   * and in bytes of commands. To decode one takes some ten microseconds, more where it has many opcodes.
   */
  takenEntriesMax: 16 * 1024,
  takenChangesMax: 128,
  takenChangesBytesMax: 64 * 1024,
  /** Changes of the members that are not committed: a leader of ours has one at a time, each is undone where it is cut. */
  uncommittedChangesMax: 4_096,
  /** What an entry counts for beside its command, in what a follower takes of a leader. */
  entryHeldBytes: 256,
  /**
   * Bytes of entries that a follower holds beyond what it has applied, so counted: more than a leader of ours
   * leaves uncommitted, by the two bounds above. Each has a share of `max_data_bytes` where that is less.
   */
  followedBytesMax: 256 * 1024 * 1024,
  /**
   * Beyond it one message of entries is taken after so long, until there are a quarter more, and small ones only
   * from there on: whoever leads with as many of an earlier leader gets them committed in the end, and its own on top.
   */
  followedRetryMs: 10_000,
  followedSpareShare: 5 / 4,
  followedLittleBytes: 4 * 1024,
  /**
   * Bytes of the whole log that is held, so counted, unless configured otherwise: memory, and the journal's,
   * which ends for good at 4 GiB. Beyond it nothing is appended before a dump has made the log shorter.
   */
  logBytesMax: 1536 * 1024 * 1024,
  /** As much more is taken of a leader where a dump would not make the log shorter: see log-bound.ts. */
  logSpareFactor: 1.25,
  /** From here on the log counts as full for whoever looks after the member. */
  logFullShare: 15 / 16,
  /** A dump makes a log shorter of which so much is applied. */
  logAppliedShare: 1 / 4,
  /**
   * Bytes of entries that were cut from the log again and still wait for the disk, of which the log knows nothing
   * any more: beyond that nothing is cut before they are stored. An honest leader cuts once.
   */
  droppedBytesMax: 64 * 1024 * 1024,
  /** The same in the number of cuts: each reads the journal and syncs it twice. */
  droppedCutsMax: 64,
  /** Addresses that are heard and do not count, which others may name as they like. */
  guestsMax: 16,
  /** Members, itself included, beyond which a leader of ours lets nobody in: each is a link of every other one. */
  membersMax: 64,
  /** So many addresses a leader can have a member know, with those that its entries take out again. */
  knownMembersMax: 128,
  /**
   * Largest command of an entry, unless configured otherwise: what our own proposers make at most. To take one
   * over, to write it and to apply it are steps of the loop of some ten milliseconds each.
   */
  entryBytesMax: commandBytesMax,
  /**
   * A leader whose entry is too large is asked again so rarely: it sends all of it each time, until it has
   * compacted its log and sends a dump instead.
   */
  tooLargeRetryMs: 30_000,
  /**
   * So often at once, and then once in so long, committed entries go because leaders demand it: each time they are
   * kept in a file, and the store is built again. An honest leader demands it once, when others have lost data.
   */
  yieldsMax: 8,
  yieldAgainMs: 60_000,
  /** Log position that no log reaches: a prevLogIdx that every vanilla member answers with a reset. */
  unreachableIndex: 2 ** 40,
  /** How long a connected peer may take to answer a status question in a campaign. */
  statusAnswerMsMax: 1_000,
  /**
   * A connected peer that answers no question for so long counts as gone in a campaign. More than
   * upstream's connectionTimeout of 3.5 s, and with the election well within Patroni's
   * retry_timeout of 10 s.
   */
  silentPeerMsMax: 4_000,
  /** Pause between the beacon and the second question: one tick of a vanilla member is 50 ms. */
  confirmDelayMs: 60,
  /** Second questions in one campaign before it is put off. */
  confirmRoundsMax: 8,
  /** After so long without a leader, with a majority connected, it is said: an election takes a second or two. */
  vainElectionsMs: 15_000,
  /** How long a new leader waits for answers to its look at the peers' logs. */
  inquestMsMax: 1_500,
  /**
   * A message whose term is further above ours is refused. Terms rise by one in 0.4 s at most (upstream's
   * shortest election timeout): these are 27 years of elections that this member has not heard of.
   */
  termStepMax: 2 ** 31,
  /** The highest term of an entry or a dump that is taken however low ours is: half of all numbers are left. */
  termTakenMax: 2 ** 52,
  /** The highest that is believed of a member which tells its own term, however low ours is: as of entries. */
  termToldMax: 2 ** 52,
  /**
   * From there on only small steps are believed, so that the numbers that are left last for 2^42 forged messages: of a
   * message, and of a member that tells its own term. The latter has to bring members together again that messages have
   * driven apart, and a member that begins with PySyncObj's files raises its term by a million once.
   */
  termSmallStepMax: 2 ** 10,
  termToldStepMax: 2 ** 20,
  /** No higher term is believed of anybody, and nobody campaigns in it. What is added to one stays a safe integer. */
  termMax: 2 ** 53 - 2 ** 24,
  /**
   * Terms and votes that wait for the disk; with more of them no higher term is taken of anybody. A disk that works
   * stores all of them at once. While one is full or hangs the others' elections may raise the term for hours, and a
   * term that stood still here would keep them from electing anybody.
   */
  ballotsWaitingMax: 64,
  ballotsWithoutDiskMax: 64 * 1024,
  /** A peer that answers, and tells nothing of itself, is sent no entries for so long on a new link. */
  lookMsMax: 3_000,
  /** In so many terms below its own a leader asks a member for, that it has been away from: 64 rounds of questions. */
  lookTermsMax: 65_536,
  /** Other terms tried at our last index; a cluster this many elections behind is not plausible. */
  inquestProbesMax: 1_024,
  /** Terms of our log that are further apart than that have no elections between them, but so many near either. */
  termGapMin: 500_000,
  nearGapTerms: 256,
  /** A receiver that has a whole dump needs this long at most to load it: a million keys take 2 s. */
  dumpLoadMsMax: 10_000,
  /** An observer's wish for another dump is met so often at most: each opens, reads and inflates a file. */
  observerDumpMs: 1_000,
  /** A transfer that has not led to a new leader by then is over. */
  transferMsMax: 3_000,
} as const;
