import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Command } from "commander";
import { processContext } from "../../src/cli/main.js";
import { createProgram } from "../../src/cli/program.js";
import { runCli } from "./run-cli.js";

/** Those of the program; a longer line of a description would be wrapped in the midst of a sentence. */
const helpWidth = 100;

/** Of what stands behind the options, which nothing wraps: a line more than that is longer than its neighbours. */
const exitCodesWidth = 105;
/** A line that could take the next one's first word within that. */
const raggedWidth = 70;

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

  it("has no line amid a paragraph that ends long before the width", () => {
    const ragged = withGroups(program).flatMap((command) => {
      const lines = command.description().split("\n");
      return lines.filter((line, at) => {
        const [word = ""] = (lines[at + 1] ?? "").split(" ");
        return line !== "" && word !== "" && line.length + 1 + word.length < raggedWidth;
      });
    });
    assert.deepEqual(ragged, []);
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
      const codes = out.slice(out.indexOf("\nExit codes: "), out.search(/^Examples?:$/m));
      const lines = codes.trim().split("\n");
      if (lines.length > 1)
        for (const line of lines) assert.ok(line.length <= exitCodesWidth, line);
    });
  }
});
