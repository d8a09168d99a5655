import type { PyValue } from "../../protocol/pickle/values.js";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import type { UtilityRequest } from "../../protocol/wire/utility.js";
import { isSilent, linkDuty } from "../../src/net/link-duty.js";
import type { NetworkEvents } from "../../src/net/network-options.js";
import type { MemberNetwork } from "../../src/node/environment.js";
import { HalfLink, type Packet } from "./half-link.js";
import type { Life } from "./machine.js";
import type { SimNetwork } from "./sim-network.js";

export interface EndpointOptions {
  readonly address: string;
  readonly life: Life;
  readonly events: Omit<NetworkEvents, "drained">;
  readonly isQuorate: boolean;
  readonly connectionTimeoutMs: number;
  readonly retryMs: number;
}

/** Of a link that ends because its peer is no member any more. */
export const droppedReason = "no longer a member";

const tickMs = 200;
const firstRetryMs = 250;

/** A member's links, as src/net keeps them, over the simulated wires. */
export class Endpoint implements MemberNetwork {
  readonly address: string;
  readonly life: Life;
  isClosed = false;
  readonly #network: SimNetwork;
  readonly #options: EndpointOptions;
  readonly #peers = new Map<
    string,
    { half: HalfLink | null; dialing: boolean; nextDialMs: number }
  >();
  #failures = 0;

  constructor(network: SimNetwork, options: EndpointOptions) {
    this.#network = network;
    this.#options = options;
    this.address = options.address;
    this.life = options.life;
  }

  async listen(): Promise<void> {
    this.#network.listening.set(this.address, this);
    this.life.clock.every(tickMs, () => this.#tick());
    this.#tick();
  }

  setPeers(addresses: readonly string[]): void {
    const wanted = new Set(addresses.filter((address) => address !== this.address));
    for (const [address, { half }] of [...this.#peers]) {
      if (wanted.has(address)) continue;
      this.#peers.delete(address);
      if (half !== null) this.#close(half, droppedReason);
    }
    for (const address of wanted) {
      if (!this.#peers.has(address)) {
        this.#peers.set(address, { half: null, dialing: false, nextDialMs: 0 });
      }
    }
  }

  sendMany(to: readonly string[], message: PeerMessage): number {
    let sent = 0;
    for (const address of to) {
      const half = this.#halfOf(address);
      if (half === null) continue;
      this.#network.watch.sent(this.address, address, message);
      half.send({ kind: "message", message });
      sent += 1;
    }
    return sent;
  }

  /** Simulated messages wait on their way, at no cost. */
  setHeld(): void {}

  holdBack(): void {}

  closeLink(to: string): void {
    this.loseLink(to);
  }

  isConnected(to: string): boolean {
    return this.#halfOf(to) !== null;
  }

  buffered(to: string): number {
    return this.#halfOf(to)?.buffered ?? 0;
  }

  isSilent(from: string): boolean {
    const half = this.#halfOf(from);
    return half !== null && isSilent(half, this.life.clock.monotonicMs(), this.#options);
  }

  noteAwaitingAnswer(to: string): void {
    const half = this.#halfOf(to);
    if (half !== null) half.awaitingSince ??= this.life.clock.monotonicMs();
  }

  ask(address: string, request: readonly PyValue[], timeoutMs: number): Promise<PyValue> {
    return this.#network.ask(this, { address, request, timeoutMs });
  }

  counters(): Readonly<Record<string, number>> {
    return {};
  }

  utility(request: UtilityRequest, reply: (value: PyValue) => void): void {
    this.#options.events.utility(request, reply);
  }

  /** As a process that ends does: its links end with it. */
  async close(): Promise<void> {
    this.vanish(true);
  }

  /** @param tellsOthers False where the machine is without power. */
  vanish(tellsOthers: boolean): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.#network.listening.get(this.address) === this) {
      this.#network.listening.delete(this.address);
    }
    for (const { half } of this.#peers.values()) half?.break(tellsOthers);
  }

  /** A fault of the wire: both sides lose the connection. */
  loseLink(peer: string): void {
    const half = this.#halfOf(peer);
    if (half === null) return;
    half.break(true);
    this.life.enter(() => this.#lost(half, "reset"));
  }

  /** Something has come over a link. */
  take(half: HalfLink, packet: Packet): void {
    if (this.isClosed) return;
    half.receivedAt = this.life.clock.monotonicMs();
    half.awaitingSince = null;
    if (packet.kind === "address") this.#arrived(half);
    else if (packet.kind === "end") this.#ended(half);
    else if (half.isOpen && this.#peers.get(half.peer)?.half === half) {
      this.#message(half, packet.message);
    }
  }

  #message(half: HalfLink, message: PeerMessage): void {
    const { events, isQuorate } = this.#options;
    this.#network.watch.delivered(half.peer, this.address, message);
    switch (message.type) {
      case "quorate_hello":
        half.isQuorate = true;
        if (isQuorate) events.peerHello(half.peer, message);
        break;
      case "quorate_ping":
        if (isQuorate) half.send({ kind: "message", message: { type: "quorate_pong" } });
        break;
      case "quorate_pong":
        break;
      default:
        events.message(half.peer, message);
    }
  }

  #ended(half: HalfLink): void {
    if (!half.isOpen) return;
    half.isOpen = false;
    this.#lost(half, "closed by the other side");
  }

  /** The link is gone: told once, and only where it stood for the peer. */
  #lost(half: HalfLink, reason: string): void {
    const peer = this.#peers.get(half.peer);
    if (this.isClosed || peer?.half !== half) return;
    peer.half = null;
    peer.nextDialMs = this.life.clock.monotonicMs() + this.#pauseMs();
    this.#network.watch.link(`down, ${reason}`, this.address, half.peer);
    this.#options.events.peerDisconnected(half.peer, reason);
  }

