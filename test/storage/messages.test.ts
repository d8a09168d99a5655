import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "../../src/logger.js";
import { Storage } from "../../src/storage/storage.js";
import { StorageError } from "../../src/storage/storage-error.js";
import { CrashFileSystem, systemError } from "./crash-file-system.js";
import { address, entry, quorateFiles } from "./damaged-files.js";

/*
 * Whatever operation on whatever file fails, and however: the message names a file, says what is known to be
 * intact, and what to do next.
 */

const dataDir = "/d";
const namesFile = /^\/d[^ ]*: /;
const isIntact =
  /untouched|nothing (is|was) (lost|changed|written over)|are intact|was synced|is synced|are synced|is on the disk/i;
const saysWhatToDo =
  /start (it|the member) again|make room|move it away|goes on by itself|a new one is written/;

/** No member compacts to a dump that it has not written; `life` does, where its dump has failed. */
const isOfThisTest = /^Error: compaction from \d+, the dump begins at (\d+|undefined)$/;

/** All that a member's files go through: each step's error, null where it has none. */
async function life(fs: CrashFileSystem): Promise<unknown[]> {
  const errors: unknown[] = [];
  const tried = async <T>(work: () => Promise<T>): Promise<T | null> => {
    try {
      return await work();
    } catch (error) {
      errors.push(error);
      return null;
    }
  };
  const options = { dataDir, selfAddr: address, logger: silentLogger, fileSystem: fs };
  const opened = await tried(() => Storage.open(options));
  if (opened === null) return errors;
  const { storage, recovered } = opened;
  const last = recovered.entries.at(-1)?.index ?? 1;
  const term = recovered.term + 1;
  await tried(() => storage.write([{ kind: "meta", term, votedFor: address }]));
  const added = [1, 2, 3, 4].map((n) => entry(last + n, term));
  await tried(() => storage.write([{ kind: "append", entries: added }]));
  await tried(() => storage.write([{ kind: "truncate", fromIndex: last + 4 }]));
  const kept = { kind: "keep-conflict", entries: added, withDump: true, kept: () => {} } as const;
  await tried(() => storage.write([kept]));
  const [previous = entry(2, 1), newest = entry(3, 1)] = added.slice(0, 2);
  const source = {
    last: newest,
    previous,
    members: [address],
    codeVersion: 0,
    records: [].values(),
  };
  await tried(() => storage.writeDump(source));
  await tried(() => storage.write([{ kind: "compact", keepFrom: previous.index }]));
  await tried(async () => {
    const reader = await storage.openDump();
    while (reader !== null && (await reader.read(65_536)).length > 0);
    await reader?.close();
  });
  await tried(() => storage.readDump());
  await tried(() => storage.close());
  return errors;
}

for (const code of ["EIO", "ENOSPC", "EDQUOT", "EROFS", "EACCES", "EMFILE"]) {
  test(`${code}, at each operation: which file, what is intact, what to do`, async () => {
    const said = new Set<string>();
    for (const given of [{}, await quorateFiles({ dump: true, close: false })]) {
      let met = true;
      for (let failing = 0; met; failing++) {
        const fs = new CrashFileSystem();
        for (const [kind, bytes] of Object.entries(given)) {
          fs.put(`${dataDir}/${address}.${kind}`, bytes);
        }
        met = false;
        let countdown = failing;
        fs.fault = () => {
          if (countdown-- > 0) return;
          met = true;
          throw systemError(code);
        };
        for (const error of await life(fs)) {
          if (!(error instanceof StorageError)) {
            assert.match(String(error), isOfThisTest);
            continue;
          }
          said.add(error.message.replaceAll(/\d{8}T\d+\.\d+Z/g, "TIME"));
        }
      }
    }
    assert.ok(said.size > 10, `${said.size} messages`);
    for (const message of said) {
      assert.match(message, namesFile);
      assert.match(message, isIntact);
      assert.match(message, saysWhatToDo);
      assert.doesNotMatch(message, /\n/);
    }
  });
}

test("an error without a code of the system's is not lost in the message", async () => {
  const fs = new CrashFileSystem();
  fs.fault = () => {
    throw new TypeError("what nobody has foreseen");
  };
  const [error] = await life(fs);
  assert.match(String(error), /\/d.*what nobody has foreseen while /);
});

test("what a start finds is told with the file, the copy that is kept, and what comes of it", async () => {
  const files = await quorateFiles({ dump: true, close: true });
  const lines: string[] = [];
  const note = (message: string) => void lines.push(message);
  const logger = { ...silentLogger, error: note, warn: note };
  for (const kind of ["journal", "journal.meta", "dump"] as const) {
    const fs = new CrashFileSystem();
    for (const [name, bytes] of Object.entries(files)) {
      const put = Buffer.from(bytes);
      if (name === kind) put.fill(0x78, 40, put.length - 4);
      fs.put(`${dataDir}/${address}.${name}`, put);
    }
    lines.length = 0;
    const options = { dataDir, selfAddr: address, logger, fileSystem: fs };
    const { storage, recovered } = await Storage.open(options);
    await storage.close();
    const path = `${dataDir}/${address}.${kind}`;
    assert.ok(lines.length > 0, kind);
    for (const line of lines) assert.match(line, namesFile);
    assert.ok(
      lines.some((line) => line.includes(`is kept as ${path}.damaged-`)),
      lines.join("\n"),
    );
    const outcome = /neither votes nor leads, .* the others\. .*`quorate recover`; .* a backup's/;
    assert.ok(
      lines.some((line) => outcome.test(line)),
      lines.join("\n"),
    );
    // Health says the same.
    assert.ok(
      recovered.lossText?.includes(`is kept as ${path}.damaged-`),
      recovered.lossText ?? "",
    );
    assert.match(recovered.lossText ?? "", outcome);
  }
});

test("health is told of each file that is damaged, and once what comes of it", async () => {
  const files = await quorateFiles({ dump: true, close: true });
  const open = async (damaged: readonly string[]) => {
    const fs = new CrashFileSystem();
    for (const [name, bytes] of Object.entries(files)) {
      const put = Buffer.from(bytes);
      if (damaged.includes(name)) put.fill(0x78, 40, put.length - 4);
      fs.put(`${dataDir}/${address}.${name}`, put);
    }
    const options = { dataDir, selfAddr: address, logger: silentLogger, fileSystem: fs };
    const { storage, recovered } = await Storage.open(options);
    await storage.close();
    return recovered.lossText;
  };
  assert.equal(await open([]), null);
  const text = (await open(["journal.meta", "dump"])) ?? "";
  for (const name of ["journal.meta", "dump"]) {
    assert.ok(text.includes(`${dataDir}/${address}.${name}: `), text);
  }
  assert.equal(text.split("neither votes nor leads").length, 2, text);
});
