import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { silentLogger } from "../../src/logger.js";
import { type Recovered, Storage } from "../../src/storage/storage.js";
import { StorageError } from "../../src/storage/storage-error.js";
import { entry, kinds } from "./damaged-files.js";

/* What stands in the place of a member's files and is none of them. */

const selfAddr = "127.0.0.1:4001";
let dataDir = "";

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "quorate-odd-"));
});
afterEach(async () => {
  await rm(dataDir, { recursive: true });
});

async function reopened(address = selfAddr, folder = dataDir): Promise<Recovered> {
  const options = { dataDir: folder, selfAddr: address, logger: silentLogger };
  const { storage, recovered } = await Storage.open(options);
  await storage.close();
  return recovered;
}

async function lived(address = selfAddr): Promise<void> {
  const { storage } = await Storage.open({ dataDir, selfAddr: address, logger: silentLogger });
  await storage.write([
    { kind: "meta", term: 3, votedFor: address },
    { kind: "append", entries: [entry(2, 3), entry(3, 3)] },
  ]);
  await storage.close();
}

function fileOf(kind: string, address = selfAddr): string {
  return join(dataDir, `${address}.${kind}`);
}

/** The message names the file, and says that it is as it was and what to do. */
async function assertRefused(code: string, path: string): Promise<void> {
  await assert.rejects(reopened(), (error) => {
    assert(error instanceof StorageError, String(error));
    assert.deepEqual([error.code, error.path], [code, path]);
    assert.match(error.message, /untouched|nothing was (changed|lost)/i);
    assert.match(error.message, /move|mount|start|correct/);
    return true;
  });
}

describe("in the place of a file", () => {
  for (const kind of [...kinds, "journal.meta.tmp"]) {
    test(`a directory as ${kind}`, async () => {
      await mkdir(fileOf(kind));
      await assertRefused("no-file", fileOf(kind));
    });
    test(`a FIFO as ${kind} does not hang the start`, { timeout: 20_000 }, async () => {
      execFileSync("mkfifo", [fileOf(kind)]);
      await assertRefused("no-file", fileOf(kind));
    });
    test(`a device as ${kind}`, async () => {
      await symlink("/dev/zero", fileOf(kind));
      await assertRefused("no-file", fileOf(kind));
    });
    test(`a link to nothing as ${kind}: a volume that is not mounted is no new member`, async () => {
      await symlink(join(dataDir, "volume", "file"), fileOf(kind));
      await assertRefused("no-file", fileOf(kind));
    });
  }

  test("a link to a file is followed", async () => {
    await lived();
    for (const kind of ["journal", "journal.meta"]) {
      await rename(fileOf(kind), join(dataDir, `real-${kind}`));
      await symlink(join(dataDir, `real-${kind}`), fileOf(kind));
    }
    const { entries, term, votedFor, mustRefetch } = await reopened();
    assert.deepEqual([entries.length, term, votedFor, mustRefetch], [3, 3, selfAddr, false]);
  });

  test("the data directory is a file, or lies under one", async () => {
    const path = join(dataDir, "file");
    await writeFile(path, "not a directory");
    for (const folder of [path, join(path, "below")]) {
      await assert.rejects(reopened(selfAddr, folder), (error) => {
        assert(error instanceof StorageError && error.code === "no-file", String(error));
        assert.match(error.message, /data directory/);
        return true;
      });
    }
    assert.equal(await readFile(path, "utf8"), "not a directory");
  });

  test("names that could leave the directory are no addresses", async () => {
    for (const address of ["../x:1", "a/b:1", "", "a\0b:1"]) {
      await assert.rejects(reopened(address), /no address that can name files/);
    }
    for (const address of ["[::1]:4001", "größe.example:1", "a b:1", "x:1.journal"]) {
      await lived(address);
      assert.equal((await reopened(address)).entries.length, 3, address);
    }
  });
});

describe("sizes beyond all measure", () => {
  test("a sparse tail of 64 GiB behind the records is not read", { timeout: 20_000 }, async () => {
    await lived();
    await truncate(fileOf("journal"), 64 * 1024 ** 3);
    const { entries, mustRefetch } = await reopened();
    assert.deepEqual([entries.length, mustRefetch], [3, false]);
  });

  test("a sparse dump and a sparse meta are damage", { timeout: 20_000 }, async () => {
    await lived();
    for (const kind of ["dump", "journal.meta"]) {
      await writeFile(fileOf(kind), "");
      await truncate(fileOf(kind), 64 * 1024 ** 3);
    }
    const { entries, mustRefetch } = await reopened();
    assert.deepEqual([entries.length, mustRefetch], [3, true]);
  });
});

describe("files of another member", () => {
  const other = "127.0.0.1:4002";

  test("under our name are refused by the address in their meta, and untouched", async () => {
    await lived(other);
    for (const kind of ["journal", "journal.meta"]) {
      await copyFile(fileOf(kind, other), fileOf(kind));
    }
    const before = await readFile(fileOf("journal.meta"));
    await assertRefused("foreign", fileOf("journal.meta"));
    assert.deepEqual(await readFile(fileOf("journal.meta")), before);
    // Without the vote the log may stay: the member asks a leader before it votes.
    await rm(fileOf("journal.meta"));
    const { entries, mustRefetch } = await reopened();
    assert.deepEqual([entries.length, mustRefetch], [3, true]);
  });

  test("beside ours are left alone", async () => {
    await lived(other);
    const before = await readFile(fileOf("journal", other));
    assert.equal((await reopened()).isNew, true);
    assert.deepEqual(await readFile(fileOf("journal", other)), before);
  });
});

test("a file without permission is named, with what to do", async () => {
  await lived();
  await chmod(dataDir, 0o755);
  for (const kind of ["journal", "journal.meta"]) await chmod(fileOf(kind), 0);
  const opening = `
    const { Storage } = await import(${JSON.stringify(import.meta.resolve("../../src/storage/storage.js"))});
    const logger = { error() {}, warn() {}, info() {}, debug() {} };
    try {
      await Storage.open({ dataDir: process.argv[1], selfAddr: process.argv[2], logger });
      console.log("open");
    } catch (error) { console.log(error.code + " " + error.message); }`;
  // Root may read everything, so the start runs as nobody where the test runs as root.
  const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const args = ["--input-type=module", "-e", opening, dataDir, selfAddr];
  const said = execFileSync(process.execPath, args, { encoding: "utf8", ...nobody });
  assert.match(said, /^permission .*journal.*EACCES while .*: give the member's user the right/);
});
