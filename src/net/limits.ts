/**
 * Every bound of the network house. A peer may be hostile or broken: nothing that it does may grow
 * without one of these, or hold the loop for longer than they allow.
 */

/**
 * Connections that have not said yet who they are. A handshake takes two round trips, so that even
 * a whole cluster that reconnects at once needs a handful. When more come,
 * the oldest of the address with the most of them is cut.
 */
export const unidentifiedConnectionsMax = 64;

/**
 * Identified connections of observers and utility clients together. Members are not counted: their
 * number is bounded by the configuration, and strangers must not be able to keep them out.
 */
export const connectionsMax = 512;

/** From accept (or connect) to a known identity. A connection that trickles bytes is cut by it. */
export const handshakeTimeoutMs = 5_000;

/**
 * For so long what has come of an observer's or a utility client's message may lie here without the rest; for each KiB that has
 * come a little longer: half a megabit a second, the slowest line on which anybody follows a log.
 * Whoever sends a byte a second would hold it for ever.
 */
export const unfinishedMsMax = 30_000;
export const unfinishedMsPerKib = 16;

/**
 * Of a message that a member has begun, so many bytes have to come in each `unfinishedMsMax`, also of one that is passed
 * over: 17 kilobits a second, on which no leader keeps its followers.
 */
export const stalledBytesMin = 64 * 1024;

/** A utility connection without a request under way is closed after this silence. */
export const utilityIdleTimeoutMs = 60_000;

/** Requests on one utility connection that wait for their reply; a client sends one at a time. */
export const utilityPendingMax = 16;

/**
 * Bytes that wait for one slow receiver: a few of the largest frames. A single frame is let through
 * an empty buffer whatever its size.
 */
export const sendBufferBytesMax = 64 * 1024 * 1024;

/**
 * What a message that waits counts for beside its commands, and each of its entries: answers carry nothing,
 * and whoever asks on and on without reading them could pile up millions.
 */
export const waitingCostBytes = 160;

/** A message that carries more waits for its turn: compressing it takes a millisecond or two. */
export const atOnceBytesMax = 8 * 1024;

/** Framed ahead of what the kernel has taken. What waits beyond that is pieces of the log itself. */
export const framedBytesMax = 128 * 1024;

/**
 * What waits for all observers together: of anybody there may be hundreds, who never read. The largest
 * entry for more of them than a cluster has. Whoever keeps most waiting is cut when it is passed.
 */
export const observersSendBytesMax = 256 * 1024 * 1024;

/** Time for compressing and encrypting in one turn of the loop, for all observers; all members. */
export const sendTurnMsMax = 4;

/**
 * Replies that wait for a utility client: a status of a hundred members and more. There may be
 * hundreds of clients, who ask and ask and never read.
 */
export const repliesBytesMax = 64 * 1024;

/**
 * Frames of one turn that are joined to one piece, and what they may have on the average; more, and larger ones, leave
 * as they are, without a copy.
 */
export const joinedBytesMax = 256 * 1024;
export const joinedFrameBytesMax = 2 * 1024;

/** With more than this waiting to be sent a ping gets no pong. */
export const pongBacklogBytesMax = 4 * 1024;

/**
 * What all strangers together (not members: see connectionsMax) have sent and no message has come of
 * yet. Half as much again as the largest frame, and few enough that memory stays where it is when
 * strangers fill it. Whoever holds most of it is cut when it is passed.
 */
export const strangersReceiveBytesMax = 24 * 1024 * 1024;

/** Bytes received or decoded that nobody needs any more, before what is young is collected. */
export const youngGarbageBytesMax = 8 * 1024 * 1024;

/** The same before V8 is asked to look for all that is unused; more where more is in use. */
export const oldGarbageBytesMin = 32 * 1024 * 1024;

/** Beyond the 64 MiB with which V8 finds that it is time. */
export const markHintBytes = 96 * 1024 * 1024;

/** What one slice of a large message counts for: most slices inflate, and leave nothing. */
export const sliceGarbageBytes = 128 * 1024;

/** Time for received bytes of all strangers in one turn of the loop, before all else has its turn. */
export const strangersTurnMsMax = 8;

/** The same for one member, which has turns of its own. */
export const memberTurnMsMax = 4;

/**
 * Bytes of small messages that are handled between two looks at the clock, at most some hundred
 * microseconds of work; each message counts for so many more.
 */
export const bytesPerLook = 4 * 1024;
export const frameCostBytes = 128;

/** Of either, for one connection. */
export const turnMsMaxEach = 4;

/** One log line for each fault and remote host in this time. */
export const faultLogPeriodMs = 60_000;

/** Lines for one fault in this time, whoever it is: addresses of peers can be made up. */
export const faultLogLinesMax = 30;

/** Pairs of fault and remote host that are remembered for that. */
export const faultLogEntriesMax = 1_024;

/** Addresses of one name that are tried before the attempt counts as failed. */
export const addressesTriedMax = 8;

/** Names held by the resolver: members and what an operator asked for. */
export const resolverEntriesMax = 1_024;

/**
 * Lookups under way. The system's resolver holds a thread of the pool that the storage's fdatasync
 * needs as well: a dead name server must not take all four.
 */
export const lookupsInFlightMax = 2;

/** TCP keepalive's first probe, as upstream's (16 s, 3 s, 5); Node sets only this one of the three. */
export const keepAliveDelayMs = 16_000;

/** How long a graceful close waits for the other side to take what is buffered. */
export const closeFlushMs = 1_000;

/** The network's clock goes at this pace at most; shorter timeouts make it finer. */
export const tickMsMax = 200;

/** Finest pace of the clock: tests use timeouts of tens of milliseconds. */
export const tickMsMin = 5;

/** The first pause between two attempts to connect; each next one is twice as long. */
export const firstRetryMs = 250;

/** For about half a minute, in which a restart or a reboot is over, no pause is longer than this. */
export const soonRetryMsMax = 1_000;
export const soonRetriesMax = 30;
