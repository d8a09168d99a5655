import { randomBytes } from "node:crypto";
import { type FileHandle, link, lstat, open, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";

/** A file of that name is there already. */
export class FileExistsError extends Error {
  readonly path: string;

  constructor(path: string, options?: ErrorOptions) {
    super(`${path} is there already: choose another name, or give --force to replace it`, options);
    this.name = "FileExistsError";
    this.path = path;
  }
}

/** What is there is a device, a pipe or the like: a file in its place would be missed by others. */
export class NotAFileError extends Error {
  readonly path: string;

  constructor(path: string) {
    super(`${path} is there already, and is no file: choose another name`);
    this.name = "NotAFileError";
    this.path = path;
  }
}

/**
 * A file that is there as a whole or not at all: written beside its place, synced, and put into it
 * under its name. Readable by its owner only.
 */
export class NewFile {
  readonly path: string;
  readonly #beside: string;
  readonly #handle: FileHandle;
  readonly #mayReplace: boolean;

  /**
   * Where a link leads to a file, it is that one which is replaced.
   *
   * @throws FileExistsError where the name is taken and may not be replaced, NotAFileError where it never may.
   */
  static async create(path: string, mayReplace: boolean): Promise<NewFile> {
    const found = await stat(path).catch(() => null);
    if (found !== null && !found.isFile()) throw new NotAFileError(path);
    if (!mayReplace && (await exists(path))) throw new FileExistsError(path);
    const place = found === null ? resolve(path) : await realpath(path);
    // Not the process's number: in a container it is the same again, and a killed one leaves its file.
    const mark = randomBytes(6).toString("hex");
    const beside = join(dirname(place), `.${basename(place)}.${mark}.part`);
    const handle = await open(beside, "wx", 0o600);
    return new NewFile({ path: place, beside, handle, mayReplace });
  }

  private constructor(fields: {
    readonly path: string;
    readonly beside: string;
    readonly handle: FileHandle;
    readonly mayReplace: boolean;
  }) {
    this.path = fields.path;
    this.#beside = fields.beside;
    this.#handle = fields.handle;
    this.#mayReplace = fields.mayReplace;
  }

  async write(bytes: Uint8Array): Promise<void> {
    let written = 0;
    while (written < bytes.length) {
      written += (await this.#handle.write(bytes, written)).bytesWritten;
    }
  }

  /** @throws FileExistsError where the name was taken meanwhile; the file is gone then. */
  async commit(): Promise<void> {
    await this.#handle.sync();
    await this.#handle.close();
    if (this.#mayReplace) await rename(this.#beside, this.path);
    else await this.#putWhereNothingIs();
    await syncFolder(dirname(this.path));
  }

  /** Nothing of it stays. */
  async abandon(): Promise<void> {
    await this.#handle.close().catch(() => {});
    await rm(this.#beside, { force: true });
  }

  async #putWhereNothingIs(): Promise<void> {
    try {
      // Unlike rename, link never replaces.
      await link(this.#beside, this.path);
    } catch (error) {
      if (codeOf(error) === "EEXIST") throw new FileExistsError(this.path, { cause: error });
      // File systems without links; what may come in between is a second's race with a person.
      if (await exists(this.path)) throw new FileExistsError(this.path, { cause: error });
      await rename(this.#beside, this.path);
      return;
    }
    await rm(this.#beside);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    // Opened, a pipe would wait for somebody who writes to it.
    await lstat(path);
    return true;
  } catch (error) {
    return codeOf(error) !== "ENOENT";
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
