import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeDelete, encodeSet } from "../../protocol/log/kv-calls.js";
import { clientLimits } from "../../src/client/limits.js";
import { type Watch, Watches, WatchOverflowError } from "../../src/client/watch.js";
import { keysPerSlice } from "../../src/store/limits.js";
import { Store } from "../../src/store/store.js";

const set = (key: string, value: string | Uint8Array) =>
  encodeSet(key, { value, updated: 1, created: 1 });

function scene() {
  const watches = new Watches();
  const store = new Store();
  let index = 1;
  const apply = (command: Uint8Array) => {
    index += 1;
    const outcome = store.apply(command, index);
    assert.ok("changed" in outcome);
    for (const _ of watches.changed(outcome, store, index));
  };
  return { watches, store, apply };
}

/** What a watch has to tell now, in words. */
async function told(watch: Watch, count: number): Promise<string[]> {
  const lines: string[] = [];
  for (let n = 0; n < count; n += 1) {
    const { value } = await watch.next();
    assert.ok(value !== undefined);
    const gap = value.afterGap ? " after a gap" : "";
    lines.push(`${value.index} ${value.kind} ${value.key} ${String(value.entry?.value)}${gap}`);
  }
  return lines;
}

test("tells each change of its keys once, in order", async () => {
  const { watches, apply } = scene();
  const watch = watches.open("/a");
  apply(set("/a/1", "x"));
  apply(set("/b", "x"));
  apply(set("/a/1", "y"));
  apply(set("/a/2", "z"));
  apply(encodeDelete("/a/1", { prevExist: true }));
  apply(encodeDelete("/", { recursive: true }));
  assert.deepEqual(await told(watch, 5), [
    "2 set /a/1 x",
    "4 set /a/1 y",
    "5 set /a/2 z",
    "6 delete /a/1 undefined",
    "7 delete /a/2 undefined",
  ]);
});

test("who waits is told at once, several in the order of their calls", async () => {
  const { watches, apply } = scene();
  const watch = watches.open("");
  const waiting = [watch.next(), watch.next()];
  apply(set("/a", "1"));
  apply(set("/b", "2"));
  const keys = (await Promise.all(waiting)).map(({ value }) => value?.key);
  assert.deepEqual(keys, ["/a", "/b"]);
});

test("after a gap the differences are told, each key once", async () => {
  const { watches, store, apply } = scene();
  const bytes = Uint8Array.of(1, 200);
  for (const key of ["/same", "/changed", "/gone"]) apply(set(key, "x"));
  apply(set("/bytes", bytes));
  const watch = watches.open("");
  const after = new Store();
  after.apply(set("/same", "x"), 2);
  after.apply(set("/bytes", bytes), 5);
  after.apply(set("/changed", "y"), 8);
  after.apply(set("/new", "z"), 9);
  watches.replaced(store, after, 12);
  assert.deepEqual(await told(watch, 3), [
    "12 set /changed y after a gap",
    "12 delete /gone undefined after a gap",
    "12 set /new z after a gap",
  ]);
});

test("a reader that is too slow is told what fits, and then why there is no more", async () => {
  const { watches, store } = scene();
  const watch = watches.open("");
  store.apply(set("/a", "x"), 2);
  const applied = { result: null, changed: ["/a"] };
  for (let n = 0; n <= clientLimits.watchEventsMax; n += 1)
    watches.changed(applied, store, n).next();
  for (let n = 0; n < clientLimits.watchEventsMax; n += 1) {
    assert.equal((await watch.next()).value?.index, n);
  }
  await assert.rejects(watch.next(), WatchOverflowError);
  assert.equal((await watch.next()).done, true);
});

test("a delete of very many keys is told in slices", () => {
  const { watches, store } = scene();
  watches.open("/k");
  const changed = Array.from({ length: 10 * keysPerSlice }, (_, n) => `/k/${n}`);
  assert.equal([...watches.changed({ result: true, changed }, store, 2)].length, 10);
  watches.end(null);
  assert.equal([...watches.changed({ result: true, changed }, store, 3)].length, 0, "nobody asks");
});

test("leaving the loop ends the watch; so does the client's end", async () => {
  const { watches, apply } = scene();
  const left = watches.open("");
  const ended = watches.open("");
  apply(set("/a", "x"));
  for await (const change of left) {
    assert.equal(change.key, "/a");
    break;
  }
  apply(set("/b", "x"));
  assert.equal((await left.next()).done, true);
  watches.end(null);
  const keys: string[] = [];
  for await (const change of ended) keys.push(change.key);
  assert.deepEqual(keys, ["/a", "/b"]);
});
