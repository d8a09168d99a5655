import type { Socket } from "node:net";
import type { ProtocolError } from "../../protocol/errors.js";
import type { SessionEvent } from "../../protocol/wire/session.js";
import type { Logger } from "../logger.js";
import type { CloseReason } from "./close-reason.js";
import type { Connection, ConnectionHandler } from "./connection.js";
import { dial } from "./dial.js";
import { firstRetryMs, soonRetriesMax, soonRetryMsMax } from "./limits.js";
import type { Link } from "./link.js";
import type { Resolver } from "./resolver.js";

export interface OutgoingOwner {
  /** Makes a connection of a socket that we opened; it is not started yet. */
  connected(socket: Socket, handler: ConnectionHandler): Connection;
  fault(connection: Connection, error: ProtocolError): void;
  dialFailed(): void;
  /** A connection was lost before the handshake was through. */
  handshakeFailed(connection: Connection, reason: CloseReason): void;
}

export interface OutgoingOptions {
  readonly connectionRetryMs: number;
  readonly connectTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  readonly hasPassword: boolean;
  readonly resolver: Resolver;
  readonly logger: Logger;
}

/** Keeps the link to one member that we have to dial connected, for as long as it is a member. */
export class Outgoing implements ConnectionHandler {
  readonly #link: Link;
  readonly #owner: OutgoingOwner;
  readonly #options: OutgoingOptions;
  #nextAttemptAt = 0;
  #dialing: AbortController | null = null;
  /** Connected, and the handshake under way. */
  #greeting: { readonly connection: Connection; readonly since: number } | null = null;
  /** Attempts since the link was last up: the first failure is a warning, the others are noise. */
  #failures = 0;
  /** Attempts since a link last held for connectionRetryMs: the pause between them grows with it. */
  #attempts = 0;
  #upAt: number | null = null;
  #stopped = false;

  constructor(link: Link, owner: OutgoingOwner, options: OutgoingOptions) {
    this.#link = link;
    this.#owner = owner;
    this.#options = options;
  }

  tick(now: number): void {
    if (this.#greeting !== null) {
      if (now - this.#greeting.since > this.#options.handshakeTimeoutMs) {
        this.#greeting.connection.close("handshake-timeout", "no answer to the handshake");
      }
      return;
    }
    if (
      this.#stopped ||
      this.#dialing !== null ||
      this.#link.connection !== null ||
      now < this.#nextAttemptAt
    ) {
      return;
    }
    this.#nextAttemptAt = now + this.#pauseMs(now);
    void this.#attempt(now);
  }

  /**
   * connectionRetryMs is the longest pause. The first ones are shorter than upstream's: a vanilla
   * member that restarts campaigns against a leader that does not call it within a second or so.
   */
  #pauseMs(now: number): number {
    const { connectionRetryMs } = this.#options;
    if (this.#upAt !== null && now - this.#upAt > connectionRetryMs) this.#attempts = 0;
    this.#upAt = null;
    this.#attempts += 1;
    const longest = this.#attempts <= soonRetriesMax ? soonRetryMsMax : connectionRetryMs;
    return Math.min(connectionRetryMs, longest, firstRetryMs * 2 ** (this.#attempts - 1));
  }

  stop(reason: CloseReason): void {
    this.#stopped = true;
    this.#dialing?.abort();
    this.#greeting?.connection.close(reason.code, reason.detail);
  }

  async #attempt(now: number): Promise<void> {
    const dialing = new AbortController();
    this.#dialing = dialing;
    const { resolver, connectTimeoutMs } = this.#options;
    const options = { resolver, timeoutMs: connectTimeoutMs, signal: dialing.signal };
    const socket = await dial(this.#link.id, options).catch((error: unknown) => {
      if (!dialing.signal.aborted) {
        this.#owner.dialFailed();
        this.#noteFailure(error instanceof Error ? error.message : String(error));
      }
      return null;
    });
    this.#dialing = null;
    if (socket === null) {
      return;
    }
    if (dialing.signal.aborted) {
      socket.destroy();
      return;
    }
    const connection = this.#owner.connected(socket, this);
    this.#greeting = { connection, since: now };
    this.#upAt = now;
    connection.start();
    if (connection.session.isOpen) {
      this.#onReady(connection);
    }
  }

  event(connection: Connection, event: SessionEvent): void {
    if (event.kind === "ready") {
      this.#onReady(connection);
    }
  }

  fault(connection: Connection, error: ProtocolError): void {
    this.#owner.fault(connection, error);
  }

  drained(_connection: Connection): void {
    // The handshake's few bytes: nobody waits for this.
  }

  closed(connection: Connection, reason: CloseReason): void {
    this.#greeting = null;
    this.#owner.handshakeFailed(connection, reason);
    if (this.#stopped) {
      return;
    }
    const hint = this.#options.hasPassword ? " (does it have the same password?)" : "";
    this.#noteFailure(`lost during the handshake: ${reason.detail}${hint}`);
  }

  #onReady(connection: Connection): void {
    this.#greeting = null;
    this.#failures = 0;
    this.#link.adopt(connection);
  }

  #noteFailure(error: string): void {
    this.#failures += 1;
    const fields = { peer: this.#link.id, error, attempts: this.#failures };
    if (this.#failures === 1) {
      this.#options.logger.warn("cannot connect to member", fields);
    } else {
      this.#options.logger.debug("cannot connect to member", fields);
    }
  }
}
