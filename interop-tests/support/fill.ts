import { createHash } from "node:crypto";
import type { VanillaNode } from "./vanilla-client.js";

export interface FillOptions {
  readonly prefix: string;
  readonly count: number;
  /** Bytes of each value; they do not compress, so that a dump has about that size. */
  readonly valueBytes?: number;
}

/**
 * Calls under way at once: PySyncObj up to 0.3.11 sends entries with its heartbeats only, ten times
 * a second, however many.
 */
const callsMax = 100;
/** Enough to have something under way at each moment. */
const writersMax = 10;
/** A call that nobody answers is given up after 10 s; then an election or two. */
const setMsMax = 45_000;
/** Seconds since 1970: all the times are given, so that nothing depends on the clock. */
const createdSec = 1_700_000_000.25;
/** Far enough in the future that no test sees it. */
const expireSec = 4_000_000_000.5;

/**
 * Sets `count` keys through Patroni's own replicated call, many at once: plain ones, ones that
 * expire, ones with letters beyond ASCII. Resolves to the keys when all are acknowledged.
 */
export async function fill(node: VanillaNode, options: FillOptions): Promise<string[]> {
  const { prefix, count, valueBytes = 20 } = options;
  const keys: string[] = [];
  let next = 0;
  const work = async () => {
    while (next < count) {
      const number = next;
      next += 1;
      const key = `${prefix}${number % 7 === 3 ? "ключ-ü-" : ""}${number}`;
      await setOne(node, key, record(number, valueBytes));
      keys.push(key);
    }
  };
  await Promise.all(Array.from({ length: Math.min(callsMax, count) }, work));
  return keys;
}

export interface KeepWritingOptions {
  readonly valueBytes?: number;
  /** Between two writes of each of the ten writers: a busy machine has other things to do. */
  readonly pauseMs?: number;
}

export interface KeptWriting {
  /** Keys acknowledged so far. */
  readonly acked: readonly string[];
  /** Resolves to all acknowledged keys when the calls under way have ended. */
  stop(): Promise<readonly string[]>;
}

/** Writes a few keys at a time until it is stopped; what is not acknowledged is left. */
export function keepWriting(
  node: VanillaNode,
  prefix: string,
  options: KeepWritingOptions = {},
): KeptWriting {
  const { valueBytes = 200, pauseMs = 20 } = options;
  const acked: string[] = [];
  let stopped = false;
  const work = async (worker: number) => {
    for (let number = worker; !stopped; number += writersMax) {
      const key = `${prefix}${number}`;
      const answer = await node.raw("_set", [key, record(number, valueBytes)]).catch(() => null);
      if (answer?.error === 0) acked.push(key);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  };
  const done = Promise.all(Array.from({ length: writersMax }, (_, worker) => work(worker)));
  const stop = async () => {
    stopped = true;
    await done;
    return acked;
  };
  return { acked, stop };
}

async function setOne(
  node: VanillaNode,
  key: string,
  value: Readonly<Record<string, unknown>>,
): Promise<void> {
  const deadline = Date.now() + setMsMax;
  let last: unknown;
  while (Date.now() < deadline) {
    try {
      const answer = await node.raw("_set", [key, value]);
      if (answer.error === 0) return;
      last = `error ${answer.error}`;
    } catch (error) {
      if (!node.child.isRunning) throw error;
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${key} was not acknowledged`, { cause: last });
}

function record(number: number, valueBytes: number): Record<string, unknown> {
  const times = { created: createdSec + number, updated: createdSec + 2 * number };
  const letters = number % 5 === 2 ? "Größe 😀 " : "";
  const value = `${number} ${letters}${noise(number, valueBytes)}`;
  return number % 4 === 1 ? { value, ...times, expire: expireSec + number } : { value, ...times };
}

/** Text without repetitions, the same for the same number. */
function noise(seed: number, bytes: number): string {
  let text = "";
  for (let block = 0; text.length < bytes; block++) {
    text += createHash("sha512").update(`${seed} ${block}`).digest("base64");
  }
  return text.slice(0, bytes);
}
