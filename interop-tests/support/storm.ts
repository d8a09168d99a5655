import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { fernetIvBytes, sealToken } from "../../protocol/wire/fernet.js";
import { encodeFrame, frameHeaderBytes } from "../../protocol/wire/frame.js";
import { frameBytesMax } from "../../protocol/wire/limits.js";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import { unidentifiedConnectionsMax } from "../../src/net/limits.js";
import type { Attack } from "./attacks.js";
import { type Guise, Intruder, keyOf } from "./intruder.js";

/** Everything at once that strangers, observers and a forged member can do to one member. */

export interface StormTarget {
  readonly target: string;
  /** A member's address at which nobody sits. */
  readonly ghost: string;
  /** The cluster's; some of the attackers know it, the others do not. */
  readonly password: string | undefined;
}

const mib = 1024 * 1024;
/** Observers that send a bomb each at the same time. */
const bombersMax = 32;
/** Observers that keep most of a frame without its end. */
const hoardersMax = 3;
/** Those with a wrong password, and those with an address of no member. */
export const wrongMax = 8;
/** Messages in order that nobody needs, in one go. */
const pings = 5_000;
/** Strangers that say nothing: more than there are places. */
const silentMax = 2 * unidentifiedConnectionsMax;

/** Most of the largest frame, of which the end never comes. */
const unfinishedFrame = Buffer.alloc(15 * mib);
unfinishedFrame.writeInt32LE(frameBytesMax);
/** What ends a connection: a length that is none. */
const endOfAll = Buffer.of(0xff, 0xff, 0xff, 0xff);

function isFrame({ bytes }: Attack): boolean {
  return Buffer.from(bytes).readInt32LE() === bytes.length - frameHeaderBytes;
}

/** What an attack's connection sends: with the password what is in the frame is in a token as well. */
function bytesOf(attack: Attack, guise: Guise, password: string | undefined): Uint8Array {
  if (password === undefined || guise.kind === "stranger" || !isFrame(attack)) return attack.bytes;
  const nowSec = Math.floor(performance.now() / 1_000);
  const payload = attack.bytes.subarray(frameHeaderBytes);
  return encodeFrame(sealToken(keyOf(password), payload, nowSec, randomBytes(fernetIvBytes)));
}

async function attackOnce(
  { target, password }: StormTarget,
  attack: Attack,
  guise: Guise,
): Promise<void> {
  const intruder = await Intruder.connect({ target, guise, password });
  if (guise.kind !== "stranger") await intruder.untilOpen();
  intruder.send(bytesOf(attack, guise, password));
  await intruder.untilClosed(`${attack.name} as ${guise.kind}`);
}

/** Connects as somebody, with a password that need not be the cluster's, and is refused. */
async function refused(target: string, guise: Guise, password: string | undefined): Promise<void> {
  const intruder = await Intruder.connect({ target, guise, password });
  await intruder.untilClosed(`${guise.kind} with ${password}`);
}

async function floodOfPings({ target, password }: StormTarget): Promise<void> {
  const guise = { kind: "observer" } as const;
  const intruder = await Intruder.connect({ target, guise, password });
  await intruder.untilOpen();
  const ping: PeerMessage = { type: "quorate_ping" };
  intruder.sayAll(Array.from({ length: pings }, () => ping));
  intruder.send(endOfAll);
  await intruder.untilClosed("an observer with many pings");
}

async function hoard({ target, password }: StormTarget): Promise<Intruder> {
  const intruder = await Intruder.connect({ target, guise: { kind: "observer" }, password });
  await intruder.untilOpen();
  intruder.send(unfinishedFrame);
  return intruder;
}

function times<T>(count: number, one: (n: number) => T): T[] {
  return Array.from({ length: count }, (_, n) => one(n));
}

/** An address of no member, another one each time. */
function nobody(n: number): Guise {
  return { kind: "member", address: `nobody.example:${n + 1}` };
}

/** One round of it. Ends when the member has cut everybody who broke a rule. */
export async function storm(
  where: StormTarget,
  list: readonly Attack[],
  round: number,
): Promise<void> {
  const { target, ghost, password } = where;
  const bombs = list.filter((attack) => isFrame(attack) && attack.guises.includes("observer"));
  const bomb = bombs[round % bombs.length];
  if (bomb === undefined) throw new Error("there is no bomb");
  const observer = { kind: "observer" } as const;
  const stranger = { kind: "stranger" } as const;

  const hoarders = await Promise.all(times(hoardersMax, () => hoard(where)));
  await Promise.all([
    ...list.flatMap((attack) =>
      // Whoever comes as the same member replaces the one before: those come afterwards.
      attack.guises.map((kind) => (kind === "member" ? null : attackOnce(where, attack, { kind }))),
    ),
    ...times(bombersMax, () => attackOnce(where, bomb, observer)),
  ]);
  // Not more at once than there are places for those who have not said who they are.
  await Promise.all([
    ...times(wrongMax, () => refused(target, observer, "wrong")),
    ...times(wrongMax, () => refused(target, { kind: "member", address: ghost }, "wrong")),
    ...times(wrongMax, (n) => refused(target, nobody(round * wrongMax + n), password)),
    floodOfPings(where),
  ]);
  for (const attack of list) {
    if (!attack.guises.includes("member")) continue;
    await attackOnce(where, attack, { kind: "member", address: ghost });
  }
  for (const hoarder of hoarders) hoarder.leave();
  const silent = await Promise.all(
    times(silentMax, () => Intruder.connect({ target, guise: stranger })),
  );
  for (const each of silent) each.leave();
}

/** A byte a second of a frame that would be in order, from whom it is cut off again and again. */
export class Trickle {
  #isRunning = true;
  readonly #done: Promise<void>;

  constructor(where: StormTarget, guise: Guise) {
    this.#done = this.#run(where, guise);
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    await this.#done;
  }

  async #run({ target, password }: StormTarget, guise: Guise): Promise<void> {
    while (this.#isRunning) {
      const intruder = await Intruder.connect({ target, guise, password });
      // It may be cut before it is in: a crowd of strangers comes as well.
      while (guise.kind !== "stranger" && !intruder.isOpen && !intruder.closed) await sleep(10);
      for (let sent = 0; this.#isRunning && !intruder.closed; sent += 1) {
        intruder.send(Buffer.of(sent === 0 ? 200 : 0));
        await sleep(1_000);
      }
      intruder.leave();
    }
  }
}
