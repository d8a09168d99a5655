import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { ProtocolError } from "../../../protocol/errors.js";
import { decodePickle } from "../../../protocol/pickle/decoder.js";
import { encodePickle } from "../../../protocol/pickle/encoder.js";
import { pickleReceivedDumpLimits } from "../../../protocol/pickle/limits.js";
import { PyFrozenSet } from "../../../protocol/pickle/values.js";
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

test("ints as keys, as many as Python has in sets and dicts, are taken from a leader's dump", async () => {
  const ints = Array.from({ length: 12_000 }, (_, n) => n * 7919);
  for (const value of [new Set(ints), new Map(ints.map((n) => [n, null])), new PyFrozenSet(ints)]) {
    for (const protocol of [2, 4]) {
      const pickled = await python.ask("R", protocol, 0, encodePickle(value));
      assert.equal(strictForm(decodePickle(pickled, pickleReceivedDumpLimits)), strictForm(value));
    }
  }
});

/** What Python reads of a pickle, or null. */
async function pythonReads(pickle: Uint8Array): Promise<string | null> {
  try {
    return strictForm(decodePickle(await python.ask("L", 2, 0, pickle)));
  } catch (error) {
    assert.match(String(error), /python3: /);
    return null;
  }
}

/** "beyond": Python may read it. */
function weRead(pickle: Uint8Array): string | null {
  try {
    return strictForm(decodePickle(pickle));
  } catch (error) {
    assert.ok(error instanceof ProtocolError);
    return error.code === "pickle-limit" ? "beyond" : null;
  }
}

const byteArray = "\x96\x01\0\0\0\0\0\0\0a";
const byteArrayCall = "c__builtin__\nbytearray\nC\x01aq\x01\x85R";
/** A node, made by the module's function of the other module's class. */
const nodeOf = (proto: string, registry: string, builtins: string): string =>
  `${proto}c${registry}\n_reconstructor\n(cpysyncobj.node\nTCPNode\nc${builtins}\nobject\nNtR}S'_id'\nI5\nsb.`;
