import { randomBytes } from "node:crypto";
import { commandType, encodeCommand } from "../../protocol/log/commands.js";
import { encodeDelete, encodeSet, kvFunction } from "../../protocol/log/kv-calls.js";
import { PyTuple } from "../../protocol/pickle/values.js";
import { commandBytesMax, messageBytesMax } from "../../protocol/wire/limits.js";
import { encodeEntryTuple } from "../../protocol/wire/message-codec.js";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import { Intruder, type IntruderOptions } from "./intruder.js";

/** Somebody who is let in and tries to keep a member from everything else. */
export interface HoldingAttack {
  readonly name: string;
  /** On whom it has to be done to have an effect: 0 the leader, 1 the follower; either where absent. */
  readonly victim?: 0 | 1;
  /** Comes, does it, waits until it is over, and goes. */
  run(target: Target): Promise<void>;
}

/** Whom it is done to, and as whom. */
export interface Target extends Omit<IntruderOptions, "guise"> {
  /** A member's address at which nobody sits. */
  readonly ghost: string;
  /** The cluster's. */
  readonly term: number;
}

const mib = 1024 * 1024;
const protocol2 = Buffer.of(0x80, 2);
const stop = Buffer.from(".");
const textBytes = commandBytesMax - 4096;

function set(key: string, value: string | Uint8Array): Uint8Array {
  const now = Date.now() / 1_000;
  return encodeSet(key, { value, updated: now, created: now });
}

/** To be removed by the leader at once. */
function over(key: string): Uint8Array {
  const now = Date.now() / 1_000;
  return encodeSet(key, { value: "x", updated: now, created: now, expire: now - 1 });
}

function length4(length: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(length);
  return bytes;
}

/** One text opcode with as much as a message takes. */
function text(content: Buffer): Buffer {
  const bytes = content.subarray(0, messageBytesMax - 1024);
  return Buffer.concat([Buffer.from("X"), length4(bytes.length), bytes, Buffer.from(".")]);
}

function repeated(piece: string): Buffer {
  return Buffer.alloc(messageBytesMax - 1024, piece, "latin1");
}

/** Pickles that are refused, as late as possible. */
const pickles: Readonly<Record<string, () => Buffer>> = {
  "zeros that inflate to more than a message may have": () => Buffer.alloc(64 * mib),
  "lists within lists": () => repeated("]"),
  "dicts up to the limit": () => repeated("}"),
  "a text of 19 MiB": () => text(Buffer.alloc(messageBytesMax, "x")),
  "a text of 19 MiB that is no ASCII": () => text(Buffer.alloc(messageBytesMax, "\ufffd")),
  "bytes of 19 MiB": () => {
    const bytes = Buffer.alloc(messageBytesMax - 1024, 7);
    return Buffer.concat([Buffer.from("B"), length4(bytes.length), bytes, Buffer.from(".")]);
  },
  "a line of 19 MiB of escapes": () => Buffer.concat([Buffer.from("S'"), repeated("\\x41")]),
  "numbers of 4,290 digits": () => repeated(`I${"9".repeat(4_290)}\n`),
  "a float with 65,000 blanks in it": () => repeated(`F1${" ".repeat(65_000)}1\n`),
  "places of 65,000 digits": () => {
    const place = `p${"0".repeat(65_000)}\n`;
    return Buffer.concat([Buffer.from("K\x01"), repeated(place)]);
  },
  "a list of ints": () => Buffer.concat([Buffer.from("]("), repeated("K\x01")]),
};

