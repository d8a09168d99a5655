import { connect, type Socket } from "node:net";
import { parseAddress } from "./address.js";
import type { Resolver } from "./resolver.js";

/** Why no connection came about. */
export type DialFault = "address" | "dns" | "refused" | "timeout" | "unreachable" | "aborted";

export class DialError extends Error {
  readonly code: DialFault;

  constructor(code: DialFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "DialError";
    this.code = code;
  }
}

export interface DialOptions {
  readonly resolver: Resolver;
  /** For each address of the name. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Opens a connection to `host:port`, one address of the name after the other. Rejects with a
 * DialError: the last address's, when all fail.
 */
export async function dial(address: string, options: DialOptions): Promise<Socket> {
  const target = parseAddress(address);
  if (target === null) {
    throw new DialError("address", `'${address}' is not host:port`);
  }
  const hosts = await options.resolver.resolve(target.host);
  let failure = new DialError("dns", `host name '${target.host}' does not resolve`);
  for (const host of hosts) {
    try {
      return await connectOnce(host, target.port, options);
    } catch (error) {
      if (!(error instanceof DialError)) {
        throw error;
      }
      failure = error;
    }
    if (options.signal.aborted) {
      throw failure;
    }
  }
  options.resolver.suspect(target.host);
  throw failure;
}

function connectOnce(host: string, port: number, options: DialOptions): Promise<Socket> {
  const { signal, timeoutMs } = options;
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(new DialError("aborted", "no longer wanted"));
      return;
    }
    const socket = connect({ host, port, noDelay: true });
    const settle = (failure: DialError | null) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      socket.removeListener("connect", onConnect);
      socket.removeListener("error", onError);
      if (failure === null) {
        resolve(socket);
        return;
      }
      // A late error of a socket that nobody waits for any more must not become an exception.
      socket.on("error", () => {});
      socket.destroy();
      reject(failure);
    };
    const onConnect = () => settle(null);
    const onError = (error: NodeJS.ErrnoException) => settle(asDialError(error, host, port));
    const onAbort = () => settle(new DialError("aborted", "no longer wanted"));
    const timer = setTimeout(() => {
      settle(new DialError("timeout", `no answer from ${host} port ${port} in ${timeoutMs} ms`));
    }, timeoutMs);
    socket.once("connect", onConnect);
    socket.once("error", onError);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

function asDialError(error: NodeJS.ErrnoException, host: string, port: number): DialError {
  const where = `${host} port ${port}`;
  if (error.code === "ECONNREFUSED") {
    return new DialError("refused", `${where} refuses the connection`, { cause: error });
  }
  return new DialError("unreachable", `${where}: ${error.code ?? error.message}`, { cause: error });
}
