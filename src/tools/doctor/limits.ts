/** Dips of a log, keys of a difference and the like that are listed; all are counted. */
export const shownMax = 20;

/** Stretches at which logs differ: a few for each member, unless the files are strange. */
export const spansMax = 1_000;

/** Writes that are kept of each stretch, and keys whose values are looked up. */
export const writesOfSpanMax = 1_000;
export const keysMax = 1_000;

/** Characters of a value that are kept: enough to tell it from others, and to write most of Patroni's again. */
export const valueCharsMax = 1_000;