/** Commands of the largest size. */
const commands: Readonly<Record<string, () => Uint8Array>> = {
  "8 MiB of ASCII": () => set("/large", "x".repeat(textBytes)),
  "8 MiB of two-byte characters": () => set("/large", "é".repeat(textBytes / 2)),
  "8 MiB of replacement characters": () => set("/large", "\ufffd".repeat(textBytes / 3)),
  "8 MiB of random bytes": () => set("/large", new Uint8Array(randomBytes((textBytes * 2) / 3))),
  "8 MiB with a lone surrogate": () => set("/large", `\ud800${"x".repeat(textBytes)}`),
  "8 MiB of opcodes": () => Buffer.alloc(commandBytesMax, "}").fill(0, 0, 1),
  "8 MiB of bytes in the place of arguments": () => {
    const text = new Uint8Array(textBytes).fill(65);
    return encodeCommand(commandType.regular, new PyTuple([kvFunction.set, text]));
  },
  "a key of 8 MiB": () => set(`/${"k".repeat(textBytes)}`, "x"),
};

type Kind = "observer" | "member";

const whom: Readonly<Record<Kind, string>> = {
  observer: "an observer",
  member: "a forged member",
};

async function withIntruder(
  { target, password, ghost }: Target,
  kind: Kind,
  attack: (intruder: Intruder) => Promise<void>,
): Promise<void> {
  const guise = kind === "member" ? { kind, address: ghost } : { kind };
  const intruder = await Intruder.connect({ target, password, guise });
  try {
    await intruder.untilOpen();
    await attack(intruder);
  } finally {
    intruder.leave();
  }
}

/** Refused, and the connection is cut: when that has happened it is over. */
function refusedPickle(name: string, kind: Kind, make: () => Buffer): HoldingAttack {
  return {
    name: `${name}, from ${whom[kind]}`,
    run: (target) =>
      withIntruder(target, kind, async (intruder) => {
        intruder.sendPickle(Buffer.concat([protocol2, make(), stop]));
        await intruder.untilClosed(name);
      }),
  };
}

const apply = (command: Uint8Array, requestId: number | null = null): PeerMessage => ({
  type: "apply_command",
  command,
  requestId,
});

const lastRequestId = 1_000_000;

/** Messages in one go. When the last one is answered all before it were looked at. */
function messages(name: string, kind: Kind, make: (term: number) => PeerMessage[]): HoldingAttack {
  return {
    name: `${name}, from ${whom[kind]}`,
    victim: kind === "observer" ? 0 : 1,
    run: (target) =>
      withIntruder(target, kind, async (intruder) => {
        const all = make(target.term);
        intruder.sayAll([...all, apply(set("/last", "x"), lastRequestId)]);
        await intruder.untilAnswered(lastRequestId);
      }),
  };
}

function many(count: number, make: (n: number) => PeerMessage): () => PeerMessage[] {
  return () => Array.from({ length: count }, (_, n) => make(n));
}

function entries(count: number, term: number, command: Uint8Array): PeerMessage {
  const list = Array.from({ length: count }, (_, n) => ({ index: n + 2, term, command }));
  return {
    ...{ type: "append_entries", term, commitIndex: 1, prevLogIdx: 1, prevLogTerm: 0 },
    entries: list,
  };
}

/** One entry as a leader sends what is large: pieces of its pickle. */
function pieces(term: number, command: Uint8Array): PeerMessage[] {
  const pickle = encodeEntryTuple({ index: 2, term, command });
  const size = 64 * 1024;
  const count = Math.ceil(pickle.length / size);
  return Array.from({ length: count }, (_, n) => ({
    type: "append_chunk",
    transmission: n === 0 ? "start" : n === count - 1 ? "finish" : "process",
    data: pickle.subarray(n * size, (n + 1) * size),
    ...{ term, commitIndex: 1, prevLogIdx: 1, prevLogTerm: 0 },
  }));
}

const commandAttacks = Object.entries(commands).map(([name, make]) =>
  messages(name, "observer", () => [apply(make())]),
);

