import type { Options } from "../options.js";
import type { Outcome } from "../report/results.js";
import { shown } from "../report/statistics.js";
import { table } from "../report/table.js";
import type { Say } from "./scenario.js";
import { type Figure, throughput } from "./throughput.js";

/** Throughput with no observers beside the load generator, and with --observers of them. */
export async function observers(options: Options, say: Say): Promise<Outcome> {
  const systems = options.systems.filter((name) => name !== "etcd");
  const counts = [0, options.observers];
  const figures: (Figure & { observers: number })[] = [];
  for (const count of counts) {
    say(`${count} observers`);
    const outcome = await throughput({ ...options, systems, observers: count }, say);
    for (const figure of outcome.figures as Figure[]) figures.push({ ...figure, observers: count });
  }
  const rows = figures.map((figure) => {
    const alone = figures.find(
      ({ system, concurrency, observers: beside }) =>
        system === figure.system && concurrency === figure.concurrency && beside === 0,
    );
    const part = figure.rate.median / (alone?.rate.median ?? figure.rate.median);
    const { system, concurrency } = figure;
    const rate = shown(figure.rate.median);
    const us = shown(figure.membersUsPerWrite.median, 1);
    return [system, String(figure.observers), String(concurrency), rate, part.toFixed(2), us];
  });
  const head = ["system", "observers", "in flight", "writes/s", "of none", "members µs"];
  return { figures, text: table(head, rows) };
}
