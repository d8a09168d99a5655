import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { projectRoot } from "../../interop-tests/support/project.js";
import { encodeDelete } from "../../protocol/log/kv-calls.js";
import { findData, type MemberPaths } from "../../src/files/data-path.js";
import { differencesOf, pictureOf } from "../../src/files/store-diff.js";
import { StoreFold } from "../../src/files/store-fold.js";
import { nodeFileSystem } from "../../src/storage/node-file-system.js";
import { Store } from "../../src/store/store.js";
import { log, setEntry, temporaryFolder, vanillaJournal } from "./support/made-files.js";

async function memberAt(path: string): Promise<MemberPaths> {
  const found = await findData(nodeFileSystem, path);
  assert.ok(found.kind === "members");
  const [member] = found.members;
  assert.ok(member !== undefined);
  return member;
}

async function pictureAt(member: MemberPaths, index: number): Promise<Record<string, unknown>> {
  const fold = await StoreFold.open(nodeFileSystem, member, index);
  try {
    await fold.advance(index);
    return Object.fromEntries(pictureOf(fold.store));
  } finally {
    await fold.close();
  }
}

test("the store at each index is the fold of the entries up to it", async (t) => {
  const folder = temporaryFolder(t);
  const entries = log([0, 1, 1, 1, 1, 2, 2, 2, 2], 3);
  writeFileSync(join(folder, "a:1.journal"), vanillaJournal(entries));
  const member = await memberAt(folder);
  const store = new Store();
  for (const { index, command } of entries) {
    store.apply(command, index);
    assert.deepEqual(await pictureAt(member, index), Object.fromEntries(pictureOf(store)));
  }
  await assert.rejects(pictureAt(member, 10), /entry 10 is not in these files: they end at 9/);
});

test("with a dump: from its index on, and not before", async () => {
  const folder = join(projectRoot(), "protocol", "vectors", "0.3.15", "files");
  const compacted = await memberAt(join(folder, "compacted"));
  // The same member before its compaction, from the first entry on.
  const whole = await memberAt(join(folder, "membership"));
  assert.deepEqual(await pictureAt(compacted, 24), await pictureAt(whole, 24));
  await assert.rejects(pictureAt(compacted, 23), /begins at entry 23, and no dump holds what came/);
  const dumpAlone = { ...compacted, journal: null };
  await assert.rejects(pictureAt(dumpAlone, 5), /entry 5 is not in .* the dump shows 24 only/);
  await assert.rejects(pictureAt(dumpAlone, 25), /entry 25 is not in these files: they end at 24/);
  const fold = await StoreFold.open(nodeFileSystem, compacted, 24);
  await fold.advance(24);
  const before = pictureOf(fold.store);
  await fold.advanceToEnd();
  await fold.close();
  assert.equal(fold.index, 27);
  assert.deepEqual(
    differencesOf(before, pictureOf(fold.store)).map(({ key, change }) => `${change} ${key}`),
    ["added /after/0", "added /after/1", "added /after/2"],
  );
});

test("an entry that stops PySyncObj's members is passed over, and told", async (t) => {
  const folder = temporaryFolder(t);
  const entries = [
    ...log([0, 1, 1]),
    { index: 4, term: 1, command: encodeDelete("/missing") },
    setEntry(5, 1, "/after", "x"),
  ];
  writeFileSync(join(folder, "a:1.journal"), vanillaJournal(entries));
  const fold = await StoreFold.open(nodeFileSystem, await memberAt(folder), 5);
  await fold.advance(5);
  await fold.close();
  assert.equal(fold.raisedCount, 1);
  assert.match(fold.raised[0]?.reason ?? "", /_delete of a key that does not exist/);
  assert.ok(pictureOf(fold.store).has("/after"));
});
