import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtocolError, type ProtocolFault } from "../../../protocol/errors.js";
import { decodePickle } from "../../../protocol/pickle/decoder.js";
import { commandPickleLimits, type PickleLimits } from "../../../protocol/pickle/limits.js";

function refusal(pickle: string, limits?: Partial<PickleLimits>): ProtocolError {
  try {
    decodePickle(new Uint8Array(Buffer.from(pickle, "latin1")), limits);
  } catch (error) {
    assert.ok(error instanceof ProtocolError, String(error));
    return error;
  }
  return assert.fail("the pickle was accepted");
}

type MustFail = readonly [name: string, pickle: string, code: ProtocolFault, offset: number];

const cases: readonly MustFail[] = [
  [
    "os.system named by GLOBAL",
    "\x80\x02cos\nsystem\nX\x02\x00\x00\x00id\x85R.",
    "pickle-global",
    2,
  ],
  ["posix.system", "cposix\nsystem\n(S'id'\ntR.", "pickle-global", 0],
  ["os.system by STACK_GLOBAL", "\x80\x04\x8c\x02os\x8c\x06system\x93.", "pickle-global", 14],
  ["os.system by INST", "(S'id'\nios\nsystem\n.", "pickle-global", 7],
  ["os.system by OBJ", "(cos\nsystem\nS'id'\no.", "pickle-global", 1],
  ["getattr", "c__builtin__\ngetattr\n.", "pickle-global", 0],
  ["eval", "c__builtin__\neval\n.", "pickle-global", 0],
  [
    "a dotted name below a known module",
    "\x8c\x08builtins\x8c\x0dbytes.fromhex\x93.",
    "pickle-global",
    25,
  ],
  ["a name of JavaScript's objects", "c__proto__\nconstructor\n.", "pickle-global", 0],
  ["a name of a map's own", "cbuiltins\nconstructor\n.", "pickle-global", 0],
  [
    "a call within a call",
    "c__builtin__\nset\nc_codecs\nencode\n\x85R\x85R.",
    "pickle-malformed",
    34,
  ],
  ["a call of a call's result", "c__builtin__\nset\n)R)R.", "pickle-malformed", 20],
  ["a call of a string", "U\x01a)R.", "pickle-malformed", 4],
  ["another encoding", "c_codecs\nencode\nU\x01aU\x03hex\x86R.", "pickle-malformed", 25],
  [
    "bytes beyond Latin-1",
    "c_codecs\nencode\nX\x03\x00\x00\x00\xe2\x82\xacU\x06latin1\x86R.",
    "pickle-malformed",
    33,
  ],
  ["bytes of a size", "c__builtin__\nbytes\nJ\xff\xff\xff\x7f\x85R.", "pickle-malformed", 25],
  [
    "a bytearray of a size",
    "c__builtin__\nbytearray\nJ\xff\xff\xff\x7f\x85R.",
    "pickle-malformed",
    29,
  ],
  ["a constructor of a node", "cpysyncobj.node\nTCPNode\nU\x03a:1\x85R.", "pickle-malformed", 30],
  ["a node with arguments", "cpysyncobj.node\nTCPNode\nU\x03a:1\x85\x81.", "pickle-malformed", 30],
  ["an instance of a function", "c_codecs\nencode\n)\x81.", "pickle-malformed", 17],
  [
    "an object rebuilt on another base",
    "ccopyreg\n_reconstructor\n(cpysyncobj.node\nNode\ncbuiltins\nset\nNtR.",
    "pickle-malformed",
    62,
  ],
  ["a class as the result", "c__builtin__\nset\n.", "pickle-malformed", 17],
  ["a class in a list", "]c__builtin__\nset\na.", "pickle-malformed", 18],
  ["a class in a tuple", "c__builtin__\nset\n\x85.", "pickle-malformed", 18],
  ["a class in a tuple in a list", "]c__builtin__\nset\n\x85\x85a.", "pickle-malformed", 20],
  ["a class as a dict's key", "}c__builtin__\nset\nNs.", "pickle-malformed", 19],
  ["a class in a set", "\x8f(c__builtin__\nset\n\x90.", "pickle-malformed", 19],
  ["state of a list", "]}b.", "pickle-malformed", 2],
  ["state that is a list", "cpysyncobj.node\nNode\n)\x81]b.", "pickle-malformed", 24],
  ["state with slots", "cpysyncobj.node\nNode\n)\x81N}NNs\x86b.", "pickle-malformed", 29],
  [
    "state with a name that is no str",
    "cpysyncobj.node\nNode\n)\x81}K\x01Nsb.",
    "pickle-malformed",
    28,
  ],
  ["a persistent id", "P1\n.", "pickle-opcode", 0],
  ["a persistent id from the stack", "NQ.", "pickle-opcode", 1],
  ["EXT1", "\x82\x01.", "pickle-opcode", 0],
  ["EXT2", "\x83\x01\x00.", "pickle-opcode", 0],
  ["EXT4", "\x84\x01\x00\x00\x00.", "pickle-opcode", 0],
  ["NEXT_BUFFER", "\x97.", "pickle-opcode", 0],
  ["READONLY_BUFFER", "\x98.", "pickle-malformed", 0],
  ["an unknown opcode", "N\xff.", "pickle-opcode", 1],
  ["an unknown protocol", "\x80\x06N.", "pickle-opcode", 0],
  ["nothing at all", "", "pickle-truncated", 0],
  ["no end", "N", "pickle-truncated", 1],
  ["a str that is cut", "NX\x05\x00\x00\x00ab", "pickle-truncated", 1],
  ["a length that is cut", "X\x05\x00", "pickle-truncated", 0],
  ["a length of 2^63", "\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.", "pickle-limit", 0],
  ["a frame of 2^63 bytes", `\x95${"\x00".repeat(7)}\x80N.`, "pickle-malformed", 0],
  ["a line without an end", "I12", "pickle-truncated", 0],
  ["bytes that are no UTF-8", "X\x01\x00\x00\x00\xff.", "pickle-malformed", 0],
  ["an overlong form", "X\x02\x00\x00\x00\xc0\x80.", "pickle-malformed", 0],
  ["a code point beyond the last", "X\x04\x00\x00\x00\xf4\x90\x80\x80.", "pickle-malformed", 0],
  ["a cut UTF-8 sequence", "X\x02\x00\x00\x00\xe2\x82.", "pickle-malformed", 0],
  ["a broken escape", "V\\u12\n.", "pickle-malformed", 0],
  ["an escape beyond the last", "V\\U00110000\n.", "pickle-malformed", 0],
  ["a str without quotes", "Sabc\n.", "pickle-malformed", 0],
  ["a str of negative length", "T\xff\xff\xff\xff.", "pickle-malformed", 0],
  ["an int of negative length", "\x8b\xff\xff\xff\xff.", "pickle-malformed", 0],
  ["an int that is none", "I1x\n.", "pickle-malformed", 0],
  ["a float that is none", "Fone\n.", "pickle-malformed", 0],
  ["an empty stack", ".", "pickle-malformed", 0],
  ["a value below the mark", "N(.", "pickle-malformed", 2],
  ["no mark", "Nt.", "pickle-malformed", 1],
  ["no list before the mark", "(Ne.", "pickle-malformed", 2],
  ["no memo entry", "h\x01.", "pickle-malformed", 0],
  ["a memo index that is no number", "gx\n.", "pickle-malformed", 0],
  ["a key without a value", "}(Nu.", "pickle-malformed", 3],
  ["a list as a key", "}]Ns.", "pickle-malformed", 3],
  ["a list within a tuple as a key", "}]\x85Ns.", "pickle-malformed", 4],
  ["items set on a list", "]NNs.", "pickle-malformed", 3],
  ["items appended to a tuple", ")Na.", "pickle-malformed", 2],
  ["a list within itself", "]q\x00h\x00a.", "pickle-limit", 5],
  ["a list within itself by DUP", "]2a.", "pickle-limit", 2],
  ["a dict within itself", "}q\x00Nh\x00s.", "pickle-limit", 6],
  ["a tuple around a list that gets the tuple", "]q\x00h\x00\x85a.", "pickle-limit", 6],
  ["a node within itself", "cpysyncobj.node\nNode\n)\x81q\x00}U\x01xh\x00sb.", "pickle-limit", 32],
];

