import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkFiles } from "../../../src/files/checked-files.js";
import type { MemberPaths } from "../../../src/files/data-path.js";
import { planRepair } from "../../../src/files/repair-plan.js";
import type { VerifyFinding } from "../../../src/files/verify-findings.js";
import { silentLogger } from "../../../src/logger.js";
import { nodeFileSystem } from "../../../src/storage/node-file-system.js";
import { Storage } from "../../../src/storage/storage.js";
import { StorageError } from "../../../src/storage/storage-error.js";

/** What the findings say of a repair and of a start, tried; the start on a copy. */
export async function checkAdvice(
  member: MemberPaths,
  findings: readonly VerifyFinding[],
): Promise<void> {
  const plan = planRepair(await checkFiles(nodeFileSystem, member), { isAlone: false });
  const mended = plan.needsHuman.length > 0 ? [] : plan.mends.map(({ code }) => code);
  const copy = mkdtempSync(join(tmpdir(), "quorate-advice-"));
  cpSync(member.directory, copy, { recursive: true });
  const asideBefore = asideIn(copy).length;
  const given = { dataDir: copy, selfAddr: member.address, logger: silentLogger };
  const recovered = await Storage.open(given).then(
    async ({ storage, recovered }) => {
      await storage.close();
      return recovered;
    },
    (error: unknown) => {
      assert.ok(error instanceof StorageError, String(error));
      return null;
    },
  );
  const isAside = asideIn(copy).length > asideBefore;
  rmSync(copy, { recursive: true });
  for (const { code, next } of findings) {
    if (/quorate repair mends it/.test(next)) assert.ok(mended.includes(code), `${code}: ${next}`);
    if (/quorate repair does nothing/.test(next)) assert.ok(plan.needsHuman.length > 0, code);
    if (/Start (the member|it) with Quorate/.test(next)) assert.ok(recovered !== null, code);
    if (/it sets the \w+ aside/.test(next)) assert.ok(isAside, `${code}: nothing was set aside`);
    if (/it neither votes nor leads|it sets the \w+ aside, neither votes/.test(next)) {
      assert.ok(recovered?.mustRefetch, `${code}: it would vote`);
    }
    if (/Quorate (refuses to|does not) start/.test(next)) assert.equal(recovered, null, code);
    if (/takes the higher term/.test(next)) assert.ok((recovered?.term ?? 0) > 1, code);
    if (/keeps the journal beside/.test(next)) assert.ok(isAside, code);
  }
}

function asideIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.includes(".damaged-"));
}
