import { createInterface } from "node:readline";
import { CliError, exitCode } from "./exit-codes.js";

/**
 * Asks at a terminal. Only y and yes are a yes; Ctrl-D, the end of the input, is none.
 *
 * @throws CliError at Ctrl-C, so that the process ends with 130.
 */
export async function askYes(
  question: string,
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream,
): Promise<boolean> {
  const terminal = createInterface({ input, output });
  try {
    return await new Promise<boolean>((resolve, reject) => {
      // The line of the question has no end of its own yet.
      terminal.once("SIGINT", () => {
        output.write("\n");
        reject(new CliError("stopped: nothing was changed", { code: exitCode.interrupted }));
      });
      terminal.once("close", () => {
        output.write("\n");
        resolve(false);
      });
      terminal.question(`${question} [y/N] `, (answer) => {
        terminal.removeAllListeners("close");
        resolve(/^y(es)?$/i.test(answer.trim()));
      });
    });
  } finally {
    terminal.removeAllListeners("close");
    terminal.close();
  }
}