const frame = (bytes: number): string => {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes));
  return `\x95${length.toString("latin1")}`;
};
const bothRead = [
  ..."I00 I01 I+1 I0 I000 I-0 I-00 I+5 I5 L5 L5L L00L L-7L S'a' S\"a'\" Fnan F-inf V\\u00e9".split(
    " ",
  ),
].map((line) => `${line}\n.`);
bothRead.push(
  // What only the second of Python's readers takes: blanks, groups of digits, and what is too much for a float.
  ..."F1_0 F-1_0.0_1e1_0 F1_000. F.1_0 F1e400 F-1e400 F1e-400 F+nan FINF F-iNfInItY F00.1 F1. F.5E+5"
    .split(" ")
    .map((line) => `${line}\n.`),
  ...[" 1", "1 ", "\t1\r", "\v1\f", " nan\f", "-infinity "].map((text) => `F${text}\n.`),
  `F${"1".repeat(400)}\n.`,
  `F0.${"0".repeat(1000)}${"1_2".repeat(1000)}\n.`,
  // What only the first one takes: its text ends at a NUL.
  ...["1.5\0", "1\x002", "inf\0x"].map((text) => `F${text}\n.`),
  // Places of the memo.
  ..."1 +1 01 00_1 -0 0_0".split(" ").flatMap((text) => [`Np${text}\n0g${text}\n.`]),
  ...[" 1", "\t1\r", "\v1\f", "1\0", "1\x002"].map((text) => `Np${text}\n0g1\n.`),
  // Frames within frames, and ones that end early, to a reader that does not mind.
  `\x80\x04${frame(12)}${frame(3)}K\x05.`,
  `\x80\x04${frame(1)}K\x05.`,
  `\x80\x04${frame(0)}K\x05.more`,
  // A bytearray is a value, and bytes of one are a key.
  `}U\x01k${byteArray}s.`,
  `}c__builtin__\nbytes\n${byteArray}\x85RNs.`,
  // The last protocol counts, and the names of Python 3 are known to all of them.
  ...["\x80\x02", "\x80\x04\x80\x02", ""].map((proto) => `${proto}c__builtin__\nset\n)R.`),
  ...["\x80\x02", "\x80\x03", "\x80\x05", ""].map((proto) => `${proto}cbuiltins\nset\n)R.`),
  nodeOf("\x80\x02", "copy_reg", "__builtin__"),
  nodeOf("\x80\x03", "copyreg", "builtins"),
  "\x80\x02\x8c\x0b__builtin__\x8c\x03set\x93)R.",
  // The bytes that a bytearray was made of, by the memo.
  `${byteArrayCall}0}h\x01Ns.`,
);
const bothRefuse = [
  // Python 3 knows its predecessor's names below protocol 3 only.
  ...["\x80\x03", "\x80\x02\x80\x04", "\x80\x05"].map((proto) => `${proto}c__builtin__\nset\n)R.`),
  ...["set", "frozenset", "bytes", "bytearray"].map((name) => `\x80\x03c__builtin__\n${name}\n)R.`),
  nodeOf("\x80\x03", "copy_reg", "builtins"),
  nodeOf("\x80\x03", "copyreg", "__builtin__"),
  "\x80\x04\x8c\x0b__builtin__\x8c\x03set\x93)R.",
  ...[byteArray, byteArrayCall, "c__builtin__\nbytearray\n)R", `${byteArray}\x85`].flatMap(
    (key) => [`}${key}Ns.`, `\x8f(${key}\x90.`, `(${key}\x91.`],
  ),
  ..."F F. F+ F_1 F1_ F1__0 F1_.5 F1._5 F1e_5 F1e Finfinit Fi_nf Fnan(1) F0x10 F0x1p3 F+-1 F1,5 F1d5"
    .split(" ")
    .map((line) => `${line}\n.`),
  ...["\x1c1", "1\x1f", "\x851", " 1\0", "1_0\0", "1e400\0", "\x001", "1 2"].map(
    (text) => `F${text}\n.`,
  ),
  ...["", "x", "-1", "_1", "1_", "1__0", "0x1", "1L", "1\xa0", "\x001"].map(
    (text) => `Np${text}\n.`,
  ),
  `\x80\x04\x95${"\0".repeat(7)}\x80N.`,
  // A frame that goes on behind the data, of a pickle that has no end.
  `\x80\x04${frame(100)}K\x05`,
  ..."I5L I5L5 L5LL L5L\xa0 Finf\xa0 S'\xff' S'\\xff' Sa S'".split(" ").map((line) => `${line}\n.`),
  ...["L5L ", "S 'a'", "S'a' ", "S'a'\r"].map((line) => `${line}\n.`),
];
/** What Pythons read in two ways, or one of their two readers alone reads. */
const readOtherwise = [
  // 8 to Python 3.13 and older, 10 to newer ones; the other ones are nothing to the older, or to the newer ones.
  ..."I010 I08 L08L L010 I0x10 L-0x_1FL I1_0 I0b1 I0o7 L0_0L"
    .split(" ")
    .map((line) => `${line}\n.`),
  "I1\x002\n.",
  "L1\0\n.",
  // Values within themselves, and what Pythons before 3.8 do not know.
  "]q\0h\0a0K\x05.",
  "}q\0U\x01kh\0s0K\x05.",
  "C\x01a\x98.",
  // A frame that goes on behind the data: 5 to most, nothing to Pythons to come.
  `\x80\x04${frame(4)}K\x05.`,
  `\x80\x04${frame(2 ** 53)}K\x05.`,
  // A frame, and what the first reader gives up at: the second one minds where frames end.
  `\x80\x04${frame(4)}F1_0\n.`,
  `U\x01\xff0\x80\x04${frame(3)}K\x05.`,
  // What each takes that the other one does not.
  "F1_0\n0F1\0\n.",
  "F1_0\n0I 1\n.",
  "U\x01\xffp1\0\n.",
];
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "latin1"));

test("what Python reads and does not read of pickles that it does not write", async () => {
  for (const pickle of bothRead) {
    const read = weRead(bytesOf(pickle));
    assert.ok(read !== null, pickle);
    assert.equal(read, await pythonReads(bytesOf(pickle)), pickle);
  }
  for (const pickle of bothRefuse) {
    assert.equal(weRead(bytesOf(pickle)), null, JSON.stringify(pickle));
    assert.equal(await pythonReads(bytesOf(pickle)), null, JSON.stringify(pickle));
  }
  for (const pickle of readOtherwise) {
    assert.equal(weRead(bytesOf(pickle)), "beyond", JSON.stringify(pickle));
  }
});

const lines = fc
  .tuple(
    fc.constantFrom("I", "L", "F", "S", "V", "Np", "N(p0\nt0p1\n0g"),
    fc.array(
      fc.constantFrom(
        ..."0158+-L_ \t\r\v\f\0\xa0\xff.einfa'\"\\xuU{}".split(""),
        ...["'a'", "00e9", "1_0", "e400", "inf"],
      ),
      { maxLength: 6 },
    ),
  )
  .map(([opcode, parts]) => bytesOf(`${opcode}${parts.join("")}\n.`));

test("a line is to us what it is to Python, or we say that Python may read it", async () => {
  await fc.assert(
    fc.asyncProperty(lines, async (pickle) => {
      const read = weRead(pickle);
      if (read !== "beyond") assert.equal(read, await pythonReads(pickle));
    }),
    { numRuns: 10_000 },
  );
});
