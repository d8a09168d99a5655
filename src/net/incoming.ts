import { createServer, type Server, type Socket } from "node:net";
import type { ProtocolError } from "../../protocol/errors.js";
import type { PyValue } from "../../protocol/pickle/values.js";
import type { SessionEvent } from "../../protocol/wire/session.js";
import type { UtilityRequest } from "../../protocol/wire/utility.js";
import type { HostPort } from "./address.js";
import type { CloseReason } from "./close-reason.js";
import type { Connection, ConnectionHandler } from "./connection.js";
import { utilityPendingMax } from "./limits.js";
import type { NetworkLimits } from "./network-options.js";

/** Who takes what comes in. */
export interface IncomingOwner {
  /** Makes a connection of an accepted socket; it is not started yet. */
  accept(socket: Socket, handler: ConnectionHandler): Connection;
  /** The connection says that it is this member: adopt or close it. */
  memberArrived(connection: Connection, address: string): void;
  /** Adopt or close it. */
  observerArrived(connection: Connection): void;
  utility(request: UtilityRequest, reply: (value: PyValue) => void): void;
  /** Of observers, in the order of arrival: they share a bound with the utility clients. */
  observerConnections(): readonly Connection[];
  fault(connection: Connection, error: ProtocolError): void;
  strangerClosed(connection: Connection, reason: CloseReason): void;
}

interface Stranger {
  readonly acceptedAt: number;
  /** Null until the first utility request. */
  utility: { pending: number; activeAt: number } | null;
}

/** The listener, and every connection that is not (yet) a member's or an observer's. */
export class Incoming implements ConnectionHandler {
  readonly #owner: IncomingOwner;
  readonly #limits: NetworkLimits;
  readonly #now: () => number;
  /** In the order of arrival. */
  readonly #strangers = new Map<Connection, Stranger>();
  #server: Server | null = null;

  constructor(owner: IncomingOwner, limits: NetworkLimits, now: () => number) {
    this.#owner = owner;
    this.#limits = limits;
    this.#now = now;
  }

