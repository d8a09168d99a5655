import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Scene } from "../../interop-tests/support/scene.js";
import { startObserver, type VanillaNode } from "../../interop-tests/support/vanilla-client.js";
import { encodeSet } from "../../protocol/log/kv-calls.js";
import { observerHello, Session } from "../../protocol/wire/session.js";
import { type Actor, pysyncobjVersion } from "./cast.js";

/** Writes keys through an observer, one after the other, each until it is acknowledged. */
export interface Writing {
  /** Who writes, for the story. */
  readonly name: string;
  write(prefix: string, count: number): WriteRun;
}

export interface WriteRun {
  /** Keys acknowledged so far. */
  readonly acked: readonly string[];
  readonly done: Promise<void>;
}

/** Between two writes, so that the leader is killed amid them and not after. */
const pauseMs = 25;
/** An election on a busy machine takes a few seconds; longer than this, something is wrong. */
const keyMsMax = 30_000;
const answerMsMax = 2_000;
const pollMs = 20;

/** Patroni's own client class in a process of its own, connected to all members. */
export async function writeWithPatroni(scene: Scene, cast: readonly Actor[]): Promise<Writing> {
  const partners = cast.map((actor) => actor.address);
  const observer: VanillaNode = await startObserver(scene, {
    version: pysyncobjVersion,
    partners,
  });
  return {
    name: "Patroni's own client, an observer,",
    write(prefix, count) {
      const writer = observer.startWriter({ prefix, count, pauseMs });
      return { acked: writer.acked, done: writer.done.then(() => {}) };
    },
  };
}

/** Without Python: an observer of our own, which sends the same message as Patroni's. */
export function writeWithoutPython(cast: readonly Actor[]): Writing {
  return {
    name: "an observer",
    write(prefix, count) {
      const acked: string[] = [];
      const done = (async () => {
        for (let n = 0; n < count; n++) {
          await writeKey(cast, `${prefix}${n}`, String(n));
          acked.push(`${prefix}${n}`);
          await sleep(pauseMs);
        }
      })();
      return { acked, done };
    },
  };
}

async function writeKey(cast: readonly Actor[], key: string, value: string): Promise<void> {
  const deadline = performance.now() + keyMsMax;
  for (let n = 0; performance.now() < deadline; n++) {
    const actor = cast[n % cast.length];
    try {
      if (actor !== undefined && (await writeThrough(actor, key, value))) return;
    } catch {
      // This member is down, or has no leader: the next one is asked.
    }
    await sleep(pollMs);
  }
  throw new Error(`no member took the write of ${key} within ${keyMsMax / 1000} s`);
}

/** True when the member has applied the write. */
async function writeThrough(actor: Actor, key: string, value: string): Promise<boolean> {
  const now = Date.now() / 1000;
  const command = encodeSet(key, { value, created: now, updated: now });
  if (!(await propose(actor.address, command))) return false;
  const deadline = performance.now() + answerMsMax;
  while (performance.now() < deadline) {
    if (key in ((await actor.quorate?.kv(key))?.entries ?? {})) return true;
    await sleep(pollMs);
  }
  return false;
}

/** Sends one command as an observer. True when the leader has put it into its log. */
function propose(address: string, command: Uint8Array): Promise<boolean> {
  const colon = address.lastIndexOf(":");
  const socket = connect({ host: address.slice(0, colon), port: Number(address.slice(colon + 1)) });
  const timer = setTimeout(() => socket.destroy(new Error("no answer")), answerMsMax);
  return answerTo(socket, command).finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}

function answerTo(socket: Socket, command: Uint8Array): Promise<boolean> {
  const session = new Session({
    role: { kind: "connector", hello: observerHello },
    key: null,
    random: (bytes) => new Uint8Array(bytes),
    monotonicSec: () => performance.now() / 1000,
  });
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("closed")));
    socket.once("connect", () => {
      socket.write(session.start());
      socket.write(session.encode({ type: "apply_command", command, requestId: 1 }));
    });
    socket.on("data", (chunk) => {
      try {
        for (const event of session.receive(chunk).events) {
          if (event.kind === "message" && event.message.type === "apply_command_response") {
            resolve(!("error" in event.message));
          }
        }
      } catch (error) {
        reject(error);
      }
    });
  });
}
