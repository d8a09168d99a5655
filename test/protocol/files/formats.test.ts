import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { ProtocolError } from "../../../protocol/errors.js";
import { DumpEncoder, parseDump } from "../../../protocol/files/dump-format.js";
import {
  encodeJournalHeader,
  journalHeaderBytes,
  parseJournalHeader,
  recordsBytes,
  walkRecords,
  wouldBeIntact,
  writeRecords,
} from "../../../protocol/files/journal-format.js";
import { decodeMeta, encodeMeta } from "../../../protocol/files/meta-format.js";
import type { Entry } from "../../../protocol/log/entry.js";
import { decodePickle } from "../../../protocol/pickle/decoder.js";
import { encodePickle } from "../../../protocol/pickle/encoder.js";
import { type PyDict, PyFloat, PyTuple, type PyValue } from "../../../protocol/pickle/values.js";

const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const count = fc.maxSafeNat();

const logs = fc
  .tuple(
    fc.integer({ min: 1, max: 2 ** 52 }),
    fc.array(fc.tuple(count, fc.uint8Array({ maxLength: 40 })), { maxLength: 20 }),
  )
  .map(([first, items]) =>
    items.map(([term, command], at): Entry => ({ index: first + at, term, command })),
  );

describe("the journal's format", () => {
  test("headers round-trip", () => {
    const seals = fc.record(
      { previousEnd: fc.integer({ min: 40 }), previousCrc: uint32, endCrc: uint32 },
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(uint32, seals, (endOffset, seal) => {
        const bytes = encodeJournalHeader({ version: "0.3.17", endOffset, seal }, crc32);
        assert.equal(bytes.length, journalHeaderBytes);
        const header = parseJournalHeader(Buffer.from(bytes), crc32);
        const expected = { isJournal: true, version: "0.3.17", endOffset, seal, isIntact: true };
        assert.deepEqual(header, expected);
        const moved = Buffer.from(bytes);
        moved.writeUInt32LE((endOffset ^ 77) >>> 0, 36);
        assert.equal(parseJournalHeader(moved, crc32).isIntact, false);
        assert.equal(wouldBeIntact(moved, { endOffset }, crc32), true);
      }),
    );
  });
  test("a header with any one byte changed is not intact", () => {
    const seal = { previousEnd: 40, previousCrc: 1, endCrc: 2 };
    const bytes = encodeJournalHeader({ version: "0.3.17", endOffset: 99, seal }, crc32);
    for (let at = 0; at < bytes.length; at++) {
      for (let mask = 1; mask < 256; mask++) {
        const damaged = Uint8Array.from(bytes);
        damaged[at] = (bytes[at] ?? 0) ^ mask;
        assert.equal(parseJournalHeader(damaged, crc32).isIntact, false, `${at} ${mask}`);
      }
    }
  });
  test("records round-trip, and a walk stops at whatever is cut", () => {
    fc.assert(
      fc.property(logs, fc.nat(), (entries, cut) => {
        const bytes = new Uint8Array(recordsBytes(entries));
        const ends = writeRecords(entries, bytes, 0);
        const limits = { from: 0, to: bytes.length, termJumpMax: Number.POSITIVE_INFINITY };
        const walk = walkRecords(bytes, limits);
        assert.deepEqual(walk, { entries, ends, stop: null });
        if (bytes.length === 0) return;
        const length = cut % bytes.length;
        const shortened = walkRecords(bytes.subarray(0, length), limits);
        assert.equal(shortened.entries.length, ends.filter((end) => end <= length).length);
        assert.equal(shortened.stop?.reason, "structure");
      }),
    );
  });
  test("a term that leaps is implausible, one that falls is not", () => {
    const entries: Entry[] = [1, 2 ** 20, 5, 2 ** 40].map((term, at) => ({
      index: at + 1,
      term,
      command: Uint8Array.of(1),
    }));
    const bytes = new Uint8Array(recordsBytes(entries));
    writeRecords(entries, bytes, 0);
    const walk = walkRecords(bytes, { from: 0, to: bytes.length, termJumpMax: 2 ** 31 });
    assert.equal(walk.entries.length, 3);
    assert.deepEqual(walk.stop, { reason: "implausible", offset: 75 });
  });
});

