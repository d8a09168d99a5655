import { decodePickle } from "../../../protocol/pickle/decoder.js";
import { encodePickle } from "../../../protocol/pickle/encoder.js";
import { pickleDumpLimits } from "../../../protocol/pickle/limits.js";
import { type PyDict, PyFloat, type PyValue } from "../../../protocol/pickle/values.js";
import { BackupError } from "./backup-error.js";
import { packed } from "./msgpack.js";

/**
 * A backup file is a stream of msgpack objects: a header, one object for each key, and an end of
 * fixed length that holds their number and the SHA-256 of all bytes before it. docs/backup.md has it
 * in detail.
 */
export const formatName = "quorate-backup";
export const formatVersion = 1;

export interface BackupHeader {
  /** Version of Quorate that wrote it. */
  readonly software: string;
  /** Wall clock when the copy was taken, in seconds since 1970. */
  readonly takenSec: number;
  /** Log index that the copy is of, and the term of the leader that it was taken from. */
  readonly appliedIndex: number;
  readonly term: number;
  readonly leader: string | null;
  readonly members: readonly string[];
  /** What the keys in it begin with; empty: all keys were taken. */
  readonly prefix: string;
}

/** A key with a value as Patroni stores it; times in seconds since 1970. */
export interface PlainEntry {
  readonly kind: "plain";
  readonly key: string;
  readonly value: string;
  readonly created: number;
  readonly updated: number;
  /** Null: it never expires. */
  readonly expire: number | null;
  /** Log index of the entry that had set it. */
  readonly index: number;
}

/** Whatever else somebody has stored: kept as the pickle of key and value dict. */
export interface OddEntry {
  readonly kind: "odd";
  readonly key: PyValue;
  readonly dict: PyDict;
}

export type BackupEntry = PlainEntry | OddEntry;

/** The file's first bytes: an array of three, and the name. */
export const magic: Uint8Array = Uint8Array.of(0x93, ...packed(formatName));

/** An array of "end" and 40 bytes: the number of keys as u64 big-endian, and the SHA-256. */
const endHead = Uint8Array.of(0x92, ...packed("end"), 0xc4, 40);
export const endBytes = endHead.length + 40;

export function encodeHeader(header: BackupHeader): Uint8Array {
  return packed([formatName, formatVersion, header]);
}

export function encodeEntry(key: PyValue, dict: PyDict): Uint8Array {
  const plain = plainEntry(key, dict);
  if (plain === null) return packed([encodePickle(key), encodePickle(dict)]);
  const { value, created, updated, expire, index } = plain;
  return packed([plain.key, value, created, updated, expire, index]);
}

export function encodeEnd(count: number, sha256: Uint8Array): Uint8Array {
  const end = new Uint8Array(endBytes);
  end.set(endHead);
  new DataView(end.buffer).setBigUint64(endHead.length, BigInt(count));
  end.set(sha256, endHead.length + 8);
  return end;
}

/** Null where these bytes are not the end of a backup. */
export function decodeEnd(end: Uint8Array): { count: number; sha256: Uint8Array } | null {
  if (end.length !== endBytes || endHead.some((byte, at) => end[at] !== byte)) return null;
  const count = new DataView(end.buffer, end.byteOffset).getBigUint64(endHead.length);
  return { count: Number(count), sha256: end.subarray(endHead.length + 8) };
}

/** @throws BackupError `newer` or `damaged`. */
export function decodeHeader(object: unknown): BackupHeader {
  const [, version, header]: readonly unknown[] = Array.isArray(object) ? object : [];
  if (typeof version === "number" && Number.isInteger(version) && version > formatVersion) {
    throw new BackupError(
      "newer",
      `it has format ${version}, and this version of Quorate reads ${formatVersion}: use a newer one`,
    );
  }
  if (version !== formatVersion || !isHeader(header)) throw damaged("its header makes no sense");
  return header;
}

/** @throws BackupError `damaged`. */
export function decodeEntry(object: unknown): BackupEntry {
  const fields: readonly unknown[] = Array.isArray(object) ? object : [];
  if (fields.length === 2) return oddEntry(fields);
  const [key, value, created, updated, expire, index] = fields;
  if (
    fields.length !== 6 ||
    typeof key !== "string" ||
    typeof value !== "string" ||
    typeof created !== "number" ||
    typeof updated !== "number" ||
    !(expire === null || typeof expire === "number") ||
    !isCount(index)
  ) {
    throw damaged("an entry makes no sense");
  }
  return { kind: "plain", key, value, created, updated, expire, index };
}

function oddEntry([key, dict]: readonly unknown[]): OddEntry {
  if (!(key instanceof Uint8Array) || !(dict instanceof Uint8Array)) {
    throw damaged("an entry makes no sense");
  }
  try {
    const value = decodePickle(dict, pickleDumpLimits, "copy");
    if (!(value instanceof Map)) throw new Error("a value is no dict");
    return { kind: "odd", key: decodePickle(key, pickleDumpLimits, "copy"), dict: value };
  } catch (error) {
    throw damaged("the pickle of an entry makes no sense", error);
  }
}

export function damaged(what: string, cause?: unknown): BackupError {
  return new BackupError(
    "damaged",
    `it is damaged: ${what}`,
    cause === undefined ? undefined : { cause },
  );
}

/** The usual shape of a value in five fields, or null. */
function plainEntry(key: PyValue, dict: PyDict): PlainEntry | null {
  const [value, index] = [dict.get("value"), dict.get("index")];
  const [created, updated] = [dict.get("created"), dict.get("updated")];
  const expire = dict.get("expire");
  if (dict.size !== (expire === undefined ? 4 : 5)) return null;
  if (!isText(key) || !isText(value) || !isCount(index)) return null;
  if (!(created instanceof PyFloat) || !(updated instanceof PyFloat)) return null;
  if (expire !== undefined && !(expire instanceof PyFloat)) return null;
  return {
    kind: "plain",
    ...{ key, value, index },
    created: created.value,
    updated: updated.value,
    expire: expire === undefined ? null : expire.value,
  };
}

/** A str that UTF-8 can hold: no half of a surrogate pair stands alone. */
function isText(value: PyValue | undefined): value is string {
  return typeof value === "string" && !/\p{Surrogate}/u.test(value);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isHeader(value: unknown): value is BackupHeader {
  if (typeof value !== "object" || value === null) return false;
  const field = (name: string): unknown => Reflect.get(value, name);
  const members = field("members");
  return (
    typeof field("software") === "string" &&
    typeof field("takenSec") === "number" &&
    isCount(field("appliedIndex")) &&
    isCount(field("term")) &&
    (field("leader") === null || typeof field("leader") === "string") &&
    Array.isArray(members) &&
    members.every((member) => typeof member === "string") &&
    typeof field("prefix") === "string"
  );
}
