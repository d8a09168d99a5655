import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ProtocolError } from "../../../protocol/errors.js";
import { encodeFrame, FrameReader } from "../../../protocol/wire/frame.js";

const limits = { frameBytesMax: 1000 };

function readAll(reader: FrameReader): Uint8Array[] {
  const payloads: Uint8Array[] = [];
  for (;;) {
    const payload = reader.next();
    if (payload === null) return payloads;
    payloads.push(payload);
  }
}

function header(length: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(length);
  return bytes;
}

function refuses(length: number): void {
  const reader = new FrameReader(limits);
  reader.push(header(length));
  assert.throws(
    () => reader.next(),
    (error) => error instanceof ProtocolError && error.code === "frame-length",
  );
}

test("a frame is the payload's length as int32, little-endian, and the payload", () => {
  const frame = encodeFrame(Uint8Array.of(7, 8, 9));
  assert.deepEqual([...frame], [3, 0, 0, 0, 7, 8, 9]);
  const long = encodeFrame(new Uint8Array(0x010203));
  assert.deepEqual([...long.subarray(0, 4)], [3, 2, 1, 0]);
});

test("frames come out the same however the stream is cut", () => {
  const payloads = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 });
  const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 });
  fc.assert(
    fc.property(payloads, cuts, (sent, sizes) => {
      const stream = Buffer.concat(sent.map(encodeFrame));
      const reader = new FrameReader(limits);
      const received: Uint8Array[] = [];
      for (let at = 0, turn = 0; at < stream.length; turn++) {
        const size = sizes[turn % sizes.length] ?? 1;
        // A copy, as from a socket; the reader may keep it.
        reader.push(new Uint8Array(stream.subarray(at, at + size)));
        at += size;
        received.push(...readAll(reader));
      }
      assert.deepEqual(
        received.map((payload) => [...payload]),
        sent.map((payload) => [...payload]),
      );
      assert.equal(reader.bufferedBytes, 0);
    }),
  );
});

test("chunks may be pushed before the earlier ones were read", () => {
  const reader = new FrameReader(limits);
  const stream = Buffer.concat([encodeFrame(Buffer.from("one")), encodeFrame(Buffer.from("two"))]);
  for (const byte of stream) reader.push(Uint8Array.of(byte));
  const texts = readAll(reader).map((payload) => Buffer.from(payload).toString());
  assert.deepEqual(texts, ["one", "two"]);
});

test("a negative or oversized length is refused from the header alone", () => {
  for (const length of [-1, -2147483648, 1001, 2147483647]) refuses(length);
});

test("a header that comes byte by byte is checked as well", () => {
  const reader = new FrameReader(limits);
  assert.throws(
    () => {
      for (const byte of header(1001)) {
        reader.push(Uint8Array.of(byte));
        reader.next();
      }
    },
    (error) => error instanceof ProtocolError && error.code === "frame-length",
  );
});

test("a frame of exactly the limit passes, and an empty one", () => {
  const reader = new FrameReader(limits);
  reader.push(encodeFrame(new Uint8Array(1000)));
  reader.push(encodeFrame(new Uint8Array(0)));
  assert.deepEqual(
    readAll(reader).map((payload) => payload.length),
    [1000, 0],
  );
});

test("the limit can be raised between two frames that came in one chunk", () => {
  const reader = new FrameReader(limits);
  reader.push(Buffer.concat([encodeFrame(Uint8Array.of(1)), encodeFrame(new Uint8Array(5000))]));
  assert.equal(reader.next()?.length, 1);
  reader.setFrameBytesMax(5000);
  assert.equal(reader.next()?.length, 5000);
});

test("a promise of many bytes takes no memory before they arrive", () => {
  const reader = new FrameReader({ frameBytesMax: 512 * 1024 * 1024 });
  const before = process.memoryUsage().arrayBuffers;
  reader.push(header(512 * 1024 * 1024));
  assert.equal(reader.next(), null);
  reader.push(new Uint8Array(100));
  assert.equal(reader.next(), null);
  assert.equal(reader.bufferedBytes, 104);
  assert.ok(process.memoryUsage().arrayBuffers - before < 1024 * 1024);
});

test("a large frame in tiny pieces takes linear time", () => {
  const megabytes = 8;
  const frame = encodeFrame(new Uint8Array(megabytes * 1024 * 1024).fill(5));
  const reader = new FrameReader({ frameBytesMax: frame.length });
  const started = process.hrtime.bigint();
  let payload: Uint8Array | null = null;
  for (let at = 0; at < frame.length; at += 64) {
    reader.push(frame.subarray(at, at + 64));
    payload ??= reader.next();
  }
  const ms = Number(process.hrtime.bigint() - started) / 1e6;
  assert.equal(payload?.length, megabytes * 1024 * 1024);
  assert.ok(payload.every((byte) => byte === 5));
  // Quadratic copying would move 500 GB.
  assert.ok(ms < 20_000, `${ms} ms`);
});
