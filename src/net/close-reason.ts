/** Why a connection is gone. A fixed set: each is a counter of its own. */
export type CloseCode =
  | "ended"
  | "error"
  | "protocol"
  | "handshake-timeout"
  | "silent"
  | "unanswered"
  | "unfinished"
  | "send-buffer-full"
  | "receive-buffer-full"
  | "replaced"
  | "refused"
  | "crowded"
  | "idle"
  | "removed"
  | "requested"
  | "shutdown";

export interface CloseReason {
  readonly code: CloseCode;
  /** One line for a human. */
  readonly detail: string;
}
