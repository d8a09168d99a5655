import { spawnSync } from "node:child_process";
import { pysyncobjVersions, pythonWith } from "./python.js";

/**
 * Builds the Python environments ahead of the tests (`python-env-main.js [versions…]`), or runs
 * Python in one of them (`python-env-main.js --run version script arguments…`).
 */
async function main(args: readonly string[]): Promise<void> {
  const [first, version, ...rest] = args;
  if (first === "--run" && version !== undefined) {
    const { python, env } = await pythonWith(version);
    const options = { stdio: "inherit", env: { ...process.env, ...env } } as const;
    process.exitCode = spawnSync(python, rest, options).status ?? 1;
    return;
  }
  for (const each of args.length > 0 ? args : pysyncobjVersions) {
    const started = Date.now();
    const { python } = await pythonWith(each);
    console.log(`PySyncObj ${each}: ${python} (${Date.now() - started} ms)`);
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
