import type { PyValue } from "../../protocol/pickle/values.js";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import { descriptorsMax } from "../descriptors.js";
import { bindPoint } from "./address.js";
import type { CloseReason } from "./close-reason.js";
import type { Connection } from "./connection.js";
import { Incoming } from "./incoming.js";
import { closeFlushMs, connectionsMax } from "./limits.js";
import { isSilent, type LinkTimes } from "./link-duty.js";
import {
  type NetworkLimits,
  type NetworkOptions,
  networkLimits,
  tickMs,
} from "./network-options.js";
import { Resolver } from "./resolver.js";
import { SharedMessage } from "./shared-message.js";
import { Switchboard } from "./switchboard.js";
import { TickClock } from "./tick-clock.js";
import { askUtility } from "./utility-client.js";

/** What a link looks like from outside, for status and metrics. */
export interface LinkStatus {
  readonly id: string;
  readonly kind: "member" | "observer";
  readonly connected: boolean;
  /** IP address of the other side, where connected. */
  readonly remote: string | null;
  /** It has said quorate_hello on this connection. */
  readonly isQuorate: boolean;
  /** Bytes that wait to be sent. */
  readonly buffered: number;
}

/**
 * The links of one member to all others, to observers and to utility clients: sockets below, decoded
 * messages above. It keeps who should be connected connected, and lets nobody else take more than
 * the limits allow.
 */
export class Network {
  readonly #options: NetworkOptions;
  readonly #limits: NetworkLimits;
  readonly #times: LinkTimes;
  readonly #resolver: Resolver;
  readonly #clock: TickClock;
  readonly #board: Switchboard;
  readonly #incoming: Incoming;
  #phase: "new" | "running" | "closed" = "new";

  constructor(options: NetworkOptions) {
    this.#options = options;
    this.#limits = networkLimits(options);
    const { connectionsMax: places } = this.#limits;
    if (places < connectionsMax && options.limits?.connectionsMax === undefined) {
      options.logger.warn("few open files are allowed (ulimit -n): fewer connections are taken", {
        open_files: descriptorsMax(),
        observers: places,
      });
    }
    const { connectionTimeoutMs, dnsCacheMs, dnsFailCacheMs } = options.timeouts;
    this.#times = { connectionTimeoutMs, pingPeriodMs: this.#limits.pingPeriodMs };
    this.#resolver =
      options.resolver ?? new Resolver({ dnsCacheMs, dnsFailCacheMs, logger: options.logger });
    this.#clock = new TickClock(tickMs(options, this.#limits));
    const now = () => this.#clock.now();
    const awake = () => this.#clock.awake();
    this.#board = new Switchboard(options, this.#limits, { resolver: this.#resolver, now, awake });
    this.#incoming = new Incoming(this.#board, this.#limits, now);
  }

  /**
   * Binds the port and begins to dial. Rejects with the system's error where the port cannot be had
   * (EADDRINUSE, EACCES, EADDRNOTAVAIL), and where the bind address is none.
   */
  async listen(): Promise<void> {
    const { selfAddr, bindAddr } = this.#options;
    if (selfAddr !== null) {
      const point = bindPoint(selfAddr, bindAddr);
      const [host] = await this.#resolver.resolve(point.host);
      if (host === undefined) {
        throw new Error(`cannot listen on '${point.host}': the name does not resolve`);
      }
      await this.#incoming.listen({ host, port: point.port });
    }
    if (this.#phase !== "new") {
      // Closed in the meantime.
      this.#incoming.stopListening();
      return;
    }
    this.#phase = "running";
    this.#board.isRunning = true;
    this.#clock.start((now) => this.#tick(now));
    this.#tick(this.#clock.now());
  }

