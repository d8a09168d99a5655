import { connect, createServer, type Socket } from "node:net";
import type { TestContext } from "node:test";

/** Where connections go from now on. */
export interface Forwarder {
  /**
   * The machine there is gone, without a word to whoever is connected, and what ran on it runs elsewhere:
   * connections that stand go nowhere and stay open, new ones go to the other address.
   */
  moveTo(to: string): void;
}

/**
 * What a router with a fixed rule does: connections to one address go on to another one. Ends with
 * the test.
 */
export async function forward(t: TestContext, from: string, to: string): Promise<Forwarder> {
  const sockets = new Set<Socket>();
  let target = to;
  /** Who has connected, and to what. */
  const pairs = new Map<Socket, Socket>();
  const abandoned = new Set<Socket>();
  const server = createServer((inner) => {
    const outer = connect(endpoint(target));
    pairs.set(inner, outer);
    for (const [socket, other] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        pairs.delete(inner);
        if (!abandoned.has(inner)) other.destroy();
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
  return {
    moveTo: (address) => {
      target = address;
      for (const [inner, outer] of pairs) {
        abandoned.add(inner);
        outer.unpipe();
        inner.unpipe().resume();
      }
    },
  };
}

function endpoint(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(":");
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
}
