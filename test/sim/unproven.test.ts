import assert from "node:assert/strict";
import { test } from "node:test";
import { isUnelectable, isUnproven, type Stance } from "./unproven.js";

const ours: Stance = {
  ...{ address: "a:1", leads: false, unprovenBeside: "b:1", isEmptied: false },
  dippedEnd: null,
};
const forgetful: Stance = { ...ours, address: "b:1", unprovenBeside: null };
const whole: Stance = { ...forgetful, address: "c:1" };
const emptied: Stance = { ...whole, isEmptied: true };

test("nobody has to lead where one of two logs is the right one, and nobody else has any", () => {
  assert.equal(isUnproven([ours, forgetful, emptied]), true);
  assert.equal(isUnproven([ours, forgetful, { ...ours, address: "c:1" }]), true);
});

for (const [why, members] of [
  ["the third member is whole", [ours, forgetful, whole]],
  ["one of others leads", [ours, { ...forgetful, leads: true }, emptied]],
  ["nobody says so", [{ ...ours, unprovenBeside: null }, forgetful, emptied]],
  ["the log is that of another one", [ours, { ...forgetful, isEmptied: true }, whole]],
] as const) {
  test(`somebody has to lead where ${why}`, () => {
    assert.equal(isUnproven(members), false);
  });
}

const ends = [1, 2, 3].map((dippedEnd, at) => ({ ...whole, address: `m${at}:1`, dippedEnd }));

test("nobody has to lead where each log ends in a term of its own, below its highest", () => {
  assert.equal(isUnelectable(ends), true);
});

for (const [why, last] of [
  ["two end in the same term", { ...whole, dippedEnd: 2 }],
  ["one ends in its highest term, or has not tried for long", whole],
  ["one leads", { ...whole, dippedEnd: 3, leads: true }],
] as const) {
  test(`somebody has to lead where ${why}`, () => {
    assert.equal(isUnelectable([...ends.slice(0, 2), last]), false);
  });
}
