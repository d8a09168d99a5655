import assert from "node:assert/strict";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { parse } from "yaml";
import type { CliContext } from "../../src/cli/context.js";
import { processContext, runCommandLine } from "../../src/cli/main.js";
import { QuorateNode } from "../../src/quorate-node.js";
import { BackupFile } from "../../src/tools/backup/backup-file.js";
import { freeAddress } from "../net/support/networks.js";

/** `quorate backup` and `quorate restore` against real members, each alone in its cluster. */

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function quorate(
  args: readonly string[],
  context: Partial<CliContext> = {},
): Promise<Outcome> {
  const text = { out: "", err: "" };
  const code = await runCommandLine(
    {
      ...processContext(),
      env: {},
      isErrTerminal: false,
      out: (more) => {
        text.out += more;
      },
      err: (more) => {
        text.err += more;
      },
      ...context,
    },
    ["node", "quorate", ...args],
  );
  return { code, ...text };
}

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "quorate-backup-cli-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function startAlone(t: TestContext): Promise<QuorateNode> {
  const selfAddr = await freeAddress("127.0.0.32");
  const node = await QuorateNode.start({ selfAddr, dataDir: folderOf(t), bindAddr: selfAddr });
  t.after(() => node.stop());
  await node.ready();
  return node;
}

const addr = (node: QuorateNode) => ["--addr", node.status().self];

async function filled(t: TestContext) {
  const node = await startAlone(t);
  await node.set("/a/1", "one");
  await node.set("/a/1", "one again");
  await node.set("/a/2", "größe: 'x'\n- no\n", { ttl: 1000 });
  await node.set("/b", "");
  const path = join(folderOf(t), "dcs.backup");
  const made = await quorate(["backup", path, "--json", ...addr(node)]);
  assert.equal(made.code, 0, made.err);
  const { entries, appliedIndex } = JSON.parse(made.out);
  assert.deepEqual([entries, appliedIndex], [3, node.status().appliedIndex]);
  return { node, path };
}

/** All but the index, which is that of the entry that set it. */
function withoutIndex(node: QuorateNode) {
  return node.list().map(([key, { index: _, ...entry }]) => [key, entry]);
}

test("a backup goes into an empty cluster with all its times", async (t) => {
  const { node, path } = await filled(t);
  const other = await startAlone(t);
  const dry = await quorate(["restore", path, "--dry-run", ...addr(other)]);
  assert.deepEqual([dry.code, dry.err], [0, ""]);
  assert.match(
    dry.out,
    /^would set {2}\/a\/1\nwould set {2}\/a\/2\nwould set {2}\/b\n3 keys would/,
  );
  assert.deepEqual(other.list(), []);
  const done = await quorate(["restore", path, ...addr(other)]);
  assert.equal(done.code, 0, done.err);
  assert.match(done.out, /^3 keys set, 0 kept .*, 0 left out/);
  assert.deepEqual(withoutIndex(other), withoutIndex(node));
});

test("a cluster with data is left alone unless a condition is chosen", async (t) => {
  const { path } = await filled(t);
  const other = await startAlone(t);
  await other.set("/a/1", "mine");
  const restore = (...args: string[]) => quorate(["restore", path, ...args, ...addr(other)]);
  const refused = await restore();
  assert.equal(refused.code, 1);
  assert.match(refused.err, /the target holds keys already: choose --if-absent/);
  // Another prefix is free.
  assert.equal((await restore("--prefix", "/b")).code, 0);
  assert.deepEqual(
    other.list().map(([key, { value }]) => [key, value]),
    [
      ["/a/1", "mine"],
      ["/b", ""],
    ],
  );
  const absent = JSON.parse((await restore("--if-absent", "--json")).out);
  assert.deepEqual(absent, { set: 1, kept: 2, expired: 0, isStopped: false });
  assert.equal(other.get("/a/1")?.value, "mine");
  await other.delete("/a/2");
  const present = JSON.parse((await restore("--if-present", "--json")).out);
  assert.deepEqual(present, { set: 2, kept: 1, expired: 0, isStopped: false });
  assert.deepEqual([other.get("/a/1")?.value, other.get("/a/2")], ["one again", null]);
  const all = JSON.parse((await restore("--overwrite", "--json")).out);
  assert.deepEqual(all, { set: 3, kept: 0, expired: 0, isStopped: false });
});

