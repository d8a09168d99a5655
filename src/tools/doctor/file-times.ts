/** A writer's clock, as it stands in its writes; not a date: as it is. */
export function timeText(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString();
}

/** From the first to the last of them; null: none is known. */
export function timeRange(seconds: readonly (number | null)[]): string | null {
  let [first, last] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const each of seconds) {
    if (each === null) continue;
    first = Math.min(first, each);
    last = Math.max(last, each);
  }
  if (first > last) return null;
  return first === last ? timeText(first) : `${timeText(first)} to ${timeText(last)}`;
}
