import assert from "node:assert/strict";
import { test } from "node:test";
import { decodePickle } from "../../protocol/pickle/decoder.js";
import { encodePickle } from "../../protocol/pickle/encoder.js";
import { PyTuple, type PyValue } from "../../protocol/pickle/values.js";
import { inflate } from "../../protocol/wire/compression.js";
import { deriveFernetKey, type FernetKey, openToken } from "../../protocol/wire/fernet.js";
import { FrameReader } from "../../protocol/wire/frame.js";
import { frameBytesMax, messageBytesMax } from "../../protocol/wire/limits.js";
import {
  decodeEntryTuple,
  decodeMessage,
  encodeEntryTuple,
  encodeMessage,
} from "../../protocol/wire/message-codec.js";
import { Session, type SessionEvent } from "../../protocol/wire/session.js";
import {
  encodeMembers,
  encodeStatus,
  encodeUtility,
  parseMembers,
  parseStatus,
  parseUtility,
} from "../../protocol/wire/utility.js";
import {
  assertSame,
  toJson,
  type VectorJson,
  vectorBytes,
  vectorManifest,
  vectorVersions as versions,
  withoutResolvedAddress,
} from "./vector-json.js";

interface FrameVector {
  readonly connection: number;
  readonly position: number;
  readonly from: "connector" | "listener";
  readonly kind: string;
  readonly message: VectorJson;
  readonly offset: number;
  readonly length: number;
  readonly timestamp?: number;
}

interface FrameManifest {
  readonly password?: string;
  readonly frames: readonly FrameVector[];
}

interface Captured {
  readonly vector: FrameVector;
  readonly bytes: Uint8Array;
}

function captured(version: string, name: string): Captured[] {
  const { frames } = vectorManifest<FrameManifest>(version, `${name}.json`);
  const all = vectorBytes(version, `${name}.frames`);
  return frames.map((vector) => ({
    vector,
    bytes: all.subarray(vector.offset, vector.offset + vector.length),
  }));
}

function payloadOf(frame: Uint8Array): Uint8Array {
  const reader = new FrameReader({ frameBytesMax });
  // In two pieces, cut where the length ends.
  reader.push(frame.subarray(0, 4));
  assert.equal(reader.next(), null);
  reader.push(frame.subarray(4));
  const payload = reader.next();
  assert.ok(payload !== null, "a whole frame");
  assert.equal(reader.next(), null);
  return payload;
}

/** What came in, encoded by us, has to be what Python wrote, types included. */
function assertEncodesBack(value: PyValue, kind: string): void {
  const again = reencoded(value, kind);
  assert.deepEqual(toJson(again), withoutResolvedAddress(toJson(value)), kind);
}

function reencoded(value: PyValue, kind: string): PyValue {
  if (kind === "utility reply: status") return encodeStatus(parseStatus(value));
  if (kind === "utility reply: members") return encodeMembers(parseMembers(value));
  if (kind.startsWith("utility request")) {
    assert.ok(Array.isArray(value));
    const request = parseUtility(value);
    const name = request.command === "malformed" ? request.name : request.command;
    assert.ok(kind.endsWith(name), `${kind} is understood`);
    return encodeUtility(request);
  }
  if (!(value instanceof Map)) return decodePickle(encodePickle(value));
  const message = decodeMessage(value);
  if (message.type === "unknown") return assert.fail(`${kind} is unknown`);
  return decodePickle(encodeMessage(message));
}

