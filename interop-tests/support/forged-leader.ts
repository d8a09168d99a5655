import { gzipSync } from "node:zlib";
import { encodeMembership } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import { encodeSet, encodeStoredSet } from "../../protocol/log/kv-calls.js";
import { PyFloat, type PyValue } from "../../protocol/pickle/values.js";
import { commandBytesMax } from "../../protocol/wire/limits.js";
import { encodeEntryTuple } from "../../protocol/wire/message-codec.js";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import { nodeLimits } from "../../src/node/limits.js";
import { raftLimits } from "../../src/raft/limits.js";
import { Intruder } from "./intruder.js";

/** Somebody who passes for a member, and for the leader of the next term, to one real member. */

export interface Victim {
  readonly target: string;
  /** A member's address at which nobody sits. */
  readonly ghost: string;
  readonly password: string | undefined;
  /** The victim's, as its status tells them. */
  readonly term: number;
  readonly lastIndex: number;
  readonly lastTerm: number;
}

export interface LeaderAttack {
  readonly name: string;
  /** Bytes that the victim takes into its log and its store: these are not what is bounded here. */
  readonly keptBytes: number;
  /** What the victim counts when it has done to it what it should. */
  readonly counter?: string;
  messages(victim: Victim): Iterable<PeerMessage>;
}

const mib = 1024 * 1024;
const { takenShare } = nodeLimits;
const { followedSpareShare } = raftLimits;
/** `quorate.max_data_bytes` of the victims. */
export const victimDataBytes = 64 * mib;
/** While a dump is read: its pickle, and four times as much for what is made of it. */
const dumpReadBytes = 5 * (takenShare * victimDataBytes + 4 * commandBytesMax);
/** What a vanilla leader puts into one message. */
const pieceBytes = 64 * 1024;

/** Where entries are to follow, and what is told with them. */
interface Place {
  readonly term: number;
  readonly commitIndex: number;
  readonly prevLogIdx: number;
  readonly prevLogTerm: number;
}

/** Behind the end of the victim's log. */
function behind({ term, lastIndex, lastTerm }: Victim): Place {
  return { term: term + 1, commitIndex: 1, prevLogIdx: lastIndex, prevLogTerm: lastTerm };
}

/** The pickle of one entry, cut as a leader cuts it. */
function* pieces(pickle: Uint8Array, place: Place, size = pieceBytes): Generator<PeerMessage> {
  for (let at = 0; at < pickle.length; at += size) {
    const isLast = at + size >= pickle.length;
    const transmission = isLast ? "finish" : at === 0 ? "start" : "process";
    yield { type: "append_chunk", transmission, data: pickle.subarray(at, at + size), ...place };
  }
}

function entryPickle(place: Place, command: Uint8Array): Uint8Array {
  return encodeEntryTuple({ index: place.prevLogIdx + 1, term: place.term, command });
}

/** A command that sets a key, of so many bytes. */
export function setOf(bytes: number, text: string): Uint8Array {
  const value = text.repeat(Math.floor((bytes - 200) / Buffer.byteLength(text)));
  const now = Date.now() / 1_000;
  return encodeSet("/large", { value, updated: now, created: now });
}

/** An entry of a command as large as is asked for, in pieces, and committed with the last of them. */
function entryInPieces(name: string, command: () => Uint8Array, kept: number): LeaderAttack {
  return {
    name,
    keptBytes: kept,
    ...(kept === 0 ? { counter: "entry_too_large" } : {}),
    *messages(victim) {
      const place = { ...behind(victim), commitIndex: victim.lastIndex + 1 };
      yield* pieces(entryPickle(place, command()), place);
    },
  };
}

