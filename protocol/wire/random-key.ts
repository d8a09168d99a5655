import { encodePickle } from "../pickle/encoder.js";

/** A pickle of protocol 2 begins with PROTO and the version, and ends with STOP. */
const protoOpcode = 0x80;
const pickleProtocol = 2;
const headerBytes = 2;
const stopOpcode = 0x2e;
const tuple2Opcode = 0x86;

/**
 * Makes the pickle of `(key, message)` from the pickle of `message`, without pickling that again.
 * Memo slots of the two may have the same numbers: the later value replaces the earlier one, and
 * nothing looks back at the key.
 *
 * @param pickle Protocol 2, from our own encoder.
 */
export function wrapWithKey(key: Uint8Array, pickle: Uint8Array): Uint8Array {
  const end = pickle.length - 1;
  if (pickle[0] !== protoOpcode || pickle[1] !== pickleProtocol || pickle[end] !== stopOpcode) {
    throw new Error("not a pickle of protocol 2");
  }
  const keyPickle = encodePickle(key);
  const start = keyPickle.subarray(0, keyPickle.length - 1);
  const body = pickle.subarray(headerBytes, end);
  const wrapped = new Uint8Array(start.length + body.length + 2);
  wrapped.set(start);
  wrapped.set(body, start.length);
  wrapped[wrapped.length - 2] = tuple2Opcode;
  wrapped[wrapped.length - 1] = stopOpcode;
  return wrapped;
}

/** Takes as long for a key that is wrong in its first byte as for one wrong in its last. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let differences = 0;
  for (let at = 0; at < a.length; at++) differences |= (a[at] ?? 0) ^ (b[at] ?? 0);
  return differences === 0;
}
