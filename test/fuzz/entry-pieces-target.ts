import assert from "node:assert/strict";
import { ProtocolError } from "../../protocol/errors.js";
import type { Entry } from "../../protocol/log/entry.js";
import { EntryPieces } from "../../protocol/wire/entry-pieces.js";
import { decodeEntryTuple, encodeEntryTuple } from "../../protocol/wire/message-codec.js";
import { laterEntryPickle } from "../protocol/wire/later-entry-pickle.js";
import { chunks } from "./chunks.js";
import type { Target } from "./fuzzer.js";
import { pickleMutators } from "./pickle-mutators.js";
import { commandSeeds } from "./seeds.js";

/** `open`: more pieces are needed. */
type Outcome = Entry | "open" | "refused";

/** `refused` also where it is too large: which of the two it is depends on where a faulty one is cut. */
function outcome(run: () => Entry | null): Outcome {
  try {
    return run() ?? "open";
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return error.code === "pickle-truncated" ? "open" : "refused";
  }
}

/** @param isAsked Before which pieces it is asked whether it is whole, as upstream can mark two as the last. */
function assembled(
  pieces: readonly Uint8Array[],
  commandBytesMax: number,
  isAsked: () => boolean,
): Outcome {
  return outcome(() => {
    const entry = new EntryPieces(commandBytesMax);
    for (const piece of pieces) {
      if (isAsked()) {
        const early = entry.finish();
        if (early !== null) return early;
      }
      entry.add(piece);
    }
    const whole = entry.finish();
    if (entry.isTooLarge) throw new ProtocolError("message-shape", "it is too large");
    return whole;
  });
}

function isSame(one: Outcome, other: Outcome): boolean {
  if (typeof one === "string" || typeof other === "string") return one === other;
  const isPlaceSame = one.index === other.index && one.term === other.term;
  return isPlaceSame && Buffer.compare(one.command, other.command) === 0;
}

function shown(what: Outcome): string {
  if (typeof what === "string") return what;
  return `${what.index}/${what.term} ${Buffer.from(what.command).toString("hex")}`;
}

/** The beginnings by which the command's place is known, and with it its length before it has come. */
const isUsual = /^(\x80.)?(\x95.{8})?\(?(c_codecs\nencode\n(q.|r.{4})?X|[B\x8e])/s;

/** What is known of the pickle as a whole. */
interface Whole {
  readonly entry: Outcome;
  /** The same without the frame's opcode, which says how much follows: pieces pass over it. */
  readonly unframed: Outcome;
  readonly input: Uint8Array;
}

/** What cannot be otherwise, whatever the pickle. */
function checkAgainst({ entry, unframed, input }: Whole, seen: Outcome, bytesMax: number): void {
  if (typeof seen !== "string") {
    assert.ok(isSame(seen, unframed), `${shown(seen)}; as a whole ${shown(unframed)}`);
    const isWithin = seen.command.length <= bytesMax;
    assert.ok(isWithin || !isUsual.test(latin1(input)), "a command beyond the bound");
    return;
  }
  if (typeof entry === "string") return;
  // One that is there and never comes together would be waited for for ever.
  assert.equal(seen, "refused", "it is whole, and more is waited for");
  const { length } = entry.command;
  const isOurs = Buffer.compare(encodeEntryTuple(entry), input) === 0;
  assert.ok(!isOurs || length === 0 || length > bytesMax, "an entry as we write it is refused");
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(0, 64)).toString("latin1");
}

function unframed(input: Uint8Array): Uint8Array {
  const at = input[0] === 0x80 ? 2 : 0;
  if (input[at] !== 0x95) return input;
  return Buffer.concat([input.subarray(0, at), input.subarray(at + 9)]);
}

/** Python 3's own, of protocol 2: with its memo. */
const pythons = [
  "gAJjX2NvZGVjcwplbmNvZGUKcQBYDQAAAADCgGNvbW1hbmQgw6lxAVgGAAAAbGF0aW4xcQKGcQNScQRLB0sDh3EFLg==",
];

const entries: readonly Entry[] = [
  ...commandSeeds.map((command, at) => ({ index: 300 + at, term: 5, command })),
  { index: 7, term: 70_000, command: new Uint8Array(300).fill(0xe9) },
  { index: 2 ** 40, term: 2 ** 33, command: Buffer.from("command é".repeat(200), "latin1") },
];

/** The pickle of a large entry, cut at places of chance: held against the decoding of the whole. */
export const entryPieces: Target = {
  name: "entry-pieces",
  seeds: [
    ...entries.flatMap((entry) => [
      encodeEntryTuple(entry),
      ...([3, 4] as const).map((protocol) => laterEntryPickle(entry, protocol)),
    ]),
    ...pythons.map((base64) => Buffer.from(base64, "base64")),
  ],
  mutators: pickleMutators,
  run(input, dice) {
    const bytesMax = dice.oneIn(2) ? input.length : dice.below(input.length + 1);
    const whole = {
      entry: outcome(() => decodeEntryTuple(input)),
      unframed: outcome(() => decodeEntryTuple(unframed(input))),
      input,
    };
    const seen = assembled(chunks(input, dice), bytesMax, () => false);
    checkAgainst(whole, seen, bytesMax);
    const again = assembled(chunks(input, dice), bytesMax, () => false);
    assert.ok(isSame(again, seen), `cut otherwise: ${shown(again)}; ${shown(seen)}`);
    const asked = assembled(chunks(input, dice), bytesMax, () => dice.oneIn(2));
    if (typeof asked !== "string") {
      assert.ok(isSame(asked, whole.unframed), `asked before: ${shown(asked)}; ${shown(seen)}`);
    }
    return typeof seen !== "string";
  },
};
