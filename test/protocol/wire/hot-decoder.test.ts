import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ProtocolError } from "../../../protocol/errors.js";
import { decodePickle } from "../../../protocol/pickle/decoder.js";
import { encodePickle } from "../../../protocol/pickle/encoder.js";
import { PyTuple } from "../../../protocol/pickle/values.js";
import { decodeHot } from "../../../protocol/wire/hot-decoder.js";
import { hotEntriesMax, messagePickleLimits } from "../../../protocol/wire/limits.js";
import { decodeMessage, encodeMessage } from "../../../protocol/wire/message-codec.js";
import type { PeerMessage } from "../../../protocol/wire/messages.js";
import { wrapWithKey } from "../../../protocol/wire/random-key.js";
import { messageSeeds } from "../../fuzz/seeds.js";

const bytes = (minLength: number) => fc.uint8Array({ minLength, maxLength: 400 });
const count = fc.oneof(fc.nat(300), fc.nat(70_000), fc.nat(0x7fff_ffff));

const messages: fc.Arbitrary<PeerMessage> = fc.oneof(
  fc.record({
    type: fc.constant("append_entries" as const),
    ...{ term: count, commitIndex: count, prevLogIdx: count, prevLogTerm: count },
    entries: fc.array(fc.record({ command: bytes(1), index: count, term: count })),
  }),
  fc.record({
    type: fc.constant("next_node_idx" as const),
    ...{ nextNodeIdx: count, reset: fc.boolean(), success: fc.boolean() },
  }),
  fc.record({
    type: fc.constant("apply_command" as const),
    command: bytes(1),
    requestId: fc.option(count),
  }),
  fc.record({
    type: fc.constant("apply_command_response" as const),
    ...{ requestId: count, logIdx: count, logTerm: count },
  }),
  fc.constantFrom({ type: "quorate_ping" as const }, { type: "quorate_pong" as const }),
);

/** What the general decoder makes of it; null: a fault. */
function general(pickle: Uint8Array): unknown {
  try {
    return decodeMessage(decodePickle(pickle, messagePickleLimits, "copy"));
  } catch (error) {
    if (error instanceof ProtocolError) return null;
    throw error;
  }
}

/** @returns whether it was recognized. */
function agrees(pickle: Uint8Array): boolean {
  const hot = decodeHot(pickle, null, hotEntriesMax);
  if (hot !== null) assert.deepEqual(hot, general(pickle));
  return hot !== null;
}

/** As a mutation of one place, a piece left out, and two pieces exchanged. */
function mutated(pickle: Uint8Array, at: number, byte: number, length: number): Uint8Array[] {
  const place = at % pickle.length;
  const flipped = new Uint8Array(pickle);
  flipped[place] = byte;
  const rest = pickle.subarray(place + length);
  const moved = Buffer.concat([rest, pickle.subarray(0, place)]);
  return [flipped, Buffer.concat([pickle.subarray(0, place), rest]), moved];
}

describe("the decoder of messages that flow for each write", () => {
  it("recognizes all that we send, and gives what the general one gives", () => {
    fc.assert(fc.property(messages, (message) => assert.ok(agrees(encodeMessage(message)))));
  });

  it("recognizes what real PySyncObj members have sent", () => {
    const recognized = messageSeeds.filter(agrees).map((pickle) => general(pickle));
    const types = new Set(recognized.map((message) => (message as PeerMessage).type));
    for (const type of ["append_entries", "next_node_idx", "apply_command"]) {
      assert.ok(types.has(type as PeerMessage["type"]), type);
    }
  });

  it("never gives anything else than the general one, whatever it is shown", () => {
    const seeds = fc.oneof(messages.map(encodeMessage), fc.constantFrom(...messageSeeds));
    const place = fc.nat(5_000);
    fc.assert(
      fc.property(seeds, place, fc.nat(255), fc.nat(40), (pickle, at, byte, length) => {
        for (const each of mutated(pickle, at, byte, length)) agrees(each);
      }),
      { numRuns: 3_000 },
    );
  });

  it("takes the key of the connection, and no other", () => {
    const key = new Uint8Array(32).fill(200);
    const message: PeerMessage = { type: "apply_command", command: Uint8Array.of(0), requestId: 1 };
    const pickle = encodeMessage(message);
    assert.deepEqual(decodeHot(wrapWithKey(key, pickle), key, 0), message);
    assert.equal(decodeHot(wrapWithKey(new Uint8Array(32), pickle), key, 0), null);
    assert.equal(decodeHot(pickle, key, 0), null);
    assert.equal(decodeHot(wrapWithKey(key, pickle), null, 0), null);
  });

  it("leaves what is unusual to the general one", () => {
    const entry = { command: Uint8Array.of(0, 128), index: 5, term: 1 };
    const place = { term: 1, commitIndex: 2, prevLogIdx: 4, prevLogTerm: 1 };
    const append: PeerMessage = { type: "append_entries", ...place, entries: [entry, entry] };
    assert.notEqual(decodeHot(encodeMessage(append), null, 2), null);
    assert.equal(decodeHot(encodeMessage(append), null, 1), null);
    const beyond: PeerMessage = { ...append, term: 2 ** 33 };
    assert.equal(decodeHot(encodeMessage(beyond), null, 2), null);
    assert.equal(decodeHot(encodePickle(new PyTuple(["append_entries", 1])), null, 2), null);
    assert.equal(decodeHot(new Uint8Array(0), null, 2), null);
  });
});
