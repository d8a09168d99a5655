import type { ObserverClient } from "../client/observer-client.js";
import type { CliContext } from "./context.js";

const lookMs = 500;

/** Told of at the second look without a leader: a lead that is handed over is nobody's concern. */
const looksWithoutLeader = 2;

/**
 * Says on standard error when no leader is there to tell of changes, and when there is one again: silence
 * would look like a cluster in which nothing happens.
 *
 * @returns what ends it.
 */
export function tellOfLeader(context: CliContext, client: ObserverClient): () => void {
  let looksWithout = 0;
  const look = (): void => {
    const { leader, connected } = client.status();
    if (leader === null) {
      looksWithout += 1;
      if (looksWithout === looksWithoutLeader) context.err(`quorate: ${lostText(connected)}\n`);
      return;
    }
    if (looksWithout >= looksWithoutLeader) {
      context.err(`quorate: ${leader} leads: the watch goes on\n`);
    }
    looksWithout = 0;
  };
  const timer = setInterval(look, lookMs);
  return () => clearInterval(timer);
}

function lostText(connected: readonly string[]): string {
  const why =
    connected.length === 0
      ? "no member can be reached"
      : `there is no leader (links to ${connected.join(", ")})`;
  return `${why}: waiting, changes are printed when there is one again`;
}
