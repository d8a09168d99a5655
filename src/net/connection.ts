import type { Socket } from "node:net";
import { ProtocolError } from "../../protocol/errors.js";
import type { PyValue } from "../../protocol/pickle/values.js";
import type { Session, SessionEvent } from "../../protocol/wire/session.js";
import { keepAliveDelayMs, parseSliceBytes, sendBufferBytesMax } from "./limits.js";
import type { ReceiveBudget } from "./receive-budget.js";

/** Why a connection is gone. A fixed set: each is a counter of its own. */
export type CloseCode =
  | "ended"
  | "error"
  | "protocol"
  | "handshake-timeout"
  | "silent"
  | "unanswered"
  | "send-buffer-full"
  | "receive-buffer-full"
  | "replaced"
  | "refused"
  | "crowded"
  | "idle"
  | "removed"
  | "requested"
  | "shutdown";

export interface CloseReason {
  readonly code: CloseCode;
  /** One line for a human. */
  readonly detail: string;
}

/**
 * Who owns a connection at the moment. `closed` comes once, after the call that closed it has
 * returned: a caller of send never finds the world changed under it.
 */
export interface ConnectionHandler {
  event(connection: Connection, event: SessionEvent): void;
  fault(connection: Connection, error: ProtocolError): void;
  drained(connection: Connection): void;
  closed(connection: Connection, reason: CloseReason): void;
}

export interface ConnectionOptions {
  readonly socket: Socket;
  readonly session: Session;
  readonly handler: ConnectionHandler;
  readonly dialed: boolean;
  /** Milliseconds; the clock by which the last activity is noted. */
  readonly now: () => number;
  /** Time that this connection may take of one turn of the loop. */
  readonly turnMsMax: number;
  /** Defaults to sendBufferBytesMax. */
  readonly sendBytesMax?: number;
  /** What all strangers together may have half received; null for whom we dialled ourselves. */
  readonly budget: ReceiveBudget | null;
}

type Received = ReturnType<Session["receive"]>;

/** One socket and its session: bytes to events in fair portions, messages to bytes in one write. */
export class Connection {
  /** The other side's IP address. */
  readonly remote: string;
  /** Whether we opened it. */
  readonly dialed: boolean;
  /** Resolves when the socket is gone. */
  readonly done: Promise<void>;
  readonly session: Session;
  /** Whoever identifies the connection takes it over by setting this. */
  handler: ConnectionHandler;
  turnMsMax: number;
  lastReceivedAt: number;
  lastSentAt: number;
  bytesReceived = 0;
  readonly #socket: Socket;
  readonly #now: () => number;
  readonly #sendBytesMax: number;
  #budget: ReceiveBudget | null;
  /** Bytes received since the last whole frame: what the session holds of a frame under way. */
  #partialBytes = 0;
  #unparsed: Buffer[] = [];
  #turnSpentMs = 0;
  #turnScheduled = false;
  #corked = false;
  #closed: CloseReason | null = null;
  #ending = false;

  constructor(options: ConnectionOptions) {
    this.#socket = options.socket;
    this.session = options.session;
    this.handler = options.handler;
    this.turnMsMax = options.turnMsMax;
    this.#now = options.now;
    this.#sendBytesMax = options.sendBytesMax ?? sendBufferBytesMax;
    this.#budget = options.budget;
    this.dialed = options.dialed;
    this.done = new Promise((resolve) => options.socket.once("close", () => resolve()));
    this.lastReceivedAt = options.now();
    this.lastSentAt = options.now();
    this.remote = (options.socket.remoteAddress ?? "unknown").replace(/^::ffff:/, "");
  }

  /** Sends what the session begins with and listens. */
  start(): void {
    const socket = this.#socket;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, keepAliveDelayMs);
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("drain", () => {
      if (this.isOpen) {
        this.handler.drained(this);
      }
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.close("error", error.code ?? error.message);
    });
    socket.on("end", () => this.close("ended", "the other side closed the connection"));
    socket.on("close", () => this.close("ended", "the connection was closed"));
    const greeting = this.session.start();
    if (greeting.length > 0) {
      this.sendFrame(greeting);
    }
  }

  get isOpen(): boolean {
    return this.#closed === null && !this.#ending;
  }

  /** Bytes handed over to send that the kernel has not taken yet. */
  get buffered(): number {
    return this.#socket.writableLength;
  }

  sendPickle(pickle: Uint8Array): boolean {
    return this.isOpen && this.sendFrame(this.session.encodePickle(pickle));
  }

