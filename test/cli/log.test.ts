import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { describe, it } from "node:test";
import { localTime } from "../../src/cli/escape.js";
import { createLogger } from "../../src/cli/log.js";
import type { Config } from "../../src/node/config-types.js";

function capture(options: Config["log"]) {
  const text: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text.push(String(chunk));
      done();
    },
  });
  return { logger: createLogger(options, stream), lines: () => text.join("").split("\n") };
}

describe("log", () => {
  it("writes readable lines with local time, level and fields", () => {
    const { logger, lines } = capture({ level: "info", format: "text" });
    logger.info("leader changed", { leader: "a:1", term: 3, reason: "two words", none: undefined });
    logger.warn("careful");
    logger.debug("not shown");
    const time = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d`;
    const [first = "", second = "", end] = lines();
    assert.match(
      first,
      new RegExp(`^${time} INFO  leader changed leader=a:1 term=3 reason="two words"$`),
    );
    assert.match(second, new RegExp(`^${time} WARN  careful$`));
    assert.equal(end, "");
  });

  it("writes JSON with --log-format json; fields cannot replace what each line has", () => {
    const { logger, lines } = capture({ level: "debug", format: "json" });
    logger.debug("m", { level: "fake", term: 3, vote: null });
    const { time, ...rest } = JSON.parse(lines()[0] ?? "");
    assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000);
    assert.deepEqual(rest, {
      level: "debug",
      message: "m",
      field_level: "fake",
      term: 3,
      vote: null,
    });
  });

  it("keeps to the level", () => {
    const { logger, lines } = capture({ level: "error", format: "text" });
    logger.warn("no");
    logger.error("yes");
    assert.equal(lines().length, 2);
  });

  it("keeps what a peer sent on one line and free of terminal sequences", () => {
    const { logger, lines } = capture({ level: "info", format: "text" });
    logger.info("peer said x\nERROR fake \u001b[2J", { name: "a\r\nb\u009b" });
    assert.equal(lines().length, 2);
    assert.match(
      lines()[0] ?? "",
      /peer said x\\u000aERROR fake \\u001b\[2J name="a\\r\\nb\\u009b"$/,
    );
  });

  it("shows offsets either side of UTC", () => {
    const time = new Date(Date.UTC(2026, 0, 31, 8, 5, 7, 250));
    for (const [offsetMin, expected] of [
      [-60, "2026-01-31T09:05:07.250+01:00"],
      [210, "2026-01-31T04:35:07.250-03:30"],
      [0, "2026-01-31T08:05:07.250+00:00"],
    ] as const) {
      time.getTimezoneOffset = () => offsetMin;
      assert.equal(localTime(time), expected);
    }
  });
});
