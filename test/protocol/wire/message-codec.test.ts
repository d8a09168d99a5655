import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ProtocolError } from "../../../protocol/errors.js";
import { decodePickle } from "../../../protocol/pickle/decoder.js";
import { type PyDict, PyFloat, PyTuple, type PyValue } from "../../../protocol/pickle/values.js";
import {
  decodeEntryTuple,
  decodeMessage,
  encodeEntryTuple,
  encodeMessage,
} from "../../../protocol/wire/message-codec.js";
import type { PeerMessage } from "../../../protocol/wire/messages.js";

const count = fc.maxSafeNat();
const bytes = fc.uint8Array({ maxLength: 300 });
const entry = record({
  index: count,
  term: count,
  command: fc.uint8Array({ minLength: 1, maxLength: 300 }),
});
const prev = fc.oneof(
  record({ prevLogIdx: count, prevLogTerm: count }),
  fc.constant({ prevLogIdx: null, prevLogTerm: null }),
);

/** Records with the usual prototype, which deepEqual wants to see. */
function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record<T>(model, { noNullPrototype: true });
}

function orNull<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> {
  return fc.option<T, null>(arbitrary, { nil: null });
}

/** A generator for each kind of message; the type checker sees to it that none is missing. */
const generators: Record<PeerMessage["type"], fc.Arbitrary<PeerMessage>> = {
  request_vote: record({
    type: fc.constant("request_vote"),
    term: count,
    lastLogIndex: count,
    lastLogTerm: count,
  }),
  response_vote: record({ type: fc.constant("response_vote"), term: count }),
  append_entries: fc
    .tuple(count, count, prev, fc.array(entry, { maxLength: 4 }))
    .map(([term, commitIndex, before, entries]) => ({
      type: "append_entries",
      term,
      commitIndex,
      ...before,
      entries,
    })),
  append_chunk: fc
    .tuple(count, count, prev, bytes, fc.constantFrom("start", "process", "finish"))
    .map(([term, commitIndex, before, data, transmission]) => ({
      type: "append_chunk",
      term,
      commitIndex,
      ...before,
      data,
      transmission,
    })),
  install_snapshot: record({
    type: fc.constant("install_snapshot"),
    term: count,
    commitIndex: count,
    chunk: orNull(record({ data: bytes, isFirst: fc.boolean(), isLast: fc.boolean() })),
  }),
  next_node_idx: record({
    type: fc.constant("next_node_idx"),
    nextNodeIdx: count,
    reset: fc.boolean(),
    success: fc.boolean(),
  }),
  apply_command: record({
    type: fc.constant("apply_command"),
    command: bytes,
    requestId: orNull(count),
  }),
  apply_command_response: fc.oneof(
    record({
      type: fc.constant("apply_command_response"),
      requestId: count,
      logIdx: count,
      logTerm: count,
    }),
    record({ type: fc.constant("apply_command_response"), requestId: count, error: count }),
  ),
  timeout_now: record({ type: fc.constant("timeout_now"), term: count }),
  quorate_hello: record({
    type: fc.constant("quorate_hello"),
    protocol: count,
    version: fc.string(),
  }),
  quorate_ping: record({ type: fc.constant("quorate_ping") }),
  quorate_pong: record({ type: fc.constant("quorate_pong") }),
  quorate_pre_vote: record({
    type: fc.constant("quorate_pre_vote"),
    term: count,
    lastLogIndex: count,
    lastLogTerm: count,
  }),
  quorate_pre_vote_answer: record({
    type: fc.constant("quorate_pre_vote_answer"),
    term: count,
    granted: fc.boolean(),
    hearsLeader: fc.boolean(),
    commitIndex: count,
    commitTerm: count,
  }),
};

function dict(fields: Record<string, PyValue>): PyDict {
  return new Map<PyValue, PyValue>(Object.entries(fields));
}

function refuses(value: PyValue, code = "message-shape"): void {
  assert.throws(
    () => decodeMessage(value),
    (error) => error instanceof ProtocolError && error.code === code,
  );
}

const append = {
  type: "append_entries",
  term: 3,
  commit_index: 2,
  entries: [],
  prevLogIdx: 2,
  prevLogTerm: 1,
};
const chunk = {
  type: "append_entries",
  transmission: "start",
  data: Uint8Array.of(1),
  term: 3,
  commit_index: 2,
  prevLogIdx: 2,
  prevLogTerm: 1,
};
const snapshot = { type: "append_entries", term: 3, commit_index: 2 };

/** One good dict for each type on the wire; each of their fields is needed. */
const wholeDicts: Record<string, PyValue>[] = [
  { type: "request_vote", term: 1, last_log_index: 2, last_log_term: 3 },
  { type: "response_vote", term: 1 },
  { type: "next_node_idx", next_node_idx: 5, reset: false, success: true },
  { type: "apply_command", command: Uint8Array.of(1) },
  { type: "apply_command_response", request_id: 1, log_idx: 2, log_term: 3 },
  { type: "timeout_now", term: 1 },
  { type: "quorate_hello", protocol: 1, version: "0.1.0" },
  { type: "quorate_pre_vote", term: 1, last_log_index: 2, last_log_term: 3 },
  {
    type: "quorate_pre_vote_answer",
    term: 1,
    granted: true,
    hears_leader: false,
    commit_index: 1,
    commit_term: 0,
  },
];

for (const [type, generator] of Object.entries(generators)) {
  test(`${type} survives encoding and decoding`, () => {
    fc.assert(
      fc.property(generator, (message) => {
        const decoded = decodeMessage(decodePickle(encodeMessage(message)));
        assert.deepEqual(decoded, message);
      }),
    );
  });
}

