import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { projectRoot } from "../interop-tests/support/project.js";
import { anchors, links, markdownFiles, read } from "./markdown.js";

const root = projectRoot();

/** What is wrong with a link, or null. */
function fault(from: string, target: string): string | null {
  if (/^https?:/.test(target)) return null;
  const [path = "", anchor] = target.split("#");
  const file = path === "" ? from : resolve(dirname(from), path);
  if (!existsSync(file)) return "there is no such file";
  if (anchor === undefined) return null;
  return anchors(readFileSync(file, "utf8")).has(anchor) ? null : "there is no such heading";
}

/** Paths of our own that a text names, such as src/raft/core.ts or test/net. */
function namedPaths(markdown: string): string[] {
  const text = markdown.replace(/^ {4}.*$/gm, "");
  const pattern =
    /(?<![\w/.<-])(?:src|test|interop-tests|protocol|docs|scripts|bench|bin)\/[\w./-]*\w/g;
  return [...new Set([...text.matchAll(pattern)].map(([path]) => path))];
}

const files = markdownFiles();

describe("documentation", () => {
  for (const path of ["README.md", "CHANGELOG.md", "protocol/README.md", "docs/architecture.md"]) {
    it(`includes ${path}`, () => assert.ok(files.includes(join(root, path))));
  }

  for (const file of files) {
    const name = relative(root, file);
    it(`${name}: links lead somewhere`, () => {
      const markdown = readFileSync(file, "utf8");
      const broken = links(markdown).flatMap((target) => {
        const why = fault(file, target);
        return why === null ? [] : [`${target}: ${why}`];
      });
      assert.deepEqual(broken, []);
    });

    it(`${name}: paths that it names exist`, () => {
      const missing = namedPaths(readFileSync(file, "utf8")).filter(
        (path) => !existsSync(join(root, path)) && !existsSync(resolve(dirname(file), path)),
      );
      assert.deepEqual(missing, []);
    });
  }
});

