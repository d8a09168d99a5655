import { createInterface } from "node:readline";
import type { Child } from "./process.js";

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly onAcked: ((key: string) => void) | undefined;
}

/** Patroni's own retry_timeout is 10 s; a call that takes longer than this hangs. */
const answerMsMax = 60_000;

export interface AskOptions {
  readonly timeoutMs?: number;
  readonly onAcked?: (key: string) => void;
}

/** Requests and answers as JSON lines over the pipes of one child. */
export class LineChannel {
  readonly #child: Child;
  readonly #pending = new Map<number, Pending>();
  readonly started: Promise<void>;
  #number = 0;

  constructor(child: Child) {
    this.#child = child;
    let markStarted = () => {};
    this.started = new Promise((resolve, reject) => {
      markStarted = resolve;
      void child.exited.then(() => reject(this.#endedError()));
    });
    // Who does not wait for the start sees the end by the first request.
    this.started.catch(() => {});
    createInterface({ input: child.stdout }).on("line", (line) => {
      const message: unknown = JSON.parse(line);
      if (isRecord(message) && "started" in message) markStarted();
      else if (isRecord(message)) this.#receive(message);
    });
    void child.exited.then(() => {
      for (const pending of this.#pending.values()) pending.reject(this.#endedError());
      this.#pending.clear();
    });
  }

  /** The number that the next request will have. */
  get nextNumber(): number {
    return this.#number + 1;
  }

  /** @throws Error with the other side's message, or when it ends or takes too long. */
  ask(
    what: string,
    args: Readonly<Record<string, unknown>> = {},
    options: AskOptions = {},
  ): Promise<unknown> {
    this.#number += 1;
    const id = this.#number;
    const { timeoutMs = answerMsMax, onAcked } = options;
    return new Promise((resolve, reject) => {
      if (!this.#child.isRunning) {
        reject(this.#endedError());
        return;
      }
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new Error(`${this.#child.name} did not answer ${what} within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#pending.set(id, {
        onAcked,
        resolve: (result) => {
          clearTimeout(timer);
          resolve(result);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      this.#child.stdin.write(`${JSON.stringify({ id, do: what, ...args })}\n`);
    });
  }

  #receive(message: Record<string, unknown>): void {
    const id = Number(message["id"]);
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    if ("acked" in message) {
      pending.onAcked?.(String(message["acked"]));
      return;
    }
    this.#pending.delete(id);
    if ("error" in message) pending.reject(new Error(`${this.#child.name}: ${message["error"]}`));
    else pending.resolve(message["result"]);
  }

  #endedError(): Error {
    return new Error(`${this.#child.name} has ended`);
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
