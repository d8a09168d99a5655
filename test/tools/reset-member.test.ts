import assert from "node:assert/strict";
import { test } from "node:test";
import type { Meta } from "../../protocol/files/meta-format.js";
import { emptyMeta, loadMeta, MetaFile } from "../../src/storage/meta-file.js";
import { resetMember } from "../../src/tools/recover/reset-member.js";
import { CrashFileSystem } from "../storage/crash-file-system.js";

test("an emptied member keeps what it knows of terms", async () => {
  const fs = new CrashFileSystem();
  const address = "127.0.0.1:4001";
  const meta = `/d/${address}.journal.meta`;
  const stored: Meta = { ...emptyMeta, term: 7, votedFor: "b:1", commitIndex: 9, secondTerm: 3 };
  await new MetaFile(fs, meta, emptyMeta).store(stored);
  const paths = { address, directory: "/d", journal: null, meta, dump: null, others: [] };
  await resetMember(paths, { now: new Date(0), keepsPromises: true }, fs);
  const loaded = await loadMeta(fs, meta);
  assert.ok(loaded.kind === "meta");
  const { otherKeys: _, ...kept } = loaded.meta;
  assert.deepEqual(kept, {
    ...{ term: 7, votedFor: "b:1", secondTerm: 3 },
    ...{ commitIndex: 1, mustRefetch: true, forgotTerm: false, isBlank: false, owner: address },
  });
});
