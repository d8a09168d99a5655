/** What a receiver does about a fault of a peer or a file. */
export type Reaction = "ignore" | "disconnect" | "refuse-file";

/**
 * Every fault that bytes from a socket or a file can have. The table is the one place where a
 * fault's reaction is written down; each code is counted and logged under this name.
 */
export const protocolFaults = {
  "pickle-truncated": "disconnect",
  "pickle-opcode": "disconnect",
  "pickle-global": "disconnect",
  "pickle-limit": "disconnect",
  "pickle-malformed": "disconnect",
  "frame-length": "disconnect",
  "frame-inflate": "disconnect",
  "fernet-token": "disconnect",
  "fernet-replay": "disconnect",
  "handshake-key": "disconnect",
  "handshake-identity": "disconnect",
  "message-shape": "disconnect",
  "command-shape": "ignore",
  "journal-header": "refuse-file",
  "journal-record": "refuse-file",
  "meta-malformed": "refuse-file",
  "dump-malformed": "refuse-file",
  "number-range": "disconnect",
} as const satisfies Record<string, Reaction>;

export type ProtocolFault = keyof typeof protocolFaults;

export interface ProtocolErrorDetails {
  /** Byte offset into the input at which the fault was seen, where there is one. */
  readonly offset?: number;
  readonly cause?: unknown;
}

/** A fault in bytes that came from outside. Never thrown for a mistake of our own. */
export class ProtocolError extends Error {
  readonly code: ProtocolFault;
  readonly offset: number | undefined;

  constructor(code: ProtocolFault, message: string, details: ProtocolErrorDetails = {}) {
    const at = details.offset === undefined ? "" : ` at byte ${details.offset}`;
    super(`${message}${at}`, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "ProtocolError";
    this.code = code;
    this.offset = details.offset;
  }

  get reaction(): Reaction {
    return protocolFaults[this.code];
  }
}
