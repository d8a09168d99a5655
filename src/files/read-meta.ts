import { crc32 } from "node:zlib";
import { ProtocolError } from "../../protocol/errors.js";
import { metaBytesMax } from "../../protocol/files/limits.js";
import { type DecodedMeta, decodeMeta } from "../../protocol/files/meta-format.js";
import { decodePickle } from "../../protocol/pickle/decoder.js";
import type { FileSystem } from "../storage/file-system.js";
import { readFault } from "./files-error.js";

/** Who stored a meta file last, as far as its keys tell. */
export type MetaWriter = "PySyncObj up to 0.3.15" | "PySyncObj 0.3.16 or newer" | "Quorate";

export type ReadMeta =
  | (DecodedMeta & {
      readonly kind: "meta";
      readonly bytes: number;
      readonly writer: MetaWriter;
      /** False in files of versions that forget both: `term` is 0 there, and means nothing. */
      readonly hasTerm: boolean;
      readonly hasCommitIndex: boolean;
    })
  | { readonly kind: "damaged"; readonly bytes: number; readonly reason: string };

/** @throws FilesError where the file cannot be read. */
export async function readMeta(fs: FileSystem, path: string): Promise<ReadMeta> {
  const bytes = await readAll(fs, path);
  try {
    const decoded = decodeMeta(bytes, crc32);
    const { meta, isSealed } = decoded;
    const keys = keysIn(bytes);
    const hasTerm = isSealed || keys.has("currentTerm");
    return {
      kind: "meta",
      ...decoded,
      bytes: bytes.length,
      hasTerm,
      hasCommitIndex: isSealed || keys.has("raftCommitIndex"),
      writer: writerOf(isSealed || meta.owner !== null, hasTerm),
    };
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { kind: "damaged", bytes: bytes.length, reason: error.message };
  }
}

function writerOf(isOurs: boolean, hasTerm: boolean): MetaWriter {
  if (isOurs) return "Quorate";
  return hasTerm ? "PySyncObj 0.3.16 or newer" : "PySyncObj up to 0.3.15";
}

function keysIn(bytes: Uint8Array): ReadonlySet<unknown> {
  try {
    const dict = decodePickle(bytes);
    return new Set(dict instanceof Map ? dict.keys() : []);
  } catch {
    // The first copy is damaged; the second one was read.
    return new Set();
  }
}

async function readAll(fs: FileSystem, path: string): Promise<Uint8Array> {
  try {
    const file = await fs.open(path, "read");
    try {
      return await file.read(0, Math.min(await file.size(), metaBytesMax));
    } finally {
      await file.close();
    }
  } catch (error) {
    throw readFault(error, path);
  }
}
