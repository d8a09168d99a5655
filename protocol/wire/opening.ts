import { ProtocolError } from "../errors.js";
import { decodePickle, PickleDecoder } from "../pickle/decoder.js";
import type { PickleLimits } from "../pickle/limits.js";
import type { PyValue } from "../pickle/values.js";
import { readStored } from "./compression.js";
import { type FernetKey, openToken } from "./fernet.js";
import { decodeHot } from "./hot-decoder.js";
import {
  inflateSliceBytes,
  opsPerSlice,
  smallFrameBytesMax,
  smallMessageBytesMax,
} from "./limits.js";
import type { PeerMessage } from "./messages.js";
import { Scratch, smallScratch } from "./scratch.js";
import { TokenStream } from "./token-stream.js";

/** What a frame may cost. */
export interface Allowance {
  readonly frameBytesMax: number;
  /** After inflating. */
  readonly messageBytesMax: number;
  readonly pickleLimits: Partial<PickleLimits>;
  /** Where a large one is opened. */
  readonly scratch: Scratch;
}

export interface Opened {
  /** What it held; a message that was recognized at once stands in `message` instead. */
  readonly value: PyValue;
  readonly message: PeerMessage | null;
  /** The token's; 0 without a password. */
  readonly timestampSec: number;
}

/** What a frame is expected to hold after the handshake. */
export interface Expected {
  /** That goes with each message; null without a password. */
  readonly key: Uint8Array | null;
  readonly entriesMax: number;
}

/** `working`: a slice is done. `waiting`: nothing could be done, another message has the memory. */
export type OpeningState = "working" | "waiting";

/**
 * A small frame's content. Null where the message turns out to be large, whatever its frame was.
 *
 * @throws ProtocolError: disconnect.
 */
export function openSmall(
  pieces: readonly Uint8Array[],
  key: FernetKey | null,
  allowance: Allowance,
  expected: Expected | null,
): Opened | null {
  const [single = new Uint8Array(0)] = pieces;
  const payload = pieces.length > 1 && key !== null ? Buffer.concat(pieces) : single;
  const token = key === null ? null : openToken(key, payload);
  const stream = token === null ? pieces : [token.data];
  const pickle = inflateSmall(stream, allowance.messageBytesMax);
  if (pickle === null) return null;
  const timestampSec = token?.timestampSec ?? 0;
  const message = expected && decodeHot(pickle, expected.key, expected.entriesMax);
  if (message !== null) return { value: null, message, timestampSec };
  const value = decodePickle(pickle, allowance.pickleLimits, "copy");
  return { value, message, timestampSec };
}

export function isSmall(pieces: readonly Uint8Array[]): boolean {
  let bytes = 0;
  for (const piece of pieces) bytes += piece.length;
  return bytes <= smallFrameBytesMax;
}

function inflateSmall(stream: readonly Uint8Array[], bytesMax: number): Uint8Array | null {
  const [single] = stream;
  const stored = stream.length === 1 && single !== undefined ? readStored(single) : null;
  if (stored !== null && stored.length <= bytesMax) return stored;
  const bytes = smallScratch.claim();
  if (bytes === null) throw new Error("unreachable: small messages are opened one after the other");
  smallScratch.release();
  const { inflater } = smallScratch;
  inflater.start(stream, bytes, bytesMax);
  return inflater.run(smallMessageBytesMax) ? bytes.subarray(0, inflater.length) : null;
}

/**
 * A large message's value, in slices. Ending the generator early gives the memory back.
 *
 * @param pieces Are written to.
 * @param mayWait Whether to wait for the memory that large messages of one kind of peer share; otherwise memory of
 *   its own is made where that is taken.
 * @throws ProtocolError: disconnect.
 */
export function* openLarge(
  pieces: Uint8Array[],
  key: FernetKey | null,
  allowance: Allowance,
  mayWait: boolean,
): Generator<OpeningState, Opened> {
  let timestampSec = 0;
  if (key !== null) {
    const token = new TokenStream(key, pieces);
    for (const _ of token.open()) yield "working";
    timestampSec = token.timestampSec;
  }
  let { scratch } = allowance;
  let bytes = scratch.claim(allowance.messageBytesMax);
  while (bytes === null) {
    if (mayWait) yield "waiting";
    // Whoever cannot wait has few large messages.
    else scratch = new Scratch(allowance.messageBytesMax);
    bytes = scratch.claim(allowance.messageBytesMax);
  }
  try {
    const { inflater } = scratch;
    inflater.start(pieces, bytes, allowance.messageBytesMax);
    while (!inflater.run(inflateSliceBytes)) yield "working";
    const pickle = bytes.subarray(0, inflater.length);
    const decoder = new PickleDecoder(pickle, allowance.pickleLimits, "copy");
    while (!decoder.run(opsPerSlice)) yield "working";
    return { value: decoder.result(), message: null, timestampSec };
  } finally {
    scratch.release();
  }
}

/** Checks the order of timestamps, which is all that counts of them: their origin is the sender's. */
export function checkTimestamp(lastSec: number, timestampSec: number): void {
  if (timestampSec >= lastSec) return;
  throw new ProtocolError(
    "fernet-replay",
    `a token's timestamp went from ${lastSec} back to ${timestampSec}`,
  );
}
