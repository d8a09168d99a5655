import { decodePickle } from "../../protocol/pickle/decoder.js";
import type { PyValue } from "../../protocol/pickle/values.js";
import { inflate } from "../../protocol/wire/compression.js";
import { FrameReader } from "../../protocol/wire/frame.js";
import { frameBytesMax, messageBytesMax, messagePickleLimits } from "../../protocol/wire/limits.js";
import { decodeMessage } from "../../protocol/wire/message-codec.js";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import { bytes, descriptor, type SystemCall, vectorBytes } from "./system-calls.js";

/** Something whole that a member has sent or received on a connection without a password. */
export interface Tapped {
  readonly direction: "sent" | "received";
  /** Of what was sent: where the call with its first byte began; else where the last one ended. */
  readonly at: number;
  readonly sec: number;
  /** One for each connection. */
  readonly connection: number;
  /** Who is at the other end: a member's address, `readonly`, `utility`; null before it says so. */
  readonly peer: string | null;
  /** Null for a reply to a utility request; `reply` is that then. */
  readonly message: PeerMessage | null;
  readonly reply: PyValue;
}

interface Direction {
  readonly reader: FrameReader;
  /** Where the frame under way began. */
  since: { at: number; sec: number } | null;
  isFirst: boolean;
}

interface Connection {
  readonly number: number;
  readonly dialed: boolean;
  peer: string | null;
  readonly sent: Direction;
  readonly received: Direction;
}

const sending = new Set(["write", "writev", "sendto", "sendmsg"]);
const receiving = new Set(["read", "readv", "recvfrom", "recvmsg"]);
const unknown = new Set(["sendfile", "splice", "sendmmsg", "recvmmsg", "io_uring_enter"]);

/** Puts the bytes of a traced member's connections together again. */
export class WireTap {
  readonly #connections = new Map<number, Connection>();
  #number = 0;

  /** A new process: it has nothing open. */
  restarted(): void {
    this.#connections.clear();
  }

  /** @throws Error where bytes may have left in a way that is not known here. */
  take(call: SystemCall): Tapped[] {
    const { name, args } = call;
    if (unknown.has(name) && call.error === null) throw new Error(`sent or received by ${name}`);
    if (name === "accept4" || name === "accept") {
      if (call.error === null) this.#open(call.result ?? -1, false);
      return [];
    }
    const { fd, target } = descriptor(args[0]);
    if (name === "connect" && target.startsWith("TCP")) this.#open(fd, true);
    if (name === "close") this.#connections.delete(fd);
    const connection = this.#connections.get(fd);
    if (connection === undefined || call.error !== null) return [];
    if (connection.dialed) connection.peer ??= /->(.*)\]$/.exec(target)?.[1] ?? null;
    const data = () => (name.endsWith("v") || name.endsWith("msg") ? vectorBytes : bytes)(args[1]);
    // What a call has sent that the end of the process cut short is not known: all of it counts.
    if (sending.has(name)) {
      const sent = data().subarray(0, call.result ?? undefined);
      return this.#frames(connection, "sent", sent, { at: call.begin, sec: call.beginSec });
    }
    if (!receiving.has(name) || (call.result ?? 0) <= 0) return [];
    const received = data().subarray(0, call.result ?? undefined);
    return this.#frames(connection, "received", received, { at: call.end, sec: call.endSec });
  }

  #open(fd: number, dialed: boolean): void {
    this.#number += 1;
    const direction = () => ({
      ...{ reader: new FrameReader({ frameBytesMax }), since: null, isFirst: true },
    });
    const [sent, received] = [direction(), direction()];
    this.#connections.set(fd, { number: this.#number, dialed, peer: null, sent, received });
  }

  #frames(
    connection: Connection,
    way: Tapped["direction"],
    data: Uint8Array,
    place: { at: number; sec: number },
  ): Tapped[] {
    const direction = connection[way];
    const tapped: Tapped[] = [];
    direction.since ??= place;
    direction.reader.push(data);
    for (;;) {
      const payload = direction.reader.next();
      if (payload === null) break;
      const value = decodePickle(inflate(payload, messageBytesMax), messagePickleLimits);
      const first = direction.isFirst;
      direction.isFirst = false;
      const isHello = first && (way === "sent") === connection.dialed;
      const { at, sec } = way === "sent" ? direction.since : place;
      if (isHello && way === "received") connection.peer = nameOf(value);
      if (!isHello) tapped.push(this.#tapped(connection, way, value, { at, sec }));
      direction.since = place;
    }
    if (direction.reader.bufferedBytes === 0) direction.since = null;
    return tapped;
  }

  #tapped(
    { number, peer }: Connection,
    direction: Tapped["direction"],
    value: PyValue,
    { at, sec }: { at: number; sec: number },
  ): Tapped {
    const frame = { direction, at, sec, connection: number, peer };
    if (!(value instanceof Map) || typeof value.get("type") !== "string") {
      return { ...frame, message: null, reply: value };
    }
    const message = decodeMessage(value);
    if (message.type === "unknown") throw new Error(`a message of type ${message.name}`);
    return { ...frame, message, reply: null };
  }
}

function nameOf(hello: PyValue): string {
  return typeof hello === "string" ? hello : "utility";
}
