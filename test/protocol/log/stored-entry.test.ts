import assert from "node:assert/strict";
import { test } from "node:test";
import { commandBytes, isSamePlace, StoredEntry } from "../../../protocol/log/stored-entry.js";

const bytes = Uint8Array.of(9, 9, 1, 2, 3, 4, 5, 9).subarray(1);

test("a stored entry shows its command where it lies, whoever was asked before", () => {
  const first = new StoredEntry({ index: 7, term: 3 }, bytes, { start: 1, length: 2 });
  const second = new StoredEntry({ index: 8, term: 3 }, bytes, { start: 3, length: 3 });
  for (const [entry, expected] of [
    [first, [1, 2]],
    [second, [3, 4, 5]],
    [first, [1, 2]],
  ] as const) {
    assert.deepEqual([...entry.command], expected);
    assert.equal(entry.command.buffer, bytes.buffer);
    assert.equal(entry.command, entry.command);
    assert.equal(commandBytes(entry), expected.length);
  }
  assert.equal(commandBytes({ index: 1, term: 0, command: bytes }), 7);
});

test("a copy of one holds nothing of what lies beside it", () => {
  const entry = new StoredEntry({ index: 7, term: 3 }, bytes, { start: 1, length: 2 });
  const copy = { ...entry, command: new Uint8Array(entry.command) };
  assert.deepEqual(Reflect.ownKeys(copy), ["index", "term", "command"]);
});

test("views of the same bytes are told from views of equal ones", () => {
  const entry = new StoredEntry({ index: 7, term: 3 }, bytes, { start: 1, length: 2 });
  const { command } = entry;
  assert.ok(isSamePlace(command, command));
  assert.ok(isSamePlace(command, bytes.subarray(1, 3)));
  for (const other of [bytes.subarray(1, 4), bytes.subarray(2, 4), Uint8Array.of(1, 2)]) {
    assert.equal(isSamePlace(command, other), false);
  }
});
