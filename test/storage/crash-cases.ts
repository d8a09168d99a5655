import assert from "node:assert/strict";
import { CrashFileSystem, type Fate, isCrash } from "./crash-file-system.js";

/* Commands that change a member's files, stopped before each operation on the disk. */

export type Kind = "journal" | "journal.meta" | "dump";
export type FileSet = Readonly<Partial<Record<Kind, Uint8Array>>>;

export const kinds: readonly Kind[] = ["journal", "journal.meta", "dump"];

/** The member's data directory is `/d`. */
export function diskWith(files: FileSet, address: string): CrashFileSystem {
  const fs = new CrashFileSystem();
  for (const kind of kinds) {
    const bytes = files[kind];
    if (bytes !== undefined) fs.put(`/d/${address}.${kind}`, bytes);
  }
  return fs;
}

/**
 * Runs a command until it is stopped before its first operation, its second one, and so on, by a kill and by
 * losses of power.
 *
 * @param check Told what is left, when the machine runs again; `isOver`: the command came to its end first.
 */
export async function stoppedAnywhere(
  files: FileSet,
  address: string,
  command: (fs: CrashFileSystem) => Promise<unknown>,
  check: (fs: CrashFileSystem, when: string, isOver: boolean) => Promise<void>,
): Promise<void> {
  let isOver = false;
  for (let stopAfter = 0; !isOver; stopAfter++) {
    for (const [at, fate] of fates(stopAfter).entries()) {
      const fs = diskWith(files, address);
      fs.stopAfter = stopAfter;
      isOver = await command(fs).then(
        () => true,
        (error: unknown) => {
          if (!isCrash(error)) throw error;
          return false;
        },
      );
      fs.restart(fate);
      const when = `stopped after ${stopAfter}, fate ${at}`;
      assertKept(fs, files, { address, when });
      await check(fs, when, isOver);
    }
  }
}

/** A kill, and losses of power after which more or less of what was not synced is there. */
function fates(seed: number): readonly (Fate | null)[] {
  const some = Array.from({ length: 8 }, (_, at): Fate => {
    let state = seed * 8 + at + 1;
    return {
      pick: (limit) => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
        return (state >>> 16) % limit;
      },
    };
  });
  return [null, { pick: () => 0 }, ...some];
}

/** Every file is somewhere as it was: in its place, or beside. */
export function assertKept(
  fs: CrashFileSystem,
  files: FileSet,
  { address, when }: { readonly address: string; readonly when: string },
): void {
  for (const kind of kinds) {
    const bytes = files[kind];
    if (bytes === undefined) continue;
    const names = fs.paths().filter((path) => path.includes(`/${address}.${kind}`));
    const isThere = names.some((path) => fs.read(path)?.equals(Buffer.from(bytes)) === true);
    assert.ok(isThere, `${kind} as it was is nowhere, ${when}`);
  }
}
