import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { decodePickle } from "../../../protocol/pickle/decoder.js";
import { encodePickle } from "../../../protocol/pickle/encoder.js";
import { values } from "./arbitrary-values.js";
import { PythonPeer } from "./python-peer.js";
import { strictForm } from "./strict-form.js";

const protocols = [0, 1, 2, 3, 4, 5];
const valuesPerProtocol = 400;
const valuesAtOnce = 50;

let python: PythonPeer;

before(async () => {
  python = await PythonPeer.start();
  const version = (await python.ask("V", 0, 0)).toString();
  assert.match(version, /^3\.(?:[89]|\d\d)/, "this test needs python3 3.8 or newer");
});

after(() => python?.stop());

/** Python pickles the seed's value, we decode and encode it, Python compares with the original. */
async function thereAndBack(protocol: number, seed: number): Promise<void> {
  const pickled = await python.ask("G", protocol, seed);
  const difference = await python.ask("C", 2, seed, encodePickle(decodePickle(pickled)));
  assert.equal(difference.toString(), "", `protocol ${protocol}, seed ${seed}`);
}

for (const protocol of protocols) {
  test(`what Python pickles in protocol ${protocol} comes back equal, with equal types`, async () => {
    for (let start = 0; start < valuesPerProtocol; start += valuesAtOnce) {
      const seeds = Array.from({ length: valuesAtOnce }, (_, n) => protocol * 100_000 + start + n);
      await Promise.all(seeds.map((seed) => thereAndBack(protocol, seed)));
    }
  });

  test(`what we encode comes back equal through Python's protocol ${protocol}`, async () => {
    await fc.assert(
      fc.asyncProperty(values, async (value) => {
        const pickled = await python.ask("R", protocol, 0, encodePickle(value));
        assert.equal(strictForm(decodePickle(pickled)), strictForm(value));
      }),
      { numRuns: 150 },
    );
  });
}

test("a list of many batches is what Python meant", async () => {
  const long = Array.from({ length: 20_000 }, (_, n) => [n, `key ${n}`]);
  const pickled = await python.ask("R", 4, 0, encodePickle(long));
  assert.equal(strictForm(decodePickle(pickled)), strictForm(long));
});
