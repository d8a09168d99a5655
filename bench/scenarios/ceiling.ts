import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { runLoad, type Wire } from "../load/load-task.js";
import type { Options } from "../options.js";
import type { Outcome } from "../report/results.js";
import { shown } from "../report/statistics.js";
import { table } from "../report/table.js";
import { inScene, loopOf, type Say } from "./scenario.js";

const server = fileURLToPath(new URL("../systems/null-server.js", import.meta.url));

/** The load generator with a server that does nothing: what no system can be seen to exceed. */
export async function ceiling(options: Options, say: Say): Promise<Outcome> {
  const figures = await inScene(async (scene) => {
    const child = scene.start({
      ...{ name: "null server", program: process.execPath, args: [server], pipes: true },
    });
    const [line] = await once(createInterface({ input: child.stdout }), "line");
    const addresses = JSON.parse(String(line)) as Record<Wire, string>;
    const results: { wire: Wire; concurrency: number; rate: number; generatorUs: number }[] = [];
    for (const wire of ["pysyncobj", "etcd"] as const) {
      for (const concurrency of options.concurrency) {
        const { rate, cpuUsPerWrite } = await runLoad({
          wire,
          addresses: [addresses[wire]],
          password: null,
          workload: { valueBytes: options.valueBytes, keys: options.keys },
          loop: loopOf(options, concurrency, { members: [] }),
        });
        say(`${wire}, ${concurrency} in flight: ${shown(rate)}/s`);
        results.push({ wire, concurrency, rate, generatorUs: cpuUsPerWrite });
      }
    }
    return results;
  });
  const rows = figures.map(({ wire, concurrency, rate, generatorUs }) => [
    ...[wire, String(concurrency), shown(rate), shown(generatorUs, 1)],
    shown(1e6 / generatorUs),
  ]);
  const head = ["wire", "in flight", "writes/s", "generator µs", "with a core to itself, writes/s"];
  return { figures, text: table(head, rows) };
}
