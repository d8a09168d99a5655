/**
 * What the journal grows by, in zeros: appends that stay within the file let fdatasync skip the
 * file's metadata, and torn writes show as zeros. A quarter of the size bounds the waste.
 */
export const journalGrowthBytesMin = 256 * 1024;
export const journalGrowthBytesMax = 8 * 1024 * 1024;

/**
 * What has gathered while a write was under way goes on in appends of about this size: each is put together,
 * with its checksum, in one step of the loop, and in memory of its own.
 */
export const appendBytesMax = 4 * 1024 * 1024;
export const appendEntriesMax = 16 * 1024;

/** Piece in which files are read and copied: large enough that calls cost nothing. */
export const copyChunkBytes = 1024 * 1024;

/** How much of a piece its records must fill, for them to be held in that piece, and not in memory of their own. */
export const keptPieceShare = 7 / 8;

/** Largest single read: what Node accepts for one call is 2^31 - 1. */
export const readChunkBytesMax = 256 * 1024 * 1024;

/**
 * A journal has a thread of its own once so many batches have come within a window, and until fewer come
 * between two looks. It then stays a moment: a compaction takes less, and its new journal goes on with it.
 */
export const threadBatches = 32;
export const threadWindowMs = 1_000;
export const threadLookMs = 5_000;
export const threadStaysMs = 1_000;

/**
 * Unit in which a disk writes all or nothing. Disks with larger sectors tear at multiples of it.
 */
export const sectorBytes = 512;

/**
 * Quiet time after a batch before the header says that the batch is durable. Under load the next
 * batch says so; an idle member spends one small unsynced write.
 */
export const confirmDelayMs = 100;

/** How often a moved commit index is stored: upstream's interval. It is a hint, not a promise. */
export const commitIndexIntervalMs = 1000;

/** After an attempt to store it for which there was no room, or no descriptor. */
export const commitIndexRetryMs = 5000;

/**
 * Time that dump writing and reading work before they let the event loop run. A batch is three calls, one
 * after the other, on its way to the disk, and each waits for the slice that is under way.
 */
export const sliceMs = 0.5;

/** Records encoded, and pickle operations decoded, between two looks at the clock: some 10 µs. */
export const recordsPerLook = 8;
export const opsPerLook = 512;

/**
 * So many files of conflicts, or bytes in them, and nothing more is kept, so that nothing more is cut: a leader that
 * demands again and again that committed entries go would fill the disk. Only an operator knows which may go.
 */
export const conflictFilesMax = 64;
export const conflictBytesMax = 8 * 1024 * 1024 * 1024;

/** Bytes of pickle collected before they go to the compressor: a slice's worth. */
export const dumpPieceBytes = 64 * 1024;

/** What a dump that is received may have beside the data and the last entries: members, the names in it. */
export const dumpSpareBytes = 1024 * 1024;

/** What of a large dump is inflated at once: each piece is a trip to a thread and back, of some 50 µs. */
export const inflatePieceBytes = 256 * 1024;

/** Output of the check of a dump that passes by: all of it is thrown away, piece by piece. */
export const checkChunkBytes = 64 * 1024;

/**
 * How long a start waits for a process that holds the journal open. A PySyncObj member writes its dump in a
 * process of its own, which holds what the member held, and lives a moment longer than a stopped member.
 */
export const holderEndsMsMax = 5_000;
export const holderPollMs = 200;

/** How often the holder of a journal is looked for that is compacted amid each look. */
export const holderLooksMax = 10;

/** Descriptors of a process whose names are asked for at once: one by one they are most of a start on small files. */
export const linksAtOnce = 64;

/** How long the holder of the lock may take to tell its process id. */
export const lockHolderAnswerMs = 500;