for (const [name, pickle, code, offset] of cases) {
  test(`refuses ${name}`, () => {
    const { code: seen, offset: at } = refusal(pickle);
    assert.deepEqual({ code: seen, offset: at }, { code, offset });
  });
}

const limitCases: readonly [name: string, pickle: string, limits: Partial<PickleLimits>][] = [
  ["tuples nested too deeply", `N${"\x85".repeat(200)}.`, {}],
  ["lists nested too deeply", `${"]".repeat(200)}${"a".repeat(199)}.`, {}],
  ["lists nested in protocol 0", `${"(".repeat(200)}${"l".repeat(200)}.`, {}],
  ["depth through the memo", `]q\x00${"\x85q\x000h\x00".repeat(200)}.`, {}],
  ["too many opcodes", `${"N0".repeat(60)}N.`, { opsMax: 100 }],
  ["a memo index out of range", "Nr\xff\xff\xff\xff.", {}],
  ["too many memo entries", "Nq\x00q\x01q\x02.", { memoEntriesMax: 2 }],
  ["a memo of gaps", "Nq\x20q\x1fq\x1eq\x1dq\x1c.", { itemsPerOpMax: 4 }],
  ["one reference to many values", `](${"](]]]e".repeat(3)}eq\x00h\x00.`, { itemsPerOpMax: 12 }],
  ["a str that is too long", "X\xff\xff\xff\xff.", {}],
  ["a str beyond the limit", `U\x05abcde.`, { stringBytesMax: 4 }],
  ["a text line that is too long", `V${"a".repeat(70_000)}\n.`, {}],
  ["a quoted line that is too long", `S'${"\\x41".repeat(20_000)}'\n.`, {}],
  ["a str beyond the limit of strs", "X\x05\x00\x00\x00abcde.", { strBytesMax: 4 }],
  ["ints that take long to read", `(${`I${"9".repeat(4_000)}\n`.repeat(10)}t.`, { opsMax: 1_000 }],
  ["a name that is too long", `c${"a".repeat(300)}\nb\n.`, {}],
  ["an int of too many digits", `L${"9".repeat(5000)}L\n.`, {}],
  ["an int of too many bytes", "\x8b\x00\x10\x00\x00.", {}],
  ["many empty dicts", `(${"}".repeat(100)}t.`, { allocatedBytesMax: 10_000 }],
  ["many empty sets", `(${"\x8f".repeat(100)}t.`, { allocatedBytesMax: 10_000 }],
  ["more values at once than may be", "(K\x01K\x02K\x03t.", { itemsPerOpMax: 2 }],
  [
    "a set of more values than may be",
    "c__builtin__\nset\n](K\x01e(K\x02K\x03e\x85R.",
    { itemsPerOpMax: 2 },
  ],
  ["a large key", "}(U\x09abcdefghi\x85Nu.", { keyCharsMax: 16 }],
  [
    "a shared string beyond all measure",
    `U\x64${"x".repeat(100)}q\x00(${"h\x00".repeat(99)}t.`,
    { expandedBytesMax: 5000 },
  ],
  ["a billion laughs", laughs(40), {}],
];

