import { escapeControls } from "./escape.js";

/** Columns under their headings, two blanks apart; the last one is not padded. */
export function formatTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const lines = [headings, ...rows].map((row) => row.map(escapeControls));
  const widths = headings.map((_, column) =>
    Math.max(...lines.map((line) => (line[column] ?? "").length)),
  );
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join("");
}

/** Names and values, one pair a line. */
export function formatPairs(pairs: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${name.padEnd(width)}  ${escapeControls(value)}\n`).join("");
}

export function show(value: string | number | boolean | null): string {
  if (typeof value === "boolean") {
    return value ? "yes" : "no";
  }
  return value === null ? "-" : String(value);
}
