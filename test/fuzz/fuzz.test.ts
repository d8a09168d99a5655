import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";
import { Fuzzer } from "./fuzzer.js";
import { runPlan, targets } from "./run.js";

/** The bounded part; the rest is `npm run soak -- fuzz`. */
const executionsPerTarget = 4_000;

function shown(finds: ReturnType<typeof runPlan>["finds"]): string {
  return finds
    .map(({ target, why, input, diceSeed }) => {
      const bytes = Buffer.from(input).toString("base64");
      return `npm run soak -- fuzz --target ${target} --seed ${diceSeed} --input ${bytes}\n${why}`;
    })
    .join("\n");
}

for (const seed of [1, randomInt(2 ** 31)]) {
  test(`every decoder gives a value or a ProtocolError, whatever it is fed: seed ${seed}`, () => {
    const { tallies, finds } = runPlan({
      targets,
      seed,
      executions: executionsPerTarget * targets.length,
      guidedShare: 0.1,
    });
    assert.equal(finds.length, 0, shown(finds));
    for (const [name, { executions, taken, refused }] of tallies) {
      assert.ok(executions >= executionsPerTarget, name);
      assert.ok(taken > 0 && refused > 0, `${name}: ${taken} taken, ${refused} refused`);
    }
  });
}

test("one seed makes the same inputs again", () => {
  for (const target of targets) {
    const [one, two] = [new Fuzzer(target, 5), new Fuzzer(target, 5)];
    for (let i = 0; i < 50; i += 1) assert.ok(Buffer.from(one.step()).equals(two.step()));
  }
});

test("what a decoder must not do is found: another error, and a long time", () => {
  const wrong = new Fuzzer(
    {
      name: "wrong",
      seeds: [Buffer.from("seed")],
      run: (input) => {
        if (input.length > 6) throw new RangeError("beyond");
        const until = performance.now() + (input.length < 3 ? 150 : 0);
        while (performance.now() < until) {}
        return true;
      },
    },
    1,
  );
  for (let i = 0; i < 40; i += 1) wrong.step();
  const finds = wrong.finds.map(({ why }) => why);
  assert.ok(finds.some((why) => why.includes("RangeError")));
  assert.ok(finds.some((why) => why.startsWith("took ")));
});
