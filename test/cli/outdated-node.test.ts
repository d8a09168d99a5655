import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { projectRoot } from "../../interop-tests/support/project.js";
import { outdatedNodeText } from "../../src/cli/outdated-node.js";

const outdated = ["20.19.0", "20.20.1", "21.7.3", "22.22.1", "23.11.1", "24.14.0", "25.8.1"];
const current = [
  "20.20.2",
  "20.21.0",
  "22.22.2",
  "22.23.5",
  "24.14.1",
  "25.8.2",
  "25.9.0",
  "26.0.0",
];

test("Node.js whose V8 hashes texts of digits without a seed is told of", () => {
  for (const version of outdated) {
    const text = outdatedNodeText(version) ?? "";
    assert.match(
      text,
      /CVE-2026-21717.* Install 20\.20\.2, 22\.22\.2, 24\.14\.1, 25\.8\.2 or newer$/,
    );
    assert(text.includes(`Node.js ${version} `));
  }
  for (const version of current) assert.equal(outdatedNodeText(version), null, version);
  assert.equal(outdatedNodeText("26.0.0-nightly20260101"), null);
});

test("the package asks for just the others", () => {
  const text = readFileSync(join(projectRoot(), "package.json"), "utf8");
  const [, engines] = /"engines": \{\s*"node": "([^"]+)"/.exec(text) ?? [];
  assert.equal(engines, "^20.20.2 || ^22.22.2 || ^24.14.1 || >=25.8.2");
});
