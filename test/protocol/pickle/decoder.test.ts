import assert from "node:assert/strict";
import { test } from "node:test";
import { decodePickle, decodePicklePrefix } from "../../../protocol/pickle/decoder.js";
import {
  PyByteArray,
  PyFloat,
  PyFrozenSet,
  PyInstance,
  PyOrderedDict,
  PySurrogateStr,
  PyTuple,
  type PyValue,
} from "../../../protocol/pickle/values.js";

/** A pickle written as Python shows it: each character is one byte. */
function decode(pickle: string): PyValue {
  return decodePickle(new Uint8Array(Buffer.from(pickle, "latin1")));
}

function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "latin1"));
}

function byteArray(text: string): PyByteArray {
  return new PyByteArray(bytes(text).buffer);
}

const address = "127.0.0.1:1234";
const nodeState = new Map<PyValue, PyValue>([
  ["_id", address],
  ["_TCPNode__address", address],
  ["_TCPNode__host", "127.0.0.1"],
  ["_TCPNode__port", 1234],
]);

const cases: readonly (readonly [name: string, pickle: string, value: PyValue])[] = [
  ["None", "N.", null],
  ["True of protocol 2", "\x80\x02\x88.", true],
  ["False of protocol 2", "\x80\x02\x89.", false],
  ["True of protocol 0", "I01\n.", true],
  ["False of protocol 0", "I00\n.", false],
  ["INT", "I-12\n.", -12],
  ["INT beyond 32 bits (Python 2)", "I2147483648\n.", 2147483648],
  ["INT of minus zero", "I-00\n.", 0],
  ["LONG", "L10L\n.", 10],
  ["LONG beyond the safe integers", "L-9223372036854775808L\n.", -(2n ** 63n)],
  ["BININT", "J\xff\xff\xff\xff.", -1],
  ["BININT1", "K\xff.", 255],
  ["BININT2", "M\xd2\x04.", 1234],
  ["LONG1 of no bytes", "\x8a\x00.", 0],
  ["LONG1 of one byte", "\x8a\x01\xff.", -1],
  ["LONG1 of seven bytes", "\x8a\x07\xff\xff\xff\xff\xff\xff\x1f.", Number.MAX_SAFE_INTEGER],
  ["LONG1 just beyond the safe ones", "\x8a\x07\x00\x00\x00\x00\x00\x00\x20.", 2n ** 53n],
  ["LONG1 of eight bytes", "\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80.", -(2n ** 63n)],
  ["LONG1 of nine bytes", "\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00@.", 2n ** 70n],
  ["LONG1 with needless bytes", "\x8a\x09\xfe\xff\xff\xff\xff\xff\xff\xff\xff.", -2],
  ["LONG4", "\x8b\x02\x00\x00\x00\x00\x01.", 256],
  ["FLOAT", "F-0.0\n.", new PyFloat(-0)],
  ["FLOAT of inf", "Finf\n.", new PyFloat(Number.POSITIVE_INFINITY)],
  ["FLOAT of nan", "Fnan\n.", new PyFloat(Number.NaN)],
  ["FLOAT with an exponent", "F1e+300\n.", new PyFloat(1e300)],
  ["FLOAT of a whole number (Python 2)", "F-0\n.", new PyFloat(-0)],
  ["BINFLOAT", "G?\xf8\x00\x00\x00\x00\x00\x00.", new PyFloat(1.5)],
  ["BINUNICODE", "X\x03\x00\x00\x00\xe2\x82\xac.", "€"],
  ["BINUNICODE with U+FFFD itself", "X\x03\x00\x00\x00\xef\xbf\xbd.", "\ufffd"],
  ["BINUNICODE with a byte order mark", "X\x03\x00\x00\x00\xef\xbb\xbf.", "\ufeff"],
  ["BINUNICODE with a lone surrogate", "X\x04\x00\x00\x00\xed\xa0\x80x.", "\ud800x"],
  ["BINUNICODE low before high", "X\x06\x00\x00\x00\xed\xb8\x80\xed\xa0\xbd.", "\ude00\ud83d"],
  [
    "BINUNICODE with a pair of surrogates",
    "X\x06\x00\x00\x00\xed\xa0\xbd\xed\xb8\x80.",
    new PySurrogateStr(bytes("\xed\xa0\xbd\xed\xb8\x80")),
  ],
  ["SHORT_BINUNICODE", "\x8c\x01x.", "x"],
  ["BINUNICODE8", "\x8d\x01\x00\x00\x00\x00\x00\x00\x00x.", "x"],
  ["UNICODE", "V\\u20ac\\u005cu\\u000a\\U0001f600\xff\np0\n.", "€\\u\n😀ÿ"],
  ["UNICODE with a backslash before a backslash", "V\\\\u0041\n.", "\\\\u0041"],
  ["UNICODE with a lone surrogate", "V\\ud800x\n.", "\ud800x"],
  [
    "UNICODE with a pair of surrogates",
    "Va\\ud83d\\ude00\n.",
    new PySurrogateStr(bytes("a\xed\xa0\xbd\xed\xb8\x80")),
  ],
  ["SHORT_BINSTRING of ASCII", "U\x03abc.", "abc"],
  ["SHORT_BINSTRING of other bytes", "U\x02a\xff.", bytes("a\xff")],
  ["BINSTRING of ASCII", "T\x01\x00\x00\x00a.", "a"],
  ["BINSTRING of other bytes", "T\x01\x00\x00\x00\xe4.", bytes("\xe4")],
  ["STRING", "S'a\\n\\x41\\101\\q'\np0\n.", "a\nAA\\q"],
  ["STRING in double quotes", 'S"a\'\\\\\\x7f"\n.', "a'\\\x7f"],
  ["SHORT_BINBYTES", "C\x02\x00\xff.", bytes("\x00\xff")],
  ["BINBYTES", "B\x01\x00\x00\x00a.", bytes("a")],
  ["BINBYTES8", "\x8e\x01\x00\x00\x00\x00\x00\x00\x00a.", bytes("a")],
  ["BYTEARRAY8", "\x96\x02\x00\x00\x00\x00\x00\x00\x00ab\x94.", byteArray("ab")],
  [
    "bytes of Python 3 in protocol 2",
    "\x80\x02c_codecs\nencode\nq\x00X\x04\x00\x00\x00ab\xc3\xbfq\x01X\x06\x00\x00\x00latin1q\x02\x86q\x03Rq\x04.",
    bytes("ab\xff"),
  ],
  ["empty bytes in protocol 2", "\x80\x02c__builtin__\nbytes\nq\x00)Rq\x01.", bytes("")],
  [
    "bytearray of Python 2",
    "c__builtin__\nbytearray\np1\n(Vab\nS'latin-1'\ntRp2\n.",
    byteArray("ab"),
  ],
  [
    "bytearray of Python 3.8 in protocol 2",
    "c__builtin__\nbytearray\nc_codecs\nencode\nX\x01\x00\x00\x00aX\x06\x00\x00\x00latin1\x86R\x85R.",
    byteArray("a"),
  ],
  [
    "bytearray of protocol 3",
    "\x80\x03cbuiltins\nbytearray\nq\x00C\x02abq\x01\x85q\x02R.",
    byteArray("ab"),
  ],
  ["tuples", "()K\x01\x85K\x01K\x02\x86NNN\x87(tt.", tupleCase()],
  ["LIST and APPEND", "(lp0\nI1\na.", [1]],
  ["LIST with items", "(I1\nI2\nl.", [1, 2]],
  ["APPENDS", "](K\x01K\x02e.", [1, 2]],
  ["DICT", "(U\x01aK\x01d.", new Map([["a", 1]])],
  ["SETITEM", "}X\x01\x00\x00\x00aNs.", new Map([["a", null]])],
  ["SETITEMS", "}(U\x01aK\x01U\x01bK\x02u.", new Map(Object.entries({ a: 1, b: 2 }))],
  ["a repeated key", "}(U\x01aK\x01U\x01aK\x02u.", new Map([["a", 2]])],
  ["keys that Python holds equal", "}(K\x01K\x0a\x88K\x0bu.", new Map([[1, 11]])],
  ["set of protocol 2", "c__builtin__\nset\n](K\x01K\x02e\x85R.", new Set([1, 2])],
  ["set of protocol 4", "\x8f\x94(K\x01K\x01\x90.", new Set([1])],
  ["frozenset of protocol 2", "c__builtin__\nfrozenset\n]K\x01a\x85R.", new PyFrozenSet([1])],
  ["frozenset of protocol 4", "(K\x01K\x02\x91\x94.", new PyFrozenSet([1, 2])],
  ["empty frozenset", "cbuiltins\nfrozenset\n)R.", new PyFrozenSet([])],
  ["OrderedDict", "ccollections\nOrderedDict\n)RK\x01K\x02s.", new PyOrderedDict([[1, 2]])],
  [
    "OrderedDict of Python 2",
    "ccollections\nOrderedDict\n]](K\x01K\x02ea\x85R.",
    new PyOrderedDict([[1, 2]]),
  ],
  ["POP", "K\x01K\x020.", 1],
  ["POP of a mark", "K\x01(0.", 1],
  ["POP_MARK", "K\x01(K\x02K\x031.", 1],
  ["DUP", "K\x012\x86.", new PyTuple([1, 1])],
  ["PUT and GET", "I7\np5\n0g5\n.", 7],
  [
    "LONG_BINPUT and LONG_BINGET",
    "Nr\xe8\x03\x00\x00K\x01j\xe8\x03\x00\x00\x86.",
    new PyTuple([1, null]),
  ],
  ["MEMOIZE counts on", "\x8c\x01a\x94\x8c\x01b\x94h\x01\x87.", abb()],
  ["FRAME", "\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00\x88.", true],
  ["bytes after the end", "K\x01.garbage", 1],
];

