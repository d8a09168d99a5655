import assert from "node:assert/strict";
import { test } from "node:test";
import { CliError } from "../../src/cli/exit-codes.js";
import { processContext } from "../../src/cli/main.js";
import { withProgress } from "../../src/cli/progress-line.js";

/** Ctrl-C when all is done, and nobody looks for it any more. */
async function interruptedAtTheEnd(changes: boolean): Promise<string> {
  let interrupt = () => {};
  const context = {
    ...processContext(),
    onInterrupt: (listener: () => void) => {
      interrupt = listener;
      return () => {};
    },
  };
  return await withProgress(context, { doing: "reading", totalBytes: 1, changes }, async () => {
    interrupt();
    return "done";
  });
}

test("what only reads ends at a Ctrl-C behind its last look for one: the next step must not begin", async () => {
  await assert.rejects(interruptedAtTheEnd(false), (error) => {
    assert.ok(error instanceof CliError);
    assert.equal(error.exitCode, 130);
    return true;
  });
});

test("what has changed files by then tells so", async () => {
  assert.equal(await interruptedAtTheEnd(true), "done");
});
