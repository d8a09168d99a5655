import { decodeMultiStream, encode } from "@msgpack/msgpack";

declare global {
  /** The package's types name what browsers have and Node.js's types lack. */
  type BufferSource = ArrayBufferView | ArrayBuffer;
}

/** A value is a pickle of at most 256 MiB (src/client/limits.ts); nothing in a file is longer. */
const valueBytesMax = 256 * 1024 * 1024;

/** More members than any cluster has; an entry has six fields, the header seven. */
const decodeOptions = {
  context: undefined,
  maxStrLength: valueBytesMax,
  maxBinLength: valueBytesMax,
  maxArrayLength: 1024,
  maxMapLength: 64,
  maxExtLength: 0,
} as const;

/** One msgpack object. */
export function packed(value: unknown): Uint8Array {
  return encode(value);
}

/**
 * The objects of a stream, one after the other; the last one may be cut and is left out then.
 *
 * @throws Error where the bytes are no msgpack, or an object is larger than a backup's can be.
 */
export function unpacked(stream: AsyncIterable<Uint8Array>): AsyncIterable<unknown> {
  return decodeMultiStream(stream, decodeOptions);
}
