import type { Session } from "../../protocol/wire/session.js";
import { atOnceBytesMax, framedBytesMax } from "./limits.js";
import type { SharedMessage } from "./shared-message.js";
import type { TurnQueue, TurnTaker } from "./turn-queue.js";

/** Where frames go. */
export interface FrameSink {
  readonly session: Session;
  /** Bytes that the kernel has not taken yet; `drained` has to be called when it has. */
  readonly framedBytes: number;
  write(frame: Uint8Array): void;
  /** Nothing waits here any more, and the sink will not say so of itself. */
  emptied(): void;
}

/**
 * Messages for one receiver. Compressing and encrypting a large entry takes half a second, and more
 * than one receiver waits for it: so what is large is framed a piece at a time, in turns, and only
 * as fast as the receiver takes it. The order stays.
 */
export class SendQueue implements TurnTaker {
  readonly #sink: FrameSink;
  #turns: TurnQueue;
  #messages: SharedMessage[] = [];
  #bytes = 0;

  constructor(sink: FrameSink, turns: TurnQueue) {
    this.#sink = sink;
    this.#turns = turns;
  }

  /** Of messages that have not been framed yet. */
  get bytes(): number {
    return this.#bytes;
  }

  push(message: SharedMessage): void {
    const isFree = this.#messages.length === 0 && this.#sink.framedBytes < framedBytesMax;
    if (isFree && message.bytes <= atOnceBytesMax) {
      this.#sink.write(message.frameFor(this.#sink.session));
      return;
    }
    this.#messages.push(message);
    this.#bytes += message.waitingBytes;
    if (this.#messages.length === 1) this.#goOn();
  }

  /** The kernel has taken all that was framed. @returns whether more waits here. */
  drained(): boolean {
    if (this.#messages.length === 0) return false;
    this.#turns.wait(this);
    return true;
  }

  moveTo(turns: TurnQueue): void {
    this.#turns.leave(this);
    this.#turns = turns;
    this.#goOn();
  }

  /** For the queue of turns. */
  takeTurn(): void {
    while (this.#turns.hasTime && this.#sink.framedBytes < framedBytesMax) {
      const message = this.#messages.shift();
      if (message === undefined) return;
      const began = performance.now();
      this.#bytes -= message.waitingBytes;
      this.#sink.write(message.frameFor(this.#sink.session));
      this.#turns.spend(performance.now() - began);
      if (this.#messages.length === 0) {
        this.#sink.emptied();
        return;
      }
    }
    this.#goOn();
  }

  /** All that is left, at once: the connection ends. */
  flush(): void {
    const messages = this.clear();
    for (const message of messages) this.#sink.write(message.frameFor(this.#sink.session));
  }

  clear(): readonly SharedMessage[] {
    const messages = this.#messages;
    this.#messages = [];
    this.#bytes = 0;
    this.#turns.leave(this);
    return messages;
  }

  /** Otherwise it is the kernel that has to take something first. */
  #goOn(): void {
    if (this.#messages.length > 0 && this.#sink.framedBytes < framedBytesMax) {
      this.#turns.wait(this);
    }
  }
}
