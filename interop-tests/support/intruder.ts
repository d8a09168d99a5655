import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { deriveFernetKey, type FernetKey } from "../../protocol/wire/fernet.js";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import { observerHello, Session, type SessionEvent } from "../../protocol/wire/session.js";
import { eventually } from "./eventually.js";

/** Whom an intruder passes itself off as. */
export type Guise =
  /** Says nothing of itself: the attack is the first thing that it sends. */
  | { readonly kind: "stranger" }
  | { readonly kind: "observer" }
  | { readonly kind: "member"; readonly address: string };

export interface IntruderOptions {
  readonly target: string;
  readonly guise: Guise;
  readonly password?: string | undefined;
}

const keys = new Map<string, FernetKey>();

/** A password's key. To make one takes tens of milliseconds. */
export function keyOf(password: string): FernetKey {
  const key = keys.get(password) ?? deriveFernetKey(password);
  keys.set(password, key);
  return key;
}

/** A connection that sends whatever it is told. */
export class Intruder {
  readonly socket: Socket;
  readonly events: SessionEvent[] = [];
  closed = false;
  readonly #session: Session | null;

  private constructor(socket: Socket, session: Session | null) {
    this.socket = socket;
    this.#session = session;
    socket.on("error", () => {});
    socket.on("close", () => {
      this.closed = true;
    });
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    if (session !== null) socket.write(session.start());
  }

  static async connect(options: IntruderOptions): Promise<Intruder> {
    const { target, guise, password } = options;
    const colon = target.lastIndexOf(":");
    const socket = connect({ host: target.slice(0, colon), port: Number(target.slice(colon + 1)) });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    if (guise.kind === "stranger") return new Intruder(socket, null);
    const session = new Session({
      role: {
        kind: "connector",
        hello: guise.kind === "observer" ? observerHello : guise.address,
      },
      key: password === undefined ? null : keyOf(password),
      random: randomBytes,
      monotonicSec: () => performance.now() / 1_000,
    });
    return new Intruder(socket, session);
  }

  send(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  say(message: PeerMessage): void {
    if (this.#session === null) throw new Error("a stranger has no messages");
    this.socket.write(this.#session.encode(message));
  }

  /** Until the socket takes more. */
  async drained(): Promise<void> {
    if (!this.socket.writableNeedDrain || this.closed) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        this.socket.off("drain", done).off("close", done);
        resolve();
      };
      this.socket.on("drain", done).on("close", done);
    });
  }

  sayAll(messages: readonly PeerMessage[]): void {
    const session = this.#session;
    if (session === null) throw new Error("a stranger has no messages");
    this.socket.write(Buffer.concat(messages.map((message) => session.encode(message))));
  }

  /** A pickle in a frame (and a token, and with the key) that are in order. */
  sendPickle(pickle: Uint8Array): void {
    if (this.#session === null) throw new Error("a stranger has no session");
    this.socket.write(this.#session.encodePickle(pickle));
  }

  /** With a password only after the handshake, without one at once. */
  get isOpen(): boolean {
    return this.#session?.isOpen === true;
  }

  async untilOpen(): Promise<void> {
    await eventually("the handshake is over", () => this.isOpen, { everyMs: 5 });
  }

  /** Where the leader has put the command of this request, which it has answered. */
  indexOf(requestId: number): number {
    for (const event of this.events) {
      if (event.kind !== "message" || event.message.type !== "apply_command_response") continue;
      if (event.message.requestId === requestId && "logIdx" in event.message) {
        return event.message.logIdx;
      }
    }
    throw new Error(`request ${requestId} has no place in the log`);
  }

  async untilAnswered(requestId: number): Promise<void> {
    const isAnswer = (event: SessionEvent) =>
      event.kind === "message" &&
      event.message.type === "apply_command_response" &&
      event.message.requestId === requestId;
    // Whoever owes answers to a leader and sends nothing at all is cut after a while.
    const pings = setInterval(() => this.say({ type: "quorate_ping" }), 500);
    const hasCome = () => this.closed || this.events.some(isAnswer);
    const times = { everyMs: 5, timeoutMs: 60_000 };
    await eventually(`an answer to ${requestId}`, hasCome, times).finally(() =>
      clearInterval(pings),
    );
    if (this.closed)
      throw new Error(`the connection was cut before request ${requestId} was answered`);
  }

  /** Types of the messages that came back. */
  heard(): string[] {
    return this.events.flatMap((event) => (event.kind === "message" ? [event.message.type] : []));
  }

  async untilClosed(what: string): Promise<void> {
    await eventually(`${what}: the connection is cut`, () => this.closed, { everyMs: 5 });
  }

  leave(): void {
    this.socket.destroy();
  }

  #receive(chunk: Buffer): void {
    if (this.#session === null) return;
    const step = this.#session.receive(chunk);
    this.events.push(...step.events);
    if (step.output.length > 0) this.socket.write(step.output);
  }
}
