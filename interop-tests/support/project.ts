import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

let found: string | null = null;

/**
 * The project's root folder: the tests run from a build folder, so it is looked for upwards.
 *
 * @throws Error where no folder above holds the package.json named quorate.
 */
export function projectRoot(): string {
  if (found !== null) return found;
  // A build folder may lie outside the project; then the folder that the tests run in counts.
  const starts = [dirname(fileURLToPath(import.meta.url)), process.cwd()];
  for (const start of starts) {
    for (let folder = start; ; folder = dirname(folder)) {
      if (packageName(folder) === "quorate") {
        found = folder;
        return folder;
      }
      if (dirname(folder) === folder) break;
    }
  }
  throw new Error(`no package.json named quorate above ${starts.join(" or ")}`);
}

/** A file of the harness that is not TypeScript (and so is not in the build folder). */
export function supportFile(name: string): string {
  return join(projectRoot(), "interop-tests", "support", name);
}

/** A folder under the ignored `.cache`, where what takes long to build is kept. */
export function cacheFolder(name: string): string {
  return join(projectRoot(), ".cache", name);
}

function packageName(folder: string): unknown {
  try {
    const parsed: unknown = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    return typeof parsed === "object" && parsed !== null && "name" in parsed ? parsed.name : null;
  } catch {
    return null;
  }
}