/** Each list holds the one before ten times. */
function laughs(levels: number): string {
  let pickle = "(U\x04ha! q\x00";
  for (let level = 1; level <= levels; level++) {
    const reference = `h${String.fromCharCode(level - 1)}`;
    pickle += `0](${reference.repeat(10)}eq${String.fromCharCode(level)}`;
  }
  return `${pickle}.`;
}

for (const [name, pickle, limits] of limitCases) {
  test(`limits ${name}`, () => assert.equal(refusal(pickle, limits).code, "pickle-limit"));
}

test("a hostile pickle is refused in little time and memory", () => {
  const before = process.memoryUsage().heapUsed;
  const start = process.hrtime.bigint();
  assert.equal(refusal(laughs(100)).code, "pickle-limit");
  assert.equal(refusal(`\x8e\x00\x00\x00\x40\x00\x00\x00\x00.`).code, "pickle-limit");
  assert.ok(process.hrtime.bigint() - start < 1_000_000_000n);
  assert.ok(process.memoryUsage().heapUsed - before < 64 * 1024 * 1024);
});

test("sharing alone is no fault: the same list twice is decoded as such", () => {
  const value = decodePickle(Buffer.from("]q\x00(K\x01K\x02eh\x00\x86.", "latin1"));
  assert.ok(typeof value === "object" && value !== null && "items" in value);
  assert.deepEqual(value.items, [
    [1, 2],
    [1, 2],
  ]);
});

test("what takes longer than an opcode counts for more, so that a step of some opcodes is short", () => {
  const limits = commandPickleLimits(8 * 1024 * 1024);
  const listOf = (item: Uint8Array, count: number): Uint8Array =>
    Buffer.concat([Buffer.of(0x80, 2, 0x5d, 0x28), ...Array(count).fill(item), Buffer.from("e.")]);
  const line = (letter: string, text: string): Uint8Array => Buffer.from(`${letter}${text}\n`);
  const halves = Buffer.concat(Array(60_000).fill(Buffer.from("eda080c3a9", "hex")));
  const head = Buffer.of(0x58, 0, 0, 0, 0);
  head.writeUInt32LE(halves.length, 1);
  const ints = Array.from({ length: 4_000 }, (_, n) => Buffer.of(0x4d, n & 0xff, n >> 8));
  const set = Buffer.concat([
    Buffer.from("\x80\x04\x8f(", "latin1"),
    ...ints,
    Buffer.of(0x90, 0x2e),
  ]);
  const refused: readonly [string, Uint8Array][] = [
    ["STRING", listOf(line("S", `'${"\\a".repeat(30_000)}'`), 20)],
    ["UNICODE", listOf(line("V", "\\u0041".repeat(10_000)), 20)],
    ["surrogates", listOf(Buffer.concat([head, halves]), 2)],
    ["ints", set],
  ];
  for (const [name, pickle] of refused) {
    assert.throws(() => decodePickle(pickle, limits), /too many opcodes/, name);
  }
  assert.deepEqual(decodePickle(listOf(line("S", "'a\\\\b'"), 2), limits), ["a\\b", "a\\b"]);
});
