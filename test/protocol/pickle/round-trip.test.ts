import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ProtocolError } from "../../../protocol/errors.js";
import {
  decodePickle,
  decodePicklePrefix,
  PickleDecoder,
} from "../../../protocol/pickle/decoder.js";
import { encodePickle } from "../../../protocol/pickle/encoder.js";
import { pyEquals } from "../../../protocol/pickle/py-equal.js";
import { values } from "./arbitrary-values.js";
import { strictForm } from "./strict-form.js";

test("every value survives encoding and decoding with its types", () => {
  fc.assert(
    fc.property(values, (value) => {
      const { value: back, length } = decodePicklePrefix(encodePickle(value));
      assert.equal(strictForm(back), strictForm(value));
      assert.equal(length, encodePickle(value).length);
    }),
    { numRuns: 500 },
  );
});

test("decoding in slices of any size gives the same value", () => {
  fc.assert(
    fc.property(values, fc.integer({ min: 1, max: 7 }), (value, slice) => {
      const decoder = new PickleDecoder(encodePickle(value));
      let runs = 0;
      while (!decoder.run(slice)) runs++;
      assert.equal(strictForm(decoder.result()), strictForm(value));
      assert.ok(runs <= encodePickle(value).length / slice);
    }),
  );
});

test("every beginning of a pickle is refused as truncated", () => {
  fc.assert(
    fc.property(
      values,
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (value, at) => {
        const bytes = encodePickle(value);
        const cut = bytes.subarray(0, Math.floor(bytes.length * at));
        assert.throws(() => decodePickle(cut), { code: "pickle-truncated" });
      },
    ),
  );
});

test("any bytes give a value or a ProtocolError, never another error", () => {
  const damaged = fc.tuple(values, fc.nat(), fc.nat(255)).map(([value, at, byte]) => {
    const bytes = encodePickle(value);
    bytes[at % bytes.length] = byte;
    return bytes;
  });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), damaged), (bytes) => {
      try {
        encodePickle(decodePickle(bytes));
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
      }
    }),
    { numRuns: 3000 },
  );
});

test("a value without NaN equals its own copy", () => {
  fc.assert(
    fc.property(values, (value) => {
      fc.pre(!strictForm(value).includes("floatNaN"));
      assert.ok(pyEquals(value, decodePickle(encodePickle(value))));
    }),
  );
});
