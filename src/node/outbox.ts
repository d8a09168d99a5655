import type { PeerMessage } from "../../protocol/wire/messages.js";
import { waitingBytesOf } from "../net/shared-message.js";
import { nodeLimits } from "./limits.js";

/** Where messages go when they may. */
export interface Postman {
  sendMany(to: readonly string[], message: PeerMessage): void;
  /** So many bytes wait here for the receiver: together with what waits in its socket that may be too much. */
  holdBack(receiver: string, bytes: number): void;
  /** Too much waits for this receiver: its link has to go, and nothing more is sent over it. */
  cutOff(receiver: string): void;
}

interface Held {
  readonly after: number;
  readonly message: PeerMessage;
  readonly bytes: number;
}

/** What waits for one receiver. */
interface Queue {
  readonly messages: Held[];
  bytes: number;
  /** Of pieces of a dump. */
  dumpBytes: number;
}

/**
 * Holds back what may leave only when a write is durable. Messages to one receiver never overtake
 * each other, so one that waits also holds back those behind it.
 */
export class Outbox {
  readonly #postman: Postman;
  readonly #held = new Map<string, Queue>();
  readonly #deferred: { after: number; run: () => void }[] = [];
  #durableSeq = 0;

  constructor(postman: Postman) {
    this.#postman = postman;
  }

  send(to: readonly string[], message: PeerMessage, after: number): void {
    const free: string[] = [];
    for (const receiver of to) {
      const isHeld = this.#held.has(receiver) || after > this.#durableSeq;
      if (isHeld) this.#hold(receiver, { after, message, bytes: waitingBytesOf(message) });
      else free.push(receiver);
    }
    if (free.length > 0) this.#postman.sendMany(free, message);
  }

  /** Bytes of a dump among what waits for the receiver. */
  dumpBytesHeld(receiver: string): number {
    return this.#held.get(receiver)?.dumpBytes ?? 0;
  }

  /** A disk that hangs must not let a receiver that asks on and on fill the memory with its answers. */
  #hold(receiver: string, held: Held): void {
    const queue = this.#held.get(receiver) ?? { messages: [], bytes: 0, dumpBytes: 0 };
    if (queue.messages.length >= nodeLimits.heldMessagesMax) {
      this.#postman.cutOff(receiver);
      this.#held.delete(receiver);
      return;
    }
    this.#held.set(receiver, queue);
    queue.messages.push(held);
    queue.bytes += held.bytes;
    queue.dumpBytes += dumpBytes(held.message);
    this.#postman.holdBack(receiver, queue.bytes);
  }

  /** Runs when the write is durable, in the order of the calls. */
  defer(after: number, run: () => void): void {
    if (after <= this.#durableSeq && this.#deferred.length === 0) run();
    else this.#deferred.push({ after, run });
  }

  durable(seq: number): void {
    this.#durableSeq = Math.max(this.#durableSeq, seq);
    for (const [receiver, queue] of this.#held) {
      const { messages } = queue;
      const end = messages.findIndex(({ after }) => after > this.#durableSeq);
      const ready = messages.splice(0, end < 0 ? messages.length : end);
      if (ready.length === 0) continue;
      for (const { message, bytes } of ready) {
        queue.bytes -= bytes;
        queue.dumpBytes -= dumpBytes(message);
      }
      this.#postman.holdBack(receiver, queue.bytes);
      for (const { message } of ready) this.#postman.sendMany([receiver], message);
      if (messages.length === 0) this.#held.delete(receiver);
    }
    while (this.#deferred[0] !== undefined && this.#deferred[0].after <= this.#durableSeq) {
      this.#deferred.shift()?.run();
    }
  }

  /** The link broke: what waited for it is lost, as what was on its way is. */
  forget(receiver: string): void {
    this.#held.delete(receiver);
  }
}

function dumpBytes(message: PeerMessage): number {
  return message.type === "install_snapshot" ? (message.chunk?.data.length ?? 0) : 0;
}