test("one key, with the conditions of kv put", async (t) => {
  const { path } = await filled(t);
  const other = await startAlone(t);
  await other.set("/a/1", "mine");
  const restore = (...args: string[]) =>
    quorate(["restore", path, "--key", "/a/1", ...args, ...addr(other)]);
  assert.equal((await restore()).code, 1);
  assert.equal((await restore("--prev-value", "theirs")).code, 1);
  assert.equal(other.get("/a/1")?.value, "mine");
  const index = String(other.get("/a/1")?.index);
  assert.equal((await restore("--prev-index", "1")).code, 1);
  assert.equal((await restore("--prev-value", "mine", "--prev-index", index)).code, 0);
  assert.equal(other.get("/a/1")?.value, "one again");
  const missing = await quorate(["restore", path, "--key", "/c", ...addr(other)]);
  assert.equal(missing.code, 1);
  assert.match(missing.err, /the backup holds no key "\/c"/);
});

test("a key whose time is over is left out, or gets all of it again", async (t) => {
  const node = await startAlone(t);
  await node.set("/lease", "node1", { ttl: 1.5 });
  await node.set("/kept", "x");
  const path = join(folderOf(t), "dcs.backup");
  assert.equal((await quorate(["backup", path, ...addr(node)])).code, 0);
  const other = await startAlone(t);
  await new Promise((resolve) => setTimeout(resolve, 1600));
  const late = await quorate(["restore", path, "--json", ...addr(other)]);
  assert.deepEqual(JSON.parse(late.out), { set: 1, kept: 0, expired: 1, isStopped: false });
  assert.equal(other.get("/lease"), null);
  const now = Date.now() / 1000;
  const args = ["--renew-ttl", "--if-absent", "--json"];
  const renewed = await quorate(["restore", path, ...args, ...addr(other)]);
  assert.deepEqual(JSON.parse(renewed.out), { set: 1, kept: 1, expired: 0, isStopped: false });
  const lease = other.get("/lease");
  assert.ok(lease !== null && Number(lease.updated) >= now);
  assert.ok(Math.abs(Number(lease.expire) - Number(lease.updated) - 1.5) < 0.001);
});

test("a backup as JSON and YAML, on standard output and in a file", async (t) => {
  const { node, path } = await filled(t);
  const expected = Object.fromEntries(node.list());
  const json = await quorate(["restore", path, "--to", "json"]);
  assert.deepEqual(JSON.parse(json.out).entries, expected);
  const yaml = await quorate(["restore", path, "--to", "yaml"]);
  const document = parse(yaml.out, { version: "1.1" });
  assert.deepEqual(document.entries, expected);
  assert.equal(document.backup.appliedIndex, JSON.parse(json.out).backup.appliedIndex);
  const none = await quorate(["restore", path, "--to", "yaml", "--prefix", "/none"]);
  assert.deepEqual(parse(none.out).entries, {});
  const out = join(folderOf(t), "dcs.json");
  const args = ["restore", path, "--to", "json", "--out", out];
  assert.equal((await quorate(args)).code, 0);
  assert.equal(readFileSync(out, "utf8"), json.out);
  assert.equal((await quorate(args)).code, 1);
  assert.equal((await quorate([...args, "--force"])).code, 0);
  const link = join(folderOf(t), "link");
  symlinkSync(path, link);
  for (const place of [path, link]) {
    const itself = ["restore", path, "--to", "json", "--out", place, "--force"];
    const { code, err } = await quorate(itself);
    assert.equal(code, 2);
    assert.match(err, /is the backup itself/);
  }
  assert.equal((await quorate(["restore", path, "--check"])).code, 0);
});

test("a file is never replaced unasked, a damaged one never used", async (t) => {
  const { node, path } = await filled(t);
  const before = readFileSync(path);
  const again = await quorate(["backup", path, ...addr(node)]);
  assert.equal(again.code, 1);
  assert.match(again.err, /is there already: choose another name, or give --force/);
  assert.deepEqual(readFileSync(path), before);
  assert.match(
    (await quorate(["restore", path, "--check"])).out,
    /is whole: 3 keys as of log index/,
  );
  const other = await startAlone(t);
  const bytes = Buffer.from(before);
  bytes.writeUInt8(bytes.readUInt8(200) ^ 1, 200);
  writeFileSync(path, bytes);
  const damaged = await quorate(["restore", path, "--overwrite", ...addr(other)]);
  assert.equal(damaged.code, 1);
  assert.match(damaged.err, /dcs\.backup: it is damaged: its checksum does not fit/);
  assert.deepEqual(other.list(), []);
  const missing = await quorate(["restore", join(path, "none"), "--check"]);
  assert.equal(missing.code, 1);
});