/** Many small entries, as many in each message as there may be. */
function manyEntries(count: number): LeaderAttack {
  const each = 16_000;
  return {
    name: `${count} entries`,
    keptBytes: count * 500,
    *messages(victim) {
      const place = behind(victim);
      const command = setOf(300, "x");
      for (let from = 0; from < count; from += each) {
        const prevLogIdx = place.prevLogIdx + from;
        const prevLogTerm = from === 0 ? place.prevLogTerm : place.term;
        const entries = Array.from({ length: Math.min(each, count - from) }, (_, n) => ({
          ...{ index: prevLogIdx + 1 + n, term: place.term, command },
        }));
        const { term, commitIndex } = place;
        yield { type: "append_entries", term, commitIndex, prevLogIdx, prevLogTerm, entries };
      }
    },
  };
}

/** Few bytes and few addresses, and each of them is decoded and takes effect as soon as it is in the log. */
const manyChanges: LeaderAttack = {
  name: "49,000 small changes of the membership, taken back",
  keptBytes: 0,
  *messages(victim) {
    const place = behind(victim);
    const commands = (["add", "rem"] as const).map((what) => encodeMembership(what, "127.0.0.1:1"));
    const entries = Array.from({ length: 49_000 }, (_, n) => ({
      ...{ index: place.prevLogIdx + 1 + n, term: place.term },
      command: commands[n % 2] ?? new Uint8Array(0),
    }));
    yield { type: "append_entries", ...place, entries };
    const other = { ...place, term: place.term + 1 };
    const entry = { index: other.prevLogIdx + 1, term: other.term, command: Uint8Array.of(1) };
    yield { type: "append_entries", ...other, entries: [entry] };
  },
};

/** Entries of which no majority will ever know, as a leader sends them, several times as many as may be held. */
const endlessEntries: LeaderAttack = {
  name: "320 MiB of entries that are never committed",
  keptBytes: victimDataBytes,
  counter: "tail_too_large",
  *messages(victim) {
    const place = behind(victim);
    const command = setOf(8_000, "x");
    const { term, commitIndex } = place;
    for (let sent = 0; sent < (320 * mib) / pieceBytes; sent += 1) {
      const prevLogIdx = place.prevLogIdx + 8 * sent;
      const prevLogTerm = sent === 0 ? place.prevLogTerm : term;
      const entries = Array.from({ length: 8 }, (_, n) => ({
        ...{ index: prevLogIdx + 1 + n, term, command },
      }));
      yield { type: "append_entries", term, commitIndex, prevLogIdx, prevLogTerm, entries };
    }
  },
};

/** The keys of `calledCommitted`, all of one length. */
export function forgedKey(n: number): string {
  return `/forged/${String(n).padStart(6, "0")}`;
}

/** The command of such a key, of which only the key is different each time. */
function keyed(command: Uint8Array): (n: number) => Uint8Array {
  const at = Buffer.from(command).indexOf(forgedKey(0));
  return (n) => {
    const copy = Buffer.from(command);
    copy.write(forgedKey(n), at);
    return copy;
  };
}

const times = { updated: 5, created: 5 };
/** Twenty times as much in memory, or more, by what a member counts. */
const ofInts = keyed(
  encodeStoredSet(
    forgedKey(0),
    new Map<PyValue, PyValue>([
      ["value", Array.from({ length: 8_000 }, (_, n) => n % 100)],
      ["updated", new PyFloat(5)],
      ["created", new PyFloat(5)],
    ]),
  ),
);
const ofText = keyed(encodeSet(forgedKey(0), { value: "x".repeat(16_000), ...times }));
const large = keyed(encodeSet(forgedKey(0), { value: "x".repeat(mib), ...times }));

