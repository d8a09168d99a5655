import { encodeMessage } from "../../protocol/wire/message-codec.js";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import type { Session } from "../../protocol/wire/session.js";
import { waitingCostBytes } from "./limits.js";

/**
 * A message on its way to one receiver or many: pickled when its turn has come and once for all, and
 * framed once where no password is set.
 */
export class SharedMessage {
  /** What it carries: about as much as it takes on the wire. */
  readonly bytes: number;
  /** What it counts for while it waits: with what itself and each of its entries take in memory. */
  readonly waitingBytes: number;
  readonly #message: PeerMessage;
  #pickle: Uint8Array | null = null;
  #frame: Uint8Array | null = null;

  constructor(message: PeerMessage) {
    this.#message = message;
    this.bytes = carried(message);
    this.waitingBytes = waitingBytesOf(message, this.bytes);
  }

  frameFor(session: Session): Uint8Array {
    if (this.#frame !== null && session.framesAreShared) return this.#frame;
    if (session.framesAreShared) {
      this.#frame = session.encode(this.#message);
      return this.#frame;
    }
    this.#pickle ??= encodeMessage(this.#message);
    return session.encodePickle(this.#pickle);
  }
}

/** What a message counts for while it waits: the same wherever it does. */
export function waitingBytesOf(message: PeerMessage, bytes = carried(message)): number {
  const entries = message.type === "append_entries" ? message.entries.length : 0;
  return bytes + (1 + entries) * waitingCostBytes;
}

function carried(message: PeerMessage): number {
  switch (message.type) {
    case "append_entries":
      return message.entries.reduce((sum, { command }) => sum + command.length, 0);
    case "append_chunk":
      return message.data.length;
    case "install_snapshot":
      return message.chunk?.data.length ?? 0;
    case "apply_command":
      return message.command.length;
    default:
      return 0;
  }
}
