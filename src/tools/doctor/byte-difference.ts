/**
 * Where a command differs from others, for entries that read the same: values that are cut, or parts of a
 * command that no text shows.
 */
export function byteDifference(command: Uint8Array, others: readonly Uint8Array[]): string | null {
  const places = others.map((other) => firstDifference(command, other));
  const at = Math.min(...places);
  if (at === Number.POSITIVE_INFINITY) return null;
  const byte = command[at];
  return byte === undefined
    ? `its command ends after ${command.length} bytes`
    : `byte ${at} of its command is 0x${byte.toString(16).padStart(2, "0")}`;
}

function firstDifference(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let at = 0; at < shared; at++) if (a[at] !== b[at]) return at;
  return a.length === b.length ? Number.POSITIVE_INFINITY : shared;
}