const floods: readonly HoldingAttack[] = [
  messages(
    "20,000 pings",
    "observer",
    many(20_000, () => ({ type: "quorate_ping" })),
  ),
  messages(
    "20,000 pings",
    "member",
    many(20_000, () => ({ type: "quorate_ping" })),
  ),
  messages(
    "20,000 keys",
    "observer",
    many(20_000, (n) => apply(set(`/flood/${n}`, "x"), n)),
  ),
  messages(
    "500 recursive deletes among 20,000 keys",
    "observer",
    many(500, () => apply(encodeDelete("/none", { recursive: true }))),
  ),
  messages(
    "a recursive delete with 3,000 prefixes among 20,000 keys",
    "observer",
    many(1, () => {
      const prefixes = Array.from({ length: 3_000 }, (_, n) => `/none/${n}`);
      const kwargs = new Map([["recursive", true]]);
      const args = new PyTuple([new PyTuple(prefixes)]);
      return apply(
        encodeCommand(commandType.regular, new PyTuple([kvFunction.delete, args, kwargs])),
      );
    }),
  ),
  messages(
    "a recursive delete of 20,000 keys",
    "observer",
    many(1, () => apply(encodeDelete("/flood", { recursive: true }))),
  ),
  messages(
    "60,000 keys that are over when they come",
    "observer",
    many(60_000, (n) => apply(over(`/over/${n}`))),
  ),
  messages(
    "a recursive delete of them",
    "observer",
    many(1, () => apply(encodeDelete("/over", { recursive: true }))),
  ),
  messages(
    "24 commands of 1 MiB",
    "observer",
    many(24, (n) => apply(set("/m", `${n}`.padEnd(mib, "y")))),
  ),
  messages(
    "20,000 answers",
    "member",
    many(20_000, (n) => ({
      ...{ type: "next_node_idx", nextNodeIdx: 1 + (n % 2), reset: true, success: false },
    })),
  ),
];

const nextIs = (nextNodeIdx: number, success: boolean): PeerMessage => ({
  type: "next_node_idx",
  nextNodeIdx,
  reset: !success,
  success,
});

/** By turns it has all, and lacks a large entry that it has written itself. */
const demands: HoldingAttack = {
  name: "an entry of 8 MiB is lacked again and again, by an observer",
  victim: 0,
  run: (target) =>
    withIntruder(target, "observer", async (intruder) => {
      const writeId = 1;
      intruder.say(apply(set("/large", "é".repeat(textBytes / 2)), writeId));
      await intruder.untilAnswered(writeId);
      const index = intruder.indexOf(writeId);
      const pair = [nextIs(index + 1, true), nextIs(index, false)];
      const all = Array.from({ length: 7 }, () => pair).flat();
      intruder.sayAll([...all, apply(set("/last", "x"), lastRequestId)]);
      // Where all of it waits for it at once, on a busy machine, it is cut: that is an end as well.
      await intruder.untilAnswered(lastRequestId).catch((error: unknown) => {
        if (!intruder.closed) throw error;
      });
    }),
};

/** A member that passes for the leader of the next term. It leaves the cluster with what it has sent. */
const forgedLeader: readonly HoldingAttack[] = [
  messages("16,000 entries", "member", (term) => [entries(16_000, term + 1, Uint8Array.of(1))]),
  messages("an entry of 8 MiB", "member", (term) => [
    entries(1, term + 1, new Uint8Array(randomBytes(commandBytesMax - mib))),
  ]),
  messages("an entry of 8 MiB in pieces", "member", (term) =>
    pieces(term + 1, new Uint8Array(randomBytes(commandBytesMax))),
  ),
];

const connections: HoldingAttack = {
  name: "1,000 connections",
  run: async ({ target }) => {
    const all = await Promise.allSettled(
      Array.from({ length: 1_000 }, () =>
        Intruder.connect({ target, guise: { kind: "stranger" } }),
      ),
    );
    for (const one of all) if (one.status === "fulfilled") one.value.leave();
  },
};

/** In this order: the last ones change the log behind the leader's back. */
export const holdingAttacks: readonly HoldingAttack[] = [
  ...Object.entries(pickles).flatMap(([name, make], i) =>
    refusedPickle(name, i % 2 === 0 ? "observer" : "member", make),
  ),
  ...commandAttacks,
  ...floods,
  demands,
  connections,
  ...forgedLeader,
];