  /** Reported after the call, as src/net does. */
  #close(half: HalfLink, reason: string): void {
    if (!half.isOpen) return;
    half.isOpen = false;
    half.send({ kind: "end" });
    this.life.clock.soon(() => {
      const peer = this.#peers.get(half.peer);
      // Another link stands for the peer already: then this one's end was told before.
      if (this.isClosed || (peer !== undefined && peer.half !== half && peer.half !== null)) return;
      if (peer !== undefined) peer.half = null;
      this.#network.watch.link(`down, ${reason}`, this.address, half.peer);
      this.#options.events.peerDisconnected(half.peer, reason);
    });
  }

  /** A member that dials us has said who it is. The newest connection stands for it. */
  #arrived(half: HalfLink): void {
    const peer = this.#peers.get(half.peer);
    if (peer === undefined) {
      half.isOpen = false;
      half.send({ kind: "end" });
      return;
    }
    const old = peer.half;
    if (old !== null) {
      if (old.isOpen) old.break(true);
      this.#lost(old, "replaced");
    }
    this.#up(peer, half);
  }

  #up(peer: { half: HalfLink | null }, half: HalfLink): void {
    peer.half = half;
    this.#network.watch.link("up", this.address, half.peer);
    const hello = { type: "quorate_hello", protocol: 1, version: "0.1.0" } as const;
    if (this.#options.isQuorate) half.send({ kind: "message", message: hello });
    this.#options.events.peerConnected(half.peer);
  }

  #tick(): void {
    if (this.isClosed) return;
    const now = this.life.clock.monotonicMs();
    const { connectionTimeoutMs, isQuorate } = this.#options;
    const times = { connectionTimeoutMs, pingPeriodMs: connectionTimeoutMs / 4 };
    for (const [address, peer] of this.#peers) {
      const { half } = peer;
      if (half === null) {
        if (this.address > address && !peer.dialing && now >= peer.nextDialMs) this.#dial(address);
        continue;
      }
      if (!isQuorate) continue;
      const duty = linkDuty({ ...activityOf(half) }, now, times);
      if (duty === "ping") half.send({ kind: "message", message: { type: "quorate_ping" } });
      else if (duty !== "none") this.#close(half, duty);
    }
  }

  #dial(address: string): void {
    const peer = this.#peers.get(address);
    if (peer === undefined) return;
    peer.dialing = true;
    const { timeline } = this.#network;
    const there = this.#network.listening.get(address);
    const isOpen =
      !this.#network.isBlocked(this.address, address) &&
      !this.#network.isBlocked(address, this.address);
    const takes = this.#network.delayMs(this.address, address, 100) * 2;
    const isRefused = isOpen && there === undefined && this.#network.powered.has(address);
    const waits = isOpen && (there !== undefined || isRefused) ? takes : 3_500;
    timeline.after(waits, () =>
      this.life.enter(() => {
        peer.dialing = false;
        if (this.isClosed || this.#peers.get(address) !== peer || peer.half !== null) return;
        const now = this.#network.listening.get(address);
        if (!isOpen || now === undefined || now !== there) {
          this.#failures += 1;
          peer.nextDialMs = this.life.clock.monotonicMs() + this.#pauseMs();
          return;
        }
        this.#failures = 0;
        this.#connected(peer, now);
      }),
    );
  }

  /** Ours calls again soon at first; a vanilla member does at its own pace. */
  #pauseMs(): number {
    const { isQuorate, retryMs } = this.#options;
    return isQuorate ? Math.min(retryMs, firstRetryMs * 2 ** this.#failures, 1_000) : retryMs;
  }

  #connected(peer: { half: HalfLink | null }, there: Endpoint): void {
    const ours = new HalfLink(this.#network, this, { peer: there.address, dialed: true });
    const theirs = new HalfLink(this.#network, there, { peer: this.address, dialed: false });
    ours.other = theirs;
    theirs.other = ours;
    ours.send({ kind: "address" });
    this.#up(peer, ours);
  }

  #halfOf(address: string): HalfLink | null {
    const half = this.#peers.get(address)?.half ?? null;
    return half?.isOpen === true ? half : null;
  }
}

function activityOf(half: HalfLink) {
  const { sentAt, receivedAt, awaitingSince, isQuorate: speaksAlways } = half;
  return { sentAt, receivedAt, awaitingSince, speaksAlways };
}
