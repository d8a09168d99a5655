import type { LoopResult } from "../load/closed-loop.js";
import type { Options } from "../options.js";
import { lineChart } from "../report/chart.js";
import type { Outcome } from "../report/results.js";
import { type Spread, shown, showSpread, spreadOf } from "../report/statistics.js";
import { table } from "../report/table.js";
import { chosenSystems } from "../systems/chosen.js";
import { watchObservers } from "../systems/observers.js";
import { inCluster, measure, type Say } from "./scenario.js";

/** All rounds of one system at one concurrency. */
export interface Figure {
  readonly system: string;
  readonly concurrency: number;
  readonly rate: Spread;
  readonly p50: Spread;
  readonly p99: Spread;
  readonly failed: number;
  readonly generatorUsPerWrite: Spread;
  readonly membersUsPerWrite: Spread;
  /** Of the seconds before: a program that compiles itself as it runs is slower at first. */
  readonly warmUp: { readonly rate: Spread; readonly p50: Spread; readonly p99: Spread };
}

/** Each round gives each system a fresh cluster, so that what the machine does meanwhile hits all. */
export async function throughput(options: Options, say: Say): Promise<Outcome> {
  const systems = await chosenSystems(options.systems, say);
  const runs = new Map<string, LoopResult[]>();
  for (let round = 1; round <= options.repeats; round++) {
    for (const system of systems) {
      await inCluster(system, options, async (running, scene) => {
        await watchObservers(scene, running, options);
        for (const concurrency of options.concurrency) {
          const result = await measure(running, options, concurrency);
          const key = `${system.name} ${concurrency}`;
          runs.set(key, [...(runs.get(key) ?? []), result]);
          say(`round ${round}: ${key} in flight: ${shown(result.rate)}/s`);
        }
      });
    }
  }
  const names = systems.map(({ name }) => name);
  const figures = names.flatMap((system) =>
    options.concurrency.map((concurrency) =>
      figureOf(system, concurrency, runs.get(`${system} ${concurrency}`) ?? []),
    ),
  );
  return { figures, text: report(figures, options), charts: { "": chart(figures, names) } };
}

export function figureOf(
  system: string,
  concurrency: number,
  results: readonly LoopResult[],
): Figure {
  const spread = (value: (result: LoopResult) => number) => spreadOf(results.map(value));
  return {
    system,
    concurrency,
    rate: spread(({ rate }) => rate),
    p50: spread(({ latencyMs }) => latencyMs.p50),
    p99: spread(({ latencyMs }) => latencyMs.p99),
    failed: results.reduce((sum, { failed }) => sum + failed, 0),
    generatorUsPerWrite: spread(({ cpuUsPerWrite }) => cpuUsPerWrite),
    membersUsPerWrite: spread(({ membersUsPerWrite }) => membersUsPerWrite),
    warmUp: {
      rate: spread(({ warmUp }) => warmUp.rate),
      p50: spread(({ warmUp }) => warmUp.latencyMs.p50),
      p99: spread(({ warmUp }) => warmUp.latencyMs.p99),
    },
  };
}

function report(figures: readonly Figure[], { warmUp }: Options): string {
  const rows = figures.map((figure) => [
    ...[figure.system, String(figure.concurrency), ...shownFigures(figure)],
    String(figure.failed),
    ...[figure.generatorUsPerWrite, figure.membersUsPerWrite].map((us) => shown(us.median, 1)),
  ]);
  const figureHead = ["writes/s", "p50 ms", "p99 ms"];
  const head = ["system", "in flight", ...figureHead, "failed", "generator µs", "members µs"];
  const firstRows = figures.map((figure) => [
    ...[figure.system, String(figure.concurrency), ...shownFigures(figure.warmUp)],
  ]);
  const first = table([`the first ${warmUp} s`, "in flight", ...figureHead], firstRows);
  return [table(head, rows), ratios(figures), first].join("\n\n");
}

function shownFigures({ rate, p50, p99 }: Figure["warmUp"]): string[] {
  return [showSpread(rate), showSpread(p50, 2), showSpread(p99, 2)];
}

/** Quorate's medians over those of each other system. */
function ratios(figures: readonly Figure[]): string {
  const ours = figures.filter(({ system }) => system === "quorate");
  const rows = ours.flatMap((mine) =>
    figures
      .filter(({ system, concurrency }) => {
        return system !== "quorate" && concurrency === mine.concurrency;
      })
      .map((other) => [
        `quorate / ${other.system}`,
        String(mine.concurrency),
        (mine.rate.median / other.rate.median).toFixed(2),
        (mine.p50.median / other.p50.median).toFixed(2),
        (mine.p99.median / other.p99.median).toFixed(2),
      ]),
  );
  return table(["ratio", "in flight", "writes/s", "p50", "p99"], rows);
}

function chart(figures: readonly Figure[], systems: readonly string[]): string {
  const series = systems.map((name) => ({
    name,
    points: figures
      .filter(({ system }) => system === name)
      .map(({ concurrency, rate }) => ({ label: String(concurrency), ...rate })),
  }));
  const title = "Writes committed a second (median, min–max)";
  return lineChart({ title, xTitle: "writes in flight", yTitle: "writes a second" }, series);
}
