import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Command } from "commander";
import { processContext } from "../../src/cli/main.js";
import { createProgram } from "../../src/cli/program.js";
import { runCli } from "./run-cli.js";

/** Those of the program; a longer line of a description would be wrapped in the midst of a sentence. */
const helpWidth = 100;

const program = await createProgram(processContext(), "0.0.0", () => {});

function withGroups(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withGroups)];
}

describe("help", () => {
  it("has descriptions that fit its width", () => {
    const wide = withGroups(program).flatMap((command) =>
      command
        .description()
        .split("\n")
        .filter((line) => line.length > helpWidth)
        .map((line) => `${command.name()}: ${line}`),
    );
    assert.deepEqual(wide, []);
  });

  it("of the program lists all commands, and each can be loaded alone", async () => {
    const asked = program.commands.map((command) => command.name());
    for (const name of asked) {
      const alone = await createProgram(processContext(), "0.0.0", () => {}, name);
      assert.deepEqual(
        alone.commands.map((command) => command.name()),
        [name],
      );
    }
    assert.equal(asked.length, 17);
    const { out } = await runCli(["--help"]);
    for (const name of asked) assert.match(out, new RegExp(`^  ${name} `, "m"));
  });

  for (const command of [
    ...["inspect", "verify", "backup", "restore", "doctor", "migrate plan", "migrate check"],
    ...["repair", "recover", "reset-member", "migrate import", "migrate export"],
    ...["kv get", "kv put", "kv delete", "kv watch", "kv ls"],
  ]) {
    it(`of ${command} tells the exit codes, before its examples`, async () => {
      const { out, code } = await runCli([...command.split(" "), "--help"]);
      assert.equal(code, 0);
      assert.match(out, /^Exit codes: 0 .*2 wrong usage.*^Examples?:$/ms);
    });
  }
});
