import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeSet } from "../../protocol/log/kv-calls.js";
import { StoredEntry } from "../../protocol/log/stored-entry.js";
import { parseCommand } from "../../src/store/command.js";
import { TailOverlay } from "../../src/store/tail-overlay.js";

test("a tail as it was read from a journal is evaluated once", () => {
  const command = encodeSet("/a", { value: "b", created: 1, updated: 1 });
  const { length } = command;
  const bytes = new Uint8Array(3 * length);
  const tail = [0, 1, 2].map((at) => {
    bytes.set(command, at * length);
    return new StoredEntry({ index: at + 5, term: 1 }, bytes, { start: at * length, length });
  });
  let parsed = 0;
  const nothing = { record: () => undefined, ids: () => [], idCount: 0, oddKeys: 0 };
  const overlay = new TailOverlay(nothing, (bytes) => {
    parsed += 1;
    return parseCommand(bytes);
  });
  for (let asked = 0; asked < 3; asked++) {
    assert.ok(overlay.follow(tail));
    // Another entry's command is looked at in between.
    assert.equal(tail[0]?.command.length, length);
  }
  assert.equal(parsed, 3);
  // The same call, and another entry.
  const other = { index: 7, term: 1, command };
  assert.ok(overlay.follow([...tail.slice(0, 2), other]));
  assert.equal(parsed, 6);
});
