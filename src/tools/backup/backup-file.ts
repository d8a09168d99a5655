import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { BackupError } from "./backup-error.js";
import {
  type BackupEntry,
  type BackupHeader,
  damaged,
  decodeEnd,
  decodeEntry,
  decodeHeader,
  endBytes,
  formatName,
  formatVersion,
  magic,
} from "./format.js";
import { unpacked } from "./msgpack.js";

const chunkBytes = 256 * 1024;
export interface OpenOptions {
  readonly signal?: AbortSignal;
  /** Told now and then how many bytes of how many were checked. */
  readonly onProgress?: (bytes: number, total: number) => void;
}

/** A backup that was checked from its first byte to its last, and is read from the same open file. */
export class BackupFile {
  readonly path: string;
  readonly header: BackupHeader;
  readonly count: number;
  readonly sha256: string;
  readonly bytes: number;
  readonly #handle: FileHandle;

  /**
   * Opens a backup and checks all of it: nothing of a damaged one is ever used.
   *
   * @throws BackupError, or a fault of the file system.
   */
  static async open(path: string, options: OpenOptions = {}): Promise<BackupFile> {
    const handle = await open(path, "r");
    try {
      return await check(path, handle, options);
    } catch (error) {
      await handle.close();
      throw error instanceof BackupError ? error.of(path) : error;
    }
  }

  constructor(
    path: string,
    handle: FileHandle,
    checked: {
      readonly header: BackupHeader;
      readonly count: number;
      readonly sha256: string;
      readonly bytes: number;
    },
  ) {
    this.path = path;
    this.#handle = handle;
    this.header = checked.header;
    this.count = checked.count;
    this.sha256 = checked.sha256;
    this.bytes = checked.bytes;
  }

  /** Each key once, in the order of the file. May be called again. */
  async *entries(): AsyncGenerator<BackupEntry> {
    let isFirst = true;
    for await (const object of objects(this.#handle, this.bytes - endBytes)) {
      if (isFirst) isFirst = false;
      else yield decodeEntry(object);
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

async function check(path: string, handle: FileHandle, options: OpenOptions): Promise<BackupFile> {
  const { size } = await handle.stat();
  const head = await readAt(handle, 0, Math.min(size, magic.length));
  if (head.some((byte, at) => byte !== magic[at]) || size === 0) {
    throw new BackupError("foreign", "it is no backup of Quorate's");
  }
  await checkVersion(handle);
  const end = size < endBytes ? null : decodeEnd(await readAt(handle, size - endBytes, endBytes));
  if (end === null) {
    throw new BackupError("truncated", "its end is missing: it is not complete, or damaged there");
  }
  const hash = createHash("sha256");
  let read = 0;
  for await (const chunk of chunks(handle, size - endBytes)) {
    options.signal?.throwIfAborted();
    hash.update(chunk);
    read += chunk.length;
    options.onProgress?.(read, size);
  }
  const sha256 = hash.digest();
  if (!sha256.equals(end.sha256)) throw damaged("its checksum does not fit");
  const header = await checkObjects(handle, size, end.count);
  const { count } = end;
  const checked = { header, count, sha256: sha256.toString("hex"), bytes: size };
  return new BackupFile(path, handle, checked);
}

/** A newer file may have another end: its version, one byte, is looked at before anything else. */
async function checkVersion(handle: FileHandle): Promise<void> {
  const [version] = await readAt(handle, magic.length, 1);
  if (version !== undefined && version > formatVersion && version < 0x80) {
    decodeHeader([formatName, version]);
  }
}

async function checkObjects(
  handle: FileHandle,
  size: number,
  count: number,
): Promise<BackupHeader> {
  let header: BackupHeader | null = null;
  let found = 0;
  for await (const object of objects(handle, size - endBytes)) {
    if (header === null) header = decodeHeader(object);
    else {
      decodeEntry(object);
      found += 1;
    }
  }
  if (header === null || found !== count) throw damaged(`it holds ${found} keys of ${count}`);
  return header;
}

async function* objects(handle: FileHandle, end: number): AsyncGenerator<unknown> {
  try {
    yield* unpacked(chunks(handle, end));
  } catch (error) {
    if (error instanceof BackupError) throw error;
    throw damaged("it cannot be decoded", error);
  }
}

async function* chunks(handle: FileHandle, end: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < end; ) {
    const chunk = await readAt(handle, at, Math.min(chunkBytes, end - at));
    if (chunk.length === 0) throw damaged("it became shorter while it was read");
    yield chunk;
    at += chunk.length;
  }
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let read = 0;
  while (read < length) {
    const { bytesRead } = await handle.read(bytes, read, length - read, position + read);
    if (bytesRead === 0) break;
    read += bytesRead;
  }
  return bytes.subarray(0, read);
}
