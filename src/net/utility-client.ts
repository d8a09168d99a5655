import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import type { ProtocolError } from "../../protocol/errors.js";
import type { PyValue } from "../../protocol/pickle/values.js";
import { deriveFernetKey, type FernetKey } from "../../protocol/wire/fernet.js";
import { Session, type SessionEvent } from "../../protocol/wire/session.js";
import { silentLogger } from "../logger.js";
import { parseAddress } from "./address.js";
import type { CloseReason } from "./close-reason.js";
import { Connection, type ConnectionHandler } from "./connection.js";
import { DialError, type DialFault, dial } from "./dial.js";
import { memberTurnMsMax, sendTurnMsMax } from "./limits.js";
import { Resolver } from "./resolver.js";
import { TurnQueue } from "./turn-queue.js";

/** `silent`: it took the connection and then said nothing in time; `timeout`: not even that. */
export type UtilityFault = DialFault | "silent" | "closed" | "wrong-password" | "protocol";

interface FaultPlace {
  readonly address: string;
  readonly code: UtilityFault;
}

/** Why there is no answer. The message is a sentence for the user. */
export class UtilityError extends Error {
  readonly code: UtilityFault;
  readonly address: string;

  constructor(where: FaultPlace, message: string, options?: ErrorOptions) {
    super(`${where.address}: ${message}`, options);
    this.name = "UtilityError";
    this.code = where.code;
    this.address = where.address;
  }
}

export interface AskOptions {
  /** For all of it: name, connection, handshake and answer. */
  readonly timeoutMs: number;
  readonly password?: string | null;
  /** Instead of a password whose key is derived already (that takes 30 ms). */
  readonly key?: FernetKey | null;
  readonly resolver?: Resolver;
  readonly signal?: AbortSignal;
}

/**
 * Sends one utility request, such as `['status']`, to the member at `address` and resolves to its
 * reply. Works with PySyncObj's members and ours (`TcpUtility` in pysyncobj/utility.py). Rejects with
 * a UtilityError.
 */
export async function askUtility(
  address: string,
  request: readonly PyValue[],
  options: AskOptions,
): Promise<PyValue> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), options.timeoutMs);
  const onAbort = () => limit.abort();
  options.signal?.addEventListener("abort", onAbort, { once: true });
  if (options.signal?.aborted === true) {
    limit.abort();
  }
  let isConnected = false;
  try {
    const socket = await open(address, options, limit.signal);
    isConnected = true;
    return await new Question(address, options, socket).ask(request, limit.signal);
  } catch (error) {
    const code = isConnected ? "silent" : "timeout";
    throw limit.signal.aborted ? expired({ address, code }, options, error) : error;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", onAbort);
  }
}

async function open(address: string, options: AskOptions, signal: AbortSignal): Promise<Socket> {
  const { timeoutMs } = options;
  const resolver =
    options.resolver ?? new Resolver({ dnsCacheMs: 0, dnsFailCacheMs: 0, logger: silentLogger });
  const late = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(expired({ address, code: "timeout" }, options)), {
      once: true,
    });
  });
  try {
    // The resolver cannot be interrupted: a dead name server must not outlast the caller's patience.
    return await Promise.race([dial(address, { resolver, timeoutMs, signal }), late]);
  } catch (error) {
    if (signal.aborted && options.signal?.aborted !== true) {
      // Its time was over while an address said nothing: the name may stand for another one by now.
      resolver.suspect(parseAddress(address)?.host ?? "");
    }
    throw error instanceof DialError ? asUtilityError(address, error) : error;
  }
}

function asUtilityError(address: string, error: DialError): UtilityError {
  return new UtilityError({ address, code: error.code }, error.message, { cause: error });
}

function expired(place: FaultPlace, options: AskOptions, cause?: unknown): UtilityError {
  if (options.signal?.aborted === true) {
    return new UtilityError({ ...place, code: "aborted" }, "no longer wanted", { cause });
  }
  return new UtilityError(place, `no answer in ${options.timeoutMs} ms`, { cause });
}

/** One request under way. */
class Question implements ConnectionHandler {
  readonly #address: string;
  readonly #socket: Socket;
  readonly #key: FernetKey | null;
  #fault: ProtocolError | null = null;
  #settle: ((outcome: PyValue | UtilityError) => void) | null = null;

  constructor(address: string, options: AskOptions, socket: Socket) {
    this.#address = address;
    this.#socket = socket;
    const password = options.password ?? null;
    this.#key = options.key ?? (password === null ? null : deriveFernetKey(password));
  }

  ask(request: readonly PyValue[], signal: AbortSignal): Promise<PyValue> {
    const connection = new Connection({
      socket: this.#socket,
      session: new Session({
        role: { kind: "utility", request },
        key: this.#key,
        random: randomBytes,
        monotonicSec: () => performance.now() / 1_000,
      }),
      handler: this,
      dialed: true,
      now: () => performance.now(),
      turns: new TurnQueue(memberTurnMsMax),
      sendTurns: new TurnQueue(sendTurnMsMax),
      budget: null,
      sendBudget: null,
    });
    return new Promise((resolve, reject) => {
      this.#settle = (outcome) => {
        this.#settle = null;
        if (outcome instanceof UtilityError) {
          reject(outcome);
        } else {
          resolve(outcome);
        }
      };
      signal.addEventListener("abort", () => connection.close("requested", "too late"), {
        once: true,
      });
      connection.start();
      if (signal.aborted) {
        connection.close("requested", "too late");
      }
    });
  }

  event(connection: Connection, event: SessionEvent): void {
    if (event.kind === "reply") {
      this.#settle?.(event.value);
      connection.close("requested", "answered");
    }
  }

  fault(_connection: Connection, error: ProtocolError): void {
    this.#fault = error;
  }

  drained(_connection: Connection): void {
    // One small request: nobody waits for this.
  }

  closed(connection: Connection, reason: CloseReason): void {
    this.#settle?.(this.#explain(connection, reason));
  }

  #explain(connection: Connection, reason: CloseReason): UtilityError {
    const address = this.#address;
    const fault = this.#fault;
    if (fault !== null) {
      const password = this.#key === null ? "" : ", or the password is another";
      const message = `this does not speak PySyncObj's protocol${password} (${fault.code})`;
      return new UtilityError({ address, code: "protocol" }, message, { cause: fault });
    }
    if (reason.code === "requested") {
      return new UtilityError({ address, code: "timeout" }, reason.detail);
    }
    if (connection.bytesReceived > 0) {
      const message = `closed the connection without an answer (${reason.detail})`;
      return new UtilityError({ address, code: "closed" }, message);
    }
    // A member that cannot read our first message hangs up without a word.
    const guess = this.#key === null ? "it may want a password" : "the password may be wrong";
    return new UtilityError(
      { address, code: "wrong-password" },
      `closed the connection at our first message: ${guess}, or the command is unknown to it`,
    );
  }
}
