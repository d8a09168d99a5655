import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeUtf8WithSurrogates, shownText } from "../../protocol/pickle/text.js";
import { PySurrogateStr, PyTuple, type PyValue } from "../../protocol/pickle/values.js";
import { characters, prefixMatcher, startsWith } from "../../src/store/python-key.js";

/** Few letters, so that prefixes are found; halves of characters among them. */
const letters = fc.constantFrom("a", "b", "é", "\ud83d", "\udc18", "🐘");
const text = fc.array(letters, { maxLength: 4 }).map((parts) => parts.join(""));
const surrogates = fc
  .constantFrom(
    "eda080edb080",
    "eda080edb08061",
    "61eda080edb080",
    "eda0bdedb09861",
    "61eda0bdedb09862",
  )
  .map((hex) => new PySurrogateStr(new Uint8Array(Buffer.from(hex, "hex"))));
const odd: fc.Arbitrary<PyValue> = fc.oneof(
  surrogates,
  fc.constant(null),
  fc.constant(new Uint8Array(Buffer.from("a"))),
);
const key: fc.Arbitrary<PyValue> = fc.oneof({ weight: 5, arbitrary: text }, odd);
const item: fc.Arbitrary<PyValue> = fc.oneof({ weight: 9, arbitrary: text }, odd);
const prefix: fc.Arbitrary<PyValue> = fc.oneof(
  item,
  fc.array(item, { maxLength: 12 }).map((items) => new PyTuple(items)),
);

function outcome(ask: () => boolean): boolean | string {
  try {
    return ask();
  } catch (error) {
    return String(error);
  }
}

test("a key is matched as Python's startswith does it, or raises as it does", () => {
  fc.assert(
    fc.property(fc.array(key, { minLength: 1, maxLength: 5 }), prefix, (keys, asked) => {
      const matches = prefixMatcher(asked);
      for (const one of keys) {
        assert.deepEqual(
          outcome(() => matches(one)),
          outcome(() => startsWith(one, asked)),
        );
      }
    }),
    { numRuns: 5_000 },
  );
});

const halves = fc
  .array(fc.constantFrom("a", "é", "🐘", "\ud83d", "\udc18"), { maxLength: 5 })
  .map((characters) => {
    const bytes = Buffer.concat([...characters, "\ud83d", "\udc18"].map(encodeUtf8WithSurrogates));
    return new PySurrogateStr(new Uint8Array(bytes));
  });

test("texts that hold halves of characters side by side begin as their characters do", () => {
  const any: fc.Arbitrary<string | PySurrogateStr> = fc.oneof(text, halves);
  fc.assert(
    fc.property(any, any, (one, start) => {
      const [whole, first] = [one, start].map((value) => [...characters(value)]);
      const expected = first?.every((character, at) => whole?.[at] === character);
      assert.equal(startsWith(one, start), expected);
      if (start instanceof PySurrogateStr) assert.equal(shownText(start.bytes), first?.join(""));
    }),
    { numRuns: 5_000 },
  );
});

test("thousands of prefixes cost a key no more than a few comparisons", () => {
  const prefixes = Array.from({ length: 16_000 }, (_, n) => `/none/${n}`);
  let compared = 0;
  const matches = prefixMatcher(new PyTuple(prefixes));
  const original = String.prototype.startsWith;
  String.prototype.startsWith = function (...args) {
    compared += 1;
    return original.apply(this, args);
  };
  try {
    for (let n = 0; n < 100; n += 1) assert.equal(matches(`/key/${n}`), false);
    assert.equal(matches("/none/77x"), true);
  } finally {
    String.prototype.startsWith = original;
  }
  assert.ok(compared <= 101, `${compared} comparisons`);
});

test("nor do they cost one that is held as bytes more than a few comparisons", () => {
  const prefixes = Array.from({ length: 16_000 }, (_, n) => `/none/${n}`);
  const matches = prefixMatcher(new PyTuple(prefixes));
  const keyOf = (start: string): PySurrogateStr =>
    new PySurrogateStr(Buffer.from(`${Buffer.from(start).toString("hex")}eda0bdedb880`, "hex"));
  // Encodes each text, once.
  assert.equal(matches(keyOf("/key")), false);
  let looked = 0;
  const { compare, allocUnsafe } = Buffer;
  Buffer.compare = (...args) => {
    looked += 1;
    return compare(...args);
  };
  Buffer.allocUnsafe = (size) => {
    looked += 1;
    return allocUnsafe(size);
  };
  try {
    for (let n = 0; n < 100; n += 1) assert.equal(matches(keyOf(`/key/${n}`)), false);
    assert.equal(matches(keyOf("/none/77")), true);
  } finally {
    Buffer.compare = compare;
    Buffer.allocUnsafe = allocUnsafe;
  }
  assert.ok(looked <= 101 * 16, `${looked} comparisons and texts encoded`);
});
