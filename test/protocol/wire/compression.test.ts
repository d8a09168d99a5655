import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { deflateSync, inflateSync } from "node:zlib";
import fc from "fast-check";
import { ProtocolError } from "../../../protocol/errors.js";
import {
  deflate,
  inflate,
  searchedBytesMax,
  storedBytesMax,
} from "../../../protocol/wire/compression.js";
import { commandBytesMax, frameBytesMax, messageBytesMax } from "../../../protocol/wire/limits.js";
import { encodeMessage } from "../../../protocol/wire/message-codec.js";

function refuses(payload: Uint8Array, bytesMax: number): void {
  assert.throws(
    () => inflate(payload, bytesMax),
    (error) => error instanceof ProtocolError && error.code === "frame-inflate",
  );
}

function sameAfterInflating(payload: Uint8Array, data: Uint8Array): boolean {
  try {
    return Buffer.from(inflate(payload, 10_000)).equals(data);
  } catch {
    return false;
  }
}

test("what was deflated inflates to the same, for zlib too", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3072, size: "max" }), (data) => {
      const payload = deflate(data);
      assert.ok(Buffer.from(inflate(payload, data.length)).equals(data));
      assert.ok(inflateSync(payload).equals(data));
    }),
  );
});

test("the sizes around the border between stored and compressed pass, of the largest bytes", () => {
  for (const length of [
    0,
    1,
    255,
    256,
    65_534,
    65_535,
    65_536,
    storedBytesMax,
    storedBytesMax + 1,
  ]) {
    const data = Buffer.alloc(length, 0xff);
    assert.ok(inflateSync(deflate(data)).equals(data));
    assert.ok(Buffer.from(inflate(deflate(data), length)).equals(data));
  }
  assert.ok(deflate(Buffer.alloc(storedBytesMax + 1)).length < 1000);
});

test("what is large is not searched for what repeats: that takes up to half a second", () => {
  const repeats = randomBytes(1024);
  const searched = deflate(Buffer.alloc(searchedBytesMax, repeats));
  assert.ok(searched.length < searchedBytesMax / 10);
  const data = Buffer.alloc(searchedBytesMax + 1, repeats);
  const large = deflate(data);
  assert.ok(large.length > data.length / 2 && large.length <= data.length + 1024);
  assert.ok(Buffer.from(inflate(large, data.length)).equals(data));
});

test("the largest command fits its frame, as a token too, whatever its bytes", () => {
  const commands = {
    "at random": new Uint8Array(randomBytes(commandBytesMax)),
    "all of them two": new Uint8Array(randomBytes(commandBytesMax).map((byte) => byte | 0x80)),
  };
  for (const [name, command] of Object.entries(commands)) {
    const pickle = encodeMessage({ type: "apply_command", command, requestId: 1 });
    const payload = deflate(pickle);
    assert.ok((payload.length * 4) / 3 + 1024 < frameBytesMax, `${name}: ${payload.length}`);
    assert.ok(inflateSync(payload).equals(pickle));
    assert.ok(pickle.length < messageBytesMax);
  }
});

test("a stream of any level is taken", () => {
  for (const data of [
    Buffer.from("append_entries ".repeat(100)),
    randomBytes(20),
    randomBytes(0),
  ]) {
    for (let level = 0; level <= 9; level++) {
      assert.ok(Buffer.from(inflate(deflateSync(data, { level }), 10_000)).equals(data));
    }
  }
});

test("bytes after the stream's end are ignored, as Python does", () => {
  for (const stream of [deflate(Buffer.from("abc")), deflateSync(Buffer.from("abc"))]) {
    const payload = Buffer.concat([stream, Buffer.from("more")]);
    assert.equal(Buffer.from(inflate(payload, 100)).toString(), "abc");
  }
});

test("one byte more than allowed is refused", () => {
  for (const length of [101, 5001]) {
    const payload = deflate(new Uint8Array(length));
    assert.equal(inflate(payload, length).length, length);
    refuses(payload, length - 1);
  }
});

test("a bomb is refused without inflating it", () => {
  const bomb = deflate(new Uint8Array(200 * 1024 * 1024));
  assert.ok(bomb.length < 1024 * 1024);
  const before = process.memoryUsage().arrayBuffers;
  refuses(bomb, 64 * 1024);
  assert.ok(process.memoryUsage().arrayBuffers - before < 4 * 1024 * 1024);
});

test("cut, damaged and foreign streams are refused", () => {
  for (const data of [Buffer.from("append_entries"), Buffer.alloc(2000, 65)]) {
    const payload = deflate(data);
    for (let length = 0; length < payload.length; length++) {
      refuses(payload.subarray(0, length), 10_000);
    }
    for (let at = 0; at < payload.length; at++) {
      const damaged = new Uint8Array(payload);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      // The bits that fill up the last byte before the checksum mean nothing.
      if (!sameAfterInflating(damaged, data)) refuses(damaged, 10_000);
    }
  }
  refuses(Buffer.from("GET / HTTP/1.1\r\n"), 1000);
});
