/** Each connection costs memory; health checks and an operator's browser need a handful. */
export const connectionsMax = 32;

/** All that a request may hold is in its first lines: no route takes a body. */
export const headerBytesMax = 8 * 1024;

/** A client that sends its header a byte at a time is cut off after this. */
export const requestMsMax = 5_000;

/** How often the server looks for clients that are over their time. */
export const timeoutCheckMs = 1_000;

/** An idle connection is kept for the next health check, but not for ever. */
export const keepAliveMs = 10_000;

/** A connection without any progress, such as a reader that stopped reading, is closed. */
export const idleMsMax = 30_000;

/** A reader of all data that takes longer than this holds the snapshot for too long. */
export const kvResponseMsMax = 120_000;

/** Each answer with all data holds a snapshot of the store. */
export const kvResponsesMax = 4;

/** Text is collected to about this size before it is written: as large as a socket's buffer. */
export const kvChunkCharsMax = 64 * 1024;

/** What of a value is made JSON of at once: control characters are six times as long there. */
export const jsonPieceCharsMax = 8 * 1024;

/** The heartbeats of the leader must not wait for the HTTP server. */
export const kvSliceMsMax = 4;

/** The clock is read after so many pieces of an answer, not after each. */
export const kvPiecesPerLook = 64;

/** A connection that is being answered when the server closes may finish within this. */
export const closeGraceMs = 1_000;

/**
 * Committed entries wait for their turn while the disk is written, so that a busy member is always
 * a little behind; further behind than this it is catching up.
 */
export const applyLagEntriesMax = 1_000;
