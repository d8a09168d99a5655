/** What a link has seen; times in ms of the network's clock. */
export interface LinkActivity {
  readonly sentAt: number;
  readonly receivedAt: number;
  /** A Quorate peer pings when it has nothing to say, so that its silence means something. */
  readonly speaksAlways: boolean;
  /** Since when the peer owes us an answer, and has sent nothing. */
  readonly awaitingSince: number | null;
}

export interface LinkTimes {
  readonly connectionTimeoutMs: number;
  readonly pingPeriodMs: number;
}

export type LinkDuty = "none" | "ping" | "drop-silent" | "drop-unanswered";

/**
 * What to do about a link now.
 *
 * A vanilla member looks at its own timeout only when it touches a socket: after hours of silence
 * the first message makes it drop the connection, and the message with it
 * (`TcpConnection.__processConnectionTimeout` in pysyncobj/tcp_connection.py). Hence we are never
 * silent for long. Its own silence is normal while it is no leader, and no reason to drop it unless
 * we have asked it something, or it says elsewhere that it has no such link (src/node/peer-status.ts).
 */
export function linkDuty(activity: LinkActivity, now: number, times: LinkTimes): LinkDuty {
  const { connectionTimeoutMs, pingPeriodMs } = times;
  if (activity.speaksAlways && isSilent(activity, now, times)) {
    return "drop-silent";
  }
  const owedSince = activity.awaitingSince;
  if (owedSince !== null && now - Math.max(owedSince, activity.receivedAt) > connectionTimeoutMs) {
    return "drop-unanswered";
  }
  return now - activity.sentAt >= pingPeriodMs ? "ping" : "none";
}

/** Whether nothing has come for connectionTimeoutMs. */
export function isSilent(
  { receivedAt }: Pick<LinkActivity, "receivedAt">,
  now: number,
  { connectionTimeoutMs }: Pick<LinkTimes, "connectionTimeoutMs">,
): boolean {
  return now - receivedAt > connectionTimeoutMs;
}
