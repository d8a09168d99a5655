import { Scene } from "../../interop-tests/support/scene.js";
import type { LoopResult } from "../load/closed-loop.js";
import { runLoad } from "../load/load-task.js";
import type { Options } from "../options.js";
import type { Outcome } from "../report/results.js";
import type { Running, System } from "../systems/system.js";

export type Say = (line: string) => void;

export type Scenario = (options: Options, say: Say) => Promise<Outcome>;

/** A scene for the time of the work; what the processes have logged is shown where it fails. */
export async function inScene<T>(work: (scene: Scene) => Promise<T>): Promise<T> {
  const scene = new Scene();
  try {
    return await work(scene);
  } catch (error) {
    process.stderr.write(`${scene.report()}\n`);
    throw error;
  } finally {
    await scene.close();
  }
}

/** A fresh cluster for the time of the work. */
export function inCluster<T>(
  system: System,
  options: Options,
  work: (running: Running, scene: Scene) => Promise<T>,
): Promise<T> {
  return inScene(async (scene) => {
    const { members, password } = options;
    return work(await system.start(scene, { members, password }), scene);
  });
}

/** The leader's address first. */
export async function addressesOf(running: Running): Promise<string[]> {
  const leader = await running.leader();
  const others = running.members.filter((member) => member !== leader);
  return [leader, ...others].map(({ address }) => address);
}

export async function measure(
  running: Running,
  options: Options,
  concurrency: number,
): Promise<LoopResult> {
  return runLoad({
    wire: running.wire,
    addresses: await addressesOf(running),
    password: options.password,
    workload: { valueBytes: options.valueBytes, keys: options.keys },
    loop: loopOf(options, concurrency, running),
  });
}

export function loopOf(
  { warmUp, seconds }: Options,
  concurrency: number,
  running: Pick<Running, "members">,
) {
  const pids = running.members.map(({ child }) => child.pid);
  return { concurrency, warmUpMs: warmUp * 1000, measureMs: seconds * 1000, pids };
}
