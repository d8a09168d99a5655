import type { Entry } from "../../../protocol/log/entry.js";

/** The pickle of a large entry as Python 3 writes it from protocol 3 on: bytes of their own opcode, in or behind a frame. */
export function laterEntryPickle(
  { command: bytes, index, term }: Entry,
  protocol: 3 | 4,
): Uint8Array {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  const count = (n: number) => {
    const int = Buffer.alloc(8);
    int.writeBigInt64LE(BigInt(n));
    return Buffer.concat([Buffer.of(0x8a, 8), int]);
  };
  const body = [
    Buffer.from("B"),
    length,
    bytes,
    count(index),
    count(term),
    Buffer.from("\x87.", "latin1"),
  ];
  if (protocol === 3) return Buffer.concat([Buffer.of(0x80, 3), ...body]);
  const framed = Buffer.concat(body);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(framed.length));
  return Buffer.concat([Buffer.of(0x80, 4, 0x95), size, framed]);
}
