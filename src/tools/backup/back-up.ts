import { createHash } from "node:crypto";
import type { PyDict, PyValue } from "../../../protocol/pickle/values.js";
import { NewFile } from "../new-file.js";
import { type BackupHeader, encodeEnd, encodeEntry, encodeHeader } from "./format.js";

/** A consistent copy of the data, read once. */
export interface BackupSource extends Omit<BackupHeader, "software" | "takenSec" | "prefix"> {
  readonly records: Iterable<readonly [PyValue, PyDict]>;
  readonly size: number;
}

export interface BackupOptions {
  readonly path: string;
  /** Takes the place of a file that is there. */
  readonly force: boolean;
  readonly prefix: string;
  readonly software: string;
  readonly takenSec: number;
  readonly signal: AbortSignal;
  /** Told now and then how many of the source's keys were looked at. */
  readonly onProgress: (looked: number) => void;
}

export interface BackupResult {
  readonly header: BackupHeader;
  readonly path: string;
  readonly entries: number;
  readonly bytes: number;
  /** In hexadecimal; the one that the file ends with. */
  readonly sha256: string;
}

/** Entries are gathered to this size before they are written. */
const blockBytes = 256 * 1024;

/**
 * Writes a copy of the data into a file, which appears when it is complete and synced.
 *
 * @throws FileExistsError, a fault of the file system, or the signal's reason.
 */
export async function backUp(source: BackupSource, options: BackupOptions): Promise<BackupResult> {
  const file = await NewFile.create(options.path, options.force);
  try {
    const result = await writeAll(file, source, options);
    await file.commit();
    return result;
  } catch (error) {
    await file.abandon();
    throw error;
  }
}

async function writeAll(
  file: NewFile,
  source: BackupSource,
  options: BackupOptions,
): Promise<BackupResult> {
  const { prefix, software, takenSec, signal } = options;
  const { appliedIndex, term, leader, members } = source;
  const header = { software, takenSec, appliedIndex, term, leader, members, prefix };
  const hash = createHash("sha256");
  let block: Uint8Array[] = [encodeHeader(header)];
  let blockSize = 0;
  let [looked, entries, bytes] = [0, 0, 0];
  const flush = async (): Promise<void> => {
    signal.throwIfAborted();
    const joined = Buffer.concat(block);
    hash.update(joined);
    await file.write(joined);
    bytes += joined.length;
    [block, blockSize] = [[], 0];
    options.onProgress(looked);
  };
  for (const [key, dict] of source.records) {
    looked += 1;
    // An odd key begins with nothing but the empty prefix.
    if (prefix === "" || (typeof key === "string" && key.startsWith(prefix))) {
      const encoded = encodeEntry(key, dict);
      block.push(encoded);
      blockSize += encoded.length;
      entries += 1;
    }
    // Looking through a million keys for few must not hold the loop either.
    if (blockSize >= blockBytes || looked % 4096 === 0) await flush();
  }
  await flush();
  const sha256 = hash.digest();
  await file.write(encodeEnd(entries, sha256));
  bytes += encodeEnd(entries, sha256).length;
  return { header, path: file.path, entries, bytes, sha256: sha256.toString("hex") };
}
