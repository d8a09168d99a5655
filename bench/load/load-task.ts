import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { LoopOptions, LoopResult } from "./closed-loop.js";
import type { Workload } from "./load-client.js";

export type Wire = "pysyncobj" | "etcd";

/** One run of the load generator. */
export interface LoadTask {
  readonly wire: Wire;
  /** Where clients connect to; for etcd the leader comes first. */
  readonly addresses: readonly string[];
  readonly password: string | null;
  readonly workload: Workload;
  readonly loop: Omit<LoopOptions, "keys">;
}

const program = fileURLToPath(new URL("./load-process.js", import.meta.url));
/** From the start of the process to a leader that is heard, and to the last answer. */
const spareMs = 30_000;

/** Runs the load generator in a process of its own. */
export function runLoad(task: LoadTask): Promise<LoopResult> {
  const timeout = task.loop.warmUpMs + task.loop.measureMs + spareMs;
  return new Promise((resolve, reject) => {
    const args = [program, JSON.stringify(task)];
    execFile(process.execPath, args, { timeout }, (error, stdout, stderr) => {
      if (error === null) resolve(JSON.parse(stdout) as LoopResult);
      else reject(new Error(`the load generator failed: ${stderr.slice(-2000)}`, { cause: error }));
    });
  });
}
