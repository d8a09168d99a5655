import { randomBytes } from "node:crypto";
import { inflateSync } from "node:zlib";
import { readStored } from "../../protocol/wire/compression.js";
import type { FernetKey } from "../../protocol/wire/fernet.js";
import { FrameReader } from "../../protocol/wire/frame.js";
import { frameBytesMax } from "../../protocol/wire/limits.js";
import { encodeMessage } from "../../protocol/wire/message-codec.js";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import { observerHello, Session } from "../../protocol/wire/session.js";
import { GatheredSocket } from "./gathered-socket.js";
import { PickleScan, type Scanned } from "./pickle-scan.js";

export interface LinkEvents {
  message(link: MemberLink, message: Scanned): void;
  up(link: MemberLink): void;
  down(link: MemberLink): void;
}

/** Members come and go in a failover: soon enough to be there when the next one leads. */
const retryMs = 20;

/**
 * An observer's connection to one member. Without a password the messages are scanned, not decoded;
 * with one the product's own session opens them, and the scan reads what it has decoded and encoded
 * again: slower, and the same for both systems.
 */
export class MemberLink {
  readonly address: string;
  readonly #key: FernetKey | null;
  readonly #events: LinkEvents;
  readonly #scan = new PickleScan();
  #socket: GatheredSocket | null = null;
  #session: Session | null = null;
  #reader = new FrameReader({ frameBytesMax });
  #isUp = false;
  #isStopped = false;

  constructor(address: string, key: FernetKey | null, events: LinkEvents) {
    this.address = address;
    this.#key = key;
    this.#events = events;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  dial(): void {
    if (this.#isStopped) return;
    this.#reader = new FrameReader({ frameBytesMax });
    const session = new Session({
      role: { kind: "connector", hello: observerHello },
      key: this.#key,
      random: randomBytes,
      monotonicSec: () => performance.now() / 1000,
    });
    this.#session = session;
    const socket = GatheredSocket.dial(this.address, {
      data: (chunk) => this.#receive(chunk),
      closed: () => this.#onClosed(),
    });
    this.#socket = socket;
    socket.socket.once("connect", () => {
      socket.write(session.start());
      if (session.isOpen) this.#onUp();
    });
  }

  send(message: PeerMessage): void {
    if (this.#session === null || !this.#isUp) return;
    this.#socket?.write(this.#session.encodePickle(encodeMessage(message)));
  }

  close(): void {
    this.#isStopped = true;
    this.#socket?.close();
  }

  #onUp(): void {
    this.#isUp = true;
    this.#events.up(this);
  }

  #onClosed(): void {
    const wasUp = this.#isUp;
    this.#isUp = false;
    this.#session?.close();
    if (wasUp) this.#events.down(this);
    if (!this.#isStopped) setTimeout(() => this.dial(), retryMs);
  }

  #receive(chunk: Buffer): void {
    if (this.#key !== null) {
      this.#receiveSealed(chunk);
      return;
    }
    const reader = this.#reader;
    reader.push(chunk);
    for (;;) {
      const payload = reader.next();
      if (payload === null) return;
      this.#events.message(this, this.#scan.scan(readStored(payload) ?? inflateSync(payload)));
    }
  }

  #receiveSealed(chunk: Buffer): void {
    const step = this.#session?.receive(new Uint8Array(chunk));
    if (step === undefined) return;
    if (step.output.length > 0) this.#socket?.write(step.output);
    for (const event of step.events) {
      if (event.kind === "ready") this.#onUp();
      else if (event.kind === "message") {
        this.#events.message(this, this.#scan.scan(encodeMessage(event.message)));
      }
    }
  }
}
