import { type Finding, listed } from "../findings.js";
import type { Answer } from "../survey.js";
import type { TwoLooks } from "./looks.js";

/** Patroni's `loop_wait` and retries leave about this much of a `ttl` of 30 s. */
const apartSecMax = 5;

/**
 * Clocks, where members tell them: Quorate's do, PySyncObj's do not. What counts for keys with a time
 * to live is how far they are from each other, not from this machine.
 */
export function clocks({ after }: TwoLooks): Finding[] {
  const told = after.answers.filter((answer): answer is Answer & { clockAheadSec: number } => {
    return answer.clockAheadSec !== null;
  });
  const readings = told.map((answer) => answer.clockAheadSec);
  const apart = Math.max(...readings) - Math.min(...readings);
  const roundTrip = Math.max(...told.map(({ roundTripSec }) => roundTripSec));
  if (told.length < 2 || apart <= apartSecMax + roundTrip) return fromHere(told);
  const each = told.map(({ self, clockAheadSec }) => `${self} ${signed(clockAheadSec)}`);
  return [
    {
      code: "clocks-apart",
      severity: "risk",
      members: told.map(({ self }) => self),
      says: `the members' clocks are ${apart.toFixed(1)} s apart (against this machine: ${listed(each)}); the leader's clock decides when a key with a time to live goes`,
      wayOut:
        "have all machines keep the time with NTP; docs/network-and-time.md says what depends on it",
    },
  ];
}

function fromHere(told: readonly (Answer & { clockAheadSec: number })[]): Finding[] {
  const off = told.filter(
    ({ clockAheadSec, roundTripSec }) => Math.abs(clockAheadSec) > apartSecMax + roundTripSec,
  );
  if (off.length === 0) return [];
  return [
    {
      code: "clock-differs-from-here",
      severity: "note",
      members: off.map(({ self }) => self),
      says: `against this machine's clock: ${listed(off.map(({ self, clockAheadSec }) => `${self} ${signed(clockAheadSec)}`))}`,
      wayOut: "see which of the machines has the right time",
    },
  ];
}

export function signed(seconds: number): string {
  return `${seconds < 0 ? "-" : "+"}${Math.abs(seconds).toFixed(1)} s`;
}
