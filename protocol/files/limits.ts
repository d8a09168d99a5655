/**
 * Largest journal. Its header and vanilla's reader count in u32 offsets, so a record that ended
 * beyond could not be found again: an append that would pass is refused, a compaction is due long
 * before.
 */
export const journalBytesMax = 0xffff_ffff;

/**
 * Largest step between the terms of two entries of a journal that nothing vouches for. A member
 * raises the term at most once in 0.4 s (upstream's shortest election timeout): 2^31 steps are 27
 * years of elections without a single write in between. A flipped high bit is far above.
 */
export const termJumpMax = 2 ** 31;

/** Largest meta file read: five keys and a member's address take 200 bytes, twice. */
export const metaBytesMax = 1024 * 1024;

/** Largest dump after inflation. A gzip stream can promise a thousand times its own size. */
export const dumpInflatedBytesMax = 16 * 1024 ** 3;

/** Members named in a dump. Raft with more than a handful is unusual, with a thousand absurd. */
export const dumpMembersMax = 1024;

/**
 * What a key counts for beside its text and its value's: the record, its place in the store's Map, the value's
 * times. About what it takes in memory, and more than the rest of it takes in a dump.
 */
export const dataKeyBytes = 256;

/** Fields of one value: Patroni's have five. Whoever takes the value over copies it in one step. */
export const dumpValueFieldsMax = 64 * 1024;

/**
 * What its fields that are ints count for, as `comparisonOps` does, which may all have one hash: some 4,000 of them
 * are copied in 25 ms. Patroni's are strs.
 */
export const dumpValueFieldOpsMax = 256 * 1024;

/** Items that Python's pickler puts into one SETITEMS; ours writes the same. */
export const dumpItemsPerBatch = 1000;

/**
 * So far above the terms of files that PySyncObj has written a member's first vote is, its own or another one's. Up to
 * 0.3.15 votes are stored nowhere, and later ones not synced: how many elections came behind the last entry nobody
 * knows. At an election in 0.4 s, upstream's shortest, these are more than four days of them.
 */
export const takenOverTermStep = 1_000_000;
