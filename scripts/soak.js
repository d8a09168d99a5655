import "./node-version.js";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root, setUp } from "./setup.js";

/**
 * `npm run soak -- NAME [options]`: the long runs, which `npm test` has only a bounded part of. Each is a
 * program of its own under a `soak` folder of the tests, and says with `--help` what it takes.
 */
const folders = ["test", "interop-tests"].map((folder) => join(root, "dist", folder, "soak"));

function programs() {
  return folders.flatMap((folder) =>
    existsSync(folder)
      ? readdirSync(folder)
          .filter((name) => name.endsWith(".js"))
          .map((name) => ({ name: name.slice(0, -".js".length), path: join(folder, name) }))
      : [],
  );
}

try {
  setUp((line) => process.stderr.write(`${line} …\n`));
} catch (error) {
  process.stderr.write(`npm run soak: ${error.message}\n`);
  process.exit(1);
}
const [wanted, ...args] = process.argv.slice(2);
const program = programs().find(({ name }) => name === wanted);
if (program === undefined) {
  const names = programs().map(({ name }) => name);
  process.stderr.write(`usage: npm run soak -- NAME [options]\nnames: ${names.join(", ")}\n`);
  process.exit(wanted === undefined || wanted === "--help" ? 0 : 2);
}
// The program reads its options as if it had been started by itself.
process.argv = [process.execPath, program.path, ...args];
await import(pathToFileURL(program.path).href);
