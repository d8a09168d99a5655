import assert from "node:assert/strict";
import { test } from "node:test";
import type { Deed } from "./deeds.js";
import { type Outcome, type RunOptions, runSeed } from "./run-seed.js";
import { listed, shrink } from "./shrink.js";

const profile = "crashes";

/** A run that is well, with its deeds: 30 or so. */
async function planned(): Promise<Outcome> {
  const outcome = await runSeed({ seed: 3, profile, faultsMs: 20_000 });
  assert.equal(outcome.failure, null);
  assert.ok(outcome.deeds.length > 20, `${outcome.deeds.length} deeds`);
  return outcome;
}

test("of a failing run those deeds are left that it takes to fail alike", async () => {
  const whole = await planned();
  const [, , third, ...rest] = whole.deeds;
  const last = rest.at(-3);
  assert.ok(third !== undefined && last !== undefined);
  let runs = 0;
  const run = async ({ deeds = [] }: RunOptions): Promise<Outcome> => {
    runs += 1;
    const has = (deed: Deed) => deeds.includes(deed);
    // With one of them it fails in another way, which must not count.
    const invariant = has(third) ? (has(last) ? "both" : "one") : null;
    return { ...whole, deeds, invariant };
  };
  const failing = await run(whole);
  const shorter = await shrink(failing, { seed: 3 }, 60, run);
  assert.deepEqual(shorter.deeds, [third, last]);
  assert.equal(listed(shorter.deeds).length, 2);
  assert.ok(runs <= 61, `${runs} runs`);
});

test("what is shrunk is run as it was: the same deeds make the same run", async () => {
  const whole = await planned();
  const { seed, deeds } = whole;
  const again = await runSeed({ seed, profile, faultsMs: 20_000, deeds });
  assert.equal(again.hash, whole.hash);
  const shorter = await runSeed({ seed, profile, faultsMs: 20_000, deeds: deeds.slice(1) });
  assert.notEqual(shorter.hash, whole.hash);
});
