import assert from "node:assert/strict";
import { test } from "node:test";
import { batchesOf } from "../../src/storage/entry-batches.js";
import { appendBytesMax, appendEntriesMax } from "../../src/storage/limits.js";

function entries(...bytes: number[]) {
  return bytes.map((length, n) => ({ index: n + 2, term: 1, command: new Uint8Array(length) }));
}

function lengths(given: ReturnType<typeof entries>): number[] {
  const batches = [...batchesOf(given)];
  assert.deepEqual(batches.flat(), given, "all of them, in order");
  return batches.map((batch) => batch.length);
}

test("entries go in batches of some megabytes, a larger one by itself", () => {
  const half = appendBytesMax / 2;
  assert.deepEqual(lengths(entries()), []);
  assert.deepEqual(lengths(entries(1, 2, 3)), [3]);
  assert.deepEqual(lengths(entries(half, half, half, 1)), [2, 2]);
  assert.deepEqual(lengths(entries(1, 2 * appendBytesMax, 1)), [1, 1, 1]);
});

test("nor are there too many of them in one", () => {
  const many = entries(...new Array<number>(2 * appendEntriesMax + 1).fill(1));
  assert.deepEqual(lengths(many), [appendEntriesMax, appendEntriesMax, 1]);
});