describe("README", () => {
  it("has a line for each dependency, and for nothing else", () => {
    const manifest: unknown = JSON.parse(read("package.json"));
    const rows = [...read("README.md").matchAll(/^\| `([^`]+)`( \(development\))? \| .+ \|$/gm)];
    const section = read("README.md").split("## Dependencies")[1]?.split("\n## ")[0] ?? "";
    const named = rows.filter(([row]) => section.includes(row));
    const shown = (isDevelopment: boolean) =>
      named.filter(([, , mark]) => (mark !== undefined) === isDevelopment).map(([, name]) => name);
    assert.deepEqual(shown(false).sort(), packageNames(manifest, "dependencies"));
    assert.deepEqual(shown(true).sort(), packageNames(manifest, "devDependencies"));
  });

  it("shows code that prints what it says", () => {
    const blocks = [...read("README.md").matchAll(/^```js\n([\s\S]*?)^```$/gm)];
    assert.ok(blocks.length > 0, "there is an example");
    for (const [, code = ""] of blocks) {
      const expected = [...code.matchAll(/^\/\/ (.*)$/gm)].map(([, line]) => line);
      assert.deepEqual(runExample(code).trimEnd().split("\n"), expected);
    }
  });

  it("names limits as they are", async () => {
    const wire = await import("../protocol/wire/limits.js");
    const pickle = await import("../protocol/pickle/limits.js");
    const format = await import("../protocol/files/limits.js");
    const raft = (await import("../src/raft/limits.js")).raftLimits;
    const net = await import("../src/net/limits.js");
    const node = (await import("../src/node/limits.js")).nodeLimits;
    const config = await import("../src/node/config-limits.js");
    const http = await import("../src/http/limits.js");
    const client = (await import("../src/client/limits.js")).clientLimits;
    const text = read("README.md");
    const says = (what: string, limit: string) => {
      const row = text.split("\n").find((line) => line.startsWith(`| ${what} | `));
      assert.equal(row?.split(" | ")[1], limit, what);
    };
    const mib = (bytes: number) => `${bytes / 1024 ** 2} MiB`;
    const gib = (bytes: number) => `${bytes / 1024 ** 3} GiB`;
    const most = wire.memberMessageLimits(config.entryBytesMost);
    const mostMib = `${most.frameBytesMax / 1024 ** 2}; ${mib(most.messageBytesMax)}`;
    says(
      "a frame; its message after inflating",
      `${mib(wire.frameBytesMax)}; ${mib(wire.messageBytesMax)} (of a member ${mostMib} with the largest \`max_entry_bytes\`)`,
    );
    const entryBytesMost = mib(config.entryBytesMost);
    says(
      "a command of the log",
      `${mib(raft.entryBytesMax)}, \`max_entry_bytes\` (${entryBytesMost} at most)`,
    );
    const { strBytesMax, itemsPerOpMax } = pickle.pickleReceivedDumpLimits;
    says(
      "a text in it; values that are put into a container at once",
      `${mib(strBytesMax)}; ${itemsPerOpMax.toLocaleString("en-US")}`,
    );
    says("a frame before the peer has said who it is", `${wire.handshakeFrameBytesMax / 1024} KiB`);
    says(
      "sent by observers and strangers, of unfinished messages",
      `${mib(net.strangersReceiveBytesMax)} together`,
    );
    says("depth of a pickle", String(pickle.pickleMessageLimits.depthMax));
    says(
      "connections that have not said who they are",
      `${net.unidentifiedConnectionsMax}, ${net.handshakeTimeoutMs / 1000} s each`,
    );
    says("observers and utility clients together", String(net.connectionsMax));
    says("waiting to be sent to one receiver", mib(net.sendBufferBytesMax));
    const entries = raft.uncommittedEntriesMax.toLocaleString("en-US");
    says("appended and not committed", `${mib(raft.uncommittedBytesMax)}, ${entries} entries`);
    says(
      "commands forwarded to the leader without an answer",
      node.forwardedMax.toLocaleString("en-US"),
    );
    says(
      "writes of an observer client under way; their bytes",
      `${client.writesInFlightMax.toLocaleString("en-US")}; ${mib(client.writeBytesInFlightMax)}`,
    );
    says(
      "changes that wait for the reader of a watch",
      client.watchEventsMax.toLocaleString("en-US"),
    );
    says("the journal", gib(format.journalBytesMax + 1));
    says("data", `${mib(config.dataBytesDefault)}, or \`max_data_bytes\``);
    says("keys", node.keysMax.toLocaleString("en-US"));
    says(
      "members in the configuration; in a dump",
      `${config.partnersMax}; ${format.dumpMembersMax.toLocaleString("en-US")}`,
    );
    says(
      "HTTP connections; readers of all data at once",
      `${http.connectionsMax}; ${http.kvResponsesMax}`,
    );
    says(
      "the rest of an observer's message",
      `${net.unfinishedMsMax / 1000} s, and ${net.unfinishedMsPerKib} ms for each KiB that has come`,
    );
  });

  it("names what an attack may cost in memory as it is tested, as docs/security.md does", async () => {
    const { attackedMibMax } = await import("../interop-tests/support/attack-bounds.js");
    const prose = (path: string) => read(path).replaceAll(/\s+/g, " ");
    assert.match(prose("README.md"), new RegExp(`at once is ${attackedMibMax} MiB beyond`));
    assert.match(
      prose("docs/security.md"),
      new RegExp(`in use \\| ${attackedMibMax} MiB: the sum`),
    );
  });

  it("names all that a member may hold, part by part, and the sums", async () => {
    const { memoryParts, memorySumMib } = await import("../interop-tests/support/memory-parts.js");
    const { unreadMibMax } = await import("../interop-tests/support/attack-bounds.js");
    const { dataBytesDefault, dataBytesLeast } = await import("../src/node/config-limits.js");
    const security = read("docs/security.md");
    const sizes = [dataBytesDefault, dataBytesLeast];
    const [usual = [], least = []] = sizes.map(memoryParts);
    for (const [n, { name, mib }] of usual.entries()) {
      assert.ok(security.includes(`\n| ${name} | ${mib} | ${least[n]?.mib} |`), name);
    }
    const [all = 0, some = 0] = sizes.map(memorySumMib);
    assert.ok(security.includes(`| **sum** | **${all}** | **${some}** |`));
    const gib = (mib: number) => (Math.round((mib / 1024) * 10) / 10).toFixed(1);
    const readme = read("README.md").replaceAll(/\s+/g, " ");
    assert.ok(readme.includes(`is ${gib(all)} GiB with the defaults, and ${gib(some)} GiB with`));
    assert.ok(security.includes(`The bound is ${unreadMibMax} MiB there`));
  });
});

