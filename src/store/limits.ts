/**
 * Decoded calls kept between `refusal` and the moment the same bytes are applied, so that a leader
 * decodes a proposal once. Proposals that are never appended would pile up: beyond
 * this many, or so many bytes of their commands, the cache is emptied, which costs a second decoding and
 * nothing else.
 */
export const acceptedCallsMax = 4096;
export const acceptedCallBytesMax = 32 * 1024 * 1024;
/** Fields of a dict of the usual kind: Patroni's values have five, its conditions three. */
export const usualFieldsMax = 16;

/** How many times its bytes a call counts for that may hold more than texts: at worst it takes twice that. */
export const acceptedCallFactor = 96;

/** Nesting that the JSON view shows; what lies deeper is shown as an ellipsis (cycles end here). */
export const jsonDepthMax = 32;

/**
 * Containers within containers of a value that a leader takes: Patroni's have one. Half of what the least decoder
 * follows, so that whatever is read or written with it goes through.
 */
export const nestingMax = 64;

/** Opcodes of a call beside those of the key's value: the tuples, the key, the batches of long lists. */
export const callOps = 64;

/** What each part of a value counts for that is not of the usual shape. */
export const valueBytesMin = 64;

/** The same of sets and bytes: whoever reads a dump has for a moment what they are made of as well. */
export const calledBytesMin = 128;

/** The most that a command can add to the data, by its bytes and besides: see growth.ts. */
export const growthPerByteMost = 10;
export const growthSpareBytes = 40 * 1024 * 1024;

/** Keys that `Store.fromDumpSteps` takes over between two yields: about a millisecond's work. */
export const restoreKeysPerStep = 2048;

/** … and what they weigh at most, where values are of any shape: each part of one is looked at for its weight. */
export const restoreBytesPerStep = 1024 * 1024;

/**
 * Prefixes of one recursive delete that end in half a character, each of which every key is asked for by itself; and
 * recursive deletes that may wait to be applied, each of which every key is asked for that a command names. Patroni
 * makes none of the first, and one of the second when somebody removes a cluster.
 */
export const costlyPrefixesMax = 16;
export const sweepsInTailMax = 1_000;

/** Keys that are asked at once where a prefix is no text, which other leaders take: some milliseconds. */
export const lookedAtMax = 10_000;

/** Keys that are looked at, or go, in one slice of a recursive delete: about a millisecond's work. */
export const keysPerSlice = 1024;

/** Values with a time to live whose coming is noted at once: a few milliseconds, after a large dump. */
export const lifetimesNotedMax = 10_000;