  /** Rejects with the system's error where the port cannot be had. */
  listen(point: HostPort): Promise<void> {
    const server = createServer((socket) => this.#accept(socket));
    this.#server = server;
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: point.host, port: point.port }, () => {
        server.removeListener("error", reject);
        // Later errors are of single accepts (no descriptors left); the listener goes on.
        server.on("error", () => {});
        resolve();
      });
    });
  }

  /** Connections are left to their owner. */
  stopListening(): void {
    this.#server?.close();
    this.#server = null;
  }

  get unidentifiedCount(): number {
    let count = 0;
    for (const stranger of this.#strangers.values()) {
      count += stranger.utility === null ? 1 : 0;
    }
    return count;
  }

  get utilityCount(): number {
    return this.#strangers.size - this.unidentifiedCount;
  }

  /** Cuts whoever takes too long to say who they are, and utility clients that have gone idle. */
  tick(now: number): void {
    const { handshakeTimeoutMs, utilityIdleTimeoutMs, unfinishedMsMax } = this.#limits;
    for (const [connection, { acceptedAt, utility }] of this.#strangers) {
      if (utility === null) {
        if (now - acceptedAt > handshakeTimeoutMs) {
          connection.close("handshake-timeout", `not identified in ${handshakeTimeoutMs} ms`);
        }
      } else if (utility.pending === 0 && now - utility.activeAt > utilityIdleTimeoutMs) {
        connection.close("idle", `no request for ${utilityIdleTimeoutMs} ms`);
      } else {
        connection.closeUnfinished(now, unfinishedMsMax);
      }
    }
  }

  event(connection: Connection, event: SessionEvent): void {
    const identifies = event.kind === "member" || event.kind === "observer";
    if (identifies && this.#strangers.get(connection)?.utility !== null) {
      connection.close("refused", "an identity after a utility request");
      return;
    }
    switch (event.kind) {
      case "member":
        this.#strangers.delete(connection);
        this.#owner.memberArrived(connection, event.address);
        break;
      case "observer":
        this.#strangers.delete(connection);
        if (this.#hasPlaceFor(connection)) {
          this.#owner.observerArrived(connection);
        } else {
          this.#refuseCrowded(connection);
        }
        break;
      case "utility":
        this.#onUtility(connection, event.request);
        break;
      default:
        // The session gives a stranger nothing else.
        connection.close("refused", `${event.kind} before an identity`);
    }
  }

  fault(connection: Connection, error: ProtocolError): void {
    this.#owner.fault(connection, error);
  }

  drained(_connection: Connection): void {
    // Replies are small and one at a time: nobody waits for this.
  }

  closed(connection: Connection, reason: CloseReason): void {
    this.#strangers.delete(connection);
    this.#owner.strangerClosed(connection, reason);
  }

  #accept(socket: Socket): void {
    const connection = this.#owner.accept(socket, this);
    this.#strangers.set(connection, { acceptedAt: this.#now(), utility: null });
    this.#makeRoom();
    connection.start();
  }

  /**
   * The oldest goes, of the address with the most of them: an honest handshake takes milliseconds, or as many as its
   * way is long, and neither hangers-on nor those who come on and on must keep it out.
   */
  #makeRoom(): void {
    let excess = this.unidentifiedCount - this.#limits.unidentifiedConnectionsMax;
    for (; excess > 0; excess -= 1) {
      const unidentified = [...this.#strangers].flatMap(([connection, { utility }]) =>
        utility === null ? [connection] : [],
      );
      const oldest = crowdsOf(unidentified).reduce((a, b) => (b.length > a.length ? b : a), [])[0];
      if (oldest === undefined) return;
      this.#strangers.delete(oldest);
      this.#refuseCrowded(oldest);
    }
  }

  #onUtility(connection: Connection, request: UtilityRequest): void {
    const stranger = this.#strangers.get(connection);
    if (stranger === undefined) {
      return;
    }
    if (stranger.utility === null && !this.#hasPlaceFor(connection)) {
      this.#refuseCrowded(connection);
      return;
    }
    const utility = stranger.utility ?? { pending: 0, activeAt: this.#now() };
    stranger.utility = utility;
    utility.activeAt = this.#now();
    if (utility.pending >= utilityPendingMax) {
      connection.close("crowded", `more than ${utilityPendingMax} requests at once`);
      return;
    }
    utility.pending += 1;
    let replied = false;
    this.#owner.utility(request, (value) => {
      if (replied) {
        return;
      }
      replied = true;
      utility.pending -= 1;
      utility.activeAt = this.#now();
      connection.sendReply(value);
    });
  }

  /**
   * Where there is none, somebody from the address with the most connections gives way to whoever comes
   * from one with fewer: a crowd from one host must not keep the others out.
   */
  #hasPlaceFor(newcomer: Connection): boolean {
    const utility = [...this.#strangers].filter(([, stranger]) => stranger.utility !== null);
    const all = [...this.#owner.observerConnections(), ...utility.map(([each]) => each)];
    if (all.length < this.#limits.connectionsMax) return true;
    const crowds = crowdsOf([newcomer, ...all]);
    const own = crowds[0]?.length ?? 0;
    const largest = crowds.reduce((a, b) => (b.length > a.length ? b : a));
    const newest = largest.at(-1);
    if (newest === undefined || largest.length <= own) return false;
    this.#strangers.delete(newest);
    newest.close("crowded", `too many connections from ${newest.remote}`);
    return true;
  }

  #refuseCrowded(connection: Connection): void {
    connection.close("crowded", "too many connections");
  }
}

/** By the address that they come from, each in the given order, that of the first one first. */
function crowdsOf(connections: readonly Connection[]): Connection[][] {
  const crowds = new Map<string, Connection[]>();
  for (const connection of connections) {
    const crowd = crowds.get(connection.remote);
    if (crowd === undefined) crowds.set(connection.remote, [connection]);
    else crowd.push(connection);
  }
  return [...crowds.values()];
}