  /**
   * The other members, from now on. Links to those that are gone are closed, and that is reported as
   * peerDisconnected after this call. Our own address among them is ignored, as upstream's users
   * list it.
   */
  setPeers(addresses: readonly string[]): void {
    const wanted = new Set(addresses.filter((address) => address !== this.#options.selfAddr));
    for (const address of [...this.#board.members.keys()]) {
      if (!wanted.has(address)) {
        this.#board.removeMember(address, { code: "removed", detail: "no longer a member" });
      }
    }
    for (const address of wanted) {
      if (!this.#board.members.has(address)) {
        this.#board.addMember(address);
      }
    }
  }

  /** False: not connected (any more); the message is lost. */
  send(to: string, message: PeerMessage): boolean {
    return this.#connectionOf(to)?.send(new SharedMessage(message)) ?? false;
  }

  /**
   * One message to many: pickled once, and framed once where no password is set. Returns to how many
   * it is on its way.
   */
  sendMany(to: readonly string[], message: PeerMessage): number {
    const shared = new SharedMessage(message);
    let sent = 0;
    for (const id of to) sent += this.#connectionOf(id)?.send(shared) === true ? 1 : 0;
    return sent;
  }

  /** Bytes that wait to be sent to this receiver; `drained` tells when there are none any more. */
  buffered(to: string): number {
    return this.#connectionOf(to)?.buffered ?? 0;
  }

  /** Bytes that are held back for this receiver count as what waits to be sent to it: it is cut where that is too much. */
  holdBack(to: string, bytes: number): void {
    this.#connectionOf(to)?.holdBack(bytes);
  }

  isConnected(to: string): boolean {
    return this.#connectionOf(to) !== null;
  }

  /**
   * Connected, and nothing has come for connectionTimeoutMs: what a PySyncObj member may be that is no
   * leader. It says nothing of whether the link still works.
   */
  isSilent(from: string): boolean {
    const connection = this.#connectionOf(from);
    if (connection === null) return false;
    return isSilent({ receivedAt: connection.lastReceivedAt }, this.#clock.now(), this.#times);
  }

  /**
   * The receiver has been sent something that it must answer (append_entries, not a piece of a
   * snapshot: vanilla answers only the last of those). Unless anything at all comes from it within
   * connectionTimeoutMs its link is dropped.
   */
  noteAwaitingAnswer(to: string): void {
    this.#board.linkOf(to)?.noteAwaiting(this.#clock.now());
  }

  /**
   * Nothing more is read from there, or it is again; a new link is held when it is said again. What waits is in the kernel, and
   * with the sender.
   */
  setHeld(from: string, isHeld: boolean): void {
    this.#connectionOf(from)?.setHeld(isHeld);
  }

  /** Reported as peerDisconnected after this call; a link that we dial is tried again in time. */
  closeLink(to: string, reason: string): void {
    this.#connectionOf(to)?.close("requested", reason);
  }

  /** A utility request to any member, with this network's password and name cache. See askUtility. */
  ask(
    address: string,
    request: readonly PyValue[],
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<PyValue> {
    const { key } = this.#board;
    const options = { timeoutMs, key, resolver: this.#resolver };
    return askUtility(address, request, signal === undefined ? options : { ...options, signal });
  }

  /** Counts since the start, and a few of what there is now. */
  counters(): Readonly<Record<string, number>> {
    return {
      ...this.#board.counters.snapshot(),
      connections: this.#board.connections.size,
      unidentified_connections: this.#incoming.unidentifiedCount,
      utility_connections: this.#incoming.utilityCount,
      observers: this.#board.observers.size,
    };
  }

  links(): readonly LinkStatus[] {
    const links = [...this.#board.members.values()].map((member) => member.link);
    return [...links, ...this.#board.observers.values()].map((link) => ({
      id: link.id,
      kind: link.kind,
      connected: link.connection !== null,
      remote: link.connection?.remote ?? null,
      isQuorate: link.isQuorate,
      buffered: link.connection?.buffered ?? 0,
    }));
  }

  /** Sends what waits, for a moment, and closes all. No event comes after the call. */
  async close(): Promise<void> {
    this.#phase = "closed";
    this.#board.isRunning = false;
    this.#clock.stop();
    this.#incoming.stopListening();
    const reason: CloseReason = { code: "shutdown", detail: "shutting down" };
    for (const { outgoing } of this.#board.members.values()) {
      outgoing?.stop(reason);
    }
    const open = [...this.#board.connections];
    for (const connection of open) {
      connection.end(closeFlushMs);
    }
    await Promise.all(open.map((connection) => connection.done));
  }

  #tick(now: number): void {
    this.#incoming.tick(now);
    for (const { link, outgoing } of this.#board.members.values()) {
      outgoing?.tick(now);
      link.connection?.closeStalled(now, this.#limits.unfinishedMsMax);
      link.tick(now, this.#times);
    }
    for (const link of this.#board.observers.values()) {
      link.connection?.closeUnfinished(now, this.#limits.unfinishedMsMax);
      link.tick(now, this.#times);
    }
  }

  #connectionOf(id: string): Connection | null {
    return this.#board.linkOf(id)?.connection ?? null;
  }
}
