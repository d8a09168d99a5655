import { constants } from "node:buffer";
import type { Transform, Writable } from "node:stream";
import { ProtocolError } from "../../protocol/errors.js";
import { decodeDumpSteps, loadDumpSteps } from "../../protocol/files/dump-decoder.js";
import { type Dump, DumpEncoder, type LoadedDump } from "../../protocol/files/dump-format.js";
import { dumpInflatedBytesMax } from "../../protocol/files/limits.js";
import type { Entry } from "../../protocol/log/entry.js";
import { pickleDumpLimits } from "../../protocol/pickle/limits.js";
import type { PyDict, PyValue } from "../../protocol/pickle/values.js";
import type { Clock } from "../clock.js";
import type { Compression } from "./compression.js";
import type { DumpBounds } from "./dump-bounds.js";
import type { FileHandle } from "./file-system.js";
import {
  checkChunkBytes,
  copyChunkBytes,
  dumpPieceBytes,
  inflatePieceBytes,
  opsPerLook,
  recordsPerLook,
} from "./limits.js";
import { Slicer } from "./slices.js";

/** What a dump is made of: a consistent view of the store, which goes on changing meanwhile. */
export interface DumpSource {
  /** The last applied entry, and the one before it. */
  readonly last: Entry;
  readonly previous: Entry;
  readonly members: readonly string[];
  readonly codeVersion: number;
  readonly records: Iterator<readonly [PyValue, PyDict]>;
}

/** What the work on a dump needs beside the file. */
export interface DumpTools {
  readonly clock: Clock;
  readonly compression: Compression;
}

/** Writes a dump into a new file, in slices. The caller syncs. Rejects when the signal aborts. */
export async function encodeDump(
  source: DumpSource,
  file: FileHandle,
  { clock, compression, signal }: DumpTools & { readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const gzip = compression.gzip();
  const written = (async () => {
    let at = 0;
    for await (const chunk of gzip) {
      await file.write(chunk, at);
      at += chunk.length;
    }
  })();
  // The producer below sees the failure through the destroyed stream; this one reports it.
  written.catch(() => {});
  try {
    await produce(source, gzip, new Slicer(clock), signal);
    gzip.end();
  } catch (error) {
    gzip.destroy();
    await written.catch((cause) => {
      throw cause instanceof Error && "code" in cause && isFileFault(cause.code) ? cause : error;
    });
    throw error;
  }
  await written;
}

function isFileFault(code: unknown): boolean {
  return typeof code === "string" && !code.startsWith("ERR_");
}

async function produce(
  source: DumpSource,
  gzip: Transform,
  slicer: Slicer,
  signal: AbortSignal | undefined,
): Promise<void> {
  const encoder = new DumpEncoder(source.codeVersion);
  for (let count = 1; ; count++) {
    const next = source.records.next();
    if (next.done === true) break;
    encoder.add(next.value[0], next.value[1]);
    if (encoder.length >= dumpPieceBytes) await push(gzip, encoder.take());
    if (count % recordsPerLook !== 0 || !slicer.isDue) continue;
    await slicer.pause();
    signal?.throwIfAborted();
  }
  signal?.throwIfAborted();
  encoder.finish(source.last, source.previous, source.members);
  await push(gzip, encoder.take());
}

async function push(gzip: Transform, bytes: Uint8Array): Promise<void> {
  if (gzip.destroyed) throw new Error("the dump's stream was closed");
  if (!gzip.write(bytes)) await drained(gzip);
  if (gzip.destroyed) throw new Error("the dump's stream was closed");
}

/** Until the stream takes more, or is closed for whatever reason. */
function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      stream.off("drain", finish);
      stream.off("close", finish);
      resolve();
    };
    stream.on("drain", finish);
    stream.on("close", finish);
  });
}

/** What a dump may come to: of a member's own, whatever it is. */
const ownBounds: Pick<DumpBounds, "inflatedBytesMax" | "pickle"> = {
  inflatedBytesMax: dumpInflatedBytesMax,
  pickle: pickleDumpLimits,
};

