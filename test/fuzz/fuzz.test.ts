import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { attemptMsMax, type Find, Fuzzer, inputMsMax, type Target } from "./fuzzer.js";
import { runPlan, targets } from "./run.js";

/** The bounded part; the rest is `npm run soak -- fuzz`. */
const executionsPerTarget = 4_000;

function shown(finds: readonly Find[]): string {
  return finds
    .map(({ target, why, input, diceSeed }) => {
      const bytes = Buffer.from(input).toString("base64");
      return `npm run soak -- fuzz --target ${target} --seed ${diceSeed} --input ${bytes}\n${why}`;
    })
    .join("\n");
}

for (const seed of [1, randomInt(2 ** 31)]) {
  test(`every decoder gives a value or a ProtocolError, whatever it is fed: seed ${seed}`, async () => {
    const { tallies, finds } = await runPlan({
      targets,
      seed,
      executions: executionsPerTarget * targets.length,
      guidedShare: 0.1,
    });
    assert.equal(finds.length, 0, shown(finds));
    for (const [name, { executions, taken, refused }] of tallies) {
      assert.ok(executions >= executionsPerTarget / 5, name);
      assert.ok(taken > 0 && refused > 0, `${name}: ${taken} taken, ${refused} refused`);
    }
  });
}

test("one seed makes the same inputs again", async () => {
  for (const target of targets) {
    const [one, two] = [new Fuzzer(target, 5), new Fuzzer(target, 5)];
    for (let i = 0; i < 50; i += 1) {
      assert.ok(Buffer.from(await one.step()).equals(await two.step()));
    }
  }
});

/** Keeps the processor busy for so long, whatever else the machine does. */
function work(ms: number): void {
  const before = process.cpuUsage();
  for (let spent = 0; spent < ms; ) {
    const { user, system } = process.cpuUsage(before);
    spent = (user + system) / 1_000;
  }
}

const isTooLong = (why: string) => /^took \d+ ms$/.test(why);

/** Feeds a target that does this, until another error and a long time have both been found. */
async function findBoth(run: Target["run"]): Promise<void> {
  const fuzzer = new Fuzzer({ name: "wrong", seeds: [Buffer.from("seed")], run }, 1);
  const has = (is: (why: string) => boolean) => fuzzer.finds.some(({ why }) => is(why));
  const isDone = () => has(isTooLong) && has((why) => why.includes("RangeError"));
  for (let i = 0; i < 100 && !isDone(); i += 1) await fuzzer.step();
  assert.ok(isDone(), fuzzer.finds.map(({ why }) => why).join("\n"));
}

describe("what a decoder must not do is found", () => {
  test("another error, and a long time", () =>
    findBoth((input) => {
      if (input.length > 6) throw new RangeError("beyond");
      if (input.length < 3) work(150);
      return true;
    }));

  test("the same in one step of many", () =>
    findBoth(async (input) => {
      await new Promise((resolve) => setImmediate(resolve));
      if (input.length < 3) work(150);
      await new Promise((resolve) => setImmediate(resolve));
      if (input.length > 6) throw new RangeError("beyond");
      return true;
    }));

  test("a very long time, where it comes again, and not the first time", async () => {
    const longFor = async (times: number) => {
      let calls = 0;
      const run = () => {
        calls += 1;
        if (calls <= times) work(attemptMsMax + 50);
        return true;
      };
      const fuzzer = new Fuzzer({ name: "sometimes", seeds: [], run }, 1);
      await fuzzer.execute(Buffer.alloc(1), 1);
      return fuzzer.finds.map(({ why }) => why);
    };
    assert.deepEqual(await longFor(1), []);
    assert.deepEqual(await longFor(2), [`took more than ${attemptMsMax} ms, 2 times`]);
  });
});

test("what waits, and holds nothing meanwhile, takes no time", async () => {
  const run = async () => {
    for (let waited = 0; waited < 3; waited += 1) await pause(inputMsMax / 2);
    return true;
  };
  const fuzzer = new Fuzzer({ name: "patient", seeds: [], run }, 1);
  await fuzzer.execute(Buffer.alloc(1), 1);
  assert.deepEqual(fuzzer.finds, []);
});
