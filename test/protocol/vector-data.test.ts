import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { ProtocolError } from "../../protocol/errors.js";
import { DumpEncoder, parseDump } from "../../protocol/files/dump-format.js";
import { parseJournalHeader, walkRecords } from "../../protocol/files/journal-format.js";
import { decodeMeta } from "../../protocol/files/meta-format.js";
import { decodeCommand, encodeMembership, encodeVersion } from "../../protocol/log/commands.js";
import { encodeDelete, encodeExpire, encodeSet } from "../../protocol/log/kv-calls.js";
import { decodePickle } from "../../protocol/pickle/decoder.js";
import { encodePickle } from "../../protocol/pickle/encoder.js";
import { PyFloat, type PyValue } from "../../protocol/pickle/values.js";
import { FrameReader } from "../../protocol/wire/frame.js";
import { frameBytesMax } from "../../protocol/wire/limits.js";
import { Session } from "../../protocol/wire/session.js";
import {
  assertSame,
  bytesJson,
  bytesOf,
  canonical,
  toJson,
  type VectorJson,
  vectorBytes,
  vectorManifest,
  vectorVersions as versions,
  withoutResolvedAddress,
} from "./vector-json.js";

interface FileVector {
  readonly file: string;
  readonly kind: "journal" | "meta" | "dump";
  readonly version?: string;
  readonly end?: number;
  readonly entries?: readonly { index: number; term: number; command: VectorJson }[];
  readonly meta?: VectorJson;
  readonly dump?: VectorJson;
}

/** Only Quorate's own files carry checksums. */
const noCrc32 = () => 0;

/** The naive reading: storage's own is tolerant where that is safe. */
function readJournal(bytes: Uint8Array) {
  const header = parseJournalHeader(bytes, noCrc32);
  if (!header.isJournal || header.endOffset < 40) {
    throw new ProtocolError("journal-header", "no journal");
  }
  // A vector's terms jump by more than any cluster's would.
  const range = { from: 40, to: header.endOffset, termJumpMax: Number.POSITIVE_INFINITY };
  const walk = walkRecords(bytes, range);
  if (walk.stop !== null) throw new ProtocolError("journal-record", walk.stop.reason);
  return { header, entries: walk.entries };
}

function checkJournal(bytes: Uint8Array, vector: FileVector): void {
  const { header, entries } = readJournal(bytes);
  assert.equal(header.version, vector.version);
  assert.equal(header.endOffset, vector.end);
  assert.equal(header.seal, null);
  const read = entries.map(({ index, term, command }) => ({
    index,
    term,
    command: bytesJson(command),
  }));
  assert.deepEqual(read, vector.entries);
  if (vector.file === "truncated.journal") return;
  for (const { command } of entries) decodeCommand(command);
}

function checkMeta(bytes: Uint8Array, vector: FileVector): void {
  const { meta, isSealed } = decodeMeta(bytes, noCrc32);
  assert.equal(isSealed, false);
  assert.equal(meta.otherKeys.size, 0);
  const expected = new Map((vector.meta as { $dict: [string, unknown][] }).$dict);
  assert.equal(meta.commitIndex, expected.get("raftCommitIndex"));
  assert.equal(meta.term, expected.get("currentTerm") ?? 0);
  assert.equal(meta.votedFor, expected.get("votedForNodeId") ?? null);
}

function checkDump(bytes: Uint8Array, vector: FileVector): void {
  const value = decodePickle(gunzipSync(bytes));
  assert.ok(vector.dump !== undefined);
  assertSame(value, vector.dump, vector.file);
  const dump = parseDump(value);
  assert.ok(dump.members.length >= 3);
  assert.ok(dump.data.size >= 8);
  const encoder = new DumpEncoder(dump.codeVersion);
  for (const [key, item] of dump.data) {
    assert.ok(item instanceof Map);
    encoder.add(key, item);
  }
  encoder.finish(dump.last, dump.previous, dump.members);
  const again = parseDump(decodePickle(encoder.take()));
  assert.deepEqual(toJson(again.data), toJson(dump.data));
  assert.deepEqual({ ...again, data: null }, { ...dump, data: null });
}

for (const version of versions) {
  test(`files of ${version} decode`, () => {
    const { files } = vectorManifest<{ files: readonly FileVector[] }>(version, "files.json");
    const checks = { journal: checkJournal, meta: checkMeta, dump: checkDump };
    for (const vector of files) {
      checks[vector.kind](vectorBytes(version, "files", vector.file), vector);
    }
    assert.ok(files.length >= 17);
  });
}

interface CommandVector {
  readonly call: { readonly name: string; readonly args: VectorJson; readonly kwargs: VectorJson };
  readonly bytes: VectorJson;
}

