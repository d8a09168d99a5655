import { GatheredSocket } from "./gathered-socket.js";
import {
  dataBytesMax,
  FrameCutter,
  flag,
  frame,
  frameType,
  preface,
  type ReadFrame,
  settings,
  windowBytesAtFirst,
  windowBytesMax,
  windowUpdate,
} from "./http2-frames.js";

interface Call {
  readonly done: (ok: boolean) => void;
  hasAnswer: boolean;
}

/** A request that the windows did not let through yet. */
interface Unsent {
  readonly stream: number;
  readonly data: Uint8Array;
  at: number;
  window: number;
}

const initialWindowSetting = 4;
const pushSetting = 2;
/** After so many bytes received the peer is told that there is room again. */
const replenishBytes = 2 ** 30;

/**
 * Calls of one gRPC method over one connection, many at once: HTTP/2 written by hand, because the
 * libraries for Node.js spend more time on a call than etcd does, on the cores that etcd needs. The
 * request's headers are sent once and then named by their numbers. The headers of answers are not
 * read: an answer with a message is success, one with trailers alone is an error.
 */
export class GrpcConnection {
  readonly #socket: GatheredSocket;
  readonly #firstHeaders: Buffer;
  readonly #cutter = new FrameCutter();
  readonly #calls = new Map<number, Call>();
  readonly #unsent: Unsent[] = [];
  #stream = -1;
  #window = windowBytesAtFirst;
  #streamWindow = windowBytesAtFirst;
  #received = 0;

  constructor(address: string, path: string, events: { up(): void; down(): void }) {
    this.#firstHeaders = firstHeaders(address, path);
    this.#socket = GatheredSocket.dial(address, {
      data: (chunk) => this.#cutter.push(chunk, (read) => this.#receive(read)),
      closed: () => {
        this.#failAll();
        events.down();
      },
    });
    this.#socket.socket.once("connect", () => {
      this.#socket.write(preface);
      this.#socket.write(
        settings([
          [pushSetting, 0],
          [initialWindowSetting, windowBytesMax],
        ]),
      );
      this.#socket.write(windowUpdate(0, windowBytesMax - windowBytesAtFirst));
      events.up();
    });
  }

  /** @param message The request's protobuf. */
  call(message: Uint8Array, done: (ok: boolean) => void): void {
    if (this.#socket.isClosed) {
      setTimeout(() => done(false), 5);
      return;
    }
    const isFirst = this.#stream < 0;
    this.#stream += 2;
    const stream = this.#stream;
    this.#calls.set(stream, { done, hasAnswer: false });
    const headers = isFirst ? this.#firstHeaders : laterHeaders;
    this.#socket.write(frame(frameType.headers, flag.endHeaders, stream, headers));
    const data = Buffer.allocUnsafe(5 + message.length);
    data[0] = 0;
    data.writeUInt32BE(message.length, 1);
    data.set(message, 5);
    this.#unsent.push({ stream, data, at: 0, window: this.#streamWindow });
    this.#sendUnsent();
  }

  close(): void {
    this.#socket.close();
  }

  #sendUnsent(): void {
    let sent = 0;
    for (const request of this.#unsent) {
      if (!this.#sendSome(request)) break;
      sent += 1;
    }
    this.#unsent.splice(0, sent);
  }

  /** @returns whether all of it is sent. */
  #sendSome(request: Unsent): boolean {
    const { data, stream } = request;
    while (request.at < data.length) {
      const room = Math.min(dataBytesMax, this.#window, request.window);
      const length = Math.min(room, data.length - request.at);
      if (length <= 0) return false;
      const isLast = request.at + length === data.length;
      const part = data.subarray(request.at, request.at + length);
      this.#socket.write(frame(frameType.data, isLast ? flag.endStream : 0, stream, part));
      request.at += length;
      request.window -= length;
      this.#window -= length;
    }
    return true;
  }

  #receive({ type, flags, stream, payload }: ReadFrame): void {
    switch (type) {
      case frameType.data:
        this.#onData(stream, payload.length);
        break;
      case frameType.headers:
        if ((flags & flag.endStream) !== 0) this.#end(stream, true);
        break;
      case frameType.resetStream:
        this.#end(stream, false);
        break;
      case frameType.settings:
        if ((flags & flag.ack) === 0) this.#onSettings(payload);
        break;
      case frameType.ping:
        if ((flags & flag.ack) === 0) this.#socket.write(frame(type, flag.ack, 0, payload));
        break;
      case frameType.windowUpdate:
        this.#onWindow(stream, payload.readUInt32BE(0));
        break;
      case frameType.goAway:
        this.#socket.close();
        break;
      default:
        break;
    }
  }

  #onData(stream: number, length: number): void {
    const call = this.#calls.get(stream);
    if (call !== undefined) call.hasAnswer = true;
    this.#received += length;
    if (this.#received < replenishBytes) return;
    this.#socket.write(windowUpdate(0, this.#received));
    this.#received = 0;
  }

  #onSettings(payload: Buffer): void {
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      if (payload.readUInt16BE(at) !== initialWindowSetting) continue;
      const window = payload.readUInt32BE(at + 2);
      for (const request of this.#unsent) request.window += window - this.#streamWindow;
      this.#streamWindow = window;
    }
    this.#socket.write(frame(frameType.settings, flag.ack, 0, Buffer.alloc(0)));
    this.#sendUnsent();
  }

  #onWindow(stream: number, bytes: number): void {
    if (stream === 0) this.#window += bytes;
    else {
      const request = this.#unsent.find((unsent) => unsent.stream === stream);
      if (request !== undefined) request.window += bytes;
    }
    this.#sendUnsent();
  }

  #end(stream: number, ended: boolean): void {
    const call = this.#calls.get(stream);
    if (call === undefined) return;
    this.#calls.delete(stream);
    call.done(ended && call.hasAnswer);
  }

  #failAll(): void {
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const { done } of calls) done(false);
  }
}

/** HPACK (RFC 7541): four headers that are added to the peer's table, behind two that it knows. */
function firstHeaders(authority: string, path: string): Buffer {
  return Buffer.concat([
    Buffer.from([0x83, 0x86, 0x44]),
    hpackText(path),
    Buffer.from([0x41]),
    hpackText(authority),
    Buffer.from([0x5f]),
    hpackText("application/grpc"),
    Buffer.from([0x40]),
    hpackText("te"),
    hpackText("trailers"),
  ]);
}

/** `:method: POST`, `:scheme: http`, then the four by their places in the table. */
const laterHeaders = Buffer.from([0x83, 0x86, 0xc1, 0xc0, 0xbf, 0xbe]);

function hpackText(text: string): Buffer {
  if (text.length > 126) throw new Error("a header that is longer than it ever is here");
  return Buffer.from(`${String.fromCharCode(text.length)}${text}`, "latin1");
}
