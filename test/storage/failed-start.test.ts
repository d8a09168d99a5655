import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { silentLogger } from "../../src/logger.js";
import type { FileHandle, FileSystem } from "../../src/storage/file-system.js";
import { Storage } from "../../src/storage/storage.js";
import { StorageError } from "../../src/storage/storage-error.js";
import { CrashFileSystem, ofThisLife, systemError } from "./crash-file-system.js";

const selfAddr = "127.0.0.1:4001";
const journal = `/d/${selfAddr}.journal`;

/** A disk that counts the files that are open. */
function counted(disk: CrashFileSystem): { readonly fs: FileSystem; readonly open: Set<object> } {
  const open = new Set<object>();
  const fs: FileSystem = {
    ...ofThisLife(disk),
    open: async (path, mode) => {
      const file = await disk.open(path, mode);
      open.add(file);
      const counting: FileHandle = {
        size: () => file.size(),
        read: (position, length) => file.read(position, length),
        write: (bytes, position) => file.write(bytes, position),
        sync: () => file.sync(),
        truncate: (size) => file.truncate(size),
        close: async () => {
          open.delete(file);
          await file.close();
        },
      };
      return counting;
    },
  };
  return { fs, open };
}

async function opened(fileSystem: FileSystem): Promise<Storage> {
  const options = { dataDir: "/d", selfAddr, logger: silentLogger, fileSystem };
  return (await Storage.open(options)).storage;
}

async function usedDisk(): Promise<CrashFileSystem> {
  const disk = new CrashFileSystem();
  const storage = await opened(disk);
  await storage.write([{ kind: "meta", term: 1, votedFor: null }]);
  const command = new Uint8Array(300).fill(7);
  await storage.write([{ kind: "append", entries: [{ index: 2, term: 1, command }] }]);
  await storage.close();
  return disk;
}

async function damagedDisk(): Promise<CrashFileSystem> {
  const disk = await usedDisk();
  const bytes = Uint8Array.from(disk.read(journal) ?? []);
  bytes[90] = 0xff;
  disk.put(journal, bytes);
  return disk;
}

describe("a start that fails leaves no file open, whichever operation it was", () => {
  for (const [name, made] of [
    ["of a new member", async () => new CrashFileSystem()],
    ["on whole files", usedDisk],
    ["on a damaged journal", damagedDisk],
  ] as const) {
    for (const code of ["ENOSPC", "EIO"]) {
      test(`${name}, ${code}`, async () => {
        let failed = 0;
        for (let failing = 0; ; failing += 1) {
          const disk = await made();
          const { fs, open } = counted(disk);
          let operations = 0;
          disk.fault = () => {
            if (operations++ === failing) throw systemError(code);
          };
          const storage = await opened(fs).catch((error: unknown) => {
            assert.ok(error instanceof StorageError, String(error));
            return null;
          });
          disk.fault = null;
          if (storage !== null) {
            await storage.close();
            assert.equal(open.size, 0);
            if (operations <= failing) break;
            continue;
          }
          failed += 1;
          assert.equal(open.size, 0, `operation ${failing} of the start`);
          await (await opened(fs)).close();
        }
        assert.ok(failed >= 5, `${failed} operations`);
      });
    }
  }
});