const calls: Readonly<Record<string, number>> = { _delete: 0, _expire: 1, _set: 2 };

function float(value: PyValue | undefined): number {
  assert.ok(value instanceof PyFloat);
  return value.value;
}

/** The same command by our encoder; null where ours is meant to differ. */
function ourCommand(bytes: Uint8Array): Uint8Array | null {
  const command = decodeCommand(bytes);
  // Ours carries the address where upstream's carries a node: equal in meaning, not in bytes.
  if (command.kind === "membership") {
    const ours = encodeMembership(command.change, command.address);
    assert.deepEqual(decodeCommand(ours), command);
    return null;
  }
  if (command.kind === "version") return encodeVersion(command.version);
  assert.ok(command.kind === "regular");
  const [key, value] = command.call.args;
  assert.ok(typeof key === "string");
  const options = Object.fromEntries(command.call.kwargs) as Record<string, never>;
  if (command.call.funcId === calls["_delete"]) return encodeDelete(key, options);
  assert.ok(value instanceof Map);
  if (command.call.funcId === calls["_expire"]) return encodeExpire(key, value);
  const expire = value.get("expire");
  const record = {
    value: value.get("value") ?? null,
    updated: float(value.get("updated")),
    created: float(value.get("created")),
    ...(expire === undefined ? {} : { expire: float(expire) }),
  };
  return encodeSet(key, record, options);
}

for (const version of versions) {
  test(`commands of ${version} decode and encode back`, () => {
    const manifest = vectorManifest<{ commands: readonly CommandVector[] }>(
      version,
      "commands.json",
    );
    for (const { call, bytes } of manifest.commands) {
      const command = bytesOf(bytes);
      const decoded = decodeCommand(command);
      if (decoded.kind === "regular") {
        assert.equal(decoded.call.funcId, calls[call.name]);
        assert.deepEqual(decoded.call.args.map(toJson), canonical(call.args));
        assert.deepEqual(toJson(decoded.call.kwargs), canonical(call.kwargs));
      }
      const ours = ourCommand(command);
      if (ours === null) continue;
      assert.equal(ours[0], command[0]);
      const [own, real] = [ours, command].map((each) => toJson(decodePickle(each.subarray(1))));
      assert.deepEqual(own, withoutResolvedAddress(real ?? null));
    }
    assert.ok(manifest.commands.length >= 30);
  });
}

interface PickleVector {
  readonly name: string;
  readonly protocol: number;
  readonly value: VectorJson;
  readonly bytes: VectorJson;
}

test("pickles of every protocol decode, and what we encode of them reads the same", () => {
  const { pickles } = vectorManifest<{ pickles: PickleVector[] }>("common", "pickles.json");
  for (const { name, protocol, value, bytes } of pickles) {
    const what = `${name}, protocol ${protocol}`;
    const decoded = decodePickle(bytesOf(bytes));
    assertSame(decoded, value, what);
    assertSame(decodePickle(encodePickle(decoded)), value, `${what}, encoded by us`);
  }
  assert.ok(pickles.length > 100);
});

interface FailVector {
  readonly name: string;
  readonly target: string;
  readonly bytes: VectorJson;
  readonly fault: string;
}

function gzipFault(cause: unknown): ProtocolError {
  return new ProtocolError("dump-malformed", "no whole gzip file", { cause });
}

const attempts: Readonly<Record<string, (bytes: Uint8Array) => unknown>> = {
  pickle: (bytes) => decodePickle(bytes),
  command: (bytes) => decodeCommand(bytes),
  frame: (bytes) => {
    const reader = new FrameReader({ frameBytesMax });
    reader.push(bytes);
    return reader.next();
  },
  stream: (bytes) => {
    const options = { random: (n: number) => new Uint8Array(n), monotonicSec: () => 1 };
    const session = new Session({ role: { kind: "listener" }, key: null, ...options });
    session.start();
    return session.receive(bytes);
  },
  journal: readJournal,
  meta: (bytes) => decodeMeta(bytes, noCrc32),
  dump: (bytes) => {
    let inflated: Uint8Array;
    try {
      inflated = gunzipSync(bytes);
    } catch (cause) {
      throw gzipFault(cause);
    }
    return parseDump(decodePickle(inflated));
  },
};

const { cases } = vectorManifest<{ cases: FailVector[] }>("common", "must-fail.json");
for (const { name, target, bytes, fault } of cases) {
  test(`refused as ${fault}: ${name} (${target})`, () => {
    const attempt = attempts[target];
    assert.ok(attempt !== undefined, target);
    assert.throws(
      () => attempt(bytesOf(bytes)),
      (error) => error instanceof ProtocolError && error.code === fault,
    );
  });
}
