import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { crc32 } from "node:zlib";
import {
  encodeJournalHeader,
  journalHeaderBytes,
  recordOverheadBytes,
  writeRecords,
} from "../../protocol/files/journal-format.js";
import { type JournalVerdict, judgeJournal } from "../../src/storage/journal-verdict.js";

const sector = 512;
const version = "0.3.17";

interface Batch {
  /** The file, of which the last batch is not known to be durable. */
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly to: number;
}

/** A journal of one record, then a batch of records with commands of these lengths. */
function journal(firstLength: number, lengths: readonly number[]): Batch {
  const entries = [firstLength, ...lengths].map((length, at) => {
    return { index: at + 1, term: 1, command: new Uint8Array(length).fill(0x5a) };
  });
  const to = entries.reduce(
    (sum, { command }) => sum + recordOverheadBytes + command.length,
    journalHeaderBytes,
  );
  const from = journalHeaderBytes + recordOverheadBytes + firstLength;
  const bytes = new Uint8Array(Math.ceil((to + 1) / sector) * sector);
  writeRecords(entries, bytes, journalHeaderBytes);
  const crcTo = (end: number) => crc32(bytes.subarray(journalHeaderBytes, end));
  const seal = { previousEnd: from, previousCrc: crcTo(from), endCrc: crcTo(to) };
  bytes.set(encodeJournalHeader({ version, endOffset: to, seal }, crc32));
  return { bytes, from, to };
}

function judged(
  { bytes }: Batch,
  spoil: (copy: Uint8Array) => void,
): Pick<JournalVerdict, "cause" | "isLossy"> {
  const copy = Uint8Array.from(bytes);
  spoil(copy);
  const { cause, isLossy } = judgeJournal(copy, true);
  return { cause, isLossy };
}

const damage = { cause: "last-batch", isLossy: true };
const torn = { cause: "torn", isLossy: false };

describe("one flipped byte in a last batch that nothing has confirmed", () => {
  for (const [name, lengths] of [
    ["of one short record", [60]],
    ["of one record of 256 bytes of command", [256]],
    ["of records whose sizes end in a zero byte", [240, 752]],
    ["of many records", [10, 300, 2, 40]],
    ["of one beyond 64 KiB", [0x2_0000 - 16]],
  ] as const) {
    test(`${name}: damage, wherever the batch begins and ends`, () => {
      for (let length = 1; length <= sector; length += 1) {
        const batch = journal(length, lengths);
        const { to } = batch;
        const flip = (copy: Uint8Array) => {
          const at = to - recordOverheadBytes;
          copy[at] = (copy[at] ?? 0) ^ 0x04;
        };
        assert.deepEqual(judged(batch, flip), damage, `first command of ${length} bytes`);
      }
    });
  }

  test("a flipped length as well, where a piece of it is zeros in the next sector", () => {
    for (let length = 1; length <= sector; length += 1) {
      const batch = journal(length, [240]);
      for (const at of [batch.from, batch.from + 1, batch.to - 4, batch.to - 3]) {
        const flip = (copy: Uint8Array) => {
          copy[at] = (copy[at] ?? 0) ^ 0x04;
        };
        assert.deepEqual(judged(batch, flip), damage, `first command of ${length}, byte ${at}`);
      }
    }
  });
});

describe("a last batch of which a sector did not reach the disk", () => {
  for (const lengths of [[700], [60, 900], [1264, 240], [0x1_0000 + 500]]) {
    test(`of ${lengths.join(" and ")} bytes: torn, whichever sector it is`, () => {
      for (let length = 1; length <= sector; length += 1) {
        const batch = journal(length, lengths);
        const { bytes, from, to } = batch;
        for (let start = from; start < to; ) {
          const end = Math.min(to, (Math.floor(start / sector) + 1) * sector);
          const isFarWithin = start > from + sector && end < to - sector;
          if (isFarWithin) {
            start = end;
            continue;
          }
          const lost = bytes.subarray(start, end);
          const wipe = (copy: Uint8Array) => void copy.fill(0, start, end);
          // Zeros in the place of zeros change nothing.
          const isChanged = lost.some((byte) => byte !== 0);
          const expected = isChanged ? torn : { cause: null, isLossy: false };
          assert.deepEqual(judged(batch, wipe), expected, `${length}: ${start} to ${end}`);
          start = end;
        }
      }
    });
  }
});
