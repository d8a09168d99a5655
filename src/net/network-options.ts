import type { PyValue } from "../../protocol/pickle/values.js";
import type { PeerMessage, QuorateHello } from "../../protocol/wire/messages.js";
import type { UtilityRequest } from "../../protocol/wire/utility.js";
import { connectionShares } from "../descriptors.js";
import type { Logger } from "../logger.js";
import {
  connectionsMax,
  handshakeTimeoutMs,
  observersSendBytesMax,
  sendBufferBytesMax,
  tickMsMax,
  tickMsMin,
  unfinishedMsMax,
  unidentifiedConnectionsMax,
  utilityIdleTimeoutMs,
} from "./limits.js";
import type { Resolver } from "./resolver.js";

/** Upstream's names and defaults are in SyncObjConf (pysyncobj/config.py); all in milliseconds. */
export interface NetworkTimeouts {
  /** A peer that must speak and does not for this long is dropped. */
  readonly connectionTimeoutMs: number;
  /** From one attempt to connect to the next. */
  readonly connectionRetryMs: number;
  readonly dnsCacheMs: number;
  readonly dnsFailCacheMs: number;
}

/** What the network tells its node. Every call comes from the loop, never from within a send. */
export interface NetworkEvents {
  /** Each is followed by one peerDisconnected before the next, unless the network is closed. */
  peerConnected(address: string): void;
  peerDisconnected(address: string, reason: string): void;
  /** The peer is a Quorate member: it understands our own messages. */
  peerHello(address: string, hello: QuorateHello): void;
  observerConnected(id: string): void;
  observerDisconnected(id: string): void;
  /** `from` is a member's address or an observer's id. Hello, ping and pong do not come here. */
  message(from: string, message: PeerMessage): void;
  /**
   * A member has sent a message larger than `entryBytesMax` allows for, and it could not be read.
   *
   * @returns whether to pass over it. Otherwise, as where this is absent, its link is cut.
   */
  messageTooLarge?(from: string): boolean;
  utility(request: UtilityRequest, reply: (value: PyValue) => void): void;
  /** Everything that waited for this receiver is with the kernel now. */
  drained(to: string): void;
}

/** Bounds that an embedder or a test may want otherwise; the defaults are in limits.ts. */
export interface NetworkLimits {
  readonly unidentifiedConnectionsMax: number;
  readonly connectionsMax: number;
  readonly handshakeTimeoutMs: number;
  readonly utilityIdleTimeoutMs: number;
  readonly unfinishedMsMax: number;
  readonly sendBufferBytesMax: number;
  readonly observersSendBytesMax: number;
  /** A quarter of connectionTimeoutMs unless given: two pings may be late. */
  readonly pingPeriodMs: number;
}

export interface NetworkOptions {
  /** `host:port`, our identity; null for an observer, which connects to everybody. */
  readonly selfAddr: string | null;
  readonly bindAddr: string | null;
  readonly password: string | null;
  readonly timeouts: NetworkTimeouts;
  readonly logger: Logger;
  readonly events: NetworkEvents;
  readonly limits?: Partial<NetworkLimits>;
  /** Bytes of the largest command in an entry that members may send; 8 MiB unless given. */
  readonly entryBytesMax?: number;
  /** Told to Quorate peers in our hello. */
  readonly softwareVersion?: string;
  readonly resolver?: Resolver;
}

export function networkLimits(options: NetworkOptions): NetworkLimits {
  const wanted = { unidentified: unidentifiedConnectionsMax, observers: connectionsMax, http: 0 };
  const shares = connectionShares(wanted);
  return {
    unidentifiedConnectionsMax: shares.unidentified,
    connectionsMax: shares.observers,
    handshakeTimeoutMs,
    utilityIdleTimeoutMs,
    unfinishedMsMax,
    sendBufferBytesMax,
    observersSendBytesMax,
    pingPeriodMs: options.timeouts.connectionTimeoutMs / 4,
    ...options.limits,
  };
}

/** A quarter of the shortest time that the clock has to tell. */
export function tickMs(options: NetworkOptions, limits: NetworkLimits): number {
  const shortest = Math.min(
    limits.pingPeriodMs,
    limits.handshakeTimeoutMs,
    limits.utilityIdleTimeoutMs,
    limits.unfinishedMsMax,
    options.timeouts.connectionRetryMs,
  );
  return Math.max(tickMsMin, Math.min(tickMsMax, Math.floor(shortest / 4)));
}
