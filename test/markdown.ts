import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { projectRoot } from "../interop-tests/support/project.js";

/* What the tests read of the project's documentation. */

const root = projectRoot();

/** Folders that hold nothing of ours. */
const skipped = new Set(["node_modules", "dist", ".cache", ".git"]);

export function markdownFiles(folder = root): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((item) => {
    const path = join(folder, item.name);
    if (item.isDirectory()) return skipped.has(item.name) ? [] : markdownFiles(path);
    return item.name.endsWith(".md") ? [path] : [];
  });
}

export function read(path: string): string {
  return readFileSync(resolve(root, path), "utf8");
}

/** What is prose: code blocks hold bytes and other people's syntax. */
export function prose(markdown: string): string {
  return markdown.replace(/^```[\s\S]*?^```/gm, "").replace(/^ {4}.*$/gm, "");
}

/** Targets of `[text](target)`. */
export function links(markdown: string): string[] {
  return [...prose(markdown).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target ?? "");
}

/** The anchors that GitHub makes of a file's headings. */
export function anchors(markdown: string): Set<string> {
  const headings = prose(markdown).matchAll(/^#{1,6} (.+)$/gm);
  return new Set(
    [...headings].map(([, heading = ""]) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

export interface Table {
  /** Of the header, in the file. */
  readonly line: number;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export function tables(markdown: string): Table[] {
  const lines = markdown.split("\n");
  const found: Table[] = [];
  for (const [at, line] of lines.entries()) {
    if (!line.startsWith("|") || !/^\|(?: ?:?-+:? ?\|)+$/.test(lines[at + 1] ?? "")) continue;
    const rows: string[][] = [];
    for (let next = at + 2; lines[next]?.startsWith("|") === true; next += 1) {
      rows.push(cells(lines[next] ?? ""));
    }
    found.push({ line: at + 1, head: cells(line), rows });
  }
  return found;
}

function cells(line: string): string[] {
  return line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim());
}

/** Lines of code blocks as somebody would type them, and what stands between backticks. */
export function code(markdown: string): string[] {
  const blocks = [...markdown.matchAll(/^```\w*\n([\s\S]*?)^```/gm)].map(([, text = ""]) => text);
  const indented = [...markdown.matchAll(/^ {4}(.*)$/gm)].map(([, text = ""]) => text);
  const spans = [...prose(markdown).matchAll(/`([^`]+)`/g)].map(([, text = ""]) => text);
  const lines = [...blocks, indented.join("\n")].join("\n").replaceAll("\\\n", " ").split("\n");
  return [...lines, ...spans].map((text) => text.replaceAll(/\s+/g, " ").trim());
}