test("files that cannot be read or written are named in words", async (t) => {
  const { node, path } = await filled(t);
  const folder = folderOf(t);
  const nowhere = join(folder, "none", "x");
  const cases: readonly (readonly [readonly string[], string])[] = [
    [["restore", nowhere, "--check"], `${nowhere}: there is no such file`],
    [["restore", folder, "--check"], `${folder}: it is a directory: give a file`],
    ...[
      ["restore", path, "--to", "json", "--out", nowhere],
      ["backup", nowhere, ...addr(node)],
    ].map((args): [readonly string[], string] => [
      args,
      `${nowhere}: there is no directory ${join(folder, "none")}: make it, or choose another place`,
    ]),
    [["restore", path, "--to", "json", "--key", "/none"], 'the backup holds no key "/none"'],
    [
      ["restore", path, "--to", "yaml", "--key", "/none", "--out", join(folder, "y")],
      'the backup holds no key "/none"',
    ],
  ];
  for (const [args, message] of cases) {
    const { code, out, err } = await quorate(args);
    assert.deepEqual([code, out, err], [1, "", `quorate: ${message}\n`]);
  }
  assert.deepEqual(readdirSync(folder), []);
  const one = await quorate(["restore", path, "--to", "json", "--key", "/b"]);
  assert.deepEqual(Object.keys(JSON.parse(one.out).entries), ["/b"]);
});

test("Ctrl-C ends both, and says what became of it", async (t) => {
  const { node, path } = await filled(t);
  const interrupt: Partial<CliContext> = {
    onInterrupt: (listener) => {
      listener();
      return () => {};
    },
  };
  const other = join(folderOf(t), "other");
  const backup = await quorate(["backup", other, ...addr(node)], interrupt);
  assert.deepEqual([backup.code, backup.err], [130, "quorate: stopped: no file was written\n"]);
  assert.ok(!existsSync(other));
  const restore = await quorate(["restore", path, ...addr(node)], interrupt);
  assert.deepEqual([restore.code, restore.err], [130, "quorate: stopped: nothing was changed\n"]);
});

test("Ctrl-C behind the last look for it, while restore checks its file, changes nothing", async (t) => {
  const { node, path } = await filled(t);
  let interrupt = () => {};
  const open = BackupFile.open.bind(BackupFile);
  t.mock.method(BackupFile, "open", async (...args: Parameters<typeof BackupFile.open>) => {
    const file = await open(...args);
    interrupt();
    return file;
  });
  const restore = await quorate(["restore", path, "--overwrite", ...addr(node)], {
    onInterrupt: (listener) => {
      interrupt = listener;
      return () => {};
    },
  });
  assert.deepEqual([restore.code, restore.err], [130, "quorate: stopped: nothing was changed\n"]);
});

test("while restore connects nothing holds Ctrl-C back", async (t) => {
  const { node, path } = await filled(t);
  let held = 0;
  let heldAtConnect = -1;
  const { code } = await quorate(["restore", path, ...addr(node)], {
    onInterrupt: () => {
      held += 1;
      return () => {
        held -= 1;
      };
    },
    connect: async () => {
      heldAtConnect = held;
      throw new Error("nobody is there");
    },
  });
  assert.deepEqual([code, heldAtConnect, held], [1, 0, 0]);
});

test("options that do not go together are refused before anything is done", async () => {
  const wrong: readonly (readonly [string[], RegExp])[] = [
    [["--key", "/a", "--prefix", "/b"], /--key does not go with --prefix/],
    [["--overwrite", "--if-absent"], /exclude each other/],
    [["--prev-value", "x"], /need --key/],
    [["--to", "etcd"], /needs --etcd/],
    [["--to", "etcd", "--etcd", "localhost"], /must be http:\/\/host:port/],
    [["--to", "etcd", "--etcd", "http://a:1", "--key", "/a", "--prev-index", "1"], /raft log/],
    [["--to", "json", "--overwrite"], /sets nothing/],
    [["--to", "etcd", "--etcd", "http://me:pw@a:1"], /give --etcd-user/],
    [["--to", "etcd", "--etcd", "http://a:1", "--etcd-user", "me"], /go together/],
    [["--etcd-user", "me", "--etcd-password-file", "f"], /--etcd-user needs --to etcd/],
    [["--out", "x"], /--out needs --to json/],
    [["--key", "/a", "--prev-index", "x"], /must be a whole number/],
  ];
  for (const [args, message] of wrong) {
    const { code, err } = await quorate(["restore", "/nowhere", ...args]);
    assert.equal(code, 2, args.join(" "));
    assert.match(err, message);
  }
});
