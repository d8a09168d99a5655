import assert from "node:assert/strict";
import { linkSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { runCli } from "../cli/run-cli.js";
import { costOf, writeLargeJournal } from "./support/large-journal.js";
import { address, temporaryFolder } from "./support/made-files.js";

const mib = 1024 ** 2;
const bytes = 256 * mib;
/**
 * Less than the journals alone would take; how much less depends on when Node gives buffers back (most
 * runs stay below 160 MiB, one of Node.js 24 had 241). `npm run soak -- large-journal` shows it of 1 GiB.
 */
const peakBytesMax = 250 * mib;
const peakOfTwoBytesMax = 320 * mib;

for (const isSealed of [true, false]) {
  const whose = isSealed ? "Quorate's" : "PySyncObj's";
  test(`a journal of ${whose} is inspected and verified in less memory than it is long`, async (t) => {
    const path = join(temporaryFolder(t), `${address}.journal`);
    const entries = writeLargeJournal(path, { bytes, valueBytes: 4000, keys: 500, isSealed });
    const inspected = await costOf(["inspect", path, "--json"]);
    assert.equal(inspected.code, 0);
    const [member] = JSON.parse(inspected.out).members;
    assert.equal(member.journal.log.entries, entries);
    assert.equal(member.journal.seal, isSealed ? "intact" : "none");
    const verified = await costOf(["verify", path, "--json"]);
    assert.equal(verified.code, 0, verified.out);
    assert.equal(JSON.parse(verified.out).members[0].entries.last, entries);
    for (const { peakBytes } of [inspected, verified]) {
      assert.ok(peakBytes > 20 * mib, "the memory was seen");
      assert.ok(peakBytes < peakBytesMax, `${Math.round(peakBytes / mib)} MiB`);
    }
  });
}

test("two such journals are compared in less memory than they are long, and Ctrl-C ends it", async (t) => {
  const folder = temporaryFolder(t);
  const paths = ["a:1", "b:1"].map((name) => join(folder, name));
  for (const path of paths) mkdirSync(path);
  const [first = "", second = ""] = ["a:1", "b:1"].map((name, at) =>
    join(paths[at] ?? "", `${name}.journal`),
  );
  const entries = writeLargeJournal(first, {
    ...{ bytes, valueBytes: 4000, keys: 500, isSealed: false },
  });
  linkSync(first, second);
  const { code, out, peakBytes } = await costOf(["doctor", ...paths, "--json"]);
  assert.equal(code, 0, out);
  const { members, comparedAt } = JSON.parse(out);
  assert.deepEqual(
    [members[0].log.last, members[1].log.last, comparedAt],
    [...[entries, entries, entries]],
  );
  assert.ok(peakBytes > 20 * mib, "the memory was seen");
  assert.ok(peakBytes < peakOfTwoBytesMax, `${Math.round(peakBytes / mib)} MiB`);

  // At the first sight of the progress.
  let [interrupt, told] = [() => {}, ""];
  const stopped = await runCli(["doctor", ...paths], {
    isErrTerminal: true,
    err: (text) => {
      told += text;
      interrupt();
    },
    onInterrupt: (listener) => {
      interrupt = listener;
      return () => {};
    },
  });
  assert.deepEqual([stopped.code, stopped.out], [130, ""]);
  assert.match(told, /^\rcomparing: \d+ %, [\d.]+ MiB\/s, \d+ s left/);
  assert.ok(told.endsWith("\r\u001b[Kquorate: stopped\n"), JSON.stringify(told));
});
