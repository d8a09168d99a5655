import { execFile } from "node:child_process";
import { pythonWith } from "./python.js";

/** TcpUtility itself would wait for 15 minutes. */
const commandMsMax = 30_000;

export interface AdminOptions {
  readonly version: string;
  readonly address: string;
  readonly password?: string | undefined;
}

/**
 * Runs the real `syncobj_admin` of a PySyncObj version, e.g. `["-add", address]`, and gives what it
 * printed without the last line feed.
 */
export async function syncobjAdmin(
  options: AdminOptions,
  args: readonly string[],
): Promise<string> {
  const { bin, env } = await pythonWith(options.version);
  const password = options.password === undefined ? [] : ["-pass", options.password];
  const all = ["-conn", options.address, ...password, ...args];
  return run(bin("syncobj_admin"), all, env);
}

/** `syncobj_admin -status` as a record of strings. */
export async function adminStatus(options: AdminOptions): Promise<Record<string, string>> {
  const printed = await syncobjAdmin(options, ["-status"]);
  const lines = printed.split("\n").map((line): [string, string] => {
    const colon = line.indexOf(": ");
    if (colon < 0) throw new Error(`not a status: ${printed}`);
    return [line.slice(0, colon), line.slice(colon + 2)];
  });
  return Object.fromEntries(lines);
}

function run(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { timeout: commandMsMax, env: { ...process.env, ...env } };
    execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout.replace(/\r?\n$/, ""));
      else reject(new Error(`syncobj_admin ${args.join(" ")}: ${stderr}`, { cause: error }));
    });
  });
}
