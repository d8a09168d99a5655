import { readFileSync } from "node:fs";

/** Connections that there may be at once. */
export interface ConnectionShares {
  readonly unidentified: number;
  readonly observers: number;
  readonly http: number;
}

/** For files, for members' links, for the questions that we ask, and what the runtime itself has open. */
const ownDescriptors = 48;

/**
 * Open files and connections that the system allows this process; infinite where it does not tell.
 * Node raises the soft limit to the hard one when it starts.
 */
export function descriptorsMax(): number {
  try {
    const soft = /^Max open files +(\d+) /m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    // Not Linux.
    return Number.POSITIVE_INFINITY;
  }
}

/**
 * What is wanted, or what the system allows: whoever opens connections must not be able to take the
 * descriptor that the next write of a term needs, which would end the member.
 */
export function connectionShares(
  wanted: ConnectionShares,
  limit: number = descriptorsMax(),
): ConnectionShares {
  const room = Math.max(0, limit - ownDescriptors);
  const share = (most: number, eighths: number) =>
    Math.max(1, Math.min(most, Math.floor((room * eighths) / 8)));
  return {
    unidentified: share(wanted.unidentified, 1),
    observers: share(wanted.observers, 6),
    http: share(wanted.http, 1),
  };
}
