import { ObserverLoad } from "../load/observer-load.js";
import type { Options } from "../options.js";
import type { Running } from "./system.js";

export interface Watching {
  stop(): void;
}

/**
 * Connects observers that only follow, in this process: their cost is part of what is measured. etcd has
 * no such thing: there they are left out.
 */
export async function watchObservers(running: Running, options: Options): Promise<Watching> {
  if (options.observers === 0 || running.wire === "etcd") return { stop: () => {} };
  const addresses = running.members.map(({ address }) => address);
  const { valueBytes, keys, password, observers } = options;
  const clients = Array.from(
    { length: observers },
    () => new ObserverLoad(addresses, { valueBytes, keys }, password),
  );
  await Promise.all(clients.map((client) => client.open()));
  return {
    stop: () => {
      for (const client of clients) client.close();
    },
  };
}