function tupleCase(): PyValue {
  const three = new PyTuple([null, null, null]);
  return new PyTuple([
    new PyTuple([]),
    new PyTuple([1]),
    new PyTuple([1, 2]),
    three,
    new PyTuple([]),
  ]);
}

function abb(): PyValue {
  return new PyTuple(["a", "b", "b"]);
}

for (const [name, pickle, value] of cases) {
  test(`decodes ${name}`, () => assert.deepStrictEqual(decode(pickle), value));
}

const stateOps =
  "}q\x01(X\x03\x00\x00\x00_idq\x02X\x0e\x00\x00\x00127.0.0.1:1234q\x03X\x11\x00\x00\x00_TCPNode__address" +
  "h\x03X\x0e\x00\x00\x00_TCPNode__hostX\x09\x00\x00\x00127.0.0.1X\x0e\x00\x00\x00_TCPNode__portM\xd2\x04u";

const instanceCases: readonly (readonly [name: string, pickle: string])[] = [
  ["NEWOBJ", `cpysyncobj.node\nTCPNode\n)\x81${stateOps}b.`],
  ["NEWOBJ_EX", `cpysyncobj.node\nTCPNode\n)}\x92${stateOps}b.`],
  ["STACK_GLOBAL", `\x8c\x0epysyncobj.node\x8c\x07TCPNode\x93)\x81${stateOps}b.`],
  [
    "_reconstructor",
    `ccopy_reg\n_reconstructor\n(cpysyncobj.node\nTCPNode\nc__builtin__\nobject\nNtR${stateOps}b.`,
  ],
  ["__newobj__", `ccopyreg\n__newobj__\n(cpysyncobj.node\nTCPNode\ntR${stateOps}b.`],
  ["INST", `(ipysyncobj.node\nTCPNode\n${stateOps}b.`],
  ["OBJ", `(cpysyncobj.node\nTCPNode\no${stateOps}b.`],
  ["a state with empty slots", `cpysyncobj.node\nTCPNode\n)\x81${stateOps}N\x86b.`],
];

for (const [name, pickle] of instanceCases) {
  test(`decodes a TCPNode from ${name}`, () => {
    assert.deepStrictEqual(decode(pickle), new PyInstance("pysyncobj.node.TCPNode", nodeState));
  });
}

test("a set of nodes holds each address once, whatever the class", () => {
  const node = (name: string): string => `cpysyncobj.node\n${name}\n)\x81}U\x03_idU\x03a:1sb`;
  const set = decode(`\x8f(${node("TCPNode")}${node("Node")}\x90.`);
  assert.ok(set instanceof Set && set.size === 1);
});

test("a view that starts within its buffer is read from its own start", () => {
  const whole = new Uint8Array([1, 2, 3, 0x43, 1, 9, 0x2e, 7]);
  const { value, length } = decodePicklePrefix(whole.subarray(3));
  assert.deepStrictEqual(value, new Uint8Array([9]));
  assert.equal(length, 4);
});

test("a Buffer as input still gives plain Uint8Arrays", () => {
  const value = decodePickle(Buffer.from("C\x01a.", "latin1"));
  assert.equal(Object.getPrototypeOf(value), Uint8Array.prototype);
});
