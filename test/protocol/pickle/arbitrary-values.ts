import fc from "fast-check";
import { normalInt } from "../../../protocol/pickle/numbers.js";
import { pyKey } from "../../../protocol/pickle/py-key.js";
import {
  PyFloat,
  PyFrozenSet,
  PyInstance,
  PyOrderedDict,
  PyTuple,
  type PyValue,
} from "../../../protocol/pickle/values.js";

const units = fc.oneof(
  fc.integer({ min: 0, max: 0x7f }),
  fc.integer({ min: 0, max: 0xffff }),
  fc.constantFrom(0xd800, 0xdbff, 0xdc00, 0xdfff, 0x5c, 0x75, 0x0a, 0x0d, 0x1a, 0, 0xfffd, 0xfeff),
);

/** Any JavaScript string, lone surrogates included. */
export const texts = fc
  .array(units, { maxLength: 40 })
  .map((codes) => String.fromCharCode(...codes));

const edges = [
  0n,
  255n,
  256n,
  65535n,
  65536n,
  2n ** 31n,
  2n ** 32n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n,
];

export const ints: fc.Arbitrary<number | bigint> = fc.oneof(
  fc.integer(),
  fc
    .tuple(fc.constantFrom(...edges), fc.integer({ min: -2, max: 2 }), fc.boolean())
    .map(([edge, by, negative]) => normalInt((negative ? -edge : edge) + BigInt(by))),
  fc.bigInt({ min: -(2n ** 3000n), max: 2n ** 3000n }).map(normalInt),
);

const floats = fc.double().map((value) => new PyFloat(value));
const bytes = fc.uint8Array({ maxLength: 80 });
const scalars: fc.Arbitrary<PyValue> = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  ints,
  floats,
  texts,
  bytes,
);

const hashables: fc.Arbitrary<PyValue> = fc.oneof(
  scalars,
  fc.array(scalars, { maxLength: 3 }).map((items) => new PyTuple(items)),
);

function distinct(items: fc.Arbitrary<PyValue>): fc.Arbitrary<PyValue[]> {
  return fc
    .array(items, { maxLength: 5 })
    .map((values) => [...new Map(values.map((value) => [pyKey(value), value])).entries()])
    .map((entries) => entries.filter(([key]) => key !== null).map(([, value]) => value));
}

const instances = fc
  .tuple(fc.constantFrom("pysyncobj.node.Node", "pysyncobj.node.TCPNode"), texts, scalars)
  .map(
    ([name, id, other]) =>
      new PyInstance(name, new Map<PyValue, PyValue>([["_id", id]]).set("x", other)),
  );

/** Values of every type that travels, nested a few levels. */
export const values: fc.Arbitrary<PyValue> = fc.letrec<{ value: PyValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    scalars,
    fc.array(tie("value"), { maxLength: 5 }),
    fc.array(tie("value"), { maxLength: 5 }).map((items) => new PyTuple(items)),
    fc
      .tuple(
        distinct(hashables),
        fc.array(tie("value"), { minLength: 5, maxLength: 5 }),
        fc.boolean(),
      )
      .map(([keys, items, isOrdered]) => {
        const pairs = keys.map((key, at) => [key, items[at] ?? null] as const);
        return isOrdered ? new PyOrderedDict(pairs) : new Map(pairs);
      }),
    distinct(hashables).map((items) => new Set(items)),
    distinct(hashables).map((items) => new PyFrozenSet(items)),
    instances,
  ),
})).value;
