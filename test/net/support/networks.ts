import assert from "node:assert/strict";
import { connect, createServer, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { PyValue } from "../../../protocol/pickle/values.js";
import type { PeerMessage } from "../../../protocol/wire/messages.js";
import type { UtilityRequest } from "../../../protocol/wire/utility.js";
import type { LogFields } from "../../../src/logger.js";
import { Network } from "../../../src/net/network.js";
import type { NetworkLimits, NetworkOptions } from "../../../src/net/network-options.js";
import type { Resolver } from "../../../src/net/resolver.js";

/** A network with everything that it reported, in order. */
export interface Recorded {
  readonly address: string;
  readonly network: Network;
  /** `up a`, `down a reason`, `hello a`, `observer o`, `observer-gone o`, `large a`, `drained a`. */
  readonly happened: string[];
  readonly messages: { readonly from: string; readonly message: PeerMessage }[];
  readonly logged: { readonly message: string; readonly fields: LogFields | undefined }[];
  onUtility: (request: UtilityRequest, reply: (value: PyValue) => void) => void;
}

export interface Given {
  readonly address: string | null;
  readonly password?: string;
  readonly limits?: Partial<NetworkLimits>;
  /** Whether a member's message that is too large is passed over; its answer, and `large a` among what happened. */
  readonly passesOver?: boolean;
  readonly entryBytesMax?: number;
  readonly timeouts?: Partial<NetworkOptions["timeouts"]>;
  readonly bindAddr?: string;
  readonly resolver?: Resolver;
}

const quickTimeouts = {
  connectionTimeoutMs: 2_000,
  connectionRetryMs: 50,
  dnsCacheMs: 1_000,
  dnsFailCacheMs: 100,
};

/** A network that is listening, and is closed at the end of the test. */
export async function startNetwork(t: TestContext, given: Given): Promise<Recorded> {
  const happened: string[] = [];
  const messages: Recorded["messages"] = [];
  const logged: Recorded["logged"] = [];
  const log = (message: string, fields?: LogFields) => void logged.push({ message, fields });
  const network = new Network({
    selfAddr: given.address,
    bindAddr: given.bindAddr ?? given.address,
    ...(given.resolver === undefined ? {} : { resolver: given.resolver }),
    password: given.password ?? null,
    timeouts: { ...quickTimeouts, ...given.timeouts },
    limits: given.limits ?? {},
    ...(given.entryBytesMax === undefined ? {} : { entryBytesMax: given.entryBytesMax }),
    logger: { error: log, warn: log, info: log, debug() {} },
    events: {
      peerConnected: (address) => void happened.push(`up ${address}`),
      peerDisconnected: (address, reason) => void happened.push(`down ${address} ${reason}`),
      peerHello: (address) => void happened.push(`hello ${address}`),
      observerConnected: (id) => void happened.push(`observer ${id}`),
      observerDisconnected: (id) => void happened.push(`observer-gone ${id}`),
      message: (from, message) => void messages.push({ from, message }),
      messageTooLarge: (from) => {
        happened.push(`large ${from}`);
        return given.passesOver ?? false;
      },
      utility: (request, reply) => recorded.onUtility(request, reply),
      drained: (to) => void happened.push(`drained ${to}`),
    },
  });
  const recorded: Recorded = {
    address: given.address ?? "",
    network,
    happened,
    messages,
    logged,
    onUtility: (_request, reply) => reply("nothing here"),
  };
  t.after(() => network.close());
  await network.listen();
  return recorded;
}

/** `host:port` of a port that was free a moment ago. */
export async function freeAddress(host: string): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen({ host, port: 0 }, resolve));
  const bound = server.address();
  assert.ok(bound !== null && typeof bound === "object");
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return `${host}:${bound.port}`;
}

/** Two connected networks; `small` has the smaller address, so that `large` dials. */
export async function startPair(
  t: TestContext,
  given: Omit<Given, "address"> = {},
): Promise<{ small: Recorded; large: Recorded }> {
  const small = await startNetwork(t, { ...given, address: await freeAddress("127.0.0.21") });
  const large = await startNetwork(t, { ...given, address: await freeAddress("127.0.0.22") });
  small.network.setPeers([small.address, large.address]);
  large.network.setPeers([small.address, large.address]);
  await until(() => small.happened.includes(`hello ${large.address}`), "small hears large");
  await until(() => large.happened.includes(`hello ${small.address}`), "large hears small");
  return { small, large };
}

export async function until(holds: () => boolean, what: string, withinMs = 4_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!holds()) {
    assert.ok(performance.now() < deadline, `not in ${withinMs} ms: ${what}`);
    await sleep(3);
  }
}

/** A plain socket, whose errors are nobody's. `closed` turns true when the other side hangs up. */
export interface RawSocket {
  readonly socket: Socket;
  readonly received: Buffer[];
  closed: boolean;
}

/** @param from The address to come from; default: the system's choice. */
export async function rawConnect(
  t: TestContext,
  address: string,
  from?: string,
): Promise<RawSocket> {
  const [host = "", port = ""] = address.split(":");
  const socket = connect({
    ...{ host, port: Number(port) },
    ...(from === undefined ? {} : { localAddress: from }),
  });
  const raw: RawSocket = { socket, received: [], closed: false };
  socket.on("error", () => {});
  socket.on("data", (chunk: Buffer) => raw.received.push(chunk));
  socket.on("close", () => {
    raw.closed = true;
  });
  t.after(() => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  return raw;
}