/**
 * Reads a dump, in slices.
 *
 * @throws ProtocolError `dump-malformed` (or a pickle's code) where the file is no whole dump,
 *   `dump-too-large` where it is beyond the bounds; an error with the code ENOMEM where memory is short.
 */
export async function decodeDump(
  file: Pick<FileHandle, "size" | "read">,
  { clock, compression }: DumpTools,
  { inflatedBytesMax, pickle } = ownBounds,
): Promise<Dump> {
  const slicer = new Slicer(clock);
  const inflated = await inflate(file, { compression, slicer, bytesMax: inflatedBytesMax });
  return await finish(decodeDumpSteps(inflated, pickle, opsPerLook), slicer);
}

/**
 * The same as a member loads it: where all values are plain, no dicts are made of them.
 *
 * @throws as `decodeDump`
 */
export async function loadDump(
  file: Pick<FileHandle, "size" | "read">,
  { clock, compression }: DumpTools,
  { inflatedBytesMax, pickle } = ownBounds,
): Promise<LoadedDump> {
  const slicer = new Slicer(clock);
  const inflated = await inflate(file, { compression, slicer, bytesMax: inflatedBytesMax });
  return await finish(loadDumpSteps(inflated, pickle, opsPerLook), slicer);
}

async function finish<D extends LoadedDump>(steps: Generator<void, D>, slicer: Slicer): Promise<D> {
  for (;;) {
    const step = steps.next();
    if (step.done === true) {
      const dump = step.value;
      return { ...dump, last: detached(dump.last), previous: detached(dump.previous) };
    }
    if (slicer.isDue) await slicer.pause();
  }
}

/**
 * Inflates what passes by, keeps nothing of it, and says at the end whether it was a whole dump's
 * file: gzip's checksum covers all that is in it. Where it comes to more than a bound it does not go on.
 */
export class GzipCheck {
  readonly #gunzip: Transform;
  readonly #verdict: Promise<boolean>;
  #bytes = 0;
  /** More came out than may. */
  isTooLarge = false;

