import assert from "node:assert/strict";
import { test } from "node:test";
import { mutants } from "./mutants.js";
import { mutantTexts, runMutant } from "./mutation-run.js";

/**
 * Which seed shows it: found with `npm run sim -- --mutants`, all of which takes longer. Of each kind of rule
 * some: what is durable before what, what a lost disk leaves, what those do that forget their terms.
 */
const shown: Readonly<Record<string, number>> = {
  "persist-before-send": 1,
  "count-own-copy-early": 1,
  "term-forgotten": 1,
  "journal-not-synced": 1,
  "failed-sync-ignored": 1,
  "forgotten-term": 1,
  "vote-still-counted": 1,
  "tail-not-missed": 1,
  "no-vote-guard": 1,
  "no-candidate-guard": 1,
  "more-committed-ignored": 1,
  "covered-claim-unbounded": 1,
  "guests-counted": 1,
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
