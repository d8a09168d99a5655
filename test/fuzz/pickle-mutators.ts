import { op } from "../../protocol/pickle/opcodes.js";
import type { Dice } from "./dice.js";
import { byteMutators, type Mutator } from "./mutators.js";

/** Bytes of an opcode's argument; `line` up to a newline, `lines` two of them, else a length first. */
const argument = new Map<number, number | "line" | "lines" | { readonly lengthBytes: number }>([
  ...[op.float, op.int, op.long, op.string, op.unicode, op.get, op.put].map(
    (code) => [code, "line"] as const,
  ),
  [op.persId, "line"],
  [op.global, "lines"],
  [op.inst, "lines"],
  [op.binInt, 4],
  [op.binInt1, 1],
  [op.binInt2, 2],
  [op.binFloat, 8],
  [op.binGet, 1],
  [op.longBinGet, 4],
  [op.binPut, 1],
  [op.longBinPut, 4],
  [op.proto, 1],
  [op.frame, 8],
  ...[op.shortBinString, op.shortBinBytes, op.shortBinUnicode, op.long1].map(
    (code) => [code, { lengthBytes: 1 }] as const,
  ),
  ...[op.binString, op.binUnicode, op.binBytes, op.long4].map(
    (code) => [code, { lengthBytes: 4 }] as const,
  ),
  ...[op.binUnicode8, op.binBytes8, op.byteArray8].map(
    (code) => [code, { lengthBytes: 8 }] as const,
  ),
]);

function endOfLine(bytes: Buffer, from: number): number {
  const end = bytes.indexOf(0x0a, from);
  return end < 0 ? bytes.length : end + 1;
}

function opcodeEnd(bytes: Buffer, at: number): number {
  const kind = argument.get(bytes[at] ?? 0) ?? 0;
  if (typeof kind === "number") return at + 1 + kind;
  if (kind === "line") return endOfLine(bytes, at + 1);
  if (kind === "lines") return endOfLine(bytes, endOfLine(bytes, at + 1));
  const start = at + 1 + kind.lengthBytes;
  if (start > bytes.length) return bytes.length;
  return start + bytes.readUIntLE(at + 1, Math.min(kind.lengthBytes, 6));
}

/** The pickle's opcodes, each with its argument. */
function opcodesOf(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, Math.max(at + 1, opcodeEnd(bytes, at)));
    found.push(bytes.subarray(at, end));
    at = end;
  }
  return found;
}

const codes = Object.values(op);
const globals = [
  "_codecs\nencode\n",
  "builtins\nset\n",
  "pysyncobj.node\nTCPNode\n",
  "os\nsystem\n",
];

function anyOpcode(dice: Dice): Buffer {
  const code = dice.pick(codes);
  const kind = argument.get(code) ?? 0;
  const head = Buffer.of(code);
  if (kind === "line") return Buffer.concat([head, Buffer.from(`${dice.below(300)}\n`)]);
  if (kind === "lines") return Buffer.concat([head, Buffer.from(dice.pick(globals))]);
  if (typeof kind === "number") {
    return Buffer.concat([head, Buffer.from(Array.from({ length: kind }, () => smallByte(dice)))]);
  }
  const text = Buffer.from(Array.from({ length: dice.below(12) }, () => dice.below(256)));
  const length = Buffer.alloc(kind.lengthBytes);
  length[0] = text.length;
  return Buffer.concat([head, length, text]);
}

function smallByte(dice: Dice): number {
  return dice.oneIn(3) ? dice.below(256) : dice.below(6);
}

const opcodeMutators: readonly Mutator[] = [
  (bytes, dice) => {
    const all = opcodesOf(bytes);
    all.splice(dice.below(all.length + 1), 0, anyOpcode(dice));
    return Buffer.concat(all);
  },
  (bytes, dice) => {
    const all = opcodesOf(bytes);
    all.splice(dice.below(all.length), 1 + dice.below(3));
    return Buffer.concat(all);
  },
  (bytes, dice) => {
    const all = opcodesOf(bytes);
    const from = dice.below(all.length);
    const piece = all.slice(from, from + 1 + dice.below(6));
    const copies = Array.from({ length: 1 + dice.below(dice.oneIn(16) ? 40 : 2) }, () => piece);
    all.splice(dice.below(all.length + 1), 0, ...copies.flat());
    return Buffer.concat(all);
  },
  (bytes, dice, other) => {
    const all = opcodesOf(bytes);
    const theirs = opcodesOf(Buffer.from(other));
    const from = dice.below(theirs.length);
    all.splice(dice.below(all.length + 1), 0, ...theirs.slice(from, from + 1 + dice.below(8)));
    return Buffer.concat(all);
  },
];

/** Mostly whole opcodes, so that what comes out is a pickle more often than not. */
export const pickleMutators: readonly Mutator[] = [
  ...opcodeMutators,
  ...opcodeMutators,
  ...byteMutators,
];
