import { deflateSync, inflateSync } from "node:zlib";
import { ProtocolError } from "../errors.js";

/** Upstream's level (`TcpConnection.send`); a receiver takes any. */
export const deflateLevel = 3;

/**
 * Up to this many bytes a message goes uncompressed, as one stored block of a zlib stream, which
 * every reader takes: a heartbeat or a small write would save a hundred bytes and cost five times
 * the processor time of all the rest of the encoding.
 */
export const storedBytesMax = 1024;

/** A zlib stream of one stored block: two bytes of stream header, then a final block of type 0. */
const streamHeader = [0x78, 0x01] as const;
const finalStoredBlock = 0x01;
const lengthAt = 3;
const dataAt = 7;
const checksumBytes = 4;

/** @returns a zlib stream of `data`. */
export function deflate(data: Uint8Array): Uint8Array {
  return data.length <= storedBytesMax ? store(data) : deflateSync(data, { level: deflateLevel });
}

/**
 * Inflates one zlib stream; bytes after its end are ignored, as Python's `zlib.decompress` does.
 *
 * @param bytesMax Inflating stops as soon as the result would be longer.
 * @returns memory of its own, or a view of `payload`.
 * @throws ProtocolError `frame-inflate` where the stream is broken, cut or too long.
 */
export function inflate(payload: Uint8Array, bytesMax: number): Uint8Array {
  const stored = readStored(payload);
  if (stored !== null && stored.length <= bytesMax) return stored;
  try {
    return inflateSync(payload, { maxOutputLength: bytesMax });
  } catch (cause) {
    throw inflateFault(payload.length, cause);
  }
}

function inflateFault(bytes: number, cause: unknown): ProtocolError {
  return new ProtocolError("frame-inflate", `cannot inflate ${bytes} bytes`, { cause });
}

function store(data: Uint8Array): Uint8Array {
  const { length } = data;
  const stream = new Uint8Array(dataAt + length + checksumBytes);
  stream[0] = streamHeader[0];
  stream[1] = streamHeader[1];
  stream[2] = finalStoredBlock;
  stream[lengthAt] = length & 0xff;
  stream[lengthAt + 1] = length >>> 8;
  stream[lengthAt + 2] = ~length & 0xff;
  stream[lengthAt + 3] = (~length >>> 8) & 0xff;
  stream.set(data, dataAt);
  const checksum = adler32(data);
  for (let at = 0; at < checksumBytes; at++) {
    stream[dataAt + length + at] = checksum >>> (24 - 8 * at);
  }
  return stream;
}

/** What a stream holds that `store` may have written; null for any other, which zlib then judges. */
function readStored(stream: Uint8Array): Uint8Array | null {
  if (
    stream[0] !== streamHeader[0] ||
    stream[1] !== streamHeader[1] ||
    stream[2] !== finalStoredBlock
  ) {
    return null;
  }
  const length = uint16(stream, lengthAt);
  const end = dataAt + length;
  if ((length ^ uint16(stream, lengthAt + 2)) !== 0xffff) return null;
  if (length > storedBytesMax || stream.length < end + checksumBytes) return null;
  const data = stream.subarray(dataAt, end);
  const checksum = ((uint16BE(stream, end) << 16) | uint16BE(stream, end + 2)) >>> 0;
  return adler32(data) === checksum ? data : null;
}

/** RFC 1950. Short enough that the sums fit a safe integer before they are reduced. */
function adler32(data: Uint8Array): number {
  let a = 1;
  let b = 0;
  for (const byte of data) {
    a += byte;
    b += a;
  }
  return (((b % 65_521) << 16) | (a % 65_521)) >>> 0;
}

function uint16(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
}

function uint16BE(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}
