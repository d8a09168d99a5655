/**
 * Node's own string conversions, without the argument handling of `toString` and `write`, which
 * costs more than the conversion itself for the short strings that pickles hold. They are part of
 * every Node since 0.11 but of no type package.
 */
declare global {
  interface Buffer {
    utf8Slice(start: number, end: number): string;
    latin1Slice(start: number, end: number): string;
    ucs2Slice(start: number, end: number): string;
    /** Returns the number of bytes written. Lone surrogates become U+FFFD. */
    utf8Write(text: string, offset: number, length: number): number;
    latin1Write(text: string, offset: number, length: number): number;
  }
}

/** The same memory as a Buffer: no copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The same memory as a plain Uint8Array, whatever subclass `bytes` is: no copy. */
export function viewOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start);
}
