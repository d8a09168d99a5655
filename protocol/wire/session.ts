import { ProtocolError } from "../errors.js";
import { encodePickle } from "../pickle/encoder.js";
import { PyTuple, type PyValue } from "../pickle/values.js";
import { deflate } from "./compression.js";
import { type FernetKey, fernetIvBytes, sealToken } from "./fernet.js";
import { encodeFrame, FrameReader } from "./frame.js";
import {
  addressCharsMax,
  commandBytesMax,
  frameBytesMax,
  handshakeFrameBytesMax,
  handshakeMessageBytesMax,
  handshakePickleLimits,
  hotEntriesMax,
  memberMessageLimits,
  messageBytesMax,
  observerPickleLimits,
  passedOverBytesMax,
  randomKeyBytes,
  randomKeyBytesMax,
  replyFrameBytesMax,
  replyMessageBytesMax,
  replyPickleLimits,
} from "./limits.js";
import { decodeMessage, encodeFrameAtOnce, encodeMessage } from "./message-codec.js";
import type { PeerMessage } from "./messages.js";
import {
  type Allowance,
  checkTimestamp,
  type Expected,
  isSmall,
  type Opened,
  type OpeningState,
  openLarge,
  openSmall,
} from "./opening.js";
import { sameBytes, wrapWithKey } from "./random-key.js";
import { membersScratch, strangersScratch } from "./scratch.js";
import {
  observerHello,
  type SessionEvent,
  type SessionOptions,
  type SessionRole,
  type SessionState,
  type SessionStep,
} from "./session-types.js";
import { parseUtility } from "./utility.js";

export {
  observerHello,
  type SessionEvent,
  type SessionOptions,
  type SessionRole,
  type SessionState,
  type SessionStep,
};

/**
 * `random-key`: the peer's random key has to come first. `identity`: a listener waits for an
 * address, `readonly` or a utility list. `messages` and `replies`: the handshake is over.
 */
type Phase = "new" | "random-key" | "identity" | "messages" | "replies";

/** What a frame may cost: little until the peer has said who it is. */
const handshakeAllowance: Allowance = {
  frameBytesMax: handshakeFrameBytesMax,
  messageBytesMax: handshakeMessageBytesMax,
  pickleLimits: handshakePickleLimits,
  scratch: strangersScratch,
};

const observerAllowance: Allowance = {
  frameBytesMax,
  messageBytesMax,
  pickleLimits: observerPickleLimits,
  scratch: strangersScratch,
};

const replyAllowance: Allowance = {
  frameBytesMax: replyFrameBytesMax,
  messageBytesMax: replyMessageBytesMax,
  pickleLimits: replyPickleLimits,
  scratch: strangersScratch,
};

const nothing = new Uint8Array(0);

/**
 * One connection's protocol, from the first byte, without the connection: bytes in, events and
 * bytes out. Upstream has it in pysyncobj/transport.py (`TCPTransport._onIncomingMessageReceived`,
 * `_onOutgoingConnected`), tcp_connection.py and utility.py. After a ProtocolError the session is
 * of no more use and its connection has to be closed.
 */
export class Session {
  readonly #role: SessionRole;
  readonly #key: FernetKey | null;
  readonly #random: (bytes: number) => Uint8Array;
  readonly #monotonicSec: () => number;
  readonly #memberAllowance: Allowance;
  readonly #reader = new FrameReader(handshakeAllowance);
  #phase: Phase = "new";
  #allowance = handshakeAllowance;
  /** Null until messages are expected. */
  #expected: Expected | null = null;
  /** The peer's random key: goes with everything that we send, once it is known. */
  #sendKey: Uint8Array | null = null;
  /** Our random key: everything that we receive has to carry it, once it is made. */
  #receiveKey: Uint8Array | null = null;
  /** The newest timestamp seen. A token that is older was recorded and is played again. */
  #lastTimestampSec = 0;
  #failure: unknown = null;
  /** A large message that is being opened. */
  #opening: Generator<OpeningState, Opened> | null = null;

  constructor(options: SessionOptions) {
    this.#role = options.role;
    this.#key = options.key;
    this.#random = options.random;
    this.#monotonicSec = options.monotonicSec;
    this.#memberAllowance = memberAllowance(options.entryBytesMax ?? commandBytesMax);
  }

  /** Whether `encode` may be used: the peer is identified, or will take us as we introduced us. */
  get isOpen(): boolean {
    return this.#phase === "messages";
  }

  /** Whether all open sessions of this kind make the same frame of a message: no password. */
  get framesAreShared(): boolean {
    return this.#key === null;
  }

