import type { CliContext } from "../../src/cli/context.js";
import { processContext, runCommandLine } from "../../src/cli/main.js";

export interface CliResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command line inside the test's process, and gathers what it writes. */
export async function runCli(
  args: readonly string[],
  context: Partial<CliContext> = {},
): Promise<CliResult> {
  const text = { out: "", err: "" };
  const code = await runCommandLine(
    {
      ...processContext(),
      env: {},
      isErrTerminal: false,
      out: (more) => {
        text.out += more;
      },
      err: (more) => {
        text.err += more;
      },
      ...context,
    },
    ["node", "quorate", ...args],
  );
  return { code, ...text };
}
