/** Bounds of the runtime, each with its reason. */
export const nodeLimits = {
  /** Between attempts to write to a full disk: soon enough for a person who has just made room. */
  diskRetryMs: 1_000,
  /**
   * A write that takes longer is taken for a disk that hangs. A leader commits nothing without its
   * disk, and its heartbeats would keep all others from leading; Patroni gives up after 10 s.
   */
  diskHangsMs: 3_000,
  /** After a dump that failed: a full disk stays full for a while, and the log is no danger yet. */
  dumpRetryMs: 60_000,
  /** The same where the log is full: it takes nothing more, so that the dump takes the room of nothing. */
  fullLogRetryMs: 10_000,
  /** Between two attempts to hand over because of a full log: where all are full, nobody is helped by it. */
  fullLogHandOverMs: 60_000,
  /**
   * Between two dumps, for each entry of `log_compaction_min_entries`: 5 s for 5,000. What comes faster
   * makes the log longer than that, up to these bounds of it: the memory that it takes, and the time in
   * which a start reads it.
   */
  dumpRestMsPerEntry: 1,
  restLogFactor: 8,
  restJournalBytesMax: 64 * 1024 * 1024,
  /**
   * Few entries may be a long log as well: beyond so many bytes of applied entries, and so many times the
   * data, a dump is due. Under load there may be twice that, and four times while a follower catches up.
   */
  heavyLogBytesMin: 64 * 1024 * 1024,
  heavyLogBytesMost: 256 * 1024 * 1024,
  /** With more data than that, as much as they come to, up to here: a dump of all takes as long as a log of that. */
  heavyLogBytesOfMuchData: 768 * 1024 * 1024,
  heavyLogFactor: 2,
  /** Whoever has chosen to compact after a million entries means as many small ones. */
  heavyLogBytesPerEntry: 1024,
  heavyLogRestFactor: 2,
  heavyLogCatchUpFactor: 4,
  /**
   * How many times the bytes of a log that is due the whole log may come to, and what it comes to at most. A
   * follower is waited for up to a part of it: the rest is for what comes while the dump is written. A quarter
   * more than the latter (see log-bound.ts) is still less than a journal takes, 4 GiB.
   */
  logBoundFactor: 6,
  logBytesMost: 3 * 1024 ** 3,
  catchUpLogShare: 3 / 4,
  /**
   * How many times longer than usual the log may get while a follower catches up with it. Twice
   * restLogFactor: a follower that begins when a dump is due has as much time as every other.
   */
  catchUpLogFactor: 16,
  /** Upstream's logCompactionBatchSize: one piece of a dump on the wire. */
  snapshotChunkBytes: 65_536,
  /** Bytes of a dump that may wait in a peer's socket, or for our disk: neither must fill the memory. */
  snapshotBufferedBytesMax: 1024 * 1024,
  /** Dumps on their way to observers at once, each an open file and what inflates it; the others wait. */
  observerDumpsMax: 4,
  /**
   * So long, and a millisecond more for each of so many bytes, an observer may keep a dump waiting for it
   * while others wait for theirs: whoever does not read keeps nobody from one.
   */
  observerDumpWaitMs: 5_000,
  observerDumpBytesPerMs: 1024,
  /**
   * Bytes of a dump that wait for our disk: beyond them nothing more is read from its leader, whose next
   * heartbeats wait as well. So it is short each time, some ten milliseconds for as long as the disk works.
   */
  snapshotWaitingBytesMax: 16 * 1024 * 1024,
  /**
   * Where the data has come to its bound, writes are taken that add no more than this to a key that is there, or that
   * have a time to live: Patroni's are smaller. For each of the two there is so much beyond the bound.
   */
  smallGrowthBytes: 4 * 1024,
  keptShare: 1 / 16,
  /** From here on health says that the data is about to be too much. */
  nearlyFullShare: 15 / 16,
  /** With all that is under way: for keys that are there, and for those with a time to live. */
  keptUnderWayShare: 1 / 8,
  /**
   * A member holds so much more than the bound, of a dump and of what it applies: all that a leader of ours takes,
   * which is the bound and the two shares of what is kept with all that is under way.
   */
  takenShare: 5 / 4,
  /** Keys that a leader takes, and that a member holds: a Map of V8's ends at 2^24, which may not be met. */
  keysMax: 16_000_000,
  heldKeysMax: 16_500_000,
  /** One peer's answer to a status question, in a campaign among other things. */
  statusTimeoutMs: 1_000,
  /** Such questions under way to one peer, each a connection: a campaign has two at most. */
  statusAsksMax: 4,
  /**
   * How often the leader looks for expired keys at most, but where very many are due; upstream does at each tick of 50 ms. Less than
   * the 100 ms between two heartbeats, which are what it looks at.
   */
  expiryPeriodMs: 90,
  /** How often it looks where no heartbeat wakes it. */
  expiryTimerMs: 500,
  /** A member that nothing wakes looks for itself what there is to do. */
  sleepMsMax: 500,
  /** Keys whose removal is submitted in one look: about ten milliseconds, for the leader and for who waits behind. */
  expiredPerLook: 1_000,
  /** What those keys and their values count for: each is written into a command. One is looked at in any case. */
  expiredBytesPerLook: 1024 * 1024,
  /**
   * Removals under way, behind which the writes of others wait: enough to keep a cluster busy. What comes beyond
   * them waits for its turn, also where nothing is committed.
   */
  removalsUnderWayMax: 2_000,
  /** What those count for: half of `gatheredBytesMax`. */
  removalBytesUnderWayMax: 16 * 1024 * 1024,
  /** Until a key is looked at again whose removal was submitted: others have their turn first. */
  expiryRetryMs: 1_000,
  /** After a longer time without a look, what came meanwhile is not taken for new. */
  expiryLookMsMax: 1_000,
  /**
   * Messages to one receiver that wait for the disk: more than the 10,000 answers that a client of ours
   * may wait for. Beyond it the link is cut.
   */
  heldMessagesMax: 32_768,
  /**
   * Committed entries are applied, and proposals are judged, for so long in one turn of the loop: a
   * recursive delete looks at every key, and hundreds of them may have come at once.
   */
  applyTurnMsMax: 8,
  /** A larger command takes milliseconds to decode: it begins a turn, and no other is applied before it there. */
  largeCommandBytes: 512 * 1024,
  judgeTurnMsMax: 8,
  /** Proposals that wait to be judged; beyond it: QUEUE_FULL. */
  gatheredMax: 10_000,
  /** Bytes of their commands, four of the largest. */
  gatheredBytesMax: 32 * 1024 * 1024,
  /** A stopping leader waits so long for another one to take over. */
  handOverMsMax: 2_000,
  /** A stopping member waits so long for its last writes; a full disk would keep it for ever. */
  settleMsMax: 5_000,
  /** How often the age of the log is looked at while nothing is applied. */
  compactionLookMs: 1_000,
  /** Between attempts to have ourselves added to a running cluster. */
  joinRetryMs: 2_000,
  /** Whoever is without a leader for longer than that asks who the members are. */
  rediscoverEveryMs: 5_000,
  rediscoverAnswerMs: 1_000,
  /** Requests forwarded to the leader that may wait for its answer; beyond it: QUEUE_FULL. */
  forwardedMax: 10_000,
  /** How often writes are looked at whose time may be over. */
  writeDeadlineLookMs: 100,
  /** How long a write waits for its outcome: Patroni's retry_timeout. */
  writeTimeoutMs: 10_000,
  /** Distinct notes that are logged within one minute each; the rest is counted only. */
  notesRememberedMax: 256,
  /** Lines of one kind in a minute, whatever their text: some of it is a peer's. */
  linesOfAKindMax: 30,
  /** Of that text. */
  noteCharsMax: 2_000,
} as const;
