import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { askYes } from "../../src/cli/ask-yes.js";
import { CliError, exitCode } from "../../src/cli/exit-codes.js";

/** What a terminal in raw mode hands on when these keys are pressed. */
async function answerTo(
  keys: string,
): Promise<{ readonly isYes: boolean; readonly shown: string }> {
  const input = new PassThrough();
  const output = Object.assign(new PassThrough(), { isTTY: true });
  let shown = "";
  output.on("data", (chunk) => {
    shown += String(chunk);
  });
  const asked = askYes("Do it?", input, output);
  input.write(keys);
  const isYes = await asked;
  await setImmediate();
  return { isYes, shown };
}

describe("a question at a terminal", () => {
  for (const [keys, isYes] of [
    ["y\r", true],
    ["YES\r", true],
    ["n\r", false],
    ["\r", false],
    ["yesterday\r", false],
  ] as const) {
    it(`takes ${JSON.stringify(keys)} for ${isYes ? "a yes" : "a no"}`, async () => {
      const answer = await answerTo(keys);
      assert.equal(answer.isYes, isYes);
      assert.match(answer.shown, /Do it\? \[y\/N\] /);
    });
  }

  it("takes Ctrl-D, the end of the input, for a no", async () => {
    assert.equal((await answerTo("\u0004")).isYes, false);
    const input = new PassThrough();
    input.end();
    assert.equal(await askYes("Do it?", input, new PassThrough()), false);
  });

  it("ends with 130 at Ctrl-C, and says that nothing was changed", async () => {
    await assert.rejects(answerTo("\u0003"), (error: unknown) => {
      assert.ok(error instanceof CliError);
      assert.deepEqual(
        [error.exitCode, error.message],
        [exitCode.interrupted, "stopped: nothing was changed"],
      );
      return true;
    });
  });
});
