import { decodePickle } from "../../protocol/pickle/decoder.js";
import { decodeMessage, encodeMessage } from "../../protocol/wire/message-codec.js";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import type { Endpoint } from "./endpoint.js";
import type { SimNetwork } from "./sim-network.js";

export type Packet =
  /** The connector's first words: who it is. */
  | { readonly kind: "address" }
  | { readonly kind: "message"; readonly message: PeerMessage }
  /** The end of the connection, or the kernel's word that there is none. */
  | { readonly kind: "end" };

interface Queued {
  readonly packet: Packet;
  readonly bytes: number;
  readonly arrivesMs: number;
}

/** One end of a TCP connection: what it sends arrives in order, or not at all. */
export class HalfLink {
  readonly owner: Endpoint;
  readonly peer: string;
  readonly dialed: boolean;
  other: HalfLink | null = null;
  isOpen = true;
  isQuorate = false;
  sentAt: number;
  receivedAt: number;
  awaitingSince: number | null = null;
  buffered = 0;
  readonly #queue: Queued[] = [];
  #isPumping = false;
  readonly #network: SimNetwork;

  constructor(
    network: SimNetwork,
    owner: Endpoint,
    to: { readonly peer: string; dialed: boolean },
  ) {
    this.#network = network;
    this.owner = owner;
    this.peer = to.peer;
    this.dialed = to.dialed;
    this.sentAt = owner.life.clock.monotonicMs();
    this.receivedAt = this.sentAt;
  }

  send(packet: Packet): void {
    const bytes = packet.kind === "message" ? sizeOf(packet.message) : 50;
    const { timeline } = this.#network;
    const last = this.#queue.at(-1)?.arrivesMs ?? 0;
    const delayMs = this.#network.delayMs(this.owner.address, this.peer, bytes);
    this.#queue.push({ packet, bytes, arrivesMs: Math.max(last, timeline.nowMs + delayMs) });
    this.buffered += bytes;
    this.sentAt = this.owner.life.clock.monotonicMs();
    this.#pump();
  }

  /** The connection breaks: of what was on its way the end is lost, and the other side hears of it. */
  break(tellsOther: boolean): void {
    this.isOpen = false;
    const kept = this.#network.chance.below(this.#queue.length + 1);
    for (const { bytes } of this.#queue.splice(kept)) this.buffered -= bytes;
    if (tellsOther) this.send({ kind: "end" });
  }

  #pump(): void {
    const [next] = this.#queue;
    if (next === undefined || this.#isPumping) return;
    this.#isPumping = true;
    this.#network.timeline.at(next.arrivesMs, () => {
      this.#isPumping = false;
      const { address } = this.owner;
      if (this.#network.isBlocked(address, this.peer)) {
        this.#network.whenOpen(address, this.peer, () => this.#pump());
        return;
      }
      const [first] = this.#queue;
      if (first !== undefined) {
        this.#queue.shift();
        this.buffered -= first.bytes;
        this.#arrive(first.packet);
      }
      this.#pump();
    });
  }

  #arrive(packet: Packet): void {
    const { other } = this;
    const there = this.#network.listening.get(this.peer);
    if (other !== null && other.owner === there && other.isOpen) {
      const received = packet.kind === "message" ? this.#passed(packet) : packet;
      other.owner.life.enter(() => other.owner.take(other, received));
      return;
    }
    // Nobody is there any more: where the machine has power it says so.
    if (packet.kind === "end" || !this.isOpen || !this.#network.powered.has(this.peer)) return;
    const delayMs = this.#network.delayMs(this.peer, this.owner.address, 50);
    this.#network.timeline.after(delayMs, () => {
      if (this.#network.isBlocked(this.peer, this.owner.address)) return;
      this.owner.life.enter(() => this.owner.take(this, { kind: "end" }));
    });
  }

  #passed(packet: Packet & { kind: "message" }): Packet {
    if (!this.#network.throughCodec) return packet;
    const message = decodeMessage(decodePickle(encodeMessage(packet.message)));
    if (message.type === "unknown") throw new Error("a message that its own decoder does not know");
    return { kind: "message", message };
  }
}

function sizeOf(message: PeerMessage): number {
  if (message.type === "append_entries") {
    return message.entries.reduce((sum, { command }) => sum + command.length + 30, 100);
  }
  if (message.type === "append_chunk") return message.data.length + 100;
  if (message.type === "install_snapshot") return (message.chunk?.data.length ?? 0) + 100;
  return message.type === "apply_command" ? message.command.length + 60 : 80;
}
