import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { DumpEncoder } from "../../../protocol/files/dump-format.js";
import { type PickleLimits, pickleDumpLimits } from "../../../protocol/pickle/limits.js";
import { op } from "../../../protocol/pickle/opcodes.js";
import { PyFloat, type PyValue } from "../../../protocol/pickle/values.js";
import { dumpBounds } from "../../../src/storage/dump-bounds.js";
import { vectorBytes, vectorManifest } from "../vector-json.js";
import { MemoDump, type MemoItem, type MemoStyle } from "./memo-dump.js";
import { checkPlain, generalDump } from "./plain-dumps.js";

const versions = ["0.3.8", "0.3.11", "0.3.14", "0.3.15", "0.3.16", "0.3.17"] as const;

interface Files {
  readonly files: readonly { readonly file: string; readonly kind: string }[];
}

function dumpsOf(version: string): Buffer[] {
  return vectorManifest<Files>(version, "files.json")
    .files.filter(({ kind }) => kind === "dump")
    .map(({ file }) => gunzipSync(vectorBytes(version, "files", file)));
}

/** A generator of numbers that gives the same ones each time. */
function dice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return (state >> 8) % below;
  };
}

const values = ["", "x", "Größe", "日本語", "\u0000", "a".repeat(95), "b".repeat(97), "😀"];
const longValues = ["c".repeat(40_000), "ü".repeat(20_000)];
const ints = [0, 255, 256, 65_536, -1, 2 ** 31 - 1, 2 ** 31, 2 ** 40];
const times = [1.5, 0, -0, Number.NaN, Number.POSITIVE_INFINITY, 1_700_000_000.25];

function someItems(count: number, roll: (below: number) => number): MemoItem[] {
  const pick = <T>(all: readonly [T, ...T[]] | readonly T[]): T => all[roll(all.length)] as T;
  return Array.from({ length: count }, (_, n) => {
    const value = roll(200) === 0 ? pick(longValues) : pick(values);
    const fields: [string, string | number | { int: number }][] = [
      ["value", value],
      ["updated", pick(times)],
      ["created", pick(times)],
    ];
    if (roll(3) === 0) fields.push(["expire", pick(times)]);
    fields.push(["index", { int: pick(ints) }]);
    // Patroni's order, and now and then another one.
    if (roll(8) === 0) fields.reverse();
    const key = roll(16) === 0 ? pick(values) : `/service/${n}`;
    return { key, fields };
  });
}

const styles: Readonly<Record<string, (roll: (below: number) => number) => MemoStyle>> = {
  "as Python does": () => ({
    memoises: true,
    shares: (text) => text.length < 2 || text === "index" || text === "latin1",
    itemsPerBatch: 1000,
  }),
  "with anything shared": (roll) => ({
    memoises: true,
    shares: () => roll(2) === 0,
    itemsPerBatch: 3,
  }),
  "without a memo": () => ({ memoises: false, shares: () => false, itemsPerBatch: 7 }),
};

describe("the reader of plain dumps gives what the general way gives", () => {
  for (const version of versions) {
    test(`on the dumps of ${version}`, () => {
      const taken = dumpsOf(version).map((pickle) => checkPlain(pickle, pickleDumpLimits));
      assert.ok(taken.length >= 3);
      assert.ok(taken.every(Boolean), "left to the general way");
    });
  }
  test("on a dump with a byte changed, or its end missing", () => {
    const [pickle = Buffer.alloc(0)] = dumpsOf("0.3.17");
    let taken = 0;
    for (let at = 0; at < pickle.length; at++) {
      const changed = Buffer.from(pickle);
      changed[at] = (changed[at] ?? 0) ^ ([0x01, 0x19, 0x80][at % 3] ?? 0);
      if (checkPlain(changed, pickleDumpLimits)) taken += 1;
      assert.equal(checkPlain(pickle.subarray(0, at), pickleDumpLimits), false);
    }
    assert.ok(taken > 0);
  });
  for (const [name, style] of Object.entries(styles)) {
    test(`on dumps of many shapes, written ${name}`, () => {
      for (let seed = 1; seed <= 12; seed++) {
        const roll = dice(seed);
        const items = someItems([0, 1, 2, 5, 60, 1001][seed % 6] ?? 0, roll);
        const pickle = new MemoDump(style(roll)).write(items);
        assert.ok(checkPlain(pickle, pickleDumpLimits, 1 + roll(40)), `seed ${seed}`);
      }
    });
    test(`in each of the bounds, written ${name}`, () => {
      const roll = dice(5);
      const pickle = new MemoDump(style(roll)).write(someItems(40, roll));
      for (const limit of ["opsMax", "memoEntriesMax", "allocatedBytesMax", "expandedBytesMax"]) {
        const bounds = (most: number) => ({ ...pickleDumpLimits, [limit]: most });
        const least = leastOf((most) => typeof generalDump(pickle, bounds(most)) !== "string");
        assert.ok(checkPlain(pickle, bounds(least)), `${limit}: not taken with ${least}`);
        if (least > 0) assert.equal(checkPlain(pickle, bounds(least - 1)), false, limit);
      }
      const other = ["stringBytesMax", "strBytesMax", "depthMax", "itemsPerOpMax"];
      for (const limit of [...other, "containerItemsMax", "stackValuesMax"]) {
        for (let most = 0; most < 120; most += 1 + roll(4)) {
          checkPlain(pickle, { ...pickleDumpLimits, [limit]: most } as PickleLimits, 1 + roll(30));
        }
      }
    });
  }
  test("on what a member has written itself, with the bounds of a dump that was received", () => {
    const encoder = new DumpEncoder(1);
    for (let n = 0; n < 2500; n++) {
      const fields = new Map<PyValue, PyValue>([
        ["value", `v${n}`],
        ["updated", new PyFloat(n)],
        ["created", new PyFloat(n)],
        ["index", n],
      ]);
      encoder.add(`/k${n}`, fields);
    }
    const entry = { index: 9, term: 1, command: Uint8Array.of(1) };
    encoder.finish(entry, { ...entry, index: 8 }, ["a:1", "127.0.0.1:2"]);
    const { pickle } = dumpBounds({ dataBytesMax: 8 * 2 ** 20, entryBytesMax: 8 * 2 ** 20 });
    assert.ok(checkPlain(encoder.take(), pickle));
  });
});

