import type { Dice } from "./dice.js";

/** Changes some bytes; `other` is another input, to take pieces from. */
export type Mutator = (bytes: Buffer, dice: Dice, other: Uint8Array) => Buffer;

/** Mutated inputs stay below this, so that a run of millions takes minutes. */
export const inputBytesMax = 16 * 1024;

const edges = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

function flip(bytes: Buffer, dice: Dice): Buffer {
  const at = dice.below(bytes.length);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << dice.below(8));
  return bytes;
}

function overwrite(bytes: Buffer, dice: Dice): Buffer {
  bytes[dice.below(bytes.length)] = dice.next();
  return bytes;
}

function plantEdge(bytes: Buffer, dice: Dice): Buffer {
  const width = dice.pick([1, 2, 4] as const);
  if (bytes.length < width) return bytes;
  const at = dice.below(bytes.length - width + 1);
  const value = dice.pick(edges) % 256 ** width;
  if (dice.oneIn(4)) bytes.writeUIntBE(value, at, width);
  else bytes.writeUIntLE(value, at, width);
  return bytes;
}

function cut(bytes: Buffer, dice: Dice): Buffer {
  const from = dice.below(bytes.length);
  const to = from + 1 + dice.below(Math.min(bytes.length - from, dice.oneIn(4) ? 1e9 : 16));
  return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
}

function repeat(bytes: Buffer, dice: Dice): Buffer {
  const from = dice.below(bytes.length);
  const piece = bytes.subarray(from, from + 1 + dice.below(dice.oneIn(4) ? 256 : 8));
  const times = 1 + dice.below(dice.oneIn(8) ? 64 : 3);
  const pieces = Array.from({ length: times }, () => piece);
  return Buffer.concat([bytes.subarray(0, from), ...pieces, bytes.subarray(from)]);
}

function splice(bytes: Buffer, dice: Dice, other: Uint8Array): Buffer {
  const from = dice.below(other.length);
  const piece = other.subarray(from, from + 1 + dice.below(dice.oneIn(4) ? 1e9 : 32));
  const at = dice.below(bytes.length + 1);
  const over = dice.oneIn(2) ? piece.length : 0;
  return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at + over)]);
}

export const byteMutators: readonly Mutator[] = [flip, overwrite, plantEdge, cut, repeat, splice];

/** Some mutations one after the other. */
export function mutate(
  seed: Uint8Array,
  dice: Dice,
  other: Uint8Array,
  mutators: readonly Mutator[] = byteMutators,
): Buffer {
  let bytes: Buffer = Buffer.from(seed);
  for (let left = 1 + dice.below(dice.oneIn(4) ? 12 : 3); left > 0; left--) {
    if (bytes.length === 0) bytes = Buffer.of(dice.next() & 0xff);
    bytes = dice.pick(mutators)(bytes, dice, other).subarray(0, inputBytesMax);
  }
  return bytes;
}
