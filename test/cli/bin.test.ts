import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { settingList } from "../../src/node/config-settings.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const bin = join(root, "bin", "quorate.js");
const folder = mkdtempSync(join(tmpdir(), "quorate-cli-"));
after(() => rmSync(folder, { recursive: true, force: true }));

interface Result {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(args: readonly string[], env: Record<string, string> = {}): ChildProcess {
  const inherited = { PATH: process.env["PATH"] ?? "" };
  return spawn(process.execPath, [bin, ...args], { env: { ...inherited, ...env }, cwd: folder });
}

async function run(args: readonly string[], env: Record<string, string> = {}): Promise<Result> {
  return await finished(start(args, env));
}

async function finished(child: ChildProcess): Promise<Result> {
  const text = { out: "", err: "" };
  child.stdout?.on("data", (chunk) => {
    text.out += String(chunk);
  });
  child.stderr?.on("data", (chunk) => {
    text.err += String(chunk);
  });
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, ...text };
}

describe("bin/quorate.js", () => {
  const commands = [
    ...["run", "status", "members", "add", "remove", "transfer", "set-version", "kv"],
    ...["kv get", "kv put", "kv delete", "kv watch", "kv ls"],
  ];

  it("--help names each command and the exit codes", async () => {
    const result = await run(["--help"]);
    assert.deepEqual([result.code, result.err], [0, ""]);
    for (const command of commands.filter((name) => !name.includes(" "))) {
      assert.match(result.out, new RegExp(`^ {2}${command}\\b`, "m"));
    }
    assert.match(result.out, /Exit codes: 0 done; 1 refused.*; 2 wrong usage/);
  });

  for (const command of [
    ["repair"],
    ["migrate", "import"],
    ["migrate", "export", "--to", "0.3.15"],
  ]) {
    const name = command.slice(0, 2).join(" ");
    it(`${name} ends, where nobody is there to be asked, with the code that its help names`, async () => {
      const path = mkdtempSync(join(folder, "unasked-"));
      const [stem, files] = [
        "127.0.0.1:4001",
        join(root, "protocol", "vectors", "0.3.17", "files"),
      ];
      copyFileSync(join(files, "terms.journal"), join(path, `${stem}.journal`));
      const meta = readFileSync(join(files, "terms.journal.meta"));
      writeFileSync(
        join(path, `${stem}.journal.meta`),
        name === "repair" ? meta.subarray(1) : meta,
      );
      if (name === "migrate export") await run(["migrate", "import", path, "--yes"]);
      const { code, err } = await run([...command, path]);
      assert.deepEqual([code, err.includes("nobody is there to be asked")], [2, true], err);
      const { out } = await run([...command.slice(0, 2), "--help"]);
      assert.match(
        out.replace(/\s+/g, " "),
        /; 2 wrong usage, or nobody is there to be asked; 130 /,
      );
    });
  }

  for (const command of commands) {
    it(`${command} --help has an example`, async () => {
      const result = await run([...command.split(" "), "--help"], {
        PATRONI_RAFT_PASSWORD: "topsecret",
      });
      assert.deepEqual([result.code, result.err], [0, ""]);
      assert.match(result.out, new RegExp(`^Usage: quorate ${command}`));
      assert.match(result.out, new RegExp(`^Examples?:\\n {2}quorate ${command} `, "m"));
      assert.doesNotMatch(result.out, /topsecret/);
    });
  }

  it("run --help shows every setting", async () => {
    const { out } = await run(["run", "--help"]);
    for (const setting of settingList) {
      assert.ok(out.includes(`${setting.option} ${setting.argument}`), setting.option);
    }
  });

  it("--version is the package's", async () => {
    const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    assert.equal((await run(["--version"])).out, `${manifest.version}\n`);
  });

  it("without a command shows the help and ends with 2", async () => {
    const result = await run([]);
    assert.deepEqual([result.code, result.out], [2, ""]);
    assert.match(result.err, /^Usage: quorate/);
  });

  it("run tells a configuration error in one line, exit 2", async () => {
    writeFileSync(join(folder, "bad.yml"), "raft:\n  self_addr: a:1\n  max_timeout: 0.1\n");
    const result = await run(["run", "bad.yml"]);
    assert.equal(result.code, 2);
    assert.equal(
      result.err,
      "quorate: bad.yml:raft.max_timeout is 0.1 s but must be more than min_timeout, by default (0.4 s)\n",
    );
    const missing = await run(["run", "missing.yml"]);
    assert.equal(missing.code, 2);
    assert.equal(missing.err, "quorate: missing.yml cannot be read: it does not exist\n");
  });

  it("reads a directory of files in order, and a password file", async () => {
    const conf = join(folder, "conf");
    mkdirSync(conf);
    writeFileSync(join(conf, "1.yml"), "raft: {self_addr: a:1}");
    writeFileSync(join(conf, "2.yaml"), "raft: {bind_addr: x}");
    writeFileSync(join(conf, "3.txt"), "not yaml: [");
    const result = await run(["run", conf]);
    assert.match(result.err, /2\.yaml:raft\.bind_addr is "x" but must be host:port/);
    rmSync(join(conf, "1.yml"));
    rmSync(join(conf, "2.yaml"));
    assert.match((await run(["run", conf])).err, /conf holds no \.yml or \.yaml file/);
    writeFileSync(join(folder, "empty"), "\n");
    const password = await run(["run", "--self-addr", "a:1", "--password-file", "empty"]);
    assert.match(password.err, /^quorate: --password-file names empty, which must hold one line/);
  });

  it("status of nobody ends with 1", async () => {
    const result = await run(["status", "--addr", "127.0.0.1:1", "--timeout", "5"]);
    assert.equal(result.code, 1);
    assert.match(result.err, /^quorate: no member answered: 127\.0\.0\.1:1: .+\n$/);
  });

  it("takes the password out of the list of processes", async () => {
    const child = start(["status", "--addr", "127.0.0.1:1", "--password", "topsecret-password"]);
    const shown: string[] = [];
    const looks = setInterval(() => {
      try {
        shown.push(readFileSync(`/proc/${child.pid}/cmdline`, "utf8"));
      } catch {
        // Ended already.
      }
    }, 2);
    await finished(child);
    clearInterval(looks);
    const title = shown.filter((line) => line !== "").at(-1) ?? "";
    assert.match(title, /^quorate/);
    assert.doesNotMatch(title, /topsecret/);
  });

  it("says that it is not built", async () => {
    mkdirSync(join(folder, "bin"));
    const copy = join(folder, "bin", "quorate.js");
    copyFileSync(bin, copy);
    writeFileSync(join(folder, "package.json"), '{"type": "module"}');
    const result = await finished(spawn(process.execPath, [copy, "status"]));
    assert.deepEqual(result, {
      code: 2,
      out: "",
      err: "quorate: not built yet: run `npm run build`\n",
    });
  });

  it("refuses a Node.js that is too old with one line", async () => {
    const copy = join(folder, "bin", "old.mjs");
    const source = readFileSync(bin, "utf8").replace(
      "process.versions.node.split",
      '"20.18.1".split',
    );
    writeFileSync(copy, source);
    const result = await finished(spawn(process.execPath, [copy, "status"]));
    assert.equal(result.code, 2);
    assert.match(result.err, /^quorate: needs Node\.js 20\.19 or newer, .*\n$/);
  });
});
