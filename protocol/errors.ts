/** What a receiver does about a fault of a peer or a file. */
export type Reaction = "ignore" | "disconnect" | "refuse-file";

/**
 * Every fault that bytes from a socket or a file can have. The table is the one place where a
 * fault's reaction is written down; each code is counted and logged under this name.
 */
export const protocolFaults = {
  /** It ends too early. */
  "pickle-truncated": "disconnect",
  /** An opcode that is not taken. */
  "pickle-opcode": "disconnect",
  /** A class or function that is not on the list. */
  "pickle-global": "disconnect",
  /** Too deep, too long or too many values. */
  "pickle-limit": "disconnect",
  /** Opcodes that do not fit together. */
  "pickle-malformed": "disconnect",
  /** A length that is negative or over the limit. */
  "frame-length": "disconnect",
  /** No zlib stream, or one that inflates to too much. */
  "frame-inflate": "disconnect",
  /** No Fernet token of this password. */
  "fernet-token": "disconnect",
  /** Its timestamp goes back. */
  "fernet-replay": "disconnect",
  /** Not the random key that was agreed. */
  "handshake-key": "disconnect",
  /** The first message names nobody. */
  "handshake-identity": "disconnect",
  /** A field of a message is missing or of another type. */
  "message-shape": "disconnect",
  /** A log entry that is no command. */
  "command-shape": "ignore",
  /** Not a journal that is known. */
  "journal-header": "refuse-file",
  /** A record that cannot have been written so. */
  "journal-record": "refuse-file",
  /** Not the meta of a journal. */
  "meta-malformed": "refuse-file",
  /** Not a dump. */
  "dump-malformed": "refuse-file",
  /** A dump that holds more than is taken. */
  "dump-too-large": "refuse-file",
  /** A number that is not a safe integer, or negative. */
  "number-range": "disconnect",
} as const satisfies Record<string, Reaction>;

/** The name of a fault. */
export type ProtocolFault = keyof typeof protocolFaults;

/** What an error may tell beside its code. */
export interface ProtocolErrorDetails {
  /** Byte offset into the input at which the fault was seen, where there is one. */
  readonly offset?: number;
  /** What was thrown below it. */
  readonly cause?: unknown;
  /** Of a `pickle-limit`: which one, by its name in PickleLimits; of what is too long, by its name in wire/limits. */
  readonly limit?: string;
}

/** A fault in bytes that came from outside. Never thrown for a mistake of our own. */
export class ProtocolError extends Error {
  /** Which fault it is; stable, for programs. */
  readonly code: ProtocolFault;
  /** Byte offset into the input, where there is one. */
  readonly offset: number | undefined;
  /**
   * Of a `pickle-limit`: which one of those that may be set differently, by its name in PickleLimits. Of a frame or
   * a message that is too long: `frameBytesMax`, `messageBytesMax`.
   */
  readonly limit: string | undefined;

  constructor(code: ProtocolFault, message: string, details: ProtocolErrorDetails = {}) {
    const at = details.offset === undefined ? "" : ` at byte ${details.offset}`;
    super(`${message}${at}`, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "ProtocolError";
    this.code = code;
    this.offset = details.offset;
    this.limit = details.limit;
  }

  /** What a receiver does about it. */
  get reaction(): Reaction {
    return protocolFaults[this.code];
  }
}
