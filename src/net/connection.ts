import type { Socket } from "node:net";
import { ProtocolError } from "../../protocol/errors.js";
import type { PyValue } from "../../protocol/pickle/values.js";
import type {
  Session,
  SessionEvent,
  SessionState,
  SessionStep,
} from "../../protocol/wire/session.js";
import type { ByteBudget, ByteHolder } from "./byte-budget.js";
import type { CloseCode, CloseReason } from "./close-reason.js";
import type { Garbage } from "./garbage.js";
import { GatheredWrites } from "./gathered-writes.js";
import {
  bytesPerLook,
  frameCostBytes,
  keepAliveDelayMs,
  repliesBytesMax,
  sendBufferBytesMax,
  sliceGarbageBytes,
  turnMsMaxEach,
} from "./limits.js";
import { type FrameSink, SendQueue } from "./send-queue.js";
import type { SharedMessage } from "./shared-message.js";
import { Stall } from "./stall.js";
import type { TurnQueue, TurnTaker } from "./turn-queue.js";
import { Unfinished } from "./unfinished.js";

/**
 * Who owns a connection at the moment. `closed` comes once, after the call that closed it has
 * returned: a caller of send never finds the world changed under it.
 */
export interface ConnectionHandler {
  event(connection: Connection, event: SessionEvent): void;
  /** The connection is cut. */
  fault(connection: Connection, error: ProtocolError): void;
  /** A message was larger than is read here. @returns whether the connection goes on without it. */
  passesOver?(connection: Connection): boolean;
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
  /** Called when something has come and was looked at: what is due can be done now. It may close this connection. */
  readonly awake?: () => void;
  /** Told of the buffers that the socket reads into, and of what decoding leaves behind. */
  readonly garbage?: Garbage;
  /** Where it gets time for what it has received. */
  readonly turns: TurnQueue;
  /** The same for framing what it is sent. */
  readonly sendTurns: TurnQueue;
  /** Defaults to sendBufferBytesMax. */
  readonly sendBytesMax?: number;
  /** What all strangers together may have half received; null for whom we dialled ourselves. */
  readonly budget: ByteBudget | null;
  /** The same of what waits to be sent. */
  readonly sendBudget: ByteBudget | null;
}

const nothingCame: SessionStep = { events: [], output: new Uint8Array(0) };

