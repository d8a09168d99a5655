import { stringify } from "yaml";
import { toJson } from "../../store/json-view.js";
import type { BackupEntry, BackupHeader } from "./format.js";
import { dictOf, prepare } from "./ready-entry.js";

/**
 * A backup as JSON or YAML, piece by piece: what it is of, then `entries`, by key. What JSON lacks is
 * shown, not restored: see `toJson`.
 */
export async function* asText(
  header: BackupHeader,
  entries: AsyncIterable<BackupEntry>,
  format: "json" | "yaml",
): AsyncGenerator<string> {
  const shape = format === "json" ? jsonShape : yamlShape;
  yield shape.head({ ...header, taken: new Date(header.takenSec * 1000).toISOString() });
  let isFirst = true;
  for await (const entry of entries) {
    const { key } = prepare(entry, { nowSec: 0, renewTtl: false });
    yield shape.entry(key, toJson(dictOf(entry)), isFirst);
    isFirst = false;
  }
  yield shape.end(isFirst);
}

interface Shape {
  head(header: object): string;
  entry(key: string, value: object, isFirst: boolean): string;
  end(isEmpty: boolean): string;
}

const jsonShape: Shape = {
  head: (header) => `{\n  "backup": ${JSON.stringify(header)},\n  "entries": {`,
  entry: (key, value, isFirst) =>
    `${isFirst ? "" : ","}\n    ${JSON.stringify(key)}: ${JSON.stringify(value)}`,
  end: (isEmpty) => (isEmpty ? "}\n}\n" : "\n  }\n}\n"),
};

/** Text stands in quotes, whatever it looks like to a parser of YAML 1.1. */
const yamlOptions = { defaultStringType: "QUOTE_DOUBLE", lineWidth: 0 } as const;

const yamlShape: Shape = {
  head: (header) => `${stringify({ backup: header }, yamlOptions)}"entries":`,
  entry: (key, value, isFirst) => {
    const [, ...lines] = stringify({ entries: { [key]: value } }, yamlOptions).split("\n");
    return `${isFirst ? "\n" : ""}${lines.join("\n")}`;
  },
  end: (isEmpty) => (isEmpty ? " {}\n" : ""),
};
