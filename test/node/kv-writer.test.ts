import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeDelete, encodeExpire, encodeSet } from "../../protocol/log/kv-calls.js";
import { systemClock } from "../../src/clock.js";
import { KvWriter } from "../../src/node/kv-writer.js";
import { PendingWrites } from "../../src/node/pending-writes.js";
import type { OutcomeCallback, WriteOutcome } from "../../src/node/write-outcome.js";
import { Store } from "../../src/store/store.js";

/** A writer whose commands are applied at once, as a cluster of one would. */
function scene(wallSec = 1000.5) {
  const store = new Store();
  let index = 1;
  const sent: Uint8Array[] = [];
  const pending = new PendingWrites(() => index);
  const submit = (command: Uint8Array, done: OutcomeCallback) => {
    sent.push(command);
    index += 1;
    const outcome = store.apply(command, index);
    assert.ok("result" in outcome, "vanilla members would stop");
    done({ ok: true, error: 0, result: outcome.result, index, term: 1 });
  };
  const clock = { ...systemClock, wallSec: () => wallSec };
  const writer = new KvWriter({ store: () => store, pending, submit, clock }, 10_000);
  return { store, writer, sent, pending };
}

function resultOf<T>(outcome: WriteOutcome<T>): T {
  assert.ok(outcome.ok, JSON.stringify(outcome));
  return outcome.result;
}

test("a value has the times that Patroni's class gives it", async () => {
  const first = scene(1000.5);
  const set = resultOf(await first.writer.set("/a", "1", { ttl: 30 }));
  const expected = { value: "1", created: 1000.5, updated: 1000.5, expire: 1030.5, index: 2 };
  assert.deepEqual(set, expected);
  // Later, `created` stays as it is.
  const later = new KvWriter(
    {
      store: () => first.store,
      pending: first.pending,
      clock: { ...systemClock, wallSec: () => 2000 },
      submit: (command, done) => {
        const outcome = first.store.apply(command, 3);
        assert.ok("result" in outcome);
        done({ ok: true, error: 0, result: outcome.result, index: 3, term: 1 });
      },
    },
    10_000,
  );
  const again = resultOf(await later.set("/a", "2"));
  assert.deepEqual(again, { value: "2", created: 1000.5, updated: 2000, index: 3 });
});

test("conditions go along, and the cluster judges them", async () => {
  const { writer, sent } = scene();
  assert.equal(resultOf(await writer.set("/a", "1", { prevExist: true })), false);
  assert.equal(resultOf(await writer.set("/a", "1", { prevValue: "0" })), false);
  assert.equal(resultOf(await writer.set("/a", "1", { prevIndex: 9 })), false);
  assert.notEqual(resultOf(await writer.set("/a", "1", { prevExist: false })), false);
  assert.equal(resultOf(await writer.delete("/a", { prevValue: "0" })), false);
  assert.equal(resultOf(await writer.delete("/a", { prevIndex: 2 })), false);
  assert.equal(resultOf(await writer.delete("/a", { prevIndex: 5 })), true);
  assert.equal(sent.length, 7);
});

test("a delete of what is not there is answered, and stops nobody", async () => {
  const { writer } = scene();
  assert.equal(resultOf(await writer.delete("/a")), false);
  assert.equal(resultOf(await writer.delete("/", { recursive: true })), true);
});

test("what would stop vanilla members is refused, and not sent", async () => {
  const { writer, sent, store } = scene();
  resultOf(await writer.set("/there", "1"));
  sent.length = 0;
  const poisonous = encodeSet("/x", { value: "1", updated: 1, created: 1, expire: 1 });
  const refused = [
    encodeDelete("/missing"),
    encodeDelete("/there"),
    encodeDelete("/there", { prevExist: false }),
    poisonous.subarray(0, poisonous.length - 3),
    Uint8Array.of(3, 1),
    new Uint8Array(0),
  ];
  for (const command of refused) {
    const outcome = await writer.submit(command);
    assert.ok(!outcome.ok && outcome.reason === "REQUEST_DENIED" && !outcome.mayBeDone);
    assert.notEqual(outcome.message, "");
  }
  // A key that is no str, left by somebody else, makes a recursive delete raise.
  store.apply(encodeCallWithIntKey(), 99);
  const outcome = await writer.delete("/t", { recursive: true });
  assert.ok(!outcome.ok && outcome.reason === "REQUEST_DENIED");
  assert.equal(sent.length, 0);
  const held = store.get("/there");
  assert.ok(held !== null);
  resultOf(await writer.submit(encodeDelete("/there", { prevExist: true })));
  resultOf(await writer.submit(encodeExpire("/there", held)));
});

/** `_set(1, {…})`, whose key no Patroni makes. */
function encodeCallWithIntKey(): Uint8Array {
  const text = Buffer.from(encodeSet("k", { value: "1", updated: 1, created: 1 }));
  // BINUNICODE of one letter becomes BININT1: the memo opcodes around it stay as they are.
  const at = text.indexOf(Buffer.from([0x58, 1, 0, 0, 0, 0x6b]));
  assert.ok(at > 0);
  return Buffer.concat([text.subarray(0, at), Buffer.from([0x4b, 1]), text.subarray(at + 6)]);
}

test("a write that waits too long is given up, and a closed writer takes nothing", async () => {
  const pending = new PendingWrites(() => 1);
  const store = new Store();
  const submit = (command: Uint8Array, done: OutcomeCallback, deadlineMs: number) =>
    pending.ask(pending.nextId(), { command, deadlineMs, done });
  const writer = new KvWriter({ store: () => store, pending, submit, clock: systemClock }, 50);
  const outcome = await writer.set("/a", "1");
  assert.ok(!outcome.ok && outcome.reason === "TIMEOUT" && outcome.mayBeDone);
  const open = writer.set("/a", "1", { timeoutMs: 60_000 });
  writer.close();
  const closed = await open;
  assert.ok(!closed.ok && closed.reason === "CLOSED" && closed.mayBeDone);
  const late = await writer.set("/a", "1");
  assert.ok(!late.ok && late.reason === "CLOSED" && !late.mayBeDone);
  assert.deepEqual([pending.size, pending.bytes], [0, 0]);
});
