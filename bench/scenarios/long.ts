import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { percentiles } from "../load/closed-loop.js";
import { clientOf } from "../load/probe.js";
import type { Options } from "../options.js";
import type { Outcome } from "../report/results.js";
import { table } from "../report/table.js";
import { chosenSystems } from "../systems/chosen.js";
import type { Running } from "../systems/system.js";
import { residentBytes } from "../systems/vital-signs.js";
import { inCluster, type Say } from "./scenario.js";

const minuteMs = 60_000;
const mib = 2 ** 20;

interface Minute {
  readonly system: string;
  readonly minute: number;
  readonly committed: number;
  readonly failed: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** The largest of the members'. */
  readonly residentMib: number;
  readonly diskMib: number;
}

/** The first of --systems under the first of --concurrency for --seconds. */
export async function long(options: Options, say: Say): Promise<Outcome> {
  const [system] = await chosenSystems(options.systems.slice(0, 1), say);
  if (system === undefined) throw new Error("no system was named");
  const minutes = await inCluster(system, options, (running) =>
    watch(running, system.name, options, say),
  );
  const rows = minutes.map((minute) => [
    String(minute.minute),
    String(minute.committed),
    String(minute.failed),
    ...[minute.p50, minute.p99, minute.max].map((ms) => ms.toFixed(2)),
    ...[minute.residentMib, minute.diskMib].map((value) => value.toFixed(0)),
  ]);
  const head = ["minute", "committed", "failed", "p50 ms", "p99 ms", "max ms", "MiB", "disk MiB"];
  return { figures: minutes, text: `${system.name}\n\n${table(head, rows)}` };
}

async function watch(
  running: Running,
  system: string,
  options: Options,
  say: Say,
): Promise<Minute[]> {
  const client = clientOf(running, options, options.password);
  await client.open();
  let latencies: number[] = [];
  let failed = 0;
  let key = 0;
  let isStopped = false;
  const next = () => {
    if (isStopped) return;
    key = (key + 1) % options.keys;
    const began = performance.now();
    client.write(key, (committed) => {
      if (committed) latencies.push(performance.now() - began);
      else failed += 1;
      next();
    });
  };
  for (let i = 0; i < (options.concurrency[0] ?? 1); i++) next();
  const minutes: Minute[] = [];
  for (let left = options.seconds * 1000; left > 0; left -= minuteMs) {
    await sleep(Math.min(minuteMs, left));
    const { p50, p99, max } = percentiles(Float64Array.from(latencies));
    const memory = running.members.map(({ child }) => residentBytes(child.pid) / mib);
    const disk = running.members.map(({ dataDir }) => folderBytes(dataDir) / mib);
    minutes.push({
      ...{ system, minute: minutes.length + 1, committed: latencies.length, failed, p50, p99, max },
      ...{ residentMib: Math.max(...memory), diskMib: Math.max(...disk) },
    });
    say(`minute ${minutes.length}: ${latencies.length} committed, p99 ${p99.toFixed(1)} ms`);
    latencies = [];
    failed = 0;
  }
  isStopped = true;
  client.close();
  return minutes;
}

function folderBytes(folder: string): number {
  let bytes = 0;
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    try {
      bytes += statSync(join(folder, name)).size;
    } catch {
      // A file that was replaced meanwhile.
    }
  }
  return bytes;
}
