import type { ObserverStatus } from "./observer-types.js";

/** No leader, or not all of its data, in time. The message says what is missing. */
export class NotReadyError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "NotReadyError";
  }
}

export function closed(): NotReadyError {
  return new NotReadyError("the client is closed");
}

/** @param timeoutMs How long was waited, in milliseconds. */
export function notReady(
  { leader, appliedIndex, connected, members }: ObserverStatus,
  timeoutMs: number,
): NotReadyError {
  const what =
    connected.length === 0
      ? `none of ${members.join(", ")} can be reached (or the password is another)`
      : leader === null
        ? `${connected.join(", ")} can be reached, but no leader is known`
        : `the own copy is at entry ${appliedIndex} only`;
  return new NotReadyError(`not ready after ${timeoutMs} ms: ${what}`);
}
