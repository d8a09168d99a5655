import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
/** Short: these runs are not about figures. */
const times = ["--warm-up", "0.5", "--seconds", "0.5"];
const program = fileURLToPath(new URL("../bench/main.js", import.meta.url));

/** What a bench has written for a short run, with no look at how fast anything was. */
async function bench(args: readonly string[]): Promise<Record<string, unknown>> {
  const results = mkdtempSync(join(tmpdir(), "quorate-bench-"));
  try {
    await run(process.execPath, [program, ...args, "--results", results, "--name", "short"]);
    return JSON.parse(readFileSync(join(results, "short.json"), "utf8"));
  } finally {
    rmSync(results, { recursive: true, force: true });
  }
}

describe("npm run bench", () => {
  it("has real clusters of both programs commit writes, beside observers and with a password", async () => {
    for (const more of [
      ["--observers", "3"],
      ["--password", "secret"],
    ]) {
      const systems = ["--systems", "quorate,pysyncobj", "--concurrency", "8"];
      const report = await bench([...systems, ...times, "--repeats", "1", ...more]);
      const figures = report["figures"] as { system: string; rate: { median: number } }[];
      assert.deepEqual(
        figures.map(({ system }) => system),
        ["quorate", "pysyncobj"],
      );
      for (const { rate } of figures) assert.ok(rate.median > 0 && rate.median < 1e6);
      assert.ok(!JSON.stringify(report).includes("secret"));
    }
  });

  it("finds out what the load generator can do at most", async () => {
    const report = await bench(["ceiling", "--concurrency", "8", ...times]);
    const figures = report["figures"] as { wire: string; rate: number; generatorUs: number }[];
    assert.deepEqual(
      figures.map(({ wire }) => wire),
      ["pysyncobj", "etcd"],
    );
    for (const { rate, generatorUs } of figures) assert.ok(rate > 0 && generatorUs > 0);
  });

  it("sees a leader that is killed replaced", async () => {
    const report = await bench(["failover", "--systems", "quorate", "--repeats", "1"]);
    const [figure] = report["figures"] as { ms: { median: number } }[];
    assert.ok(figure !== undefined && figure.ms.median > 0);
  });

  it("refuses what it does not know", async () => {
    const wrong = run(process.execPath, [program, "throughput", "--keys", "many"]);
    await assert.rejects(wrong, (error: { code?: number; stderr?: string }) => {
      assert.equal(error.code, 2);
      assert.match(String(error.stderr), /--keys takes whole numbers/);
      return true;
    });
  });
});
