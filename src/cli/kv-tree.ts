import { showValue } from "./kv-session.js";

/** A part of a key between slashes; a key may end at a part and go on below it. */
interface Branch {
  readonly below: Map<string, Branch>;
  /** Null where no key ends here. */
  value: string | null;
}

/** The keys as a tree of their parts, each line with its end, values beside the keys' last parts. */
export function formatTree(entries: readonly (readonly [string, unknown])[]): string {
  const root: Branch = { below: new Map(), value: null };
  for (const [key, value] of entries) {
    let branch = root;
    for (const part of partsOf(key)) {
      const next = branch.below.get(part) ?? { below: new Map(), value: null };
      branch.below.set(part, next);
      branch = next;
    }
    branch.value = showValue(value);
  }
  return lines(root, "").join("");
}

/** `/service/demo` is the parts `/service` and `/demo`: so nothing is lost, and all can be joined. */
function partsOf(key: string): readonly string[] {
  return key.match(/\/?[^/]+|\//g) ?? [""];
}

function lines(branch: Branch, indent: string): string[] {
  const below = [...branch.below];
  return below.flatMap(([part, next], at) => {
    const isLast = at === below.length - 1;
    const stem = `${indent}${isLast ? "└── " : "├── "}`;
    const value = next.value === null ? "" : ` = ${next.value}`;
    const line = `${stem}${showValue(part)}${value}\n`;
    return [line, ...lines(next, `${indent}${isLast ? "    " : "│   "}`)];
  });
}
