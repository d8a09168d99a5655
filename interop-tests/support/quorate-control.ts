import { createInterface } from "node:readline";
import { processContext, runCommandLine } from "../../src/cli/main.js";
import { systemEnvironment } from "../../src/node/environment.js";
import { Member } from "../../src/node/member.js";
import { isRecord } from "./line-channel.js";

/**
 * `quorate run`, the real one, that also takes writes on its standard input: each line is {"id",
 * "do": "set" | "delete" | "submit", …}, each answer {"id", "result"} with the outcome, or {"id",
 * "error"}. The log goes to standard error as ever. `QUORATE_TEST_LOG_BYTES` is what the raft log may come to,
 * which is not an option of the program since it follows from others.
 *
 *     node quorate-control.js run --self-addr …
 */

let resolveMember: (member: Member) => void = () => {};
const started = new Promise<Member>((resolve) => {
  resolveMember = resolve;
});

function say(message: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

async function serve(line: string): Promise<void> {
  const request: unknown = JSON.parse(line);
  if (!isRecord(request)) throw new Error(`no request: ${line}`);
  const id = Number(request["id"]);
  try {
    say({ id, result: await carryOut(request) });
  } catch (error) {
    say({ id, error: String(error) });
  }
}

async function carryOut(request: Record<string, unknown>): Promise<unknown> {
  const { writer } = await started;
  const key = String(request["key"]);
  const options = isRecord(request["options"]) ? request["options"] : {};
  switch (request["do"]) {
    case "set":
      return await writer.set(key, String(request["value"]), options);
    case "delete":
      return await writer.delete(key, options);
    case "submit": {
      const command = Buffer.from(String(request["command"]), "hex");
      const outcome = await writer.submit(command, options);
      // What JSON has no word for is not needed here: the place in the log tells enough.
      return outcome.ok ? { ...outcome, result: null } : outcome;
    }
    default:
      throw new Error(`cannot ${String(request["do"])}`);
  }
}

createInterface({ input: process.stdin }).on("line", (line) => void serve(line));

process.exitCode = await runCommandLine(
  {
    ...processContext(),
    // Standard output is for the answers.
    out: (text) => void process.stderr.write(text),
    startMember: async (config, logger) => {
      const logBytes = process.env["QUORATE_TEST_LOG_BYTES"];
      const bound = logBytes === undefined ? {} : { logBytesMax: Number(logBytes) };
      const member = await Member.start(config, logger, { ...systemEnvironment, ...bound });
      resolveMember(member);
      say({ started: true });
      return member;
    },
  },
  process.argv,
);
process.stdin.destroy();
