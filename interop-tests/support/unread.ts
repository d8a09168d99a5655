import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { deflate, deflateSync, type ZlibOptions } from "node:zlib";
import { encodeSet } from "../../protocol/log/kv-calls.js";
import { encodeFrame } from "../../protocol/wire/frame.js";
import { encodeMessage } from "../../protocol/wire/message-codec.js";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import { eventually } from "./eventually.js";
import { Intruder } from "./intruder.js";

/** Those who ask and never read, and those who write what is valid and large. No password is set. */

const mib = 1024 * 1024;
const deflateAside = promisify<Uint8Array, ZlibOptions, Buffer>(deflate);
/** Requests that are refused at once, each time. */
const requestsEach = 100;
/**
 * How often each asks, as the leader needs some ten milliseconds to make a large entry ready for one of them: time of
 * the processor is not the matter here. It is more than one connection may have waiting.
 */
const asksMax = 10;
const askEveryMs = 500;
/** A write of 8 MiB on a machine with much other work. */
const writeMsMax = 120_000;

function frameOf(message: PeerMessage): Uint8Array {
  return encodeFrame(deflateSync(encodeMessage(message)));
}

/** What all of them know of the log, from an observer that does read. */
export interface Known {
  lastIndex: number;
}

/**
 * An observer that never reads. It has the last entry sent to it again and again, as if it had lost it, and
 * asks for what is refused. Where it is cut it comes again and goes on.
 */
export class Unread {
  /** It has asked as often as it will. */
  isDone = false;
  #isRunning = true;
  readonly #done: Promise<void>;

  constructor(target: string, known: Known) {
    this.#done = this.#run(target, known);
    // Told by stop, or by nobody where the test has failed already.
    this.#done.catch(() => {});
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    await this.#done;
  }

  async #run(target: string, known: Known): Promise<void> {
    const request = { type: "apply_command", command: Buffer.of(2), requestId: 1 } as const;
    const requests = Buffer.concat(Array.from({ length: requestsEach }, () => frameOf(request)));
    let asks = 0;
    while (this.#isRunning) {
      const intruder = await Intruder.connect({ target, guise: { kind: "observer" } });
      await intruder.untilOpen();
      intruder.socket.pause();
      while (this.#isRunning && !intruder.closed) {
        await sleep(askEveryMs);
        intruder.say({ type: "quorate_ping" });
        this.isDone = asks >= asksMax;
        if (this.isDone) continue;
        asks += 1;
        const answer = { type: "next_node_idx", nextNodeIdx: known.lastIndex } as const;
        intruder.send(frameOf({ ...answer, reset: true, success: false }));
        intruder.send(frameOf({ ...answer, reset: false, success: true }));
        intruder.send(requests);
      }
      intruder.leave();
    }
  }
}

/** One key that is set to a large text over and over. */
export interface Overwritten {
  readonly key: string;
  readonly mib: number;
}

/** Sets each key `times` times, all at once; the text of one of them is the same each time. */
export async function overwrite(
  target: string,
  keys: readonly Overwritten[],
  times: number,
  known: Known,
): Promise<void> {
  await Promise.all(keys.map((key) => overwriteOne(target, key, times, known)));
}

async function overwriteOne(
  target: string,
  { key, mib: size }: Overwritten,
  times: number,
  known: Known,
): Promise<void> {
  const now = Date.now() / 1_000;
  const command = encodeSet(key, { value: noise(size * mib), updated: now, created: now });
  const message = { type: "apply_command", command, requestId: 1 } as const;
  // Beside this process's loop, which the others need, and before anybody waits for it.
  const frame = encodeFrame(await deflateAside(encodeMessage(message), { level: 1 }));
  const intruder = await arrived(target);
  const pings = setInterval(() => intruder.say({ type: "quorate_ping" }), 500);
  try {
    for (let done = 0; done < times; ) {
      intruder.send(frame);
      const index = await eventually(
        `write ${done} of ${key} is answered`,
        () => {
          if (intruder.closed) throw new Error("whoever reads is not cut");
          return intruder.events
            .splice(0)
            .map(indexOf)
            .find((found) => found !== undefined);
        },
        { everyMs: 5, timeoutMs: writeMsMax },
      );
      if (index > 0) done += 1;
      // Refused for the moment: too much is under way.
      else await sleep(200);
      known.lastIndex = Math.max(known.lastIndex, index);
    }
  } finally {
    clearInterval(pings);
    intruder.leave();
  }
}

/** An observer that has been heard: on a busy machine one is cut before its first bytes have come. */
async function arrived(target: string): Promise<Intruder> {
  for (;;) {
    const intruder = await Intruder.connect({ target, guise: { kind: "observer" } });
    intruder.say({ type: "quorate_ping" });
    const isHeard = () => intruder.closed || intruder.heard().includes("quorate_pong");
    await eventually("an observer is heard", isHeard, { everyMs: 5, timeoutMs: writeMsMax });
    if (!intruder.closed) return intruder;
  }
}

/** Of an answer: where the entry stands, or -1 where there is none. */
function indexOf(event: Intruder["events"][number]): number | undefined {
  if (event.kind !== "message" || event.message.type !== "apply_command_response") return undefined;
  return "logIdx" in event.message ? event.message.logIdx : -1;
}

/** Random ASCII, which hardly compresses. */
function noise(length: number): string {
  return randomBytes((length * 3) / 4).toString("base64");
}
