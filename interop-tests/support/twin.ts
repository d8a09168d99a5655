import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { supportFile } from "./project.js";
import { pythonWith } from "./python.js";

const answersMsMax = 150_000;

/**
 * Lets one of the Python twins (`*_twin.py`) do what is planned, with the real thing of that version.
 *
 * @param plan Its standard input, as JSON.
 * @returns One answer for each line of JSON that it wrote.
 * @throws AssertionError where it ended in any way but well, with its complaints.
 */
export async function askTwin<Answer>(
  program: string,
  version: string,
  plan: unknown,
): Promise<Answer[]> {
  const { python, env } = await pythonWith(version);
  const child = spawn(python, [supportFile(program)], {
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "pipe"],
    timeout: answersMsMax,
  });
  const output: Buffer[] = [];
  const complaints: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => complaints.push(chunk));
  child.stdin.end(JSON.stringify(plan));
  const code = await new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  assert.equal(code, 0, Buffer.concat(complaints).toString().slice(-4_000));
  const lines = Buffer.concat(output).toString().trim().split("\n");
  return lines.map((line) => JSON.parse(line) as Answer);
}
