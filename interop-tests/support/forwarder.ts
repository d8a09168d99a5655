import { connect, createServer, type Socket } from "node:net";
import type { TestContext } from "node:test";

/**
 * What a router with a fixed rule does: connections to one address go on to another one. Ends with
 * the test.
 */
export async function forward(t: TestContext, from: string, to: string): Promise<void> {
  const sockets = new Set<Socket>();
  const server = createServer((inner) => {
    const outer = connect(endpoint(to));
    for (const [socket, other] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(endpoint(from), () => resolve());
  });
}

function endpoint(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(":");
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
}
