import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeSet, kvFunction } from "../../protocol/log/kv-calls.js";
import { type PyDict, PyFloat, PyTuple, type PyValue } from "../../protocol/pickle/values.js";
import { acceptedCallBytesMax, acceptedCallFactor } from "../../src/store/limits.js";
import { Store } from "../../src/store/store.js";
import { callCommand } from "./commands.js";

/** Commands that were let pass are kept, decoded, until they are applied. */

const set = (key: string, bytes = 1): Uint8Array =>
  encodeSet(key, { value: "x".repeat(bytes), updated: 5, created: 5 });

test("large commands that are never appended do not pile up", () => {
  const store = new Store();
  for (let n = 0; n < 100; n += 1) {
    assert.equal(store.refusal(set(`/k${n}`, 1024 * 1024), []), null);
    assert.ok(store.acceptedBytes > 0 && store.acceptedBytes <= acceptedCallBytesMax);
  }
});

test("nothing is left of commands that were applied, or are not going to be", () => {
  const store = new Store();
  const [plain, large, other] = [set("/plain"), set("/large", 20_000), set("/other", 20_000)];
  assert.ok(store.isAdmittedAtSight(plain, []));
  for (const command of [large, large, other]) assert.equal(store.refusal(command, []), null);
  assert.equal(store.acceptedBytes, plain.length + large.length + other.length);
  store.apply(plain, 2);
  store.apply(large, 3);
  assert.equal(store.acceptedBytes, other.length);
  store.forget(other);
  store.forget(other);
  assert.equal(store.acceptedBytes, 0);
});

test("calls that are small as bytes and large in memory do not pile up either", () => {
  const store = new Store();
  const dicts = Array.from({ length: 16_000 }, () => new Map());
  for (let n = 0; n < 60; n += 1) {
    const command = encodeSet(`/k${n}`, { value: dicts, updated: 5, created: 5 });
    assert.ok(command.length < 20_000);
    assert.equal(store.refusal(command, []), null);
    assert.ok(store.acceptedBytes >= command.length * acceptedCallFactor);
    assert.ok(store.acceptedBytes <= acceptedCallBytesMax);
  }
});

test("nor those whose keys are", () => {
  const store = new Store();
  const key = new PyTuple(Array.from({ length: 4_000 }, () => new PyTuple([])));
  const fields: PyDict = new Map<PyValue, PyValue>([
    ["created", new PyFloat(5)],
    ["updated", new PyFloat(5)],
    [key, 1],
  ]);
  const command = callCommand(kvFunction.set, ["/k", fields]);
  assert.equal(store.refusal(command, []), null);
  assert.equal(store.acceptedBytes, command.length * acceptedCallFactor);
});
