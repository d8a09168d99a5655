import type { PyValue } from "./values.js";
import { PickleWriter } from "./writer.js";

export { PickleWriter };

/** Kept between calls, so that a small message costs no new buffer; encoding is synchronous. */
const writer = new PickleWriter();

/**
 * A complete pickle of protocol 2 that any Python since 2.7 reads back equal, with equal types.
 * Throws an Error for what no Python value is, and for a value that nests too deeply.
 */
export function encodePickle(value: PyValue): Uint8Array {
  // A call that threw has left its beginning behind.
  writer.clear();
  writer.writeProto();
  writer.writeValue(value);
  writer.writeStop();
  return writer.take();
}
