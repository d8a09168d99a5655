import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../../../interop-tests/support/project.js";
import { type FileSet, kinds } from "../../storage/crash-cases.js";

/* What each version's own members have left, whole and damaged. */

export const goldenVersions = ["0.3.8", "0.3.11", "0.3.14", "0.3.15", "0.3.16", "0.3.17"];

/** Each member's files with their name. */
export function goldenSets(version: string): [string, FileSet][] {
  const folder = join(projectRoot(), "protocol", "vectors", version, "files");
  const names = readdirSync(folder);
  const stems = names.flatMap((name) => (name.endsWith(".journal") ? [name.slice(0, -8)] : []));
  return stems.map((stem) => {
    const present = kinds.filter((kind) => names.includes(`${stem}.${kind}`));
    const files = present.map((kind) => [kind, readFileSync(join(folder, `${stem}.${kind}`))]);
    return [stem, Object.fromEntries(files) as FileSet];
  });
}