  /** Call once, when connected. @returns bytes to send at once; may be empty. */
  start(): Uint8Array {
    if (this.#phase !== "new") throw new Error("a session is started once");
    if (this.#role.kind === "listener") {
      this.#phase = this.#key === null ? "identity" : "random-key";
      return nothing;
    }
    if (this.#key === null) return this.#introduce();
    this.#phase = "random-key";
    this.#receiveKey = this.#random(randomKeyBytes);
    return this.#frame(encodePickle(this.#receiveKey));
  }

  /**
   * @param chunk What arrived, cut anywhere.
   * @throws ProtocolError: disconnect. What the same chunk held before the fault is dropped, as if
   *   the connection had broken earlier.
   */
  receive(chunk: Uint8Array): SessionStep {
    const events: SessionEvent[] = [];
    const output: Uint8Array[] = [];
    this.push(chunk);
    for (;;) {
      const step = this.#proceed(false);
      if (step === "idle") break;
      if (typeof step === "string") continue;
      events.push(...step.events);
      output.push(step.output);
    }
    return { events, output: Buffer.concat(output) };
  }

  /**
   * The same in two parts, for who has other things to do as well: bytes in, and with each call of
   * `proceed` one frame or one slice of a large one. When it is idle it is time for more bytes.
   *
   * @param chunk Kept until `proceed` has gone through it.
   */
  push(chunk: Uint8Array): void {
    if (this.#phase === "new") throw new Error("a session is started before it receives");
    this.#reader.push(chunk);
  }

  /** @throws ProtocolError: disconnect. */
  proceed(): SessionStep | SessionState {
    return this.#proceed(true);
  }

  /** Bytes received that no frame has come of yet. */
  get bufferedBytes(): number {
    return this.#reader.bufferedBytes;
  }

  /** Bytes that have still to come of a message that is passed over. */
  get passedOverBytes(): number {
    return this.#reader.unwantedBytes;
  }

  /**
   * After a fault: whether it was that a member's message is larger than it may be, and what follows can be read. If so
   * the session goes on behind that message, of which nothing is kept; it need not have been authentic.
   */
  passOver(): boolean {
    const error = this.#failure;
    if (this.#allowance !== this.#memberAllowance || !isTooLarge(error)) return false;
    if (error.code === "frame-length" && !this.#reader.passOver(passedOverBytesMax)) return false;
    this.#reader.release();
    this.#opening = null;
    this.#failure = null;
    return true;
  }

  /** Gives back what is held of a frame that will not be finished. */
  close(): void {
    this.#opening?.return({ value: null, message: null, timestampSec: 0 });
    this.#opening = null;
    this.#reader.close();
    this.#failure ??= new Error("the session is closed");
  }

  #proceed(mayWait: boolean): SessionStep | SessionState {
    if (this.#failure !== null) throw this.#failure;
    try {
      return this.#next(mayWait);
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }

  #next(mayWait: boolean): SessionStep | SessionState {
    if (this.#opening !== null) {
      const { done, value } = this.#opening.next();
      if (done !== true) return value;
      this.#opening = null;
      return this.#opened(value);
    }
    const pieces = this.#reader.nextPieces();
    if (pieces === null) return "idle";
    const opened = isSmall(pieces)
      ? openSmall(pieces, this.#key, this.#allowance, this.#expected)
      : null;
    if (opened !== null) return this.#opened(opened);
    // A single piece may be a view of memory that is not ours to write to.
    const own = pieces.length === 1 ? pieces.map((piece) => new Uint8Array(piece)) : pieces;
    this.#opening = openLarge(own, this.#key, this.#allowance, mayWait);
    return "working";
  }

  #opened({ value, message, timestampSec }: Opened): SessionStep {
    checkTimestamp(this.#lastTimestampSec, timestampSec);
    this.#lastTimestampSec = timestampSec;
    this.#reader.release();
    if (message !== null) return { events: [{ kind: "message", message }], output: nothing };
    const events: SessionEvent[] = [];
    const output: Uint8Array[] = [];
    this.#dispatch(this.#unwrap(value), events, output);
    return { events, output: output.length === 0 ? nothing : Buffer.concat(output) };
  }

  /** @returns a complete frame. */
  encode(message: PeerMessage): Uint8Array {
    const frame = this.#key === null && this.isOpen ? encodeFrameAtOnce(message) : null;
    if (frame !== null) return frame;
    return this.encodePickle(encodeMessage(message));
  }

  /**
   * The same for a message that is pickled already, so that one pickling serves many receivers.
   *
   * @param pickle From `encodeMessage`: protocol 2, one value.
   */
  encodePickle(pickle: Uint8Array): Uint8Array {
    if (!this.isOpen) throw new Error("messages can be sent only after the handshake");
    return this.#frame(pickle);
  }

  /** An answer to a utility request. @returns a complete frame. */
  encodeReply(value: PyValue): Uint8Array {
    if (this.#role.kind !== "listener" || this.#phase !== "identity") {
      throw new Error("only a utility client gets a reply");
    }
    return this.#frame(encodePickle(value));
  }

  #frame(pickle: Uint8Array): Uint8Array {
    const payload = deflate(this.#sendKey === null ? pickle : wrapWithKey(this.#sendKey, pickle));
    if (this.#key === null) return encodeFrame(payload);
    const iv = this.#random(fernetIvBytes);
    return encodeFrame(sealToken(this.#key, payload, Math.floor(this.#monotonicSec()), iv));
  }

  #unwrap(value: PyValue): PyValue {
    if (this.#receiveKey === null) return value;
    const [key, message] = value instanceof PyTuple ? value.items : [];
    if (
      !(value instanceof PyTuple && value.items.length === 2) ||
      message === undefined ||
      !(key instanceof Uint8Array && sameBytes(key, this.#receiveKey))
    ) {
      throw new ProtocolError("handshake-key", "a message without the key of this connection");
    }
    return message;
  }

  #dispatch(value: PyValue, events: SessionEvent[], output: Uint8Array[]): void {
    switch (this.#phase) {
      case "random-key":
        this.#exchangeKeys(value, events, output);
        break;
      case "identity":
        events.push(this.#identify(value));
        break;
      case "messages":
        events.push(messageEvent(value));
        break;
      case "replies":
        events.push({ kind: "reply", value });
        break;
      case "new":
        throw new Error("unreachable: nothing is received before the start");
    }
  }

  #exchangeKeys(value: PyValue, events: SessionEvent[], output: Uint8Array[]): void {
    // Upstream takes anything, and an empty key as none at all: it would ask for ever.
    if (!(value instanceof Uint8Array) || value.length === 0 || value.length > randomKeyBytesMax) {
      throw new ProtocolError("handshake-key", "the first message is not a random key");
    }
    this.#sendKey = new Uint8Array(value);
    if (this.#role.kind === "listener") {
      this.#phase = "identity";
      this.#receiveKey = this.#random(randomKeyBytes);
      output.push(this.#frame(encodePickle(this.#receiveKey)));
      return;
    }
    output.push(this.#introduce());
    if (this.#role.kind === "connector") events.push({ kind: "ready" });
  }

  /** The connector's side of the handshake ends with saying who it is, or what it wants. */
  #introduce(): Uint8Array {
    if (this.#role.kind === "connector") {
      const hello = this.#frame(encodePickle(this.#role.hello));
      this.#enter("messages");
      return hello;
    }
    if (this.#role.kind === "utility") {
      const request = this.#frame(encodePickle([...this.#role.request]));
      this.#enter("replies");
      return request;
    }
    throw new Error("unreachable: a listener does not introduce itself");
  }

  /** A connection for utility requests stays in this phase: upstream's can send several. */
  #identify(value: PyValue): SessionEvent {
    if (Array.isArray(value)) {
      const request = parseUtility(value);
      if (request.command === "unknown") {
        const what = `a utility request that is not known: ${JSON.stringify(request.name)}`;
        throw new ProtocolError("handshake-identity", what);
      }
      return { kind: "utility", request };
    }
    if (typeof value !== "string" || value.length === 0 || value.length > addressCharsMax) {
      throw new ProtocolError("handshake-identity", "the peer does not say who it is");
    }
    this.#enter("messages");
    if (value !== observerHello) return { kind: "member", address: value };
    this.#allowance = observerAllowance;
    this.#reader.setFrameBytesMax(observerAllowance.frameBytesMax);
    // It has no entries to send.
    this.#expected = { key: this.#receiveKey, entriesMax: 0 };
    return { kind: "observer" };
  }

  #enter(phase: "messages" | "replies"): void {
    this.#phase = phase;
    this.#allowance = phase === "replies" ? replyAllowance : this.#memberAllowance;
    this.#reader.setFrameBytesMax(this.#allowance.frameBytesMax);
    if (phase === "messages") {
      this.#expected = { key: this.#receiveKey, entriesMax: hotEntriesMax };
    }
  }
}

function memberAllowance(entryBytesMax: number): Allowance {
  const { pickle, ...bytes } = memberMessageLimits(entryBytesMax);
  return { ...bytes, pickleLimits: pickle, scratch: membersScratch };
}

/** The limits that a message with one large entry comes to. */
const sizeLimits: ReadonlySet<string | undefined> = new Set([
  "frameBytesMax",
  "messageBytesMax",
  "allocatedBytesMax",
]);

function isTooLarge(error: unknown): error is ProtocolError {
  return error instanceof ProtocolError && sizeLimits.has(error.limit);
}

function messageEvent(value: PyValue): SessionEvent {
  const message = decodeMessage(value);
  return message.type === "unknown"
    ? { kind: "unknown-message", name: message.name }
    : { kind: "message", message };
}
