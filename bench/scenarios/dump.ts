import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Scene } from "../../interop-tests/support/scene.js";
import { percentiles } from "../load/closed-loop.js";
import { HeartbeatWatch } from "../load/heartbeat-watch.js";
import { Probe } from "../load/probe.js";
import type { Options } from "../options.js";
import type { Outcome } from "../report/results.js";
import { table } from "../report/table.js";
import { chosenSystems } from "../systems/chosen.js";
import { writeDump } from "../systems/prepared-files.js";
import type { Running, System } from "../systems/system.js";
import { inScene, measure, type Say } from "./scenario.js";

/** One write each so often: enough to see a pause, and no load. */
const probePauseMs = 2;
/** A dump of a million keys takes seconds; on a busy machine, many. */
const dumpMsMax = 180_000;
/** Writes in flight beside it: beyond 5,000 entries both programs write a dump. */
const loadBeside = 16;

interface Figure {
  readonly system: string;
  readonly keys: number;
  /** From the beginning of the load to the last of the members' dumps. */
  readonly dumpMs: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Longest time between two commits. */
  readonly pauseMs: number;
  /** Between two messages of the leader, as an observer that writes nothing hears them. */
  readonly heartbeatP99: number;
  readonly heartbeatMax: number;
}

/** One write after the other beside the dump of a large store: what its clients see of it. */
export async function dump(options: Options, say: Say): Promise<Outcome> {
  const names = options.systems.filter((name) => name !== "etcd");
  const figures: Figure[] = [];
  for (const system of await chosenSystems(names, say)) {
    figures.push(await inScene((scene) => dumpOnce(scene, system, options, say)));
  }
  const rows = figures.map(({ system, keys, dumpMs, ...ms }) => [
    ...[system, String(keys), dumpMs.toFixed(0)],
    ...[ms.p50, ms.p99, ms.max, ms.pauseMs].map((value) => value.toFixed(1)),
    ...[ms.heartbeatP99, ms.heartbeatMax].map((value) => value.toFixed(1)),
  ]);
  const head = ["system", "keys", "dumped after ms", "p50 ms", "p99 ms", "max ms", "longest pause"];
  const heard = ["leader heard each, p99 ms", "max ms"];
  return { figures, text: table([...head, ...heard], rows) };
}

async function dumpOnce(scene: Scene, system: System, options: Options, say: Say): Promise<Figure> {
  const prepare = async (members: readonly string[], dataDirs: readonly string[]) => {
    say(`${system.name}: preparing a dump of ${options.dumpKeys} keys for each member`);
    for (const [at, selfAddr] of members.entries()) {
      await writeDump({ dataDir: dataDirs[at] ?? "", selfAddr }, options.dumpKeys, members);
    }
  };
  const running = await system.start(scene, { ...options, prepare });
  const before = running.members.map(dumpTime);
  const probe = await Probe.start(running, options.password, {
    pauseMs: probePauseMs,
    patienceMs: dumpMsMax,
  });
  const watch = new HeartbeatWatch(running, options.password);
  const began = performance.now();
  const isDumped = () => running.members.every((member, at) => dumpTime(member) !== before[at]);
  while (!isDumped() && performance.now() < began + dumpMsMax) {
    await measure(running, { ...options, warmUp: 1, seconds: 1 }, loadBeside);
  }
  if (!isDumped()) throw new Error(`${system.name} wrote no dump within ${dumpMsMax} ms`);
  const dumpMs = performance.now() - began;
  probe.stop();
  watch.close();
  say(`${system.name}: dumped after ${dumpMs.toFixed(0)} ms`);
  return { system: system.name, keys: options.dumpKeys, dumpMs, ...seen(probe), ...heard(watch) };
}

function dumpTime({ dataDir, address }: Running["members"][number]): number {
  const path = join(dataDir, `${address}.dump`);
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}

function heard({ gapsMs }: HeartbeatWatch) {
  const { p99, max } = percentiles(Float64Array.from(gapsMs));
  return { heartbeatP99: p99, heartbeatMax: max };
}

function seen({ commits }: Probe) {
  const { p50, p99, max } = percentiles(
    Float64Array.from(commits.map(({ sentMs, doneMs }) => doneMs - sentMs)),
  );
  let [last, pauseMs] = [commits[0]?.doneMs ?? 0, 0];
  for (const { doneMs } of commits) {
    pauseMs = Math.max(pauseMs, doneMs - last);
    last = doneMs;
  }
  return { p50, p99, max, pauseMs };
}
