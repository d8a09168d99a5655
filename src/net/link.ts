import type { ProtocolError } from "../../protocol/errors.js";
import type { PeerMessage, QuorateHello } from "../../protocol/wire/messages.js";
import type { SessionEvent } from "../../protocol/wire/session.js";
import type { CloseReason } from "./close-reason.js";
import type { Connection, ConnectionHandler } from "./connection.js";
import { memberTurnMsMax, pongBacklogBytesMax } from "./limits.js";
import { type LinkActivity, type LinkTimes, linkDuty } from "./link-duty.js";
import type { SharedMessage } from "./shared-message.js";
import { TurnQueue } from "./turn-queue.js";

/** What a link reports to the network. */
export interface LinkOwner {
  linkMessage(link: Link, message: PeerMessage): void;
  linkHello(link: Link, hello: QuorateHello): void;
  linkUnknownMessage(link: Link, name: string): void;
  /** A message of the member is larger than is read here. @returns whether to go on without it. */
  linkTooLarge(link: Link): boolean;
  linkDrained(link: Link): void;
  linkUp(link: Link): void;
  /** @param connection The one that stood for it. */
  linkDown(link: Link, reason: CloseReason, connection: Connection): void;
  fault(connection: Connection, error: ProtocolError): void;
  /** Where members' messages get time to be framed. */
  readonly membersSendTurns: TurnQueue;
}

/** The messages with which a link keeps itself alive, pickled once. */
export interface LinkMessages {
  readonly hello: SharedMessage;
  readonly ping: SharedMessage;
  readonly pong: SharedMessage;
}

/** A member or an observer: an identity, and at most one connection that stands for it. */
export class Link implements ConnectionHandler {
  readonly kind: "member" | "observer";
  /** The member's address, or `observer:1`. */
  readonly id: string;
  readonly #owner: LinkOwner;
  readonly #messages: LinkMessages;
  #connection: Connection | null = null;
  /** It has said quorate_hello on this connection, so it answers pings. */
  #quorate = false;
  #awaitingSince: number | null = null;

  constructor(
    identity: { readonly kind: "member" | "observer"; readonly id: string },
    owner: LinkOwner,
    messages: LinkMessages,
  ) {
    this.kind = identity.kind;
    this.id = identity.id;
    this.#owner = owner;
    this.#messages = messages;
  }

  /** The open connection, or null. */
  get connection(): Connection | null {
    return this.#connection?.isOpen === true ? this.#connection : null;
  }

  /** It has said quorate_hello on this connection. */
  get isQuorate(): boolean {
    return this.#quorate && this.connection !== null;
  }

  /**
   * The newest connection stands for the peer: whoever connects anew has given up the old one, which
   * may be half dead without our knowing. The old one's end is reported before the new beginning.
   */
  adopt(connection: Connection): void {
    const old = this.#connection;
    if (old !== null) {
      const reason: CloseReason = { code: "replaced", detail: "the peer has connected again" };
      this.#connection = null;
      old.close(reason.code, reason.detail);
      this.#owner.linkDown(this, reason, old);
    }
    connection.handler = this;
    if (this.kind === "member") {
      connection.becomeMember(new TurnQueue(memberTurnMsMax), this.#owner.membersSendTurns);
    }
    this.#connection = connection;
    this.#quorate = false;
    this.#awaitingSince = null;
    if (this.kind === "member") {
      connection.send(this.#messages.hello);
    }
    this.#owner.linkUp(this);
  }

  /** Notes that the peer owes us an answer from `now` (ms of the network's clock) on. */
  noteAwaiting(now: number): void {
    this.#awaitingSince ??= now;
  }

  /** Pings where we have been quiet, drops where the peer has been quiet and must not be. */
  tick(now: number, times: LinkTimes): void {
    const connection = this.connection;
    if (connection === null) {
      return;
    }
    const activity: LinkActivity = {
      sentAt: connection.lastSentAt,
      receivedAt: connection.lastReceivedAt,
      speaksAlways: this.#quorate,
      awaitingSince: this.#awaitingSince,
    };
    switch (linkDuty(activity, now, times)) {
      case "ping":
        connection.send(this.#messages.ping);
        break;
      case "drop-silent":
        connection.close("silent", `nothing received for ${times.connectionTimeoutMs} ms`);
        break;
      case "drop-unanswered":
        connection.close("unanswered", `no answer for ${times.connectionTimeoutMs} ms`);
        break;
      case "none":
        break;
    }
  }

  event(connection: Connection, event: SessionEvent): void {
    this.#awaitingSince = null;
    if (event.kind === "unknown-message") {
      this.#owner.linkUnknownMessage(this, event.name);
      return;
    }
    if (event.kind !== "message") {
      return;
    }
    switch (event.message.type) {
      case "quorate_hello":
        this.#onHello(connection, event.message);
        break;
      case "quorate_ping":
        this.#onPing(connection);
        break;
      case "quorate_pong":
        break;
      default:
        this.#owner.linkMessage(this, event.message);
    }
  }

  passesOver(_connection: Connection): boolean {
    if (this.kind !== "member" || !this.#owner.linkTooLarge(this)) return false;
    this.#awaitingSince = null;
    return true;
  }

  fault(connection: Connection, error: ProtocolError): void {
    this.#owner.fault(connection, error);
  }

  drained(_connection: Connection): void {
    this.#owner.linkDrained(this);
  }

  closed(connection: Connection, reason: CloseReason): void {
    if (this.#connection === connection) {
      this.#connection = null;
      this.#owner.linkDown(this, reason, connection);
    }
  }

  #onHello(connection: Connection, hello: QuorateHello): void {
    const first = !this.#quorate;
    this.#quorate = true;
    if (this.kind === "observer" && first) {
      // A vanilla observer has no use for our hello; one that says its own gets it.
      connection.send(this.#messages.hello);
    }
    this.#owner.linkHello(this, hello);
  }

  #onPing(connection: Connection): void {
    // What waits to go out is an answer as well, and a flood of pings must not pile up pongs.
    if (connection.buffered < pongBacklogBytesMax) {
      connection.send(this.#messages.pong);
    }
  }
}
