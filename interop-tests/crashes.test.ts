import assert from "node:assert/strict";
import { test } from "node:test";
import { CrashLife, type LifeOptions, type LifeResult } from "./support/crash-life.js";
import type { Kind } from "./support/seats.js";

/* Real processes and SIGKILL; `npm run soak -- crashes` does the same for hours. See docs/crashes.md. */

const ours: readonly Kind[] = ["quorate", "quorate", "quorate"];
const seed = Number(process.env["CRASH_SEED"] ?? Math.floor(Math.random() * 1_000_000));

type Case = Pick<LifeOptions, "kills" | "compactAbove" | "victims" | "moment" | "wipe">;

const cases: readonly (readonly [name: string, options: Case])[] = [
  [
    "one, two or all, compaction forced often",
    { kills: 60, compactAbove: 20, victims: "some", moment: "random" },
  ],
  [
    "all of them, compaction forced often",
    { kills: 48, compactAbove: 20, victims: "all", moment: "random" },
  ],
  [
    "one, two or all, the usual compaction",
    { kills: 40, compactAbove: null, victims: "some", moment: "random" },
  ],
  [
    "all of them, when a dump has just got its name",
    { kills: 24, compactAbove: 40, victims: "all", moment: "dump" },
  ],
  [
    "all of them, between the dump's rename and the journal's",
    { kills: 15, compactAbove: 40, victims: "all", moment: "switch" },
  ],
  [
    "one, two or all, of which one often loses its disk",
    { kills: 30, compactAbove: 40, victims: "some", moment: "random", wipe: 0.6 },
  ],
];

for (const [name, options] of cases) {
  test(`SIGKILL of ${name}: nothing acknowledged is lost`, async (t) => {
    const result = await run({ ...options, kinds: ours });
    t.diagnostic(`CRASH_SEED=${seed}: ${figures(result)}`);
    assert.deepEqual(result.faults, [], figures(result));
    assert.equal(result.stuck, null, figures(result));
    assert.deepEqual(result.lost, [], figures(result));
    assert.deepEqual(result.undead, [], figures(result));
    assert.deepEqual(result.differing, [], figures(result));
    assert.ok(result.kills >= options.kills, figures(result));
    if (options.wipe !== undefined) assert.ok(result.wipes > 0, figures(result));
    assert.ok(result.acked >= result.kills, `too few writes to lose: ${figures(result)}`);
    if (options.moment === "switch") {
      const between = result.windows.get("between the dump's rename and the journal's") ?? 0;
      assert.ok(between >= options.kills / 2, `too few kills in the window: ${figures(result)}`);
    }
  });
}

test("the same finds what PySyncObj 0.3.17 loses", async (t) => {
  const vanilla: readonly Kind[] = ["vanilla", "vanilla", "vanilla"];
  for (let life = 0; life < 8; life++) {
    const options = { kills: 12, compactAbove: 40, victims: "all", moment: "dump" } as const;
    const result = await run({ ...options, kinds: vanilla, writers: 32 }, life);
    t.diagnostic(figures(result));
    if (result.lost.length > 0) return;
  }
  assert.fail("no write was lost in 8 clusters: then the tests above show nothing");
});

/** What PySyncObj members forget they can elect one without: see "Two PySyncObj members and a Quorate one". */
test("SIGKILL beside two of 0.3.17: ours does nothing wrong, and what is lost they had forgotten", async (t) => {
  const mixed: readonly Kind[] = ["vanilla", "vanilla", "quorate"];
  const common = { kinds: mixed, kills: 12, compactAbove: 50, writers: 16 } as const;
  const lives = [
    { ...common, victims: "some", moment: "random" },
    { ...common, victims: "all", moment: "dump" },
  ] as const;
  for (const [life, options] of lives.entries()) {
    const result = await run(options, life);
    const { cleared, unexplained, faults, differing, lost, stuck } = result;
    t.diagnostic(`CRASH_SEED=${seed}: ${figures(result)}; ${cleared} times both journals cleared`);
    assert.deepEqual(faults, [], figures(result));
    assert.deepEqual(unexplained, [], figures(result));
    assert.equal(stuck, null, figures(result));
    // A PySyncObj member that has applied what the others forgot keeps it.
    if (lost.length === 0) assert.deepEqual(differing, [], figures(result));
    assert.ok(result.kills >= options.kills, figures(result));
    assert.ok(result.acked >= result.kills, `too few writes to lose: ${figures(result)}`);
  }
});

function run(options: Omit<LifeOptions, "seed" | "version">, life = 0): Promise<LifeResult> {
  return new CrashLife({ ...options, seed: seed + life, version: "0.3.17" }).run();
}

function figures(result: LifeResult): string {
  const { kills, wipes, acked, byClient, unknown, lost } = result;
  const windows = [...result.windows].map(([window, count]) => `${count} ${window}`).join(", ");
  return `${kills} kills, ${wipes} disks lost, ${acked} acknowledged (${byClient} by the client library), ${unknown} unknown, ${lost.length} lost; amid: ${windows}`;
}
