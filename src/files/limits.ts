/** Runs of a term, dips, changes of the membership and the like that are listed; all are counted. */
export const listedMax = 10_000;

/**
 * A member may rewrite its journal while it is read (upstream does so in place, entry by entry). What
 * does not hold together is looked at again so often, so long after, before it counts as a fault.
 */
export const liveAttemptsMax = 5;
export const livePauseMs = 300;

/** How often a followed journal is looked at: upstream's members append every 0.1 s at the most. */
export const followPollMs = 250;

/** How long a followed journal may look cut or broken before that is told: a rewrite takes less. */
export const followDoubtMs = 2000;