describe("what is not plain is left to the general way", () => {
  const plain = ["value", "v"] as const;
  const rest = [
    ["updated", 1],
    ["created", 1],
    ["index", { int: 3 }],
  ] as const;
  const cases: Readonly<Record<string, MemoItem>> = {
    "a field less": { key: "/a", fields: rest },
    "a field more": { key: "/a", fields: [plain, ...rest, ["other", 1]] },
    "a field twice": { key: "/a", fields: [plain, plain, ...rest] },
    "a number for a text": { key: "/a", fields: [["value", 1], ...rest] },
    "a text for a time": { key: "/a", fields: [plain, ...rest, ["expire", "never"]] },
    "a pair of halves of a character": {
      key: Uint8Array.of(0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80),
      fields: [plain, ...rest],
    },
    "a text that is none": { key: Uint8Array.of(0xff), fields: [plain, ...rest] },
  };
  for (const [name, item] of Object.entries(cases)) {
    test(name, () => {
      const style = { memoises: true, shares: () => false, itemsPerBatch: 1000 };
      const good = { key: "/b", fields: [plain, ...rest] };
      assert.ok(checkPlain(new MemoDump(style).write([good, good]), pickleDumpLimits));
      const pickle = new MemoDump(style).write([good, item]);
      assert.equal(checkPlain(pickle, pickleDumpLimits), false);
    });
  }
});

test("a dump whose data is fetched again is left to the general way", () => {
  const style = { memoises: true, shares: () => false, itemsPerBatch: 1000 };
  const pickle = new MemoDump(style).write(someItems(20, dice(3)));
  assert.ok(checkPlain(pickle, pickleDumpLimits));
  // Behind the data's dict, and at the end: what it is put into, it itself, a text and a dict in it.
  const tail = pickle.lastIndexOf(Buffer.from("uc_codecs\nencode")) + 1;
  for (const at of [tail, pickle.lastIndexOf(op.tuple)]) {
    for (const fetched of [
      [op.binGet, 0],
      [op.binGet, 3],
      [op.binGet, 4],
      [op.binGet, 5],
    ]) {
      const again = Buffer.of(...fetched, op.pop);
      const changed = Buffer.concat([pickle.subarray(0, at), again, pickle.subarray(at)]);
      assert.notEqual(typeof generalDump(changed, pickleDumpLimits), "string");
      assert.equal(checkPlain(changed, pickleDumpLimits), false);
    }
  }
  const twice = Buffer.of(op.dup, op.pop);
  const changed = Buffer.concat([pickle.subarray(0, tail), twice, pickle.subarray(tail)]);
  assert.notEqual(typeof generalDump(changed, pickleDumpLimits), "string");
  assert.equal(checkPlain(changed, pickleDumpLimits), false);
});

/** The least number that passes, by halves. */
function leastOf(passes: (most: number) => boolean): number {
  let [from, to] = [0, 2 ** 30];
  while (from < to) {
    const middle = Math.floor((from + to) / 2);
    if (passes(middle)) to = middle;
    else from = middle + 1;
  }
  return from;
}
