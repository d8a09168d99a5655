import { setFlagsFromString } from "node:v8";

/**
 * When V8 gives a function to its optimizing compiler: after so much bytecode (66 KiB by default), in the newer
 * lines after so many calls (3,000). A member does little, for months: with one write at a time its code ran for
 * seconds as it was parsed, at half as much processor time again (docs/performance.md has the figures).
 */
export function compileSoon(nodeVersion: string): string {
  const major = Number.parseInt(nodeVersion, 10);
  return major < 22 ? "--interrupt-budget=10000" : "--invocation-count-for-turbofan=400";
}

/** For a process that runs a member: the engine is all its own. */
export function tuneEngine(): void {
  setFlagsFromString(compileSoon(process.versions.node));
}
