import assert from "node:assert/strict";
import { test } from "node:test";
import { constants, deflateSync, inflateSync } from "node:zlib";
import fc from "fast-check";
import { ProtocolError } from "../../../protocol/errors.js";
import { Inflater } from "../../../protocol/wire/inflater.js";

/** node:zlib is the judge: what it inflates we inflate to the same, what it refuses we refuse. */

const bytesMax = 100_000;
const inflater = new Inflater();
const memory = new Uint8Array(bytesMax);

interface Way {
  /** Bytes of each piece of the stream. */
  readonly piece: number;
  /** Bytes of output for which each run goes on. */
  readonly slice: number;
}

function inflate(stream: Uint8Array, way: Way): Buffer | null {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < stream.length; at += way.piece) {
    pieces.push(stream.subarray(at, at + way.piece));
  }
  inflater.start(pieces, memory, bytesMax);
  try {
    while (!inflater.run(way.slice)) {
      assert.ok(inflater.length <= bytesMax);
    }
    return Buffer.from(memory.subarray(0, inflater.length));
  } catch (error) {
    assert.ok(error instanceof ProtocolError && error.code === "frame-inflate", String(error));
    return null;
  }
}

function inflateWithZlib(stream: Uint8Array): Buffer | null {
  try {
    return inflateSync(stream, { maxOutputLength: bytesMax });
  } catch {
    return null;
  }
}

const ways = fc.record({
  piece: fc.constantFrom(1, 7, 4096, bytesMax),
  slice: fc.constantFrom(1, 100, 4096, bytesMax),
});

/** Few and many symbols, repetitions near and far. */
const data = fc
  .array(
    fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.integer({ min: 1, max: 40 })),
    { maxLength: 40 },
  )
  .map((parts) =>
    Buffer.concat(parts.flatMap(([bytes, times]) => Array.from({ length: times }, () => bytes))),
  )
  .filter(({ length }) => length <= bytesMax);

const compressed = fc
  .tuple(data, fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 4 }))
  .map(([bytes, level, strategy]) => ({ bytes, stream: deflateSync(bytes, { level, strategy }) }));

test("what zlib has deflated comes out again, however it is cut", () => {
  fc.assert(
    fc.property(compressed, ways, ({ bytes, stream }, way) => {
      assert.ok(inflate(stream, way)?.equals(bytes));
    }),
  );
});

/** A stream whose checksum is that of what zlib makes of it, where it makes anything of it. */
function withRightChecksum(stream: Uint8Array): Uint8Array {
  const raw = stream.subarray(2);
  let made: Buffer;
  try {
    made = inflateSync(Buffer.concat([stream, Buffer.alloc(4)]), {
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: bytesMax,
    });
  } catch {
    return stream;
  }
  let a = 1;
  let b = 0;
  for (const byte of made) {
    a = (a + byte) % 65_521;
    b = (b + a) % 65_521;
  }
  const trailer = Buffer.alloc(4);
  trailer.writeUInt16BE(b);
  trailer.writeUInt16BE(a, 2);
  return Buffer.concat([stream.subarray(0, 2), raw, trailer]);
}

test("what was damaged is refused or taken as zlib does", () => {
  const changes = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { maxLength: 4 });
  fc.assert(
    fc.property(compressed, changes, ways, fc.nat(8), ({ stream }, flips, way, cut) => {
      const damaged = Buffer.from(stream.subarray(0, stream.length - (cut > 6 ? cut - 6 : 0)));
      // Most of what matters stands at the beginning.
      for (const [at, bits] of flips) {
        const place = at % Math.max(1, Math.min(damaged.length, at % 3 === 0 ? 1e9 : 60));
        damaged[place] = (damaged[place] ?? 0) ^ bits;
      }
      for (const tried of [damaged, withRightChecksum(damaged.subarray(0, -4))]) {
        const theirs = inflateWithZlib(tried);
        const ours = inflate(tried, way);
        if (theirs === null) assert.equal(ours, null);
        else assert.ok(ours?.equals(theirs));
      }
    }),
    { numRuns: 500 },
  );
});

test("a stream of more blocks than output is refused", () => {
  const emptyBlock = Buffer.of(0, 0, 0, 0xff, 0xff);
  const lastBlock = Buffer.of(1, 0, 0, 0xff, 0xff);
  const stream = (count: number) =>
    Buffer.concat([
      Buffer.of(0x78, 1),
      ...Array.from({ length: count }, () => emptyBlock),
      lastBlock,
      Buffer.of(0, 0, 0, 1),
    ]);
  const way = { piece: 4096, slice: 4096 };
  assert.equal(inflate(stream(10), way)?.length, 0);
  assert.equal(inflate(stream(100_000), way), null);
});

test("it takes no memory that grows with what it is given", () => {
  const bomb = deflateSync(Buffer.alloc(50 * 1024 * 1024));
  const before = process.memoryUsage().arrayBuffers;
  for (let time = 0; time < 200; time += 1)
    assert.equal(inflate(bomb, { piece: 4096, slice: 1e9 }), null);
  // Small tables for each stream, and the collector comes for them in its time.
  assert.ok(process.memoryUsage().arrayBuffers - before < 4 * 1024 * 1024);
});
