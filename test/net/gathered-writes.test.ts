import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { Writable } from "node:stream";
import { test } from "node:test";
import { GatheredWrites } from "../../src/net/gathered-writes.js";

/** What reaches the system, call by call. */
function sink(): { writes: GatheredWrites; calls: Uint8Array[][]; told: () => number } {
  const calls: Uint8Array[][] = [];
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      calls.push([chunk]);
      done();
    },
    writev: (chunks, done) => {
      calls.push(chunks.map(({ chunk }) => chunk as Buffer));
      done();
    },
  });
  let told = 0;
  const writes = new GatheredWrites(stream as unknown as Socket, () => {
    told += 1;
  });
  return { writes, calls, told: () => told };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
const sizes = (calls: Uint8Array[][]) => calls.map((call) => call.map(({ length }) => length));

test("small frames of one turn are joined to one piece", async () => {
  const { writes, calls, told } = sink();
  for (const size of [40, 3_000, 100]) writes.add(new Uint8Array(size));
  assert.equal(writes.bytes, 3_140);
  assert.deepEqual(calls, [], "not before the end of the turn");
  await turn();
  assert.deepEqual(sizes(calls), [[3_140]]);
  assert.deepEqual([writes.bytes, told()], [0, 1]);
});

test("large frames go to many receivers without a copy for each, in one call", async () => {
  const frame = new Uint8Array(65_000).fill(7);
  const receivers = [sink(), sink(), sink()];
  for (const { writes } of receivers) {
    writes.add(frame);
    writes.add(new Uint8Array(90));
  }
  await turn();
  for (const { calls, told } of receivers) {
    assert.deepEqual(sizes(calls), [[65_000, 90]]);
    assert.equal(calls[0]?.[0]?.buffer, frame.buffer, "the memory of the frame itself");
    assert.equal(told(), 1);
  }
});

test("what is dropped before the end of the turn is not written", async () => {
  const [first, second] = [sink(), sink()];
  first.writes.add(new Uint8Array(10));
  second.writes.add(new Uint8Array(20));
  first.writes.drop();
  await turn();
  assert.deepEqual([sizes(first.calls), sizes(second.calls)], [[], [[20]]]);
});
