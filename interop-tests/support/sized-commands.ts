import type { Entry } from "../../protocol/log/entry.js";
import { encodeSet } from "../../protocol/log/kv-calls.js";
import { encodeEntryTuple } from "../../protocol/wire/message-codec.js";
import type { Kind } from "./seats.js";

/**
 * `_set` calls of an exact length. A large entry travels as the pickle of (command, index, term) in
 * pieces of 64 KiB; how many there are depends on the pickle's length, which of them upstream calls
 * `finish` on the command's, and a byte from 0x80 up counts once here and twice there
 * (SyncObj.__sendAppendEntries).
 */

/** Upstream's appendEntriesBatchSizeBytes. */
export const pieceBytes = 65_536;

export type Letters = "ascii" | "beyond";

export interface SizedCommand {
  readonly name: string;
  readonly key: string;
  readonly value: string;
  readonly command: Uint8Array;
}

/** Where the entry will lie, as far as that is known before, and who will pickle it. */
export interface Position {
  readonly index: number;
  readonly term: number;
  readonly pickledBy: Kind;
}

/** Python's pickler memoises six of the entry's objects, two bytes each; ours none. */
const memoBytes: Readonly<Record<Kind, number>> = { vanilla: 12, quorate: 0 };

/** Steps by which the length is looked for: each changes the pickle's by a byte or two. */
const searchStepsMax = 64;
/** Share of a pickle's bytes that letters beyond ASCII make; the rest is there to fill up. */
const beyondShare = 0.94;
const timeSec = 1_700_000_000.25;

/** A command of exactly this many bytes. */
export function ofLength(key: string, bytes: number, letters: Letters): SizedCommand {
  const room = bytes - setCommand(key, "").length;
  if (room < 0) throw new Error(`${bytes} bytes are too few for a call`);
  const count = letters === "ascii" ? 0 : Math.floor(room / 2);
  const value = text(count, room - 2 * count);
  const made = { name: `command of ${bytes} bytes, ${letters}`, key, value };
  return checked({ ...made, command: setCommand(key, value) }, bytes);
}

/** A command whose entry has a pickle of exactly this many bytes. */
export function ofPickleLength(
  key: string,
  bytes: number,
  plan: Position & { readonly letters: Letters },
): SizedCommand {
  const { letters, index, term } = plan;
  const pickled = (command: Uint8Array) => pickleLength({ command, index, term }, plan.pickledBy);
  let count = letters === "ascii" ? 0 : Math.floor((bytes * beyondShare) / 4);
  const empty = pickled(setCommand(key, text(count, 0)));
  let filler = bytes - empty;
  for (let step = 0; step < searchStepsMax; step++) {
    const value = text(count, filler);
    const command = setCommand(key, value);
    const off = bytes - pickled(command);
    if (off === 0) return { name: `pickle of ${bytes} bytes, ${letters}`, key, value, command };
    filler += off;
    // A length is passed over where the bytes of a length in the pickle pass 0x80: another mixture.
    if (step % 8 === 7) {
      count += 1;
      filler -= 4;
    }
  }
  throw new Error(`no command has a pickle of ${bytes} bytes`);
}

/** Bytes of an entry's pickle as a leader of this kind makes it. */
export function pickleLength(entry: Entry, pickledBy: Kind): number {
  return encodeEntryTuple(entry).length + memoBytes[pickledBy];
}

function checked(made: SizedCommand, bytes: number): SizedCommand {
  if (made.command.length !== bytes) throw new Error(`${made.command.length}, not ${bytes} bytes`);
  return made;
}

function setCommand(key: string, value: string): Uint8Array {
  return encodeSet(key, { value, updated: timeSec, created: timeSec });
}

/** Text that is nowhere the same, so that pieces in a wrong order show. */
function text(beyondCount: number, asciiCount: number): string {
  const beyond = Array.from({ length: beyondCount }, (_, at) =>
    String.fromCharCode(0xa1 + ((at * 7 + (at >> 9)) % 1800)),
  );
  let ascii = "";
  for (let at = 0; ascii.length < asciiCount; at++) ascii += `${at.toString(36)} `;
  return beyond.join("") + ascii.slice(0, asciiCount);
}
