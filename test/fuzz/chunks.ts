import type { Dice } from "./dice.js";

/** In pieces as a socket might give them. */
export function chunks(bytes: Uint8Array, dice: Dice): Uint8Array[] {
  const made: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + dice.below(dice.oneIn(3) ? 8 : 5_000);
    made.push(bytes.subarray(at, at + length));
    at += length;
  }
  return made;
}
