import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Scene } from "../../interop-tests/support/scene.js";
import type { SinkTask } from "../load/sink-process.js";
import type { Options } from "../options.js";
import type { Running } from "./system.js";

const program = fileURLToPath(new URL("../load/sink-process.js", import.meta.url));

/**
 * Connects observers that only follow, all of them in one process which looks at what they are sent as little as
 * it can: what they cost is the members' to bear, and not theirs. etcd has no such thing: there they are left out.
 */
export async function watchObservers(
  scene: Scene,
  running: Running,
  options: Options,
): Promise<void> {
  if (options.observers === 0 || running.wire === "etcd") return;
  const { valueBytes, keys, password, observers } = options;
  const task: SinkTask = {
    addresses: running.members.map(({ address }) => address),
    ...{ count: observers, password, workload: { valueBytes, keys } },
  };
  const args = [program, JSON.stringify(task)];
  const child = scene.start({ name: "observers", program: process.execPath, args, pipes: true });
  await Promise.race([once(createInterface({ input: child.stdout }), "line"), child.exited]);
  if (!child.isRunning) throw new Error("the observers could not follow");
}
