import { isDeepStrictEqual } from "node:util";
import { type EventuallyOptions, eventually } from "./eventually.js";
import type { KvData } from "./kv-data.js";

/** A member whose own applied data can be read: VanillaNode and QuorateMember both fit. */
export interface DataSource {
  readonly name: string;
  data(): Promise<KvData>;
  /** What it says of itself, for a message: whom it is connected to, who leads. */
  status?(): Promise<Readonly<Record<string, unknown>>>;
}

/** Differences shown; more of them say nothing new. */
const differencesMax = 10;

/**
 * Waits until all sources have applied up to the same index, then compares every key and field.
 * Keys that change at that moment (a lease that is renewed) only delay it.
 *
 * @throws Error with the first differences, or with the applied indexes that stay apart.
 */
export async function assertEqualData(
  sources: readonly DataSource[],
  options: EventuallyOptions = {},
): Promise<KvData> {
  const first = sources[0];
  if (first === undefined) throw new Error("nothing to compare");
  const names = sources.map((source) => source.name).join(", ");
  const all = await eventually(
    `the same applied index on ${names}`,
    async () => {
      const read = await Promise.all(sources.map((source) => source.data()));
      const indexes = read.map((data) => data.appliedIndex);
      if (new Set(indexes).size > 1) throw new Error(`applied: ${indexes.join(", ")}`);
      return read;
    },
    options,
  ).catch(async (error: unknown) => {
    throw new Error(`${String(error)}\n${await statusesOf(sources)}`, { cause: error });
  });
  const [expected, ...others] = all;
  if (expected === undefined) throw new Error("nothing was read");
  others.forEach((data, n) => {
    const found = differences(expected, data);
    if (found.length > 0) {
      const other = sources[n + 1]?.name;
      throw new Error(`${first.name} and ${other} differ:\n${found.join("\n")}`);
    }
  });
  return expected;
}

async function statusesOf(sources: readonly DataSource[]): Promise<string> {
  const lines: string[] = [];
  for (const source of sources) {
    const status = await source.status?.().catch(String);
    if (status !== undefined) lines.push(`${source.name}: ${JSON.stringify(status)}`);
  }
  return lines.join("\n");
}

/** Lines that name each key that differs, and how. */
export function differences(expected: KvData, actual: KvData): string[] {
  const keys = new Set([...Object.keys(expected.entries), ...Object.keys(actual.entries)]);
  const lines: string[] = [];
  for (const key of keys) {
    const [a, b] = [expected.entries[key], actual.entries[key]];
    if (!isDeepStrictEqual(a, b)) {
      lines.push(`${key}: ${JSON.stringify(a)} and ${JSON.stringify(b)}`);
    }
    if (lines.length === differencesMax) break;
  }
  return lines;
}
