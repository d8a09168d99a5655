import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { costOf, writeLargeJournal } from "./support/large-journal.js";
import { address, temporaryFolder } from "./support/made-files.js";

const mib = 1024 ** 2;
const bytes = 256 * mib;
/** Less than the journal alone would take. `npm run soak -- large-journal` shows the same of 1 GiB. */
const peakBytesMax = 224 * mib;

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