for (const version of versions) {
  test(`frames of ${version} without a password decode and encode back`, () => {
    const kinds = new Set<string>();
    for (const { vector, bytes } of captured(version, "plain")) {
      const what = `${vector.kind} at ${vector.offset}`;
      const value = decodePickle(inflate(payloadOf(bytes), messageBytesMax));
      assertSame(value, vector.message, what);
      assertEncodesBack(value, vector.kind);
      kinds.add(vector.kind);
    }
    assert.ok(kinds.size >= 27, `kinds of messages: ${[...kinds].join(", ")}`);
    assert.equal(kinds.has("timeout_now"), version === "0.3.16" || version === "0.3.17");
  });

  test(`large entries of ${version} come together from their chunks`, () => {
    const pieces = new Map<number, Uint8Array[]>();
    let whole = 0;
    for (const { vector, bytes } of captured(version, "plain")) {
      if (!vector.kind.startsWith("append_entries: transmission")) continue;
      const value = decodePickle(inflate(payloadOf(bytes), messageBytesMax));
      const message = decodeMessage(value);
      assert.ok(message.type === "append_chunk");
      const before = message.transmission === "start" ? [] : pieces.get(vector.connection);
      assert.ok(before !== undefined, "a chunk follows a start");
      pieces.set(vector.connection, [...before, message.data]);
      if (message.transmission !== "finish") continue;
      const entry = decodeEntryTuple(Buffer.concat(pieces.get(vector.connection) ?? []));
      assert.ok(entry.command.length > 64 * 1024);
      assert.deepEqual(decodeEntryTuple(encodeEntryTuple(entry)), entry);
      whole += 1;
    }
    assert.ok(whole >= 2);
  });

  test(`frames of ${version} with a password decode`, () => {
    const key = keyOf(version);
    for (const { vector, bytes } of captured(version, "password")) {
      const { data, timestampSec } = openToken(key, payloadOf(bytes));
      assert.equal(timestampSec, vector.timestamp);
      const value = decodePickle(inflate(data, messageBytesMax));
      assertSame(value, vector.message, vector.kind);
      if (value instanceof PyTuple) assertEncodesBack(value.items[1] ?? null, vector.kind);
    }
  });

  for (const name of ["plain", "password"]) {
    test(`a session takes each side of the connections of ${version}, ${name}`, () => {
      const frames = captured(version, name);
      const events: SessionEvent["kind"][] = [];
      for (const connection of new Set(frames.map(({ vector }) => vector.connection))) {
        const all = frames.filter(({ vector }) => vector.connection === connection);
        const begin = all.filter(({ vector }, n) => vector.position === n);
        const key = name === "password" ? keyOf(version) : null;
        events.push(...replay(begin, "listener", key), ...replay(begin, "connector", key));
      }
      const expected = ["member", "message", "observer", "ready", "reply", "utility"];
      const isPlain = name === "plain";
      // Without a password a connector is ready from the start, without an event.
      const wanted = expected.filter((kind) => !(isPlain && kind === "ready"));
      assert.deepEqual([...new Set(events)].sort(), wanted);
    });
  }
}

const keys = new Map<string, FernetKey>();

function keyOf(version: string): FernetKey {
  const { password } = vectorManifest<FrameManifest>(version, "password.json");
  assert.ok(password !== undefined);
  const known = keys.get(password) ?? deriveFernetKey(password);
  keys.set(password, known);
  return known;
}

/** Puts our session in one side's place: what the other side sent has to be accepted. */
function replay(
  frames: readonly Captured[],
  side: "listener" | "connector",
  key: FernetKey | null,
): SessionEvent["kind"][] {
  const own = frames.filter(({ vector }) => vector.from === side);
  const others = frames.filter(({ vector }) => vector.from !== side);
  // The random key that this side had made up is in its first frame.
  const random = key === null ? null : randomKey(own[0], key);
  const session = new Session({
    role: side === "listener" ? { kind: "listener" } : connectorRole(own, key),
    key,
    random: (bytes) => (random?.length === bytes ? random : new Uint8Array(bytes)),
    monotonicSec: () => 1000,
  });
  session.start();
  const events: SessionEvent["kind"][] = [];
  for (const { bytes } of others) {
    // In two chunks, the second of one byte.
    for (const chunk of [bytes.subarray(0, -1), bytes.subarray(-1)]) {
      events.push(...session.receive(chunk).events.map((event) => event.kind));
    }
  }
  return events;
}

/** The first message of either side; the listener's already carries the connector's key. */
function randomKey(frame: Captured | undefined, key: FernetKey): Uint8Array {
  assert.ok(frame !== undefined);
  const value = decodePickle(inflate(openToken(key, payloadOf(frame.bytes)).data, messageBytesMax));
  const made = value instanceof PyTuple ? value.items[1] : value;
  assert.ok(made instanceof Uint8Array, "the first message is the random key");
  return made;
}

function connectorRole(own: readonly Captured[], key: FernetKey | null) {
  const first = own[key === null ? 0 : 1];
  assert.ok(first !== undefined, "a connector says who it is");
  const payload = payloadOf(first.bytes);
  const data = key === null ? payload : openToken(key, payload).data;
  const value = decodePickle(inflate(data, messageBytesMax));
  const message = value instanceof PyTuple ? value.items[1] : value;
  if (typeof message === "string") return { kind: "connector", hello: message } as const;
  assert.ok(Array.isArray(message));
  return { kind: "utility", request: message } as const;
}
