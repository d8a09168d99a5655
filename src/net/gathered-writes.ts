import type { Socket } from "node:net";
import { joinedBytesMax, joinedFrameBytesMax } from "./limits.js";

/** Who has frames for the end of this turn: one call for all of them. */
let due: GatheredWrites[] = [];

function writeSoon(writes: GatheredWrites): void {
  if (due.length === 0) process.nextTick(writeDue);
  due.push(writes);
}

function writeDue(): void {
  const all = due;
  due = [];
  for (const writes of all) writes.write();
}

/**
 * The frames of one turn, which go to a socket in one write. Small ones are joined before they are handed
 * to the system: each piece of a write costs it time. Large ones are not: they are the same for a hundred
 * receivers, and to copy them for each took as long as the kernel does to send them.
 */
export class GatheredWrites {
  readonly #socket: Socket;
  readonly #written: () => void;
  #frames: Uint8Array[] = [];
  #bytes = 0;

  /** @param written Called behind each write; not for frames that were dropped. */
  constructor(socket: Socket, written: () => void) {
    this.#socket = socket;
    this.#written = written;
  }

  /** Of frames that the socket has not been given yet. */
  get bytes(): number {
    return this.#bytes;
  }

  add(frame: Uint8Array): void {
    if (this.#frames.length === 0) writeSoon(this);
    this.#frames.push(frame);
    this.#bytes += frame.length;
  }

  /** Now, and not at the end of the turn. */
  write(): void {
    const frames = this.#frames;
    const bytes = this.#bytes;
    this.drop();
    const [first] = frames;
    if (first === undefined) return;
    if (frames.length === 1) this.#socket.write(first);
    else if (bytes <= Math.min(joinedBytesMax, frames.length * joinedFrameBytesMax))
      this.#socket.write(Buffer.concat(frames, bytes));
    else {
      this.#socket.cork();
      for (const frame of frames) this.#socket.write(frame);
      this.#socket.uncork();
    }
    this.#written();
  }

  /** The connection is gone: what is not written yet is lost with it. */
  drop(): void {
    this.#frames = [];
    this.#bytes = 0;
  }
}
