import assert from "node:assert/strict";
import { test } from "node:test";
import { deflate } from "../../../protocol/wire/compression.js";
import { encodeFrame } from "../../../protocol/wire/frame.js";
import { encodeFrameAtOnce, encodeMessage } from "../../../protocol/wire/message-codec.js";
import type { PeerMessage } from "../../../protocol/wire/messages.js";

function append(bytes: readonly number[]): PeerMessage {
  const entries = bytes.map((count, at) => {
    return { index: 5 + at, term: 2, command: new Uint8Array(count).fill(at + 200) };
  });
  const place = { term: 2, commitIndex: 70_000, prevLogIdx: 4, prevLogTerm: 1 };
  return { type: "append_entries", ...place, entries };
}

test("a frame made at once is, byte for byte, the one that is made step by step", () => {
  const messages: PeerMessage[] = [
    append([]),
    append([1]),
    append([300, 4_000, 2]),
    append([20_000]),
    { type: "next_node_idx", nextNodeIdx: 300, reset: false, success: true },
    { type: "apply_command", command: new Uint8Array(300).fill(0xfe), requestId: 2 ** 20 },
    { type: "apply_command_response", requestId: 7, logIdx: 2 ** 33, logTerm: 1 },
    { type: "apply_command_response", requestId: 7, error: 4 },
  ];
  for (const message of messages) {
    const frame = encodeFrameAtOnce(message);
    assert.ok(frame !== null);
    assert.deepEqual(new Uint8Array(frame), encodeFrame(deflate(encodeMessage(message))));
  }
});

test("what takes more than one block, and what is rare, is not made at once", () => {
  assert.equal(encodeFrameAtOnce(append([40_000])), null);
  assert.equal(encodeFrameAtOnce({ type: "quorate_ping" }), null);
});