/** Entries without end, each of which is called committed with the message that brings it. */
function calledCommitted(
  name: string,
  count: number,
  command: (n: number) => Uint8Array,
): LeaderAttack {
  return {
    ...{ name, counter: "tail_too_large" },
    // What it holds of data and, in the log, what is not applied and what makes those data.
    keptBytes: (takenShare + followedSpareShare) * victimDataBytes + victimDataBytes * takenShare,
    *messages(victim) {
      const { term, prevLogIdx: before, prevLogTerm } = behind(victim);
      for (let n = 0; n < count; ) {
        const prevLogIdx = before + n;
        const entries: Entry[] = [];
        for (let bytes = 0; bytes < pieceBytes && n < count; n += 1) {
          const entry = { index: before + n + 1, term, command: command(n) };
          entries.push(entry);
          bytes += entry.command.length;
        }
        const prev = { prevLogIdx, prevLogTerm: prevLogIdx === before ? prevLogTerm : term };
        yield { type: "append_entries", term, commitIndex: before + n, ...prev, entries };
      }
    },
  };
}

/** The first of them make the data too much, the rest is the tail behind. */
export const committedAttacks: readonly LeaderAttack[] = [
  calledCommitted("values that grow twentyfold, called committed", 6_000, (n) =>
    n < 200 ? ofInts(n) : ofText(n),
  ),
  calledCommitted("values of 1 MiB, called committed", 200, large),
];

/** A dump of one value; it compresses to a thousandth. */
function dumpOf(bytes: number): Buffer {
  const text = Buffer.alloc(bytes, "x");
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes);
  return gzipSync(
    Buffer.concat([Buffer.from("\x80\x02X", "latin1"), length, text, Buffer.from(".")]),
  );
}

/** Much larger than any memory, in a few MiB: parts of one file that are compressed each by itself. */
function endlessDump(bytes: number): Buffer {
  const each = 64 * mib;
  const more = gzipSync(Buffer.alloc(each, "x"), { level: 1 });
  const start = gzipSync(Buffer.from("\x80\x02X\xff\xff\xff\x7f", "latin1"));
  return Buffer.concat([start, ...Array.from({ length: bytes / each }, () => more)]);
}

/** Of values that take a byte each, and two hundred in memory. */
function emptyDicts(count: number): Buffer {
  const batch = Buffer.from(`(](${"}".repeat(1_000)}ee`);
  const batches = Buffer.concat(Array.from({ length: count / 1_000 }, () => batch));
  return gzipSync(Buffer.concat([Buffer.from("\x80\x02]", "latin1"), batches, Buffer.from(".")]), {
    level: 1,
  });
}

/** A dump of so many bytes in a piece as a leader sends them. */
function dumpInPieces(name: string, keptBytes: number, dump: () => Buffer): LeaderAttack {
  return {
    ...{ name, keptBytes, counter: "dump_too_large" },
    *messages(victim) {
      const { term } = behind(victim);
      const bytes = dump();
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        const data = bytes.subarray(at, at + pieceBytes);
        const chunk = { data, isFirst: at === 0, isLast: at + pieceBytes >= bytes.length };
        yield { type: "install_snapshot", term, commitIndex: 1, chunk };
      }
    },
  };
}