describe("the meta file's format", () => {
  test("round-trips with unknown keys; vanilla's reader finds its dict", () => {
    const fields = {
      term: count,
      commitIndex: count,
      votedFor: fc.option(fc.string()),
      mustRefetch: fc.boolean(),
      forgotTerm: fc.boolean(),
      isBlank: fc.boolean(),
      secondTerm: fc.nat(),
      termFloor: fc.nat(),
      owner: fc.option(fc.string()),
      otherKeys: fc.constant<PyDict>(new Map<PyValue, PyValue>([["other", 5]])),
    };
    const metas = fc.record(fields, { noNullPrototype: true });
    fc.assert(
      fc.property(metas, fc.nat(), fc.integer({ min: 1, max: 255 }), (meta, at, mask) => {
        const bytes = encodeMeta(meta, crc32);
        assert.deepEqual(decodeMeta(bytes, crc32), { meta, isSealed: true, isRepaired: false });
        const dict = decodePickle(bytes);
        assert(dict instanceof Map && dict.get("currentTerm") === meta.term);
        bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ mask;
        assert.deepEqual(decodeMeta(bytes, crc32), { meta, isSealed: true, isRepaired: true });
      }),
    );
  });
  test("refuses what no member can have stored", () => {
    const dicts = [
      { currentTerm: -1 },
      { currentTerm: "1" },
      { votedForNodeId: 5 },
      { raftCommitIndex: null },
    ];
    const pickles = dicts.map((dict) =>
      encodePickle(new Map<PyValue, PyValue>(Object.entries(dict))),
    );
    for (const bytes of [...pickles, encodePickle([1]), Uint8Array.of(), Uint8Array.of(0x80)]) {
      assert.throws(
        () => decodeMeta(bytes, crc32),
        (error) => error instanceof ProtocolError && error.code === "meta-malformed",
      );
    }
  });
});

describe("the dump's format", () => {
  test("round-trips in pieces, across the batches of the dict", () => {
    for (const size of [0, 1, 999, 1000, 1001, 2500]) {
      const encoder = new DumpEncoder(3);
      const pieces: Uint8Array[] = [];
      for (let n = 0; n < size; n++) {
        encoder.add(`/k${n}`, new Map<PyValue, PyValue>([["value", n]]));
        if (n % 77 === 0) pieces.push(encoder.take());
      }
      const last: Entry = { index: 9, term: 4, command: Uint8Array.of(1) };
      const previous: Entry = { index: 8, term: 4, command: new Uint8Array() };
      encoder.finish(last, previous, ["a:1", "[::1]:2"]);
      pieces.push(encoder.take());
      const dump = parseDump(decodePickle(Buffer.concat(pieces)));
      assert.equal(dump.data.size, size);
      assert.deepEqual(dump.members, ["a:1", "[::1]:2"]);
      assert.equal(dump.codeVersion, 3);
      assert.deepEqual([dump.last.index, dump.last.term, dump.last.command.length], [9, 4, 1]);
      assert.deepEqual([dump.previous.index, dump.previous.command.length], [8, 0]);
    }
  });
  test("takes a code version that is a bool or a float, as a command may have set it", () => {
    const attributes = (version: PyValue) =>
      new Map<PyValue, PyValue>([
        ["_SyncObj__enabledCodeVersion", version],
        ["_KVStoreTTL__data", new Map()],
      ]);
    const entry = (index: number) => new PyTuple([Uint8Array.of(1), index, 1]);
    const dumpOf = (version: PyValue) =>
      parseDump(new PyTuple([attributes(version), entry(2), entry(1), new Set()]));
    assert.equal(dumpOf(false).codeVersion, 0);
    assert.equal(Object.is(dumpOf(new PyFloat(-0)).codeVersion, 0), true);
    for (const version of [new PyFloat(0.5), -1, "0"]) {
      assert.throws(() => dumpOf(version), /code version is no count/);
    }
  });
  test("refuses what is no dump", () => {
    const noOp = new PyTuple([Uint8Array.of(1), 2, 1]);
    const attributes = new Map<PyValue, PyValue>([["_KVStoreTTL__data", new Map()]]);
    const before = new PyTuple([Uint8Array.of(1), 1, 1]);
    assert.equal(parseDump(new PyTuple([attributes, noOp, before, new Set()])).data.size, 0);
    for (const items of [
      [attributes, noOp, noOp, new Set<PyValue>()],
      [new Map(), noOp, before, new Set<PyValue>()],
      [attributes, noOp, before, []],
      [attributes, noOp, before, new Set<PyValue>([5])],
      [attributes, noOp, before],
    ]) {
      assert.throws(
        () => parseDump(new PyTuple(items)),
        (error) => error instanceof ProtocolError && error.code === "dump-malformed",
      );
    }
  });
});
