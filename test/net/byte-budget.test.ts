import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteBudget } from "../../src/net/byte-budget.js";

test("who holds most goes when the bound is passed, not who came last", () => {
  const budget = new ByteBudget(100);
  const evicted: string[] = [];
  const holder = (name: string) => ({ evict: () => void evicted.push(name) });
  const [hoarder, small, late] = [holder("hoarder"), holder("small"), holder("late")];
  budget.set(hoarder, 80);
  budget.set(small, 15);
  budget.set(late, 5);
  assert.deepEqual(evicted, []);
  budget.set(late, 6);
  assert.deepEqual(evicted, ["hoarder"]);
  assert.equal(budget.bytes, 21);
  budget.set(small, 0);
  budget.set(late, 101);
  assert.deepEqual(evicted, ["hoarder", "late"]);
  assert.equal(budget.bytes, 0);
});
