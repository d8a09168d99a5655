import { constants, deflateSync } from "node:zlib";
import { Inflater } from "./inflater.js";

/** Upstream's level (`TcpConnection.send`); a receiver takes any. */
export const deflateLevel = 3;

/**
 * Up to this many bytes a message goes uncompressed, as stored blocks of a zlib stream, which every
 * reader takes. That covers heartbeats, writes and batches of entries; what they would save on the
 * wire costs the sender and each receiver more processor time than all the rest of their work
 * (docs/performance has figures). As a token it still is a small frame.
 */
export const storedBytesMax = 80 * 1024;

/**
 * A message of more, which is a single large command, is not searched for what repeats, only for how often each
 * byte occurs: for 8 MiB that takes a hundred milliseconds at most instead of up to five hundred, in which the
 * sender does nothing else. It is not stored either: PySyncObj's receivers take the longer for a frame the larger it is.
 */
export const searchedBytesMax = 1024 * 1024;
/** The stream comes in pieces of this size, which are put together in the end. */
const deflatedPieceBytes = 1024 * 1024;

/** A zlib stream of stored blocks: two bytes of stream header, then blocks of type 0. */
const streamHeader = [0x78, 0x01] as const;
const streamHeaderBytes = 2;
const storedBlock = 0x00;
const finalStoredBlock = 0x01;
/** Type, length, and the length's complement. */
const blockHeaderBytes = 5;
const blockBytesMax = 0xffff;
const checksumBytes = 4;

/** @returns a zlib stream of `data`. */
export function deflate(data: Uint8Array): Uint8Array {
  if (data.length <= storedBytesMax) return store(data);
  if (data.length <= searchedBytesMax) return deflateSync(data, { level: deflateLevel });
  return deflateSync(data, { strategy: constants.Z_RLE, chunkSize: deflatedPieceBytes });
}

const inflater = new Inflater();
/** First room for a result whose length nobody knows. */
const inflateRoomBytes = 64 * 1024;

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
  for (let room = inflateRoomBytes; ; room *= 8) {
    const bytes = new Uint8Array(Math.min(room, bytesMax));
    inflater.start([payload], bytes, bytesMax);
    if (inflater.run(room)) return bytes.subarray(0, inflater.length);
  }
}

/** Bytes of a stream of one stored block before and behind its data. */
export const storedHeadBytes = streamHeaderBytes + blockHeaderBytes;
export const storedTailBytes = checksumBytes;
/** Largest data of one stored block. */
export const storedBlockBytesMax = blockBytesMax;

/**
 * Writes head and tail of a stream of one stored block around data that is in its place already.
 *
 * @param at Where the stream begins in `memory`; its data begins `storedHeadBytes` later.
 * @param length Bytes of the data.
 */
export function storeInPlace(memory: Uint8Array, at: number, length: number): void {
  memory[at] = streamHeader[0];
  memory[at + 1] = streamHeader[1];
  memory[at + 2] = finalStoredBlock;
  memory[at + 3] = length & 0xff;
  memory[at + 4] = length >>> 8;
  memory[at + 5] = ~length & 0xff;
  memory[at + 6] = (~length >>> 8) & 0xff;
  const start = at + storedHeadBytes;
  const end = start + length;
  const checksum = adler32(memory, start, end);
  memory[end] = checksum >>> 24;
  memory[end + 1] = (checksum >>> 16) & 0xff;
  memory[end + 2] = (checksum >>> 8) & 0xff;
  memory[end + 3] = checksum & 0xff;
}

function store(data: Uint8Array): Uint8Array {
  const { length } = data;
  const blocks = Math.max(1, Math.ceil(length / blockBytesMax));
  const end = streamHeaderBytes + blocks * blockHeaderBytes + length;
  const stream = new Uint8Array(end + checksumBytes);
  stream.set(streamHeader);
  let to = streamHeaderBytes;
  for (let block = 0; block < blocks; block++) {
    const from = block * blockBytesMax;
    const bytes = Math.min(blockBytesMax, length - from);
    stream[to] = block === blocks - 1 ? finalStoredBlock : storedBlock;
    stream[to + 1] = bytes & 0xff;
    stream[to + 2] = bytes >>> 8;
    stream[to + 3] = ~bytes & 0xff;
    stream[to + 4] = (~bytes >>> 8) & 0xff;
    stream.set(blocks === 1 ? data : data.subarray(from, from + bytes), to + blockHeaderBytes);
    to += blockHeaderBytes + bytes;
  }
  const checksum = adler32(data);
  for (let at = 0; at < checksumBytes; at++) stream[end + at] = checksum >>> (24 - 8 * at);
  return stream;
}

/**
 * What a stream of one stored block holds: a view. Null for any other: the inflater copes with more
 * blocks almost as fast.
 */
export function readStored(stream: Uint8Array): Uint8Array | null {
  if (
    stream[0] !== streamHeader[0] ||
    stream[1] !== streamHeader[1] ||
    stream[streamHeaderBytes] !== finalStoredBlock
  ) {
    return null;
  }
  const length = uint16(stream, streamHeaderBytes + 1);
  const start = streamHeaderBytes + blockHeaderBytes;
  const end = start + length;
  if ((length ^ uint16(stream, streamHeaderBytes + 3)) !== 0xffff) return null;
  if (stream.length < end + checksumBytes) return null;
  const data = stream.subarray(start, end);
  const checksum = ((uint16BE(stream, end) << 16) | uint16BE(stream, end + 2)) >>> 0;
  return adler32(data) === checksum ? data : null;
}

const adlerModulus = 65_521;
/** So many bytes of the largest value keep both sums within 31 bits. */
const adlerRunBytes = 3_800;

/** RFC 1950, four bytes a step: with the engine's small integers it costs less than a copy would. */
function adler32(data: Uint8Array, from = 0, to = data.length): number {
  let a = 1;
  let b = 0;
  for (let at = from; at < to; ) {
    const end = Math.min(to, at + adlerRunBytes);
    for (; at < end - 3; at += 4) {
      a = (a + (data[at] ?? 0)) | 0;
      b = (b + a) | 0;
      a = (a + (data[at + 1] ?? 0)) | 0;
      b = (b + a) | 0;
      a = (a + (data[at + 2] ?? 0)) | 0;
      b = (b + a) | 0;
      a = (a + (data[at + 3] ?? 0)) | 0;
      b = (b + a) | 0;
    }
    for (; at < end; at++) {
      a = (a + (data[at] ?? 0)) | 0;
      b = (b + a) | 0;
    }
    a %= adlerModulus;
    b %= adlerModulus;
  }
  return ((b << 16) | a) >>> 0;
}

function uint16(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
}

function uint16BE(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}