export const leaderAttacks: readonly LeaderAttack[] = [
  entryInPieces("8 MiB, committed at once", () => setOf(commandBytesMax, "é"), 4 * commandBytesMax),
  {
    name: "8 MiB in large pieces, committed at once",
    keptBytes: 4 * commandBytesMax,
    *messages(victim) {
      const place = { ...behind(victim), commitIndex: victim.lastIndex + 1 };
      // What is not ASCII takes twice as much in the entry's pickle, and again in the message's.
      yield* pieces(entryPickle(place, setOf(commandBytesMax, "é")), place, 8 * mib);
    },
  },
  {
    name: "last pieces that go on and on",
    keptBytes: 0,
    *messages(victim) {
      const place = behind(victim);
      const pickle = entryPickle(place, new Uint8Array(commandBytesMax - mib).fill(0xff));
      // All but its end: each further piece could be the one that makes it whole.
      yield* pieces(pickle.subarray(0, -1), place);
      for (let n = 0; n < 100; n += 1) {
        const data = new Uint8Array(0);
        yield { type: "append_chunk", transmission: "finish", data, ...place };
      }
    },
  },
  {
    name: "12 entries of 8 MiB",
    keptBytes: 12 * commandBytesMax,
    *messages(victim) {
      const place = behind(victim);
      for (let n = 0; n < 12; n += 1) {
        const prevLogIdx = place.prevLogIdx + n;
        const prevLogTerm = n === 0 ? place.prevLogTerm : place.term;
        const here = { ...place, prevLogIdx, prevLogTerm };
        yield* pieces(entryPickle(here, new Uint8Array(commandBytesMax).fill(1)), here);
      }
    },
  },
  {
    name: "changes of the membership of 7 MiB, taken back",
    keptBytes: 8 * commandBytesMax,
    *messages(victim) {
      const place = behind(victim);
      const command = Buffer.concat([
        encodeMembership("add", "127.0.0.1:1").subarray(0, -1),
        // A text that is dropped again.
        Buffer.from("X\0\0\x70\0", "latin1"),
        Buffer.alloc(7 * mib, "é"),
        Buffer.from("0."),
      ]);
      for (let n = 0; n < 6; n += 1) {
        const prevLogIdx = place.prevLogIdx + n;
        const prevLogTerm = n === 0 ? place.prevLogTerm : place.term;
        const here = { ...place, prevLogIdx, prevLogTerm };
        yield* pieces(entryPickle(here, command), here);
      }
      const other = { ...place, term: place.term + 1 };
      const entry = { index: other.prevLogIdx + 1, term: other.term, command: Uint8Array.of(1) };
      yield { type: "append_entries", ...other, entries: [entry] };
    },
  },
  manyChanges,
  // As many as are held without being committed.
  manyEntries(100_000),
  endlessEntries,
  {
    name: "a dump of one text of 200 MiB",
    // Refused while it comes.
    keptBytes: 0,
    counter: "dump_too_large",
    *messages(victim) {
      const { term } = behind(victim);
      const data = dumpOf(200 * mib);
      const chunk = { data, isFirst: true, isLast: true };
      yield { type: "install_snapshot", term, commitIndex: 1, chunk };
    },
  },
  // Given up as soon as it is known, before anything of it is kept.
  dumpInPieces("a dump of 5 GiB in a few MiB", 0, () => endlessDump(5 * 1024 * mib)),
  dumpInPieces("a dump of 100 million empty dicts", dumpReadBytes, () => emptyDicts(95_000_000)),
  entryInPieces("an entry of 64 MiB", () => setOf(64 * mib, "x"), 0),
  entryInPieces("an entry of 64 MiB beyond ASCII", () => setOf(64 * mib, "é"), 0),
];

/** The victim and the real members then hold different logs for good: each other's vote is of no use to them. */
export const conflictAttack: LeaderAttack = {
  name: "other entries in the place of 20,000 committed ones",
  keptBytes: 20_000 * 3_000,
  counter: "committed_entries_conflict",
  *messages(victim) {
    const prevLogIdx = victim.lastIndex - 20_000;
    // Committed as well, so that it is applied to the store that is built again.
    const place = { ...behind(victim), prevLogIdx, commitIndex: prevLogIdx + 1 };
    const entry = { index: place.prevLogIdx + 1, term: place.term, command: Uint8Array.of(1) };
    yield { type: "append_entries", ...place, entries: [entry] };
  },
};

const lastRequestId = 1_000_000;

/** Comes, does it, waits until all of it was looked at, and goes. */
export async function attack(victim: Victim, { messages }: LeaderAttack): Promise<void> {
  const { target, ghost, password } = victim;
  const guise = { kind: "member" as const, address: ghost };
  const intruder = await Intruder.connect({ target, password, guise });
  try {
    await intruder.untilOpen();
    for (const message of messages(victim)) {
      intruder.say(message);
      await intruder.drained();
    }
    intruder.say({ type: "apply_command", command: setOf(300, "x"), requestId: lastRequestId });
    await intruder.untilAnswered(lastRequestId);
  } finally {
    intruder.leave();
  }
}
