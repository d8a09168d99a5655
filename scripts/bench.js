import "./node-version.js";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root, setUp } from "./setup.js";

/** `npm run bench -- [scenario] [options]`: builds, and runs the benchmarks; `--help` says more. */
try {
  setUp((line) => process.stderr.write(`${line} …\n`));
} catch (error) {
  process.stderr.write(`npm run bench: ${error.message}\n`);
  process.exit(1);
}
await import(pathToFileURL(join(root, "dist", "bench", "main.js")).href);
