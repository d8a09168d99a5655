import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import {
  journalHeaderBytes,
  parseJournalHeader,
  recordsBytes,
  walkRecords,
  writeRecords,
} from "../../protocol/files/journal-format.js";
import { decodeMeta, encodeMeta } from "../../protocol/files/meta-format.js";
import { decodeCommand } from "../../protocol/log/commands.js";
import { decodePickle, PickleDecoder } from "../../protocol/pickle/decoder.js";
import { encodePickle } from "../../protocol/pickle/encoder.js";
import type { PyValue } from "../../protocol/pickle/values.js";
import { decodeHot } from "../../protocol/wire/hot-decoder.js";
import { hotEntriesMax, messagePickleLimits } from "../../protocol/wire/limits.js";
import { decodeMessage, encodeMessage } from "../../protocol/wire/message-codec.js";
import {
  encodeMembers,
  encodeUtility,
  parseMembers,
  parseStatus,
  parseUtility,
} from "../../protocol/wire/utility.js";
import { judgeJournal } from "../../src/storage/journal-verdict.js";
import { keyToText, toJson } from "../../src/store/json-view.js";
import { Store } from "../../src/store/store.js";
import type { Target } from "./fuzzer.js";
import { pickleMutators } from "./pickle-mutators.js";
import { commandSeeds, journalSeeds, messageSeeds, metaSeeds, pickleSeeds } from "./seeds.js";

/** What the encoder refuses of what the decoder gives: values deeper than anybody's. */
const tooDeep = /nested more than/;

/** What is encoded comes back the same, byte for byte the second time. */
function checkRoundTrip(value: PyValue): void {
  let encoded: Uint8Array;
  try {
    encoded = encodePickle(value);
  } catch (error) {
    if (error instanceof Error && tooDeep.test(error.message)) return;
    throw error;
  }
  assertSameBytes(encodePickle(decodePickle(encoded)), encoded);
}

function assertSameBytes(seen: Uint8Array, expected: Uint8Array): void {
  assert.equal(Buffer.compare(seen, expected), 0, "it comes back as something else");
}

const pickle: Target = {
  name: "pickle",
  seeds: pickleSeeds,
  mutators: pickleMutators,
  run(input, dice) {
    const whole = decodePickle(input, messagePickleLimits);
    // The same in slices, and with copies.
    const sliced = new PickleDecoder(input, messagePickleLimits, "copy");
    while (!sliced.run(1 + dice.below(7))) {}
    const encoded = dice.oneIn(4);
    if (encoded) checkRoundTrip(whole);
    if (encoded) checkRoundTrip(sliced.result());
    return true;
  },
};

/** @throws Error where it is none: no ProtocolError, since another decoder took it. */
function generally(input: Uint8Array): PyValue {
  try {
    return decodePickle(input, messagePickleLimits, "copy");
  } catch (cause) {
    throw new Error("the general decoder refuses it", { cause });
  }
}

const message: Target = {
  name: "message",
  seeds: messageSeeds,
  mutators: pickleMutators,
  run(input) {
    // What it recognizes is what the general decoder, which might refuse, would have given.
    const hot = decodeHot(input, null, hotEntriesMax);
    if (hot !== null) {
      assert.deepEqual(hot, decodeMessage(generally(input)), "the hot decoder differs");
    }
    const decoded = decodeMessage(decodePickle(input, messagePickleLimits));
    if (decoded.type === "unknown") return false;
    const encoded = encodeMessage(decoded);
    const again = decodeMessage(decodePickle(encoded));
    assert.ok(again.type !== "unknown");
    assertSameBytes(encodeMessage(again), encoded);
    return true;
  },
};

const utility: Target = {
  name: "utility",
  seeds: [
    ...messageSeeds,
    ...[["status"], ["add", "a:1"], ["transfer", ""], ["set_version", 1], ["members"]].map((list) =>
      encodePickle(list),
    ),
  ],
  mutators: pickleMutators,
  run(input) {
    const value = decodePickle(input, messagePickleLimits);
    if (value instanceof Map) {
      parseStatus(value);
      return true;
    }
    if (!Array.isArray(value)) return false;
    if (value.length > 0 && value[0] instanceof Map) encodeMembers(parseMembers(value));
    encodePickle(encodeUtility(parseUtility(value)));
    return true;
  },
};

const command: Target = {
  name: "command",
  seeds: commandSeeds,
  mutators: pickleMutators,
  run(input) {
    // A new store each time: what a run finds must not depend on the runs before.
    const store = new Store();
    const tail = { length: 0, at: () => undefined };
    const refused = store.refusal(input, tail);
    const outcome = store.apply(input, 7);
    if (refused === null) assert.ok(!("raised" in outcome), "admitted, and raises");
    for (const [key, dict] of store.entries()) {
      checkRoundTrip(dict);
      // As HTTP shows it.
      JSON.stringify([keyToText(key), toJson(dict)]);
    }
    decodeCommand(input);
    return refused === null;
  },
};

const journal: Target = {
  name: "journal",
  seeds: journalSeeds,
  run(input, dice) {
    const { endOffset } = parseJournalHeader(input, crc32);
    const isMetaOurs = dice.oneIn(2);
    judgeJournal(input, isMetaOurs);
    const range = { from: journalHeaderBytes, to: endOffset, termJumpMax: 2 ** 31 };
    const { entries, ends } = walkRecords(input, range);
    const target = new Uint8Array(recordsBytes(entries));
    writeRecords(entries, target, 0);
    const end = ends.at(-1) ?? journalHeaderBytes;
    assertSameBytes(target, input.subarray(journalHeaderBytes, end));
    return entries.length > 0;
  },
};

const meta: Target = {
  name: "meta",
  seeds: [
    ...metaSeeds,
    encodeMeta(
      {
        term: 7,
        votedFor: "a:1",
        commitIndex: 3,
        mustRefetch: true,
        forgotTerm: true,
        isBlank: true,
        secondTerm: 2,
        termFloor: 9,
        owner: "b:2",
        otherKeys: new Map(),
      },
      crc32,
    ),
  ],
  mutators: pickleMutators,
  run(input) {
    const { meta: decoded } = decodeMeta(input, crc32);
    const again = decodeMeta(encodeMeta(decoded, crc32), crc32);
    assert.deepEqual({ ...again.meta, otherKeys: 0 }, { ...decoded, otherKeys: 0 });
    return true;
  },
};

export const decoderTargets: readonly Target[] = [pickle, message, utility, command, journal, meta];
