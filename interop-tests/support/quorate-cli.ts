import { execFile } from "node:child_process";
import { join } from "node:path";
import { projectRoot } from "./project.js";

/** `migrate check --wait 60` as the plan prints it, and its last look; the rest answers sooner. */
const commandMsMax = 90_000;

export interface CliOutcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs `node bin/quorate.js …` as a user does, to its end. */
export function quorateCli(args: readonly string[]): Promise<CliOutcome> {
  const program = join(projectRoot(), "bin", "quorate.js");
  return new Promise((resolve, reject) => {
    const options = { timeout: commandMsMax };
    execFile(process.execPath, [program, ...args], options, (error, out, err) => {
      const code = error === null ? 0 : error.code;
      if (typeof code === "number") resolve({ code, out, err });
      else reject(new Error(`quorate ${args.join(" ")} did not end: ${err}`, { cause: error }));
    });
  });
}
