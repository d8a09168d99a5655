import assert from "node:assert/strict";
import { test } from "node:test";
import { Garbage } from "../../src/net/garbage.js";
import { oldGarbageBytesMin, youngGarbageBytesMax } from "../../src/net/limits.js";

const mib = 1024 * 1024;

function counted(heapBytes: number) {
  const seen = { young: 0, marking: 0 };
  const garbage = new Garbage({
    collectYoung: () => {
      seen.young += 1;
    },
    startMarking: () => {
      seen.marking += 1;
    },
    heapBytes: () => heapBytes,
  });
  return { garbage, seen };
}

test("young garbage is collected by the megabyte, old one the more rarely the more is in use", () => {
  const rounds = (20 * oldGarbageBytesMin) / mib;
  for (const [heapBytes, marking] of [
    [mib, 20],
    [2 * oldGarbageBytesMin, 10],
    [100 * oldGarbageBytesMin, 0],
  ] as const) {
    const { garbage, seen } = counted(heapBytes);
    for (let i = 0; i < rounds; i += 1) garbage.add(mib);
    assert.deepEqual(seen, { young: (rounds * mib) / youngGarbageBytesMax, marking });
  }
});

test("buffers that nobody needs are gone after it", () => {
  const garbage = new Garbage();
  const before = process.memoryUsage.rss();
  let most = 0;
  for (let i = 0; i < 4_000; i += 1) {
    garbage.add(Buffer.alloc(64 * 1024, i).length);
    if (i % 16 === 0) most = Math.max(most, process.memoryUsage.rss() - before);
  }
  assert.ok(most < 64 * mib, `${most} bytes`);
});
