import assert from "node:assert/strict";
import { test } from "node:test";
import { createLogger, lostLineOf } from "../../src/cli/log.js";
import { LogFile } from "../../src/cli/log-output.js";

/** A file on a disk with room for so many bytes more. */
class SmallFile {
  text = "";
  room = Number.POSITIVE_INFINITY;

  readonly writeSome = (bytes: Uint8Array): number => {
    if (this.room === 0) {
      throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    }
    const taken = bytes.subarray(0, this.room);
    this.text += Buffer.from(taken).toString("latin1");
    this.room -= taken.length;
    return taken.length;
  };
}

for (const format of ["text", "json"] as const) {
  test(`lines for which there is no room are told of when there is room again, as ${format}`, () => {
    const options = { level: "info", format } as const;
    const file = new SmallFile();
    const logger = createLogger(options, new LogFile(file.writeSome, lostLineOf(options)));
    logger.info("first");
    file.room = 20;
    for (const message of ["cut", "lost", "lost as well"]) logger.warn(message);
    file.room = Number.POSITIVE_INFINITY;
    logger.info("next");
    logger.info("last");
    const lines = file.text.trimEnd().split("\n");
    assert.equal(lines.length, 5, file.text);
    assert.match(lines[0] ?? "", /first/);
    assert.equal(lines[1]?.length, 20, "a part of a line stays a line by itself");
    assert.match(lines[2] ?? "", /3 lines of this log could not be written before: ENOSPC/);
    assert.match(lines[2] ?? "", /log-lines-lost/);
    assert.match(lines[3] ?? "", /next/);
    assert.match(lines[4] ?? "", /last/);
    if (format === "json") for (const at of [0, 2, 3, 4]) JSON.parse(lines[at] ?? "");
  });
}

test("where there is no room for the line that tells of them, they are told of later", () => {
  const file = new SmallFile();
  const output = new LogFile(file.writeSome, (lines) => `${lines} lost\n`);
  file.room = 0;
  output.write("a\n");
  file.room = 3;
  output.write("b\n");
  file.room = Number.POSITIVE_INFINITY;
  output.write("c\n");
  output.write("d\n");
  assert.equal(file.text, "1 l\n2 lost\nc\nd\n");
});
