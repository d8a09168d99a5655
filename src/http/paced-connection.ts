import type { Socket } from "node:net";
import { Duplex } from "node:stream";

const carriageReturn = 13;
const lineFeed = 10;
/** CR LF CR LF: each request ends with its header, as the connection is closed behind one with a body. */
const headerEnd = [carriageReturn, lineFeed, carriageReturn, lineFeed];

/**
 * A connection that shows the HTTP server one request at a time. Node's parser takes all that has
 * arrived in one go: of requests that are sent without waiting for answers (pipelining) 64 KiB hold
 * two thousand, on each connection, and the loop would answer all of them before anything else. Here
 * the next one is shown in a later turn, when its predecessor is answered; meanwhile the sender waits.
 */
export class PacedConnection extends Duplex {
  readonly #socket: Socket;
  /** What has been read and not been shown. */
  #held: Buffer | null = null;
  #isWanted = false;
  #isAnswering = false;
  /** How much of the header's end has been shown; null: nothing of a request yet. */
  #matched: number | null = null;
  #isOver = false;

  constructor(socket: Socket) {
    super({ allowHalfOpen: true });
    this.#socket = socket;
    socket.on("readable", () => this.#show());
    socket.on("end", () => {
      this.#isOver = true;
      this.#show();
    });
    socket.on("timeout", () => this.emit("timeout"));
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => this.destroy());
  }

  /** A request has been shown and is not answered yet. */
  get isAnswering(): boolean {
    return this.#isAnswering;
  }

  /** The answer has been handed over, or will never be. */
  answered(): void {
    this.#isAnswering = false;
    setImmediate(() => this.#show());
  }

  /** As a socket's: the HTTP server sets it, and listens for `timeout`. */
  setTimeout(timeoutMs: number): this {
    this.#socket.setTimeout(timeoutMs);
    return this;
  }

  /** As a socket's: the HTTP server calls it behind the last answer. */
  destroySoon(): void {
    if (this.writableFinished) this.destroy();
    else this.end(() => this.destroy());
  }

  override _read(): void {
    this.#isWanted = true;
    this.#show();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    this.#held = null;
    done(error);
  }

  #show(): void {
    if (!this.#isWanted || this.#isAnswering || this.destroyed) return;
    const bytes: Buffer | null = this.#held ?? this.#socket.read();
    if (bytes === null) {
      if (this.#isOver) this.push(null);
      return;
    }
    const end = this.#requestEnd(bytes);
    this.#held = end < bytes.length ? bytes.subarray(end) : null;
    this.#isWanted = false;
    this.push(bytes.subarray(0, end));
  }

  /** Where the request ends that begins, or goes on, in these bytes; their length where it does not. */
  #requestEnd(bytes: Buffer): number {
    // An iterator makes a pair for each byte: with large headers that alone held the loop for 100 ms.
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at];
      if (this.#matched === null) {
        // The parser passes over empty lines before a request.
        if (byte === carriageReturn || byte === lineFeed) continue;
        this.#matched = 0;
        continue;
      }
      this.#matched = byte === headerEnd[this.#matched] ? this.#matched + 1 : 0;
      if (this.#matched === 0 && byte === carriageReturn) this.#matched = 1;
      if (this.#matched < headerEnd.length) continue;
      this.#matched = null;
      this.#isAnswering = true;
      return at + 1;
    }
    return bytes.length;
  }
}
