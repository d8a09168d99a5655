import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { freeAddresses } from "./support/free-ports.js";
import { nodeBinary, nodeMajors } from "./support/node-versions.js";
import { installPacked } from "./support/packed-package.js";
import { projectRoot } from "./support/project.js";
import { openScene } from "./support/scene.js";
import { startVanilla } from "./support/vanilla-member.js";

/**
 * The package as a user has it: packed, installed into an empty project, and every example of
 * docs/api.md run with it on each line of Node.js, against real patroni_raft_controllers.
 */

const run = promisify(execFile);
const programMsMax = 120_000;
const password = "a long random text";

interface Example {
  readonly name: string;
  readonly language: string;
  readonly code: string;
  /** The lines behind `// ` that begin a line: what it prints. */
  readonly expected: readonly string[];
}

function examples(): Example[] {
  const text = readFileSync(join(projectRoot(), "docs", "api.md"), "utf8");
  const blocks = text.matchAll(/^```(ts|js)\n([\s\S]*?)^```$/gm);
  return [...blocks].map(([, language = "", code = ""], at) => ({
    name: `example-${at}`,
    language,
    code,
    expected: [...code.matchAll(/^ *\/\/ (.*)$/gm)].map(([, line = ""]) => line),
  }));
}

/** The example with what exists on this machine in the place of what it names. */
function placed(text: string, addresses: readonly string[], dataDir: string): string {
  return addresses
    .reduce((so, address, at) => so.replaceAll(`10.0.0.${at + 1}:2222`, address), text)
    .replaceAll("/var/lib/patroni/raft", dataDir);
}

test("the packed package runs the examples of docs/api.md", { timeout: 600_000 }, async (t) => {
  const scene = openScene(t);
  const addresses = await freeAddresses(3);
  const [first = "", second = ""] = addresses;
  const vanilla = (selfAddr: string) => {
    const partners = addresses.filter((address) => address !== selfAddr);
    return startVanilla(scene, { version: "0.3.17", selfAddr, partners, password });
  };
  const [, leaving] = await Promise.all([vanilla(first), vanilla(second)]);

  const project = await installPacked(scene.makeFolder("program"));
  const dataDir = join(scene.folder, "own-data");
  const found = examples();
  assert.equal(found.length, 5, "examples in docs/api.md");
  for (const { name, language, code } of found) {
    const file = join(project.folder, `${name}.${language === "ts" ? "ts" : "cjs"}`);
    writeFileSync(file, placed(code, addresses, dataDir));
  }
  const files = found.filter(({ language }) => language === "ts").map(({ name }) => `${name}.ts`);
  await t.test("its types hold under strict settings", { timeout: 300_000 }, async () => {
    const node16 = { module: "node16", moduleResolution: "node16" };
    await project.typeCheck(files, node16);
    await project.typeCheck(files, node16, "typescript");
    await project.typeCheck(files, { module: "esnext", moduleResolution: "bundler" });
    const cjs = 'import quorate = require("quorate");\nexport = quorate.ObserverClient;\n';
    writeFileSync(join(project.folder, "common.cts"), cjs);
    await project.typeCheck(["common.cts"], { module: "nodenext" });
    // Where nothing of Node.js is declared, as in a new project of TypeScript 6, with `strict` alone.
    const both =
      'import { ObserverClient } from "quorate";\nimport { decodeCommand } from "quorate/protocol";\n';
    writeFileSync(
      join(project.folder, "both.ts"),
      `${both}export { decodeCommand, ObserverClient };\n`,
    );
    const bare = {
      ...node16,
      types: [],
      lib: ["es2023", "dom"],
      exactOptionalPropertyTypes: false,
    };
    await project.typeCheck(["both.ts"], bare);
    await project.typeCheck(["both.ts"], bare, "typescript");
    // A check that finds nothing wrong in this would find nothing wrong in anything.
    const wrong =
      'import { QuorateNode } from "quorate";\nawait QuorateNode.start({ selfAddr: 5 });\n';
    writeFileSync(join(project.folder, "wrong.ts"), wrong);
    await assert.rejects(project.typeCheck(["wrong.ts"], { module: "node16" }), /TS2322|TS2769/);
  });

  const show = async ({ name, language, expected }: Example, node: string) => {
    const file = language === "ts" ? join("out-node16", `${name}.js`) : `${name}.cjs`;
    const options = { cwd: project.folder, timeout: programMsMax };
    const { stdout, stderr } = await run(node, [file], options);
    assert.deepEqual(
      stdout.trimEnd().split("\n"),
      expected.map((line) => placed(line, addresses, dataDir)),
    );
    assert.equal(stderr, "");
  };
  const binaries = [process.execPath, ...(await Promise.all(nodeMajors.map(nodeBinary)))];
  const isMember = ({ code }: Example) => code.includes("QuorateNode");
  for (const node of binaries) {
    const { stdout: version } = await run(node, ["--version"]);
    for (const example of found.filter((each) => !isMember(each))) {
      await t.test(`${example.name} on ${version.trim()}`, () => show(example, node));
    }
  }
  for (const example of found.filter(isMember)) {
    // A member without files does not vote until a leader has brought it up to date.
    await t.test(`${example.name}, new in the cluster`, () => show(example, process.execPath));
    // From here on nothing is committed without its vote.
    await leaving.stop();
    for (const node of binaries) {
      const { stdout: version } = await run(node, ["--version"]);
      await t.test(`${example.name} on ${version.trim()}, a voter`, () => show(example, node));
    }
  }
});