  sendReply(value: PyValue): boolean {
    if (this.isOpen && this.session.isOpen) {
      // It has asked, and then called itself a member: no client does, and no reply fits any more.
      this.close("refused", "an identity after a utility request");
    }
    return this.isOpen && this.sendFrame(this.session.encodeReply(value));
  }

  /** False where the connection is closed, or is closed now since the receiver is too slow. */
  sendFrame(frame: Uint8Array): boolean {
    if (!this.isOpen) {
      return false;
    }
    const waiting = this.buffered;
    if (waiting > 0 && waiting + frame.length > this.#sendBytesMax) {
      this.close("send-buffer-full", `${waiting} bytes wait to be sent already`);
      return false;
    }
    this.#cork();
    this.#socket.write(frame);
    this.lastSentAt = this.#now();
    return true;
  }

  /** At once: what is not sent yet is lost. */
  close(code: CloseCode, detail: string): void {
    if (this.#closed !== null) {
      return;
    }
    const reason = { code, detail };
    this.#closed = reason;
    this.#unparsed = [];
    this.leaveBudget();
    this.#socket.destroy();
    process.nextTick(() => this.handler.closed(this, reason));
  }

  /** Flushes, says goodbye, and is closed when the other side has answered or `timeoutMs` passed. */
  end(timeoutMs: number): void {
    if (!this.isOpen) {
      return;
    }
    this.#ending = true;
    this.#unparsed = [];
    const timer = setTimeout(() => this.close("shutdown", "shutting down"), timeoutMs);
    this.#socket.once("close", () => clearTimeout(timer));
    // Reading goes on, into nothing: unread bytes would turn the goodbye into a reset.
    this.#socket.resume();
    this.#socket.end();
  }

  /** A member is bounded by the frame limit alone: strangers must not be able to cut it off. */
  leaveBudget(): void {
    this.#budget?.release(this.#partialBytes);
    this.#budget = null;
  }

  #cork(): void {
    if (this.#corked) {
      return;
    }
    this.#corked = true;
    this.#socket.cork();
    process.nextTick(() => {
      this.#corked = false;
      this.#socket.uncork();
    });
  }

  #receive(chunk: Buffer): void {
    if (!this.isOpen) {
      return;
    }
    this.lastReceivedAt = this.#now();
    this.bytesReceived += chunk.length;
    this.#unparsed.push(chunk);
    this.#parse();
  }

  /** As much as this turn's time allows; the rest after the other sockets had their turn. */
  #parse(): void {
    this.#scheduleTurn();
    while (this.isOpen) {
      const chunk = this.#unparsed[0];
      if (chunk === undefined) {
        return;
      }
      if (this.#turnSpentMs >= this.turnMsMax) {
        this.#socket.pause();
        return;
      }
      const began = performance.now();
      if (chunk.length > parseSliceBytes) {
        this.#unparsed[0] = chunk.subarray(parseSliceBytes);
      } else {
        this.#unparsed.shift();
      }
      this.#feed(chunk.subarray(0, parseSliceBytes));
      this.#turnSpentMs += performance.now() - began;
    }
  }

  #scheduleTurn(): void {
    if (this.#turnScheduled) {
      return;
    }
    this.#turnScheduled = true;
    setImmediate(() => {
      this.#turnScheduled = false;
      this.#turnSpentMs = 0;
      if (this.isOpen && this.#socket.isPaused()) {
        this.#parse();
        if (this.#unparsed.length === 0) {
          this.#socket.resume();
        }
      }
    });
  }

  #feed(slice: Uint8Array): void {
    const received = this.#receiveSlice(slice);
    if (received === null || !this.#account(slice.length, received)) {
      return;
    }
    if (received.output.length > 0) {
      this.sendFrame(received.output);
    }
    for (const event of received.events) {
      if (!this.isOpen) {
        return;
      }
      this.handler.event(this, event);
    }
  }

  #receiveSlice(slice: Uint8Array): Received | null {
    try {
      return this.session.receive(slice);
    } catch (error) {
      if (!(error instanceof ProtocolError)) {
        throw error;
      }
      this.handler.fault(this, error);
      this.close("protocol", `${error.code}: ${error.message}`);
      return null;
    }
  }

  #account(sliceBytes: number, received: Received): boolean {
    const wholeFrame = received.events.length > 0 || received.output.length > 0;
    const partialBytes = wholeFrame ? 0 : this.#partialBytes + sliceBytes;
    const fits = this.#budget?.change(partialBytes - this.#partialBytes) ?? true;
    this.#partialBytes = partialBytes;
    if (!fits) {
      this.close("receive-buffer-full", "strangers have too many bytes of unfinished frames here");
    }
    return fits;
  }
}
