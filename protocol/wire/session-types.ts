import type { PyValue } from "../pickle/values.js";
import type { FernetKey } from "./fernet.js";
import type { PeerMessage } from "./messages.js";
import type { OpeningState } from "./opening.js";
import type { UtilityRequest } from "./utility.js";

/** What an observer says instead of an address (`TCPTransport._sendSelfAddress`). */
export const observerHello = "readonly";

/** Which end of a connection this is, and what it wants. */
export type SessionRole =
  | { readonly kind: "listener" }
  | {
      readonly kind: "connector";
      /** The own address, or {@link observerHello}. */
      readonly hello: string;
    }
  | {
      readonly kind: "utility";
      /** The list that is sent; see `encodeUtility`. */
      readonly request: readonly PyValue[];
    };

/** What the peer has said. */
export type SessionEvent =
  | {
      readonly kind: "member";
      /** The connector says that it is this member; whether it is a known one the caller decides. */
      readonly address: string;
    }
  | { readonly kind: "observer" }
  /** A connector may talk now. With no password that is so from `start` on: see `isOpen`. */
  | { readonly kind: "ready" }
  | {
      readonly kind: "message";
      /** Decoded and checked. */
      readonly message: PeerMessage;
    }
  | {
      readonly kind: "unknown-message";
      /** The type that it names, cut for the log. */
      readonly name: string;
    }
  | {
      readonly kind: "utility";
      /** What a utility client asks a listener. */
      readonly request: UtilityRequest;
    }
  | {
      readonly kind: "reply";
      /** The answer to a utility client. */
      readonly value: PyValue;
    };

/** What a session needs from outside. */
export interface SessionOptions {
  /** Which end it is. */
  readonly role: SessionRole;
  /** Null: no password. */
  readonly key: FernetKey | null;
  /** Cryptographically random bytes. */
  readonly random: (bytes: number) => Uint8Array;
  /** A clock in seconds that never goes back, for the tokens' timestamps. */
  readonly monotonicSec: () => number;
  /** Bytes of the largest command that a member's entries may have; `commandBytesMax` where absent. */
  readonly entryBytesMax?: number;
}

/** What came of some bytes. */
export interface SessionStep {
  /** In the order in which the peer said them. */
  readonly events: readonly SessionEvent[];
  /** To be sent; may be empty. */
  readonly output: Uint8Array;
}

/** What a session does next where it has no step to show. */
export type SessionState =
  | OpeningState
  /** It needs more bytes. */
  | "idle";
