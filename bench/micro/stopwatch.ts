import { type Spread, spreadOf } from "../report/statistics.js";

const rounds = 7;
const roundMs = 60;

/**
 * Microseconds of processor time for one call: on a busy machine the clock would count the others'
 * work too. The first round warms up and is not counted.
 */
export function microseconds(work: () => unknown): Spread {
  let calls = 1;
  while (timeOf(work, calls) < roundMs / 4) calls *= 2;
  const times = Array.from({ length: rounds }, () => (timeOf(work, calls) * 1000) / calls);
  return spreadOf(times.slice(1));
}

/** Milliseconds of this process's threads. */
function timeOf(work: () => unknown, calls: number): number {
  const before = process.cpuUsage();
  for (let call = 0; call < calls; call++) work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
