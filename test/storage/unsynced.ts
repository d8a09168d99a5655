/** What a machine that stops leaves of what was not synced: shared by the simulated and the traced disk. */

/** Unit that a disk writes whole or not at all. */
const sector = 512;

export type Change =
  | { readonly kind: "write"; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: "size"; readonly size: number };

/** The content with one change made. */
export function changed(content: Buffer, change: Change): Buffer {
  const size = change.kind === "size" ? change.size : change.at + change.bytes.length;
  const length = change.kind === "size" ? size : Math.max(size, content.length);
  const copy = Buffer.alloc(length);
  content.copy(copy, 0, 0, Math.min(content.length, length));
  if (change.kind === "write") change.bytes.copy(copy, change.at);
  return copy;
}

/**
 * What of a change can be on the disk by itself: each sector of a write. Sectors of zeros that follow
 * each other count as one: where a file grows by them, it is the size that is there or not.
 */
export function parts(change: Change): Change[] {
  if (change.kind === "size") return [change];
  const found: { at: number; bytes: Buffer; isZero: boolean }[] = [];
  const { at: start, bytes } = change;
  for (let at = 0; at < bytes.length; ) {
    const next = at + sector - ((start + at) % sector);
    const piece = bytes.subarray(at, next);
    const isZero = piece.every((byte) => byte === 0);
    const last = found.at(-1);
    if (isZero && last?.isZero === true) last.bytes = bytes.subarray(last.at - start, next);
    else found.push({ at: start + at, bytes: piece, isZero });
    at = next;
  }
  return found.map(({ at, bytes: piece }) => ({ kind: "write", at, bytes: piece }));
}
