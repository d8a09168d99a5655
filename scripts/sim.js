import "./node-version.js";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root, setUp } from "./setup.js";

/** `npm run sim -- [options]`: the simulator; `--help` says what it takes. */
try {
  setUp((line) => process.stderr.write(`${line} …\n`));
} catch (error) {
  process.stderr.write(`npm run sim: ${error.message}\n`);
  process.exit(1);
}
await import(pathToFileURL(join(root, "dist", "test", "sim", "main.js")).href);
