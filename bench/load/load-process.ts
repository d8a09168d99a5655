import { ClosedLoop } from "./closed-loop.js";
import { EtcdLoad } from "./etcd-load.js";
import type { LoadClient } from "./load-client.js";
import type { LoadTask } from "./load-task.js";
import { ObserverLoad } from "./observer-load.js";

/**
 * The load generator as a process of its own: `node load-process.js TASK`, the task as JSON. It prints
 * the result as JSON and ends.
 */

function clientOf({ wire, addresses, workload, password }: LoadTask): LoadClient {
  return wire === "etcd"
    ? new EtcdLoad(addresses, workload)
    : new ObserverLoad(addresses, workload, password);
}

const task = JSON.parse(process.argv[2] ?? "{}") as LoadTask;
const client = clientOf(task);
await client.open();
const result = await new ClosedLoop(client, { ...task.loop, keys: task.workload.keys }).run();
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
