import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import type { ProtocolError } from "../../protocol/errors.js";
import type { PyValue } from "../../protocol/pickle/values.js";
import { deriveFernetKey, type FernetKey } from "../../protocol/wire/fernet.js";
import type { PeerMessage, QuorateHello } from "../../protocol/wire/messages.js";
import { observerHello, Session, type SessionRole } from "../../protocol/wire/session.js";
import type { UtilityRequest } from "../../protocol/wire/utility.js";
import { shouldDial } from "./address.js";
import { ByteBudget } from "./byte-budget.js";
import type { CloseReason } from "./close-reason.js";
import { Connection, type ConnectionHandler } from "./connection.js";
import { Counters } from "./counters.js";
import { FaultLog } from "./fault-log.js";
import { Garbage } from "./garbage.js";
import type { IncomingOwner } from "./incoming.js";
import {
  memberTurnMsMax,
  sendTurnMsMax,
  strangersReceiveBytesMax,
  strangersTurnMsMax,
} from "./limits.js";
import { Link, type LinkMessages, type LinkOwner } from "./link.js";
import type { NetworkLimits, NetworkOptions } from "./network-options.js";
import { Outgoing, type OutgoingOwner } from "./outgoing.js";
import type { Resolver } from "./resolver.js";
import { SharedMessage } from "./shared-message.js";
import { TurnQueue } from "./turn-queue.js";

/** Version of the messages between Quorate members that our hello announces. */
export const quorateProtocol = 1;

/** Why we cut somebody who is no member and breaks no rule of the protocol: an operator should hear of it. */
const cutForTooMuch: ReadonlySet<CloseReason["code"]> = new Set([
  "handshake-timeout",
  "unfinished",
  "crowded",
  "receive-buffer-full",
  "send-buffer-full",
]);

interface Member {
  readonly link: Link;
  /** Null where the other side dials. */
  readonly outgoing: Outgoing | null;
}

/**
 * Who is who: the links by name, and what becomes of each connection that comes in or that we open.
 * The parts report to it, and it reports to the node, in whose terms there are only members,
 * observers and requests.
 */
export class Switchboard implements LinkOwner, IncomingOwner, OutgoingOwner {
  readonly counters = new Counters();
  /** Null without a password. */
  readonly key: FernetKey | null;
  readonly connections = new Set<Connection>();
  readonly members = new Map<string, Member>();
  readonly observers = new Map<string, Link>();
  /** Nothing is reported before and after. */
  isRunning = false;
  readonly #options: NetworkOptions;
  readonly #limits: NetworkLimits;
  readonly #resolver: Resolver;
  readonly #now: () => number;
  readonly #awake: () => void;
  readonly #messages: LinkMessages;
  readonly #faults: FaultLog;
  readonly #budget = new ByteBudget(strangersReceiveBytesMax);
  readonly #garbage = new Garbage();
  readonly #strangersTurns = new TurnQueue(strangersTurnMsMax);
  readonly #sendBudget: ByteBudget;
  readonly #strangersSendTurns = new TurnQueue(sendTurnMsMax);
  readonly membersSendTurns = new TurnQueue(sendTurnMsMax);
  #observersSeen = 0;

  constructor(options: NetworkOptions, limits: NetworkLimits, from: SwitchboardParts) {
    this.#options = options;
    this.#limits = limits;
    this.#resolver = from.resolver;
    this.#now = from.now;
    this.#awake = from.awake;
    this.#sendBudget = new ByteBudget(limits.observersSendBytesMax);
    this.key = options.password === null ? null : deriveFernetKey(options.password);
    this.#messages = linkMessages(options.softwareVersion ?? "0");
    this.#faults = new FaultLog(options.logger, () => performance.now());
  }

  linkOf(id: string): Link | undefined {
    return this.members.get(id)?.link ?? this.observers.get(id);
  }