test("a message of an unknown type is named, cut for the log", () => {
  assert.deepEqual(decodeMessage(dict({ type: "hello" })), { type: "unknown", name: "hello" });
  const long = decodeMessage(dict({ type: "x".repeat(1000) }));
  assert.deepEqual(long, { type: "unknown", name: "x".repeat(64) });
  assert.deepEqual(decodeMessage(dict({ type: "append_chunk" })), {
    type: "unknown",
    name: "append_chunk",
  });
});

test("what is no dict with a type is refused", () => {
  for (const value of [null, 5, "status", [], new PyTuple([]), dict({}), dict({ type: 5 })]) {
    refuses(value);
  }
});

test("a missing field, or one of another type, is refused", () => {
  for (const whole of wholeDicts) {
    assert.equal(decodeMessage(dict(whole)).type, whole["type"]);
    for (const name of Object.keys(whole).filter((key) => key !== "type")) {
      const { [name]: _, ...rest } = whole;
      refuses(dict(rest));
      for (const wrong of [null, [], new PyFloat(1), -1, new Map()]) {
        refuses(dict({ ...whole, [name]: wrong }));
      }
    }
  }
});

test("a number beyond the safe integers is refused, never rounded", () => {
  refuses(dict({ type: "response_vote", term: 2n ** 53n }), "number-range");
  refuses(dict({ type: "response_vote", term: -(2n ** 60n) }), "number-range");
  const entries = [new PyTuple([Uint8Array.of(1), 2n ** 63n, 1])];
  refuses(dict({ ...append, entries }), "number-range");
});

test("append_entries without entries is a heartbeat, as in upstream's reader", () => {
  const { entries: _, ...rest } = append;
  const decoded = decodeMessage(dict(rest));
  assert.deepEqual(decoded.type === "append_entries" && decoded.entries, []);
});

test("the previous entry may be None, where the sender no longer has it", () => {
  const decoded = decodeMessage(dict({ ...append, prevLogIdx: null, prevLogTerm: null }));
  assert.ok(decoded.type === "append_entries" && decoded.prevLogIdx === null);
  refuses(dict({ ...append, prevLogTerm: "1" }));
});

test("entries of other shapes are refused", () => {
  const command = Uint8Array.of(1);
  const strange: PyValue[] = [
    ...[5, [command, 1, 1], new PyTuple([]), new PyTuple([command, 1])],
    ...[new PyTuple([command, 1, 1, 1]), new PyTuple(["text", 1, 1])],
    ...[new PyTuple([command, -1, 1]), new PyTuple([command, 1, null])],
    new PyTuple([new Uint8Array(0), 1, 1]),
  ];
  for (const value of strange) refuses(dict({ ...append, entries: [value] }));
  refuses(dict({ ...append, entries: new PyTuple([]) }));
});

test("pieces of entries and dumps of other shapes are refused", () => {
  assert.equal(decodeMessage(dict(chunk)).type, "append_chunk");
  refuses(dict({ ...chunk, transmission: "middle" }));
  refuses(dict({ ...chunk, transmission: 1 }));
  refuses(dict({ ...chunk, data: null }));
  refuses(dict({ ...chunk, data: "text" }));
  const data = Uint8Array.of(1);
  const strange = [5, true, new PyTuple([data, true]), new PyTuple(["text", true, false])];
  for (const serialized of strange) refuses(dict({ ...snapshot, serialized }));
  refuses(dict({ ...snapshot, serialized: new PyTuple([data, 1, 0]) }));
});

test("a snapshot message without a piece is a heartbeat, for False and nothing as for None", () => {
  for (const fields of [snapshot, { ...snapshot, serialized: null }]) {
    const decoded = decodeMessage(dict(fields));
    assert.ok(decoded.type === "install_snapshot" && decoded.chunk === null);
  }
  // Upstream's Serializer.getTransmissionData where reading the dump fails.
  const failed = decodeMessage(dict({ ...snapshot, serialized: false }));
  assert.ok(failed.type === "install_snapshot" && failed.chunk === null);
});

test("an error in a response wins over a log position, unless it is None", () => {
  const both = { type: "apply_command_response", request_id: 1, log_idx: 2, log_term: 3 };
  assert.deepEqual(decodeMessage(dict({ ...both, error: 0 })), {
    type: "apply_command_response",
    requestId: 1,
    error: 0,
  });
  const decoded = decodeMessage(dict({ ...both, error: null }));
  assert.ok(decoded.type === "apply_command_response" && "logIdx" in decoded);
});

test("a command does not keep the message that it came in", () => {
  const message = encodeMessage({
    type: "append_entries",
    term: 1,
    commitIndex: 1,
    prevLogIdx: 1,
    prevLogTerm: 1,
    entries: [
      { index: 2, term: 1, command: Buffer.from("short") },
      { index: 3, term: 1, command: new Uint8Array(100_000).fill(65) },
    ],
  });
  const decoded = decodeMessage(decodePickle(message));
  const [first] = decoded.type === "append_entries" ? decoded.entries : [];
  assert.equal(first?.command.buffer.byteLength, 5);
});

test("an entry's tuple survives encoding and decoding", () => {
  fc.assert(
    fc.property(entry, (value) => {
      assert.deepEqual(decodeEntryTuple(encodeEntryTuple(value)), value);
    }),
  );
});

test("a cut tuple of an entry is told from a broken one", () => {
  const tuple = encodeEntryTuple({ index: 7, term: 3, command: Buffer.from("command ä") });
  for (let length = 0; length < tuple.length; length++) {
    assert.throws(
      () => decodeEntryTuple(tuple.subarray(0, length)),
      (error) => error instanceof ProtocolError && error.code === "pickle-truncated",
    );
  }
});
