import assert from "node:assert/strict";
import { test } from "node:test";
import { mutants } from "./mutants.js";
import { mutantTexts, runMutant } from "./mutation-run.js";

/** Which seed shows it: found with `npm run sim -- --mutants`, all of which takes longer. */
const shown: Readonly<Record<string, number>> = {
  "persist-before-send": 1,
  "confirm-before-durable": 1,
  "half-is-majority": 1,
  "term-forgotten": 1,
  "commit-unverified": 1,
  "journal-not-synced": 1,
  "meta-not-synced": 1,
  "failed-sync-ignored": 1,
  "dump-not-synced": 1,
};

for (const [name, from] of Object.entries(shown)) {
  test(`the simulator finds that a rule is missing: ${name}`, async (t) => {
    const mutant = mutants.find((each) => each.name === name);
    assert.ok(mutant !== undefined);
    // More than the one seed: what else changes in the code may move the moment in which it shows.
    const { found } = await runMutant(mutant, { from, seedsMax: 12 });
    t.diagnostic(JSON.stringify(found));
    assert.ok(found !== null, `${mutant.rule}: not found`);
  });
}

test("each mutant's text is in the code", () => {
  for (const mutant of mutants) assert.doesNotThrow(() => mutantTexts(mutant));
});
