import { randomBytes } from "node:crypto";
import { observerHello, Session } from "../../protocol/wire/session.js";
import { Answers, FrameEnds } from "./following.js";
import { GatheredSocket } from "./gathered-socket.js";
import type { Workload } from "./load-client.js";
import { ObserverLoad } from "./observer-load.js";

/** Observers that follow and write nothing: `node sink-process.js TASK`, the task as JSON. */
export interface SinkTask {
  readonly addresses: readonly string[];
  readonly count: number;
  readonly password: string | null;
  readonly workload: Workload;
}

/** With a password each observer's frames are its own: they are read as the load generator reads them. */
async function followSealed({ addresses, count, password, workload }: SinkTask): Promise<void> {
  const clients = Array.from(
    { length: count },
    () => new ObserverLoad(addresses, workload, password),
  );
  await Promise.all(clients.map((client) => client.open()));
}

/** All of them in one: what they cost is to be as little as the protocol allows. */
function follow({ addresses, count }: SinkTask): Promise<unknown> {
  const answers = new Answers();
  const links = Array.from({ length: count }, () =>
    addresses.map((one) => followOne(one, answers)),
  );
  // It follows who leads: nobody else sends entries.
  return Promise.all(links.map((ofOne) => Promise.any(ofOne)));
}

/** Members take some dozens of strangers at a time: the others come again. */
const retryMs = 20;

/** Resolves with the first of a leader's messages. */
function followOne(address: string, answers: Answers): Promise<void> {
  return new Promise((resolve) => {
    const dial = (): void => {
      const frames = new FrameEnds();
      const session = new Session({
        role: { kind: "connector", hello: observerHello },
        key: null,
        random: randomBytes,
        monotonicSec: () => performance.now() / 1000,
      });
      const socket = GatheredSocket.dial(address, {
        data: (chunk) =>
          frames.push(chunk, (pieces, length) => {
            const answer = answers.to(pieces, length);
            if (answer === null) return;
            socket.write(answer);
            resolve();
          }),
        closed: () => setTimeout(dial, retryMs),
      });
      socket.socket.once("connect", () => socket.write(session.start()));
    };
    dial();
  });
}

const task = JSON.parse(process.argv[2] ?? "{}") as SinkTask;
await (task.password === null ? follow(task) : followSealed(task));
process.stdout.write("following\n");
