import type { Deed } from "./deeds.js";
import { type Outcome, type RunOptions, runSeed } from "./run-seed.js";

/**
 * Leaves deeds out of a failing run for as long as it still fails in the same way: first large parts,
 * then single ones (delta debugging).
 *
 * @param runsMax How often it may be run.
 */
export async function shrink(
  failing: Outcome,
  options: RunOptions,
  runsMax: number,
  run: (options: RunOptions) => Promise<Outcome> = runSeed,
): Promise<Outcome> {
  let best = failing;
  let runs = 0;
  let size = Math.ceil(best.deeds.length / 2);
  while (size >= 1 && runs < runsMax) {
    let isSmaller = false;
    for (let from = 0; from < best.deeds.length && runs < runsMax; ) {
      const deeds = best.deeds.filter((_, at) => at < from || at >= from + size);
      runs += 1;
      const outcome = await run({ ...options, profile: best.profile, deeds, print: undefined });
      if (outcome.invariant === best.invariant) {
        best = outcome;
        isSmaller = true;
      } else from += size;
    }
    if (!isSmaller || size > best.deeds.length) size = size === 1 ? 0 : Math.ceil(size / 2);
  }
  return best;
}

/** One line a deed. */
export function listed(deeds: readonly Deed[]): string[] {
  return deeds.map(({ atMs, kind, seat, forMs }) => {
    const who = seat % 3 === 0 ? "leader" : `member ${seat}`;
    return `  ${atMs.toFixed(0).padStart(6)} ms  ${kind} (${who}) for ${forMs.toFixed(0)} ms`;
  });
}
