import { execFile } from "node:child_process";

/** patronictl waits for a switchover; nothing else here takes more than a second or two. */
const commandMsMax = 120_000;

/** Runs a program and gives what it printed. @throws Error with what it said. */
export function execText(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { timeout: commandMsMax, env: { ...process.env, ...env } };
    execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout.trimEnd());
      else {
        const said = `${stdout}${stderr}`.trim();
        reject(new Error(`${program} ${args.join(" ")}: ${said}`, { cause: error }));
      }
    });
  });
}
