import type { Options } from "../options.js";
import { lineChart } from "../report/chart.js";
import type { Outcome } from "../report/results.js";
import { shown } from "../report/statistics.js";
import { table } from "../report/table.js";
import type { Say } from "./scenario.js";
import { type Figure, throughput } from "./throughput.js";

interface Sweep {
  readonly name: string;
  readonly title: string;
  readonly values: readonly number[];
  set(options: Options, value: number): Options;
}

/** Concurrency of the sweeps of all else. */
const usual = [64];

/** Of large values fewer are in flight: more than so many bytes would wait longer than the load does. */
const inFlightBytesMax = 8 * 1024 * 1024;

const sweeps: readonly Sweep[] = [
  {
    ...{ name: "concurrency", title: "writes in flight", values: [1, 4, 16, 64, 256, 1024, 4096] },
    set: (options, value) => ({ ...options, concurrency: [value] }),
  },
  {
    ...{ name: "value", title: "bytes of a value" },
    values: [16, 128, 1024, 8192, 65_536, 1_048_576],
    set: (options, value) => ({
      ...options,
      concurrency: usual.map((count) => Math.min(count, Math.floor(inFlightBytesMax / value))),
      valueBytes: value,
    }),
  },
  {
    ...{ name: "keys", title: "keys", values: [10, 1_000, 100_000, 1_000_000] },
    set: (options, value) => ({ ...options, concurrency: usual, keys: value }),
  },
  {
    ...{ name: "members", title: "members", values: [1, 3, 5, 7] },
    set: (options, value) => ({ ...options, concurrency: usual, members: value }),
  },
  {
    ...{ name: "observers", title: "observers", values: [0, 10, 50, 100, 200] },
    set: (options, value) => ({ ...options, concurrency: usual, observers: value }),
  },
];

/** One thing changes at a time: how throughput goes with it, and a chart each. */
export async function grow(options: Options, say: Say): Promise<Outcome> {
  const figures: Record<string, (Figure & { value: number })[]> = {};
  const charts: Record<string, string> = {};
  const texts: string[] = [];
  for (const sweep of sweeps) {
    const found: (Figure & { value: number })[] = [];
    for (const value of sweep.values) {
      say(`${sweep.title}: ${value}`);
      const outcome = await throughput(sweep.set(options, value), say);
      for (const figure of outcome.figures as Figure[]) found.push({ ...figure, value });
    }
    figures[sweep.name] = found;
    charts[sweep.name] = chart(sweep, found);
    const rows = found.map(({ system, value, rate, p50, p99 }) => [
      ...[system, shown(value), shown(rate.median), p50.median.toFixed(2), p99.median.toFixed(2)],
    ]);
    texts.push(table(["system", sweep.title, "writes/s", "p50 ms", "p99 ms"], rows));
  }
  return { figures, charts, text: texts.join("\n\n") };
}

function chart(sweep: Sweep, figures: readonly (Figure & { value: number })[]): string {
  const names = [...new Set(figures.map(({ system }) => system))];
  const series = names.map((name) => ({
    name,
    points: figures
      .filter(({ system }) => system === name)
      .map(({ value, rate }) => ({ label: shown(value), ...rate })),
  }));
  const title = `Writes committed a second by ${sweep.title}`;
  return lineChart({ title, xTitle: sweep.title, yTitle: "writes a second" }, series);
}