  constructor(compression: Compression, bytesMax = Number.MAX_SAFE_INTEGER) {
    this.#gunzip = compression.gunzip(checkChunkBytes);
    this.#verdict = new Promise((resolve) => {
      this.#gunzip.once("end", () => resolve(true));
      this.#gunzip.once("error", () => resolve(false));
      this.#gunzip.once("close", () => resolve(false));
    });
    this.#gunzip.on("data", (chunk: Uint8Array) => {
      this.#bytes += chunk.length;
      if (this.#bytes <= bytesMax) return;
      this.isTooLarge = true;
      this.#gunzip.destroy();
    });
  }

  async add(chunk: Uint8Array): Promise<void> {
    if (!this.#gunzip.destroyed && !this.#gunzip.write(chunk)) await drained(this.#gunzip);
  }

  /** Also where nothing more may be added. */
  isWhole(): Promise<boolean> {
    if (!this.#gunzip.destroyed) this.#gunzip.end();
    return this.#verdict;
  }

  drop(): void {
    this.#gunzip.destroy();
  }
}

/** The command as a copy: a view would keep the whole inflated dump in memory. */
function detached(entry: Entry): Entry {
  return { ...entry, command: new Uint8Array(entry.command) };
}

interface Inflating {
  readonly compression: Compression;
  readonly slicer: Slicer;
  readonly bytesMax: number;
}

async function inflate(
  file: Pick<FileHandle, "size" | "read">,
  { compression, slicer, bytesMax }: Inflating,
): Promise<Uint8Array> {
  const size = await file.size();
  // One piece of memory from the start: to join many at the end would hold the loop.
  const promised = await inflatedSize(file, size);
  if (promised > bytesMax) throw tooLarge(bytesMax);
  let inflated = beginning(promised);
  const gunzip = compression.gunzip(promised > inflatePieceBytes ? inflatePieceBytes : undefined);
  const fed = (async () => {
    for (let at = 0; at < size; at += copyChunkBytes) {
      const chunk = await file.read(at, copyChunkBytes);
      if (gunzip.destroyed) return;
      if (!gunzip.write(chunk)) await drained(gunzip);
    }
    gunzip.end();
  })();
  fed.catch((error) => gunzip.destroy(error));
  let length = 0;
  try {
    for await (const chunk of gunzip) {
      const needed = length + chunk.length;
      if (needed > bytesMax) throw tooLarge(bytesMax);
      if (needed > inflated.length) inflated = await grown(inflated, { length, needed }, slicer);
      inflated.set(chunk, length);
      length = needed;
    }
  } catch (cause) {
    await fed.catch((error) => {
      if (error instanceof Error && "code" in error && isFileFault(error.code)) throw error;
    });
    if (cause instanceof ProtocolError) throw cause;
    if (isLackOfMemory(cause)) throw lackOfMemory(cause);
    if (cause instanceof Error && "code" in cause && isReadFault(cause.code)) throw cause;
    throw unreadable(cause);
  }
  return inflated.subarray(0, length);
}

/** Less than was promised where so much cannot be had: a changed byte may have promised it. */
function beginning(promised: number): Buffer<ArrayBuffer> {
  try {
    return Buffer.allocUnsafeSlow(promised);
  } catch {
    return Buffer.allocUnsafeSlow(Math.min(promised, inflatePieceBytes));
  }
}

/** What allocations throw: more than Node.js has in one piece (4 GiB before 22), or than the machine gives. */
function isLackOfMemory(cause: unknown): boolean {
  if (cause instanceof RangeError) return true;
  if (!(cause instanceof Error) || !("code" in cause)) return false;
  return cause.code === "Z_MEM_ERROR" || cause.code === "ERR_MEMORY_ALLOCATION_FAILED";
}

/** No damage: whoever takes it for that sets a good dump aside. */
function lackOfMemory(cause: unknown): Error {
  const error = new Error("ENOMEM: the dump does not fit into memory", { cause });
  return Object.assign(error, { code: "ENOMEM" });
}

/** What gzip's trailer promises, as far as that can be: deflate yields at most 1032 times its input. */
async function inflatedSize(file: Pick<FileHandle, "read">, size: number): Promise<number> {
  const trailer = await file.read(Math.max(0, size - 4), 4);
  if (trailer.length < 4) return 0;
  const promised = new DataView(trailer.buffer, trailer.byteOffset, 4).getUint32(0, true);
  return Math.min(promised, size * 1032);
}

/** Where the trailer promised less than there is. In slices: whoever made the dump chose how much that is. */
async function grown(
  bytes: Buffer<ArrayBuffer>,
  { length, needed }: { readonly length: number; readonly needed: number },
  slicer: Slicer,
): Promise<Buffer<ArrayBuffer>> {
  const most = Math.min(2 * bytes.length, constants.MAX_LENGTH);
  const larger = Buffer.allocUnsafeSlow(Math.max(needed, most));
  for (let at = 0; at < length; at += copyChunkBytes) {
    larger.set(bytes.subarray(at, Math.min(length, at + copyChunkBytes)), at);
    if (slicer.isDue) await slicer.pause();
  }
  return larger;
}

/** Of what was received, by the one who received it. */
export function tooLarge(bytesMax: number): ProtocolError {
  return new ProtocolError("dump-too-large", `it has more than ${bytesMax} bytes`);
}

function unreadable(cause: unknown): ProtocolError {
  return new ProtocolError("dump-malformed", "the dump cannot be inflated", { cause });
}

/** zlib's own codes (Z_DATA_ERROR, …) speak of the content, the system's of the disk. */
function isReadFault(code: unknown): boolean {
  return isFileFault(code) && typeof code === "string" && !code.startsWith("Z_");
}
