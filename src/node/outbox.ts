import type { PeerMessage } from "../../protocol/wire/messages.js";
import { nodeLimits } from "./limits.js";

/** Where messages go when they may. */
export interface Postman {
  sendMany(to: readonly string[], message: PeerMessage): void;
  /** Too much waits for this receiver: its link has to go, and nothing more is sent over it. */
  cutOff(receiver: string): void;
}

interface Held {
  readonly after: number;
  readonly message: PeerMessage;
}

/** What waits for one receiver. */
interface Queue {
  readonly messages: Held[];
  /** Of pieces of a dump: all else is small, or part of the log. */
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
      const queue = this.#held.get(receiver);
      if (queue !== undefined) this.#hold(receiver, queue, { after, message });
      else if (after > this.#durableSeq) {
        this.#held.set(receiver, { messages: [{ after, message }], dumpBytes: dumpBytes(message) });
      } else free.push(receiver);
    }
    if (free.length > 0) this.#postman.sendMany(free, message);
  }

  /** Bytes of a dump among what waits for the receiver. */
  dumpBytesHeld(receiver: string): number {
    return this.#held.get(receiver)?.dumpBytes ?? 0;
  }

  /** A disk that hangs must not let a receiver that asks on and on fill the memory with its answers. */
  #hold(receiver: string, queue: Queue, held: Held): void {
    if (queue.messages.length < nodeLimits.heldMessagesMax) {
      queue.messages.push(held);
      queue.dumpBytes += dumpBytes(held.message);
    } else {
      this.#postman.cutOff(receiver);
      this.#held.delete(receiver);
    }
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
      let sent = 0;
      for (const { after, message } of messages) {
        if (after > this.#durableSeq) break;
        this.#postman.sendMany([receiver], message);
        queue.dumpBytes -= dumpBytes(message);
        sent += 1;
      }
      if (sent === messages.length) this.#held.delete(receiver);
      else messages.splice(0, sent);
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
