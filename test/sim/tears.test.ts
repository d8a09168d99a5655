import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeMembership, encodeNoOp } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import { Store } from "../../src/store/store.js";
import type { Standing } from "./standing.js";
import { Tears } from "./tears.js";

const five = ["a:1", "b:1", "c:1", "d:1", "e:1"];
const three = ["a:1", "b:1", "e:1"];

/** A leader of term 3 that has taken out first d, then c. */
function leader(kind: Standing["kind"], committed: number): Standing {
  const noOp = { index: 1, term: 3, command: encodeNoOp() };
  const takenOut = ["d:1", "c:1"].map((address, at): Entry => {
    return { index: 2 + at, term: 3, command: encodeMembership("rem", address) };
  });
  const log = [noOp, ...takenOut];
  return {
    address: "e:1",
    kind,
    role: "leader",
    leads: true,
    term: 3,
    firstIndex: 1,
    lastIndex: 3,
    commitIndex: committed,
    appliedIndex: committed,
    store: new Store(),
    others: ["a:1", "b:1"],
    mustRefetch: false,
    entryAt: (index) => log[index - 1],
  };
}

function parted(by: Standing, one: readonly string[], other: readonly string[]): boolean {
  const tears = new Tears();
  tears.look(by);
  return tears.part(new Set(one), new Set(other));
}

test("two removals of a vanilla leader, neither committed, part five members from three", () => {
  assert.equal(parted(leader("vanilla", 1), five, three), true);
  assert.equal(parted(leader("vanilla", 1), three, five), true);
});

test("nothing is parted where the first was committed before the second, or a Quorate member leads", () => {
  assert.equal(parted(leader("vanilla", 2), five, three), false);
  assert.equal(parted(leader("quorate", 1), five, three), false);
});

test("lists that differ by one change, or by others than these two, are not parted", () => {
  const four = ["a:1", "b:1", "c:1", "e:1"];
  assert.equal(parted(leader("vanilla", 1), five, four), false);
  assert.equal(parted(leader("vanilla", 1), four, three), false);
  assert.equal(parted(leader("vanilla", 1), five, ["a:1", "b:1", "c:1"]), false);
});

test("nor are lists each two majorities of which share a member", () => {
  const four = ["a:1", "c:1", "d:1", "e:1"];
  assert.equal(parted(leader("vanilla", 1), four, ["a:1", "e:1"]), false);
});
