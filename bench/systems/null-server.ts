import { createServer, type Socket } from "node:net";
import { readStored } from "../../protocol/wire/compression.js";
import { FrameReader } from "../../protocol/wire/frame.js";
import { frameBytesMax } from "../../protocol/wire/limits.js";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import { Session } from "../../protocol/wire/session.js";
import {
  FrameCutter,
  flag,
  frame,
  frameType,
  settings,
  windowUpdate,
} from "../load/http2-frames.js";
import { PickleScan } from "../load/pickle-scan.js";

/**
 * A server that agrees to everything at once and keeps nothing, on both wires: what the load generator
 * reaches with it is what it can do at most. `node null-server.js` prints its two addresses.
 */

/** The leader of a cluster that commits as soon as it is asked. */
function serveObserver(socket: Socket): void {
  const session = new Session({
    role: { kind: "listener" },
    key: null,
    random: (bytes) => new Uint8Array(bytes),
    monotonicSec: () => performance.now() / 1000,
  });
  session.start();
  const reader = new FrameReader({ frameBytesMax });
  const scan = new PickleScan();
  let index = 1;
  const out: Uint8Array[] = [];
  const send = (message: PeerMessage) => out.push(session.encode(message));
  const commit = (from: number) => {
    const entries = Array.from({ length: index - from }, (_, at) => ({
      ...{ index: from + at + 1, term: 1, command },
    }));
    const place = { prevLogIdx: from, prevLogTerm: 1 };
    send({ type: "append_entries", term: 1, commitIndex: index, ...place, entries });
  };
  socket.on("data", (chunk) => {
    const from = index;
    reader.push(chunk);
    for (let payload = reader.next(); payload !== null; payload = reader.next()) {
      if (!session.isOpen) {
        session.receive(Buffer.concat([lengthOf(payload), payload]));
        commit(index);
        continue;
      }
      const { type, requestId } = scan.scan(readStored(payload) ?? new Uint8Array(0));
      if (type !== "apply_command") continue;
      index += 1;
      send({ type: "apply_command_response", requestId, logIdx: index, logTerm: 1 });
    }
    if (index > from) commit(from);
    if (out.length > 0) socket.write(Buffer.concat(out));
    out.length = 0;
  });
}

/** As long as a write of 128 bytes is. */
const command = new Uint8Array(300);

function lengthOf(payload: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32LE(payload.length);
  return length;
}

/** gRPC's answer to a put: headers, a message of etcd's size, trailers. */
function serveCalls(socket: Socket): void {
  const cutter = new FrameCutter();
  let isFirst = true;
  socket.on("data", (chunk) => {
    const out: Uint8Array[] = [];
    let received = 0;
    const bytes = isFirst ? chunk.subarray(24) : chunk;
    if (isFirst) out.push(settings([]));
    isFirst = false;
    cutter.push(bytes, ({ type, flags, stream, payload }) => {
      if (type === frameType.data) received += payload.length;
      if (type !== frameType.data || (flags & flag.endStream) === 0) return;
      out.push(frame(frameType.headers, flag.endHeaders, stream, Buffer.from([0x88])));
      out.push(frame(frameType.data, 0, stream, Buffer.alloc(33)));
      const last = flag.endHeaders | flag.endStream;
      out.push(frame(frameType.headers, last, stream, Buffer.from([0x88])));
    });
    if (received > 0) out.push(windowUpdate(0, received));
    if (out.length > 0) socket.write(Buffer.concat(out));
  });
}

function listen(serve: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on("error", () => {});
    serve(socket);
  });
  return new Promise((resolve) => {
    server.listen({ host: "127.0.0.1", port: 0 }, () => {
      const address = server.address();
      if (address === null || typeof address === "string") throw new Error("no address");
      resolve(`127.0.0.1:${address.port}`);
    });
  });
}

const [pysyncobj, etcd] = [await listen(serveObserver), await listen(serveCalls)];
process.stdout.write(`${JSON.stringify({ pysyncobj, etcd })}\n`);
