import assert from "node:assert/strict";
import { test } from "node:test";
import { journalBytesMax } from "../../protocol/files/limits.js";
import { dataBytesDefault, dataBytesLeast, dataBytesMost } from "../../src/node/config-limits.js";
import { nodeLimits } from "../../src/node/limits.js";
import { heavyLogBytes, logBytesMax } from "../../src/node/log-bytes.js";
import { raftLimits } from "../../src/raft/limits.js";

const mib = 1024 * 1024;
const compaction = { minEntries: 5_000, minTimeMs: 300_000 };

test("a log is due by its bytes at twice the data, and the more data the later", () => {
  const due = (dataMib: number, minEntries = 5_000) =>
    heavyLogBytes(dataMib * mib, { compaction: { ...compaction, minEntries } }) / mib;
  assert.deepEqual(
    [1, 32, 100, 128, 256].map((each) => due(each)),
    [64, 64, 200, 256, 256],
  );
  assert.deepEqual(
    [300, 768, 4_096].map((each) => due(each)),
    [300, 768, 768],
  );
  assert.equal(due(1, 1_000_000), 256);
});

test("the bound of the log follows from the most data", () => {
  const bound = (dataBytesMax: number) => logBytesMax({ dataBytesMax, compaction }) / mib;
  assert.deepEqual([dataBytesLeast, dataBytesDefault].map(bound), [768, 1_536]);
  assert.equal(bound(dataBytesDefault) * mib, raftLimits.logBytesMax);
  assert.deepEqual([512 * mib, dataBytesMost, Infinity].map(bound), [3_072, 3_072, 3_072]);
});

test("a dump is due long before the bound, which is well below the end of a journal", () => {
  for (const dataBytesMax of [dataBytesLeast, dataBytesDefault, 300 * mib, dataBytesMost]) {
    const bound = logBytesMax({ dataBytesMax, compaction });
    for (const part of [0, 0.5, 1]) {
      const due = heavyLogBytes(part * dataBytesMax, { compaction });
      assert.ok(due * nodeLimits.heavyLogCatchUpFactor <= bound);
    }
    assert.ok(bound * raftLimits.logSpareFactor < journalBytesMax - 128 * mib);
  }
});