describe("docs/security.md", () => {
  it("names the bounds of messages as they are, and what they come to with the largest entries", async () => {
    const wire = await import("../protocol/wire/limits.js");
    const { entryBytesMost } = await import("../src/node/config-limits.js");
    const usual = wire.memberMessageLimits(wire.commandBytesMax);
    const most = wire.memberMessageLimits(entryBytesMost);
    const mib = (bytes = 0) => `${bytes / 1024 ** 2} MiB`;
    const setting = "`quorate.max_entry_bytes`";
    const rows = read("docs/security.md").split("\n");
    const says = (what: string, bound: string) => {
      const row = rows.find((line) => line.startsWith(`| ${what} | `));
      assert.equal(row?.split(" | ")[1], bound, what);
    };
    // What the words below say of the setting.
    assert.equal(most.frameBytesMax, 2 * entryBytesMost);
    assert.equal(most.messageBytesMax, 2 * entryBytesMost + 4 * 1024 ** 2);
    assert.equal(most.pickle.allocatedBytesMax, entryBytesMost + 16 * 1024 ** 2);
    const frames = `${mib(usual.frameBytesMax)}, ${mib(most.frameBytesMax)} at most`;
    says(
      "a frame of a stranger; of an observer; of a member",
      `${wire.handshakeFrameBytesMax / 1024} KiB; ${mib(wire.frameBytesMax)}; twice ${setting}: ${frames}`,
    );
    says(
      "a message after inflating, one at a time for all members and one for all others",
      `${mib(wire.messageBytesMax)} each; for members twice ${setting} and 4 MiB, ${mib(most.messageBytesMax)} at most`,
    );
    says("unfinished message of one member", `as long as its frame may be: ${frames}`);
    const { allocatedBytesMax: decodedMost } = most.pickle;
    says(
      "values of one message, of an observer's; of a member's",
      `${mib(wire.observerPickleLimits.allocatedBytesMax)}; ${setting} and 16 MiB: ` +
        `${mib(usual.pickle.allocatedBytesMax)}, ${mib(decodedMost)} at most`,
    );
    says(
      "a leader's message beyond these, which is passed over as it comes",
      `nothing of it is kept; a frame of more than ${mib(wire.passedOverBytesMax)} is taken for none, and the link cut`,
    );
    const frameMore = most.frameBytesMax - usual.frameBytesMax;
    const messageMore = most.messageBytesMax - usual.messageBytesMax;
    assert.equal(frameMore, messageMore);
    const known = read("docs/security.md").split("\nKnown gaps. ")[1] ?? "";
    assert.ok(known.includes(`take ${mib(2 * frameMore + 2 * messageMore)} more\n(32 each: `));
  });
});

describe("docs/safety.md", () => {
  /** The tables of what is promised; the last cell of each row names what shows it. */
  const promised = read("docs/safety.md").split("\n## What PySyncObj does")[0] ?? "";
  const rows = [...promised.matchAll(/^\| (.+) \|$/gm)]
    .map(([, cells = ""]) => cells.split(" | "))
    .filter((cells) => !cells.some((cell) => /^(?:\| )?promise$|^-+$/.test(cell)));

  it("has its rows", () => assert.ok(rows.length >= 20, `only ${rows.length} rows`));

  for (const cells of rows) {
    const promise = cells.slice(0, -1).join(" | ");
    it(`names a test or a command: ${promise.slice(0, 60)}`, () => {
      const shownBy = cells.at(-1) ?? "";
      const tests = [...shownBy.matchAll(/[\w./-]+\.test\.ts/g)].map(([path]) => path);
      assert.ok(tests.length > 0 || /`npm run [^`]+`/.test(shownBy), shownBy);
      for (const path of tests) assert.ok(existsSync(join(root, path)), path);
    });
  }
});

describe("protocol/divergences.md", () => {
  const rows = read("protocol/divergences.md")
    .split("\n")
    .filter((line) => /^\| [A-Z]\d+ \|/.test(line))
    .map((line) => line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, "")));

  it("has rows of five cells, each with a name of its own", () => {
    assert.ok(rows.length > 40, `only ${rows.length} rows`);
    for (const row of rows) assert.equal(row.length, 5, row.join(" | "));
    assert.equal(new Set(rows.map(([name]) => name)).size, rows.length);
  });

  for (const [name, , , , tests = ""] of rows) {
    it(`${name} names its test, or says that there is none`, () => {
      const paths = [...tests.matchAll(/[\w./-]+\.test\.ts/g)].map(([path]) => path);
      if (paths.length === 0) assert.equal(tests, "no test yet");
      for (const path of paths) assert.ok(existsSync(join(root, path)), path);
    });
  }
});

function packageNames(manifest: unknown, field: string): string[] {
  assert.ok(typeof manifest === "object" && manifest !== null);
  const packages: unknown = Reflect.get(manifest, field);
  assert.ok(typeof packages === "object" && packages !== null);
  return Object.keys(packages).sort();
}

/** Runs an example with our own build in the place of the package. */
function runExample(code: string): string {
  const build = new URL("../protocol/index.js", import.meta.url);
  const folder = mkdtempSync(join(tmpdir(), "quorate-example-"));
  try {
    const file = join(folder, "example.mjs");
    writeFileSync(file, code.replaceAll('"quorate/protocol"', JSON.stringify(build.href)));
    return execFileSync(process.execPath, [file], {
      encoding: "utf8",
      cwd: dirname(fileURLToPath(build)),
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