/** One socket and its session: bytes to events in fair portions, messages to bytes in one write. */
export class Connection implements ByteHolder, TurnTaker {
  /** The other side's IP address. */
  readonly remote: string;
  /** Whether we opened it. */
  readonly dialed: boolean;
  /** Resolves when the socket is gone. */
  readonly done: Promise<void>;
  readonly session: Session;
  /** Whoever identifies the connection takes it over by setting this. */
  handler: ConnectionHandler;
  #lastReceivedAt: number;
  lastSentAt: number;
  bytesReceived = 0;
  readonly #socket: Socket;
  readonly #now: () => number;
  readonly #awake: () => void;
  readonly #sendBytesMax: number;
  readonly #unsent: SendQueue;
  #budget: ByteBudget | null;
  #sendBudget: ByteBudget | null;
  /** In its name what waits to be sent is counted. */
  readonly #sendHolder: ByteHolder = {
    evict: () => this.close("send-buffer-full", "too much waits to be sent to observers"),
  };
  #turns: TurnQueue;
  readonly #garbage: Garbage | null;
  /** Of the turn that `#spentIn` names. */
  #spentMs = 0;
  #spentIn = -1;
  #isWaiting = false;
  /** Whoever gets the messages has no room for more of them now. */
  #isHeld = false;
  readonly #unfinished = new Unfinished();
  readonly #stall = new Stall();
  /** What came while the session was busy. */
  #unparsed: Buffer[] = [];
  readonly #gathered: GatheredWrites;
  /** What the sender holds back until its disk has written something. */
  #heldBackBytes = 0;
  /** What waited to be framed is framed, and nobody was told yet. */
  #hasEmptied = false;
  #closed: CloseReason | null = null;
  #ending = false;
  /** Why nothing more will come; what came before is still looked at. */
  #inputEnd: string | null = null;

  constructor(options: ConnectionOptions) {
    this.#socket = options.socket;
    this.session = options.session;
    this.handler = options.handler;
    this.#turns = options.turns;
    this.#garbage = options.garbage ?? null;
    this.#now = options.now;
    this.#awake = options.awake ?? (() => {});
    this.#sendBytesMax = options.sendBytesMax ?? sendBufferBytesMax;
    this.#budget = options.budget;
    this.#sendBudget = options.sendBudget;
    this.#gathered = new GatheredWrites(options.socket, () => this.#tellDrained());
    this.#unsent = new SendQueue(this.#frameSink(), options.sendTurns);
    this.dialed = options.dialed;
    this.done = new Promise((resolve) => options.socket.once("close", () => resolve()));
    this.#lastReceivedAt = options.now();
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
      if (!this.isOpen) return;
      if (!this.#unsent.drained()) this.handler.drained(this);
      this.#countUnsent();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.close("error", error.code ?? error.message);
    });
    socket.on("end", () => this.#onEnd("the other side closed the connection"));
    socket.on("close", () => this.#onEnd("the connection was closed"));
    const greeting = this.session.start();
    if (greeting.length > 0) {
      this.sendFrame(greeting);
    }
  }

  get isOpen(): boolean {
    return this.#closed === null && !this.#ending;
  }

  /** When bytes of it came last. While some wait for their turn here, its silence is our own doing: now. */
  get lastReceivedAt(): number {
    return this.#isWaiting || this.#isHeld ? this.#now() : this.#lastReceivedAt;
  }

  /** Closes where a message has been coming for too long; see Unfinished. */
  closeUnfinished(now: number, msMax: number): void {
    // While bytes wait for their turn here that is our own doing.
    const overdue = this.#isWaiting || this.#isHeld ? null : this.#unfinished.overdue(now, msMax);
    if (overdue !== null) this.close("unfinished", overdue);
  }

  /** The same of a member: where it does not get on with a message; see Stall. */
  closeStalled(now: number, msMax: number): void {
    const { bufferedBytes, passedOverBytes } = this.session;
    const isBegun = bufferedBytes > 0 || passedOverBytes > 0;
    if (!isBegun || this.#isWaiting || this.#isHeld) this.#stall.clear();
    else {
      const stalled = this.#stall.look(this.bytesReceived, now, msMax);
      if (stalled !== null) this.close("unfinished", stalled);
    }
  }

  /** Bytes handed over to send that the kernel has not taken yet. */
  get buffered(): number {
    return this.#framedBytes + this.#unsent.bytes;
  }

  /** False where the connection is closed, or is closed now since the receiver is too slow. */
  send(message: SharedMessage): boolean {
    if (!this.#mayWait(message.waitingBytes)) return false;
    this.#unsent.push(message);
    this.lastSentAt = this.#now();
    this.#countUnsent();
    return this.isOpen;
  }

  sendReply(value: PyValue): boolean {
    if (this.isOpen && this.session.isOpen) {
      // It has asked, and then called itself a member: no client does, and no reply fits any more.
      this.close("refused", "an identity after a utility request");
    }
    if (this.buffered > repliesBytesMax) {
      this.close("send-buffer-full", "replies are not read");
    }
    return this.isOpen && this.sendFrame(this.session.encodeReply(value));
  }

  /** False where the connection is closed, or is closed now since the receiver is too slow. */
  sendFrame(frame: Uint8Array): boolean {
    if (!this.#mayWait(frame.length)) return false;
    this.#gathered.add(frame);
    this.lastSentAt = this.#now();
    return true;
  }

  /** Bytes that are held back for this receiver. They count as if they waited here, so that it may be closed. */
  holdBack(bytes: number): void {
    const more = bytes - this.#heldBackBytes;
    if (more > 0 && !this.#mayWait(more)) return;
    this.#heldBackBytes = bytes;
    this.#countUnsent();
  }

  /** Closes where it is too much. */
  #mayWait(bytes: number): boolean {
    if (!this.isOpen || this.#inputEnd !== null) return false;
    const waiting = this.#waitingBytes;
    if (waiting === 0 || waiting + bytes <= this.#sendBytesMax) return true;
    this.close("send-buffer-full", `${waiting} bytes wait to be sent already`);
    return false;
  }

  #frameSink(): FrameSink {
    const connection = this;
    return {
      session: this.session,
      get framedBytes() {
        return connection.#framedBytes;
      },
      write: (frame) => this.#gathered.add(frame),
      emptied: () => {
        this.#countUnsent();
        this.#hasEmptied = true;
        if (this.#gathered.bytes === 0) this.#tellDrained();
      },
    };
  }

  get #waitingBytes(): number {
    return this.buffered + this.#heldBackBytes;
  }

  #countUnsent(): void {
    if (this.isOpen) this.#sendBudget?.set(this.#sendHolder, this.#waitingBytes);
  }

  /** Reads nothing more for as long as it is held. */
  setHeld(isHeld: boolean): void {
    this.#isHeld = isHeld;
    if (!this.isOpen || this.#isWaiting) return;
    if (isHeld) this.#socket.pause();
    else this.#wait();
  }

  /** At once: what is not sent yet is lost. */
  close(code: CloseCode, detail: string): void {
    if (this.#closed !== null) {
      return;
    }
    const reason = { code, detail };
    this.#closed = reason;
    this.#stopReading();
    this.#unsent.clear();
    this.#gathered.drop();
    this.#sendBudget?.set(this.#sendHolder, 0);
    this.#socket.destroy();
    process.nextTick(() => this.handler.closed(this, reason));
  }

  /** Flushes, says goodbye, and is closed when the other side has answered or `timeoutMs` passed. */
  end(timeoutMs: number): void {
    if (!this.isOpen) {
      return;
    }
    this.#ending = true;
    this.#stopReading();
    this.#unsent.flush();
    this.#gathered.write();
    this.#sendBudget?.set(this.#sendHolder, 0);
    const timer = setTimeout(() => this.close("shutdown", "shutting down"), timeoutMs);
    this.#socket.once("close", () => clearTimeout(timer));
    // Reading goes on, into nothing: unread bytes would turn the goodbye into a reset.
    this.#socket.resume();
    this.#socket.end();
  }

  /**
   * It is a member's: it shares neither its time nor the bound on memory with strangers, who must
   * not be able to cut it off. One frame is what it may hold.
   */
  becomeMember(turns: TurnQueue, sendTurns: TurnQueue): void {
    this.#budget?.set(this, 0);
    this.#budget = null;
    this.#sendBudget?.set(this.#sendHolder, 0);
    this.#sendBudget = null;
    this.#unsent.moveTo(sendTurns);
    this.#turns.leave(this);
    this.#turns = turns;
    if (this.#isWaiting) turns.wait(this);
  }

  /** For the budget. */
  evict(): void {
    this.close("receive-buffer-full", "strangers have too many bytes of unfinished frames here");
  }

  /** For the queue of turns. */
  takeTurn(): void {
    this.#isWaiting = false;
    if (this.isOpen) this.#parse();
  }

  #stopReading(): void {
    this.#unparsed = [];
    this.#turns.leave(this);
    this.#budget?.set(this, 0);
    this.#budget = null;
    this.session.close();
  }

  #onEnd(why: string): void {
    this.#inputEnd ??= why;
    if (!this.#isWaiting && !this.#isHeld) this.close("ended", this.#inputEnd);
  }

  /** Where the socket takes all at once, no event of it says so. */
  #tellDrained(): void {
    if (!this.isOpen || this.#socket.writableNeedDrain || this.#unsent.drained()) return;
    if (!this.#hasEmptied) return;
    this.#hasEmptied = false;
    this.handler.drained(this);
  }

  get #framedBytes(): number {
    return this.#socket.writableLength + this.#gathered.bytes;
  }

  #receive(chunk: Buffer): void {
    if (!this.isOpen) {
      return;
    }
    this.#lastReceivedAt = this.#now();
    this.bytesReceived += chunk.length;
    this.#garbage?.add(chunk.length);
    this.#unparsed.push(chunk);
    const isBusy = this.#isWaiting || this.#isHeld;
    if (!isBusy && this.#turns.isFree) {
      this.#parse();
      this.#awake();
      // The clock may not have gone on for some ticks before.
      if (this.isOpen) this.#lastReceivedAt = this.#now();
      return;
    }
    if (!isBusy) this.#wait();
    // Hundreds of them may wait at once, each with a chunk.
    this.#budget?.set(this, this.#heldBytes);
  }

  /** What has come and was no whole message yet, or was not looked at. */
  get #heldBytes(): number {
    return this.#unparsed.reduce((sum, { length }) => sum + length, this.session.bufferedBytes);
  }

  /** As much as this turn's time allows; the rest after the others had their turn. */
  #parse(): void {
    // A handler may make the connection another one's, with other turns.
    const turns = this.#turns;
    let state: SessionState | "handled" = "handled";
    let began = performance.now();
    let unseenBytes = 0;
    while (this.isOpen && !this.#isWaiting && !this.#isHeld) {
      if (state === "waiting" || !this.#hasTime(turns)) {
        this.#wait();
        break;
      }
      if (state === "idle") {
        const chunk = this.#unparsed.shift();
        if (chunk === undefined) break;
        this.session.push(chunk);
      }
      const buffered = this.session.bufferedBytes;
      state = this.#proceed();
      // A look at the clock takes as long as the reading of a small message.
      unseenBytes += frameCostBytes + buffered - this.session.bufferedBytes;
      if (state === "handled" && unseenBytes < bytesPerLook) continue;
      unseenBytes = 0;
      const now = performance.now();
      this.#spentMs += now - began;
      turns.spend(now - began);
      began = now;
    }
    turns.spend(performance.now() - began);
    if (!this.isOpen || this.#isHeld) return;
    if (!this.#isWaiting && this.#inputEnd !== null) this.close("ended", this.#inputEnd);
    else if (!this.#isWaiting && this.#socket.isPaused()) this.#socket.resume();
    const held = this.#heldBytes;
    this.#unfinished.holds(held, this.#now());
    this.#budget?.set(this, held);
  }

  #hasTime(turns: TurnQueue): boolean {
    if (this.#spentIn !== turns.turn) this.#spentMs = 0;
    this.#spentIn = turns.turn;
    return turns.hasTime && this.#spentMs < turnMsMaxEach;
  }

  #wait(): void {
    this.#isWaiting = true;
    this.#socket.pause();
    this.#turns.wait(this);
  }

  /** One frame, or a slice of one. */
  #proceed(): SessionState | "handled" {
    const step = this.#step();
    if (step === null) return "handled";
    if (step === "working") this.#garbage?.add(sliceGarbageBytes);
    if (typeof step === "string") return step;
    this.#unfinished.whole();
    this.#stall.clear();
    if (step.output.length > 0) {
      this.sendFrame(step.output);
    }
    for (const event of step.events) {
      if (!this.isOpen) break;
      this.handler.event(this, event);
    }
    return "handled";
  }

  #step(): SessionStep | SessionState | null {
    try {
      return this.session.proceed();
    } catch (error) {
      if (!(error instanceof ProtocolError)) {
        throw error;
      }
      if (this.session.passOver() && this.handler.passesOver?.(this) === true) return nothingCame;
      this.handler.fault(this, error);
      this.close("protocol", `${error.code}: ${error.message}`);
      return null;
    }
  }
}
