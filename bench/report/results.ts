import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../../interop-tests/support/project.js";
import type { Options } from "../options.js";
import type { Machine } from "./machine.js";

/** What a scenario hands over to be written and shown. */
export interface Outcome {
  /** For the JSON file. */
  readonly figures: unknown;
  /** Markdown, for the terminal and the docs. */
  readonly text: string;
  /** SVG files by the end of their name; the empty one is the scenario's own. */
  readonly charts?: Readonly<Record<string, string>>;
}

/** Writes what was measured; gives the paths. */
export function writeResults(options: Options, machine: Machine, outcome: Outcome): string[] {
  const folder = options.results ?? join(projectRoot(), "bench", "results");
  mkdirSync(folder, { recursive: true });
  const { password, results: _, ...settings } = options;
  const report = {
    scenario: options.scenario,
    options: { ...settings, password: password !== null },
    machine,
    figures: outcome.figures,
  };
  const files: (readonly [string, string])[] = [
    [`${options.name}.json`, `${JSON.stringify(report, null, 1)}\n`],
    ...Object.entries(outcome.charts ?? {}).map(
      ([name, svg]) => [`${options.name}${name === "" ? "" : `-${name}`}.svg`, svg] as const,
    ),
  ];
  return files.map(([name, content]) => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  });
}