  addMember(address: string): void {
    // An observer's id that happens to be this address gives way.
    this.observers.get(address)?.connection?.close("requested", "its id is a member's address");
    const { selfAddr, timeouts, logger, password } = this.#options;
    const link = new Link({ kind: "member", id: address }, this, this.#messages);
    const outgoing = !shouldDial(selfAddr, address)
      ? null
      : new Outgoing(link, this, {
          connectionRetryMs: timeouts.connectionRetryMs,
          connectTimeoutMs: timeouts.connectionTimeoutMs,
          handshakeTimeoutMs: this.#limits.handshakeTimeoutMs,
          hasPassword: password !== null,
          resolver: this.#resolver,
          logger,
        });
    this.members.set(address, { link, outgoing });
    if (this.isRunning) {
      outgoing?.tick(this.#now());
    }
  }

  removeMember(address: string, reason: CloseReason): void {
    const member = this.members.get(address);
    this.members.delete(address);
    member?.outgoing?.stop(reason);
    member?.link.connection?.close(reason.code, reason.detail);
  }

  accept(socket: Socket, handler: ConnectionHandler): Connection {
    this.counters.add("accepted");
    return this.#open(socket, handler, { kind: "listener" });
  }

  connected(socket: Socket, handler: ConnectionHandler): Connection {
    this.counters.add("dialed");
    const hello = this.#options.selfAddr ?? observerHello;
    return this.#open(socket, handler, { kind: "connector", hello });
  }

  /**
   * Upstream takes every member that names itself. So do we, but where we are the one to dial, what
   * comes in does not displace a link that we have opened ourselves: no real member does that.
   */
  memberArrived(connection: Connection, address: string): void {
    const member = this.members.get(address);
    if (member === undefined) {
      this.#refuse(connection, "unknown-address", address);
      return;
    }
    if (shouldDial(this.#options.selfAddr, address)) {
      if (member.link.connection?.dialed === true) {
        this.#refuse(connection, "wrong-direction", address);
        return;
      }
      this.counters.add("reversed_links");
    }
    member.link.adopt(connection);
  }

  observerArrived(connection: Connection): void {
    let id = "";
    do {
      this.#observersSeen += 1;
      id = `observer:${this.#observersSeen}`;
    } while (this.members.has(id));
    const link = new Link({ kind: "observer", id }, this, this.#messages);
    this.observers.set(id, link);
    link.adopt(connection);
  }

  utility(request: UtilityRequest, reply: (value: PyValue) => void): void {
    if (this.isRunning) {
      this.counters.add("utility_requests");
      this.#options.events.utility(request, reply);
    }
  }

  observerConnections(): readonly Connection[] {
    return [...this.observers.values()].flatMap(({ connection }) => connection ?? []);
  }

  strangerClosed(connection: Connection, reason: CloseReason): void {
    this.#noteClosed(reason);
    this.#warnOfCut(connection, reason);
  }

  handshakeFailed(_connection: Connection, reason: CloseReason): void {
    this.#noteClosed(reason);
    this.counters.add("handshakes_failed");
  }

  dialFailed(): void {
    this.counters.add("dials_failed");
  }

  fault(connection: Connection, error: ProtocolError): void {
    this.counters.add(`fault_${error.code}`);
    this.#faults.warn(error.code, connection.remote, "connection cut: protocol fault", {
      remote: connection.remote,
      code: error.code,
      error: error.message,
    });
  }

  linkUp(link: Link): void {
    if (!this.isRunning) {
      return;
    }
    this.counters.add(`${link.kind}s_connected`);
    if (link.kind === "member") {
      this.#options.events.peerConnected(link.id);
    } else {
      this.#options.events.observerConnected(link.id);
    }
  }

  linkDown(link: Link, reason: CloseReason, connection: Connection): void {
    this.#noteClosed(reason);
    if (link.kind === "observer") {
      this.observers.delete(link.id);
      this.#warnOfCut(connection, reason);
    }
    if (!this.isRunning) {
      return;
    }
    if (link.kind === "member") {
      this.#options.events.peerDisconnected(link.id, `${reason.code}: ${reason.detail}`);
    } else {
      this.#options.events.observerDisconnected(link.id);
    }
  }

  linkMessage(link: Link, message: PeerMessage): void {
    if (this.isRunning) {
      this.#options.events.message(link.id, message);
    }
  }

  linkHello(link: Link, hello: QuorateHello): void {
    if (this.isRunning && link.kind === "member") {
      this.#options.events.peerHello(link.id, hello);
    }
  }

  linkUnknownMessage(link: Link, name: string): void {
    this.counters.add("unknown_messages");
    this.#options.logger.debug("message of an unknown type ignored", { from: link.id, type: name });
  }

  linkTooLarge(link: Link): boolean {
    if (!this.isRunning || this.#options.events.messageTooLarge?.(link.id) !== true) return false;
    this.counters.add("messages_passed_over");
    return true;
  }

  linkDrained(link: Link): void {
    if (this.isRunning) {
      this.#options.events.drained(link.id);
    }
  }

  #open(socket: Socket, handler: ConnectionHandler, role: SessionRole): Connection {
    const isStranger = role.kind === "listener";
    const { entryBytesMax } = this.#options;
    const connection = new Connection({
      socket,
      handler,
      session: new Session({
        role,
        key: this.key,
        random: randomBytes,
        monotonicSec: () => performance.now() / 1_000,
        ...(entryBytesMax === undefined ? {} : { entryBytesMax }),
      }),
      dialed: !isStranger,
      now: this.#now,
      awake: this.#awake,
      garbage: this.#garbage,
      turns: isStranger ? this.#strangersTurns : new TurnQueue(memberTurnMsMax),
      sendTurns: isStranger ? this.#strangersSendTurns : this.membersSendTurns,
      sendBytesMax: this.#limits.sendBufferBytesMax,
      budget: isStranger ? this.#budget : null,
      sendBudget: isStranger ? this.#sendBudget : null,
    });
    this.connections.add(connection);
    void connection.done.then(() => this.connections.delete(connection));
    return connection;
  }

  #refuse(connection: Connection, why: "unknown-address" | "wrong-direction", claim: string): void {
    this.counters.add(`refused_${why}`);
    const text = why === "unknown-address" ? "not a member" : "we are connected to it already";
    const message = `connection refused: who it says it is, is ${text}`;
    this.#faults.warn(why, claim, message, { remote: connection.remote, address: claim });
    connection.close("refused", why);
  }

  #warnOfCut({ remote }: Connection, { code, detail }: CloseReason): void {
    if (!cutForTooMuch.has(code)) return;
    this.#faults.warn(code, remote, `connection cut: ${detail}`, { remote, code });
  }

  #noteClosed(reason: CloseReason): void {
    this.counters.add(`closed_${reason.code}`);
  }
}

/** What the switchboard shares with the network around it. */
export interface SwitchboardParts {
  readonly resolver: Resolver;
  /** The network's clock. */
  readonly now: () => number;
  /** Tells it that the process is awake. */
  readonly awake: () => void;
}

function linkMessages(version: string): LinkMessages {
  return {
    hello: new SharedMessage({ type: "quorate_hello", protocol: quorateProtocol, version }),
    ping: new SharedMessage({ type: "quorate_ping" }),
    pong: new SharedMessage({ type: "quorate_pong" }),
  };
}
