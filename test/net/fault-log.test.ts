import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogFields, Logger } from "../../src/logger.js";
import { silentLogger } from "../../src/logger.js";
import { FaultLog } from "../../src/net/fault-log.js";
import { faultLogEntriesMax, faultLogLinesMax, faultLogPeriodMs } from "../../src/net/limits.js";

test("one line for each fault and origin in a minute, with the count of what was left out", () => {
  const lines: (LogFields | undefined)[] = [];
  const logger: Logger = { ...silentLogger, warn: (_message, fields) => lines.push(fields) };
  let now = 0;
  const log = new FaultLog(logger, () => now);
  for (let i = 0; i < 100; i += 1) {
    log.warn("frame-length", "10.0.0.1", "cut");
  }
  log.warn("frame-length", "10.0.0.2", "cut");
  log.warn("frame-inflate", "10.0.0.1", "cut");
  assert.equal(lines.length, 3);
  now = faultLogPeriodMs;
  log.warn("frame-length", "10.0.0.1", "cut");
  assert.deepEqual(lines[3], { repeated: 99 });
});

test("made-up origins do not fill the log, and another fault is told all the same", () => {
  const lines: (readonly [string, LogFields | undefined])[] = [];
  const logger: Logger = {
    ...silentLogger,
    warn: (message, fields) => lines.push([message, fields]),
  };
  let now = 0;
  const log = new FaultLog(logger, () => now);
  for (let i = 0; i < 10_000; i += 1) log.warn("unknown-address", `host-${i}:1`, "refused");
  assert.equal(lines.length, faultLogLinesMax);
  log.warn("frame-length", "10.0.0.1", "cut");
  assert.equal(lines.length, faultLogLinesMax + 1);
  now = faultLogPeriodMs;
  log.warn("unknown-address", "host-x:1", "refused", { address: "host-x:1" });
  const left_out = 10_000 - faultLogLinesMax;
  assert.deepEqual(lines.at(-1), ["refused", { address: "host-x:1", left_out }]);
});

test("what it remembers is bounded", () => {
  const log = new FaultLog(silentLogger, () => 0);
  for (let i = 0; i < 3 * faultLogEntriesMax; i += 1) {
    // Each kind is one of a fixed set in truth, and has a few lines only.
    log.warn(`kind-${i % faultLogEntriesMax}`, `host-${i}:1`, "refused");
  }
  assert.equal(log.size, faultLogEntriesMax);
});
