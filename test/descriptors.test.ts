import assert from "node:assert/strict";
import { test } from "node:test";
import { connectionShares, descriptorsMax } from "../src/descriptors.js";

const wanted = { unidentified: 64, observers: 512, http: 64 };

test("connections leave room for the files, whatever the system allows", () => {
  assert.deepEqual(connectionShares(wanted, 1_048_576), wanted);
  assert.deepEqual(connectionShares(wanted, Number.POSITIVE_INFINITY), wanted);
  for (const limit of [50, 80, 256, 400, 731]) {
    const { unidentified, observers, http } = connectionShares(wanted, limit);
    assert.ok(unidentified + observers + http <= Math.max(3, limit - 48), `${limit}`);
    assert.ok(Math.min(unidentified, observers, http) >= 1);
  }
});

test("the system tells how much it allows", () => {
  assert.ok(descriptorsMax() > 16);
});
