import { connect } from "node:net";
import { eventually } from "./eventually.js";
import type { Child } from "./process.js";

/** Waits until a process accepts connections on its address; gives up when the process ends. */
export async function untilListening(child: Child, address: string): Promise<void> {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon).replaceAll(/[[\]]/g, "");
  const port = Number(address.slice(colon + 1));
  const listening = eventually(
    `${child.name} listens on ${address}`,
    async () => {
      if (!child.isRunning) return "ended";
      return (await accepts(host, port)) && "listening";
    },
    { timeoutMs: 30_000, everyMs: 25 },
  );
  if ((await listening) === "ended") {
    throw new Error(`${child.name} ended before it listened on ${address}\n${child.report()}`);
  }
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const settle = (accepted: boolean) => {
      socket.destroy();
      resolve(accepted);
    };
    socket.once("connect", () => settle(true));
    socket.once("error", () => settle(false));
  });
}
