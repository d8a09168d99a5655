import { ProtocolError } from "../errors.js";
import { decodePickle } from "../pickle/decoder.js";
import { encodePickle } from "../pickle/encoder.js";
import type { PyDict, PyValue } from "../pickle/values.js";
import type { Crc32 } from "./journal-format.js";

/**
 * The journal's meta file (upstream: pysyncobj/journal.py, `MetaStorer`): one pickled dict, of which
 * unpickling reads no byte behind its STOP. Behind it Quorate writes a seal, and then both once
 * more, so that one damaged byte or sector loses neither the term nor the vote:
 *
 *     pickle, "QUORATE1", u32 length of the pickle, u32 CRC-32 of the pickle; the same again
 */
export interface Meta {
  readonly term: number;
  readonly votedFor: string | null;
  readonly commitIndex: number;
  /** The member's state is incomplete: no vote and no leadership until a leader has completed it. */
  readonly mustRefetch: boolean;
  /** And what terms the member has taken part in is not known: it follows nobody before it has asked. */
  readonly forgotTerm: boolean;
  /** It began without any files, and has neither voted nor met a leader since. */
  readonly isBlank: boolean;
  /** Terms up to here may have been led twice, by members that forgot them; 0: none is known of. */
  readonly secondTerm: number;
  /** Of terms up to here the member does not know whether it has voted in them; 0: it knows. */
  readonly termFloor: number;
  /** Address of the Quorate member that wrote the file; null: a vanilla one, or one before this key. */
  readonly owner: string | null;
  /** Keys that this version does not know; they are written back. */
  readonly otherKeys: PyDict;
}

export interface DecodedMeta {
  readonly meta: Meta;
  /** A Quorate member wrote the file last, and the values are those it wrote. */
  readonly isSealed: boolean;
  /** One of the two copies is damaged. */
  readonly isRepaired: boolean;
}

const termKey = "currentTerm";
const voteKey = "votedForNodeId";
const commitKey = "raftCommitIndex";
const refetchKey = "quorateMustRefetch";
const forgotKey = "quorateForgotTerm";
const blankKey = "quorateBlank";
const secondTermKey = "quorateSecondTerm";
const floorKey = "quorateTermFloor";
const ownerKey = "quorateMember";
const markKeys = [refetchKey, forgotKey, blankKey, secondTermKey, floorKey, ownerKey];
const ownKeys = [termKey, voteKey, commitKey, ...markKeys];
const magic = Uint8Array.from("QUORATE1", (letter) => letter.charCodeAt(0));
const sealBytes = magic.length + 8;

export function encodeMeta(meta: Meta, crc32: Crc32): Uint8Array {
  const pickle = encodeMetaPickle(meta);
  const half = pickle.length + sealBytes;
  const bytes = new Uint8Array(2 * half);
  bytes.set(pickle, 0);
  bytes.set(magic, pickle.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(pickle.length + magic.length, pickle.length, true);
  view.setUint32(pickle.length + magic.length + 4, crc32(pickle), true);
  bytes.copyWithin(half, 0, half);
  return bytes;
}

/** Without the seal: a file that does not pass for a Quorate member's own. */
export function encodeMetaPickle(meta: Meta): Uint8Array {
  const dict: PyDict = new Map(meta.otherKeys);
  dict.set(termKey, meta.term);
  dict.set(voteKey, meta.votedFor);
  dict.set(commitKey, meta.commitIndex);
  if (meta.mustRefetch) dict.set(refetchKey, true);
  if (meta.forgotTerm) dict.set(forgotKey, true);
  if (meta.isBlank) dict.set(blankKey, true);
  if (meta.secondTerm > 0) dict.set(secondTermKey, meta.secondTerm);
  if (meta.termFloor > 0) dict.set(floorKey, meta.termFloor);
  if (meta.owner !== null) dict.set(ownerKey, meta.owner);
  return encodePickle(dict);
}

/**
 * @throws ProtocolError `meta-malformed` where there is no dict to be had, where a value cannot be
 * what its key says, or where the file carries our seal and neither copy is whole.
 */
export function decodeMeta(bytes: Uint8Array, crc32: Crc32): DecodedMeta {
  const half = bytes.length / 2;
  const first = sealedPickle(bytes.subarray(0, Math.floor(half)), crc32);
  const second = sealedPickle(bytes.subarray(Math.ceil(half)), crc32);
  const pickle = first ?? second;
  if (pickle !== null) {
    const isRepaired = first === null || second === null || bytes.length % 2 !== 0;
    return { meta: parseMeta(pickle), isSealed: true, isRepaired };
  }
  if (indexOfMagic(bytes) >= 0) {
    throw malformed("both copies of the term and the vote are damaged");
  }
  return { meta: parseMeta(bytes), isSealed: false, isRepaired: false };
}

function sealedPickle(half: Uint8Array, crc32: Crc32): Uint8Array | null {
  const length = half.length - sealBytes;
  if (length < 1 || !startsWithMagic(half, length)) return null;
  const view = new DataView(half.buffer, half.byteOffset, half.byteLength);
  const pickle = half.subarray(0, length);
  if (view.getUint32(length + magic.length, true) !== length) return null;
  return view.getUint32(length + magic.length + 4, true) === crc32(pickle) ? pickle : null;
}

function startsWithMagic(bytes: Uint8Array, at: number): boolean {
  return magic.every((byte, offset) => bytes[at + offset] === byte);
}

function indexOfMagic(bytes: Uint8Array): number {
  for (let at = 0; at + magic.length <= bytes.length; at++) {
    if (startsWithMagic(bytes, at)) return at;
  }
  return -1;
}

function parseMeta(pickle: Uint8Array): Meta {
  let dict: PyValue;
  try {
    dict = decodePickle(pickle);
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw malformed("the meta file holds no readable pickle", cause);
  }
  if (!(dict instanceof Map)) {
    throw malformed("the meta file holds no dict");
  }
  const otherKeys: PyDict = new Map(dict);
  for (const key of ownKeys) otherKeys.delete(key);
  // Every version that stores them stores both (`FileJournal.setCurrentTerm`).
  if (dict.has(termKey) !== dict.has(voteKey)) throw malformed("the term or the vote is missing");
  return {
    term: countIn(dict, termKey, 0),
    votedFor: memberIn(dict, voteKey),
    // Upstream's own value where the key is missing (`FileJournal.getRaftCommitIndex`).
    commitIndex: countIn(dict, commitKey, 1),
    mustRefetch: dict.get(refetchKey) === true,
    forgotTerm: dict.get(forgotKey) === true,
    isBlank: dict.get(blankKey) === true,
    secondTerm: countIn(dict, secondTermKey, 0),
    termFloor: countIn(dict, floorKey, 0),
    owner: memberIn(dict, ownerKey),
    otherKeys,
  };
}

function memberIn(dict: PyDict, key: string): string | null {
  const value = dict.get(key) ?? null;
  if (value === null || typeof value === "string") return value;
  throw malformed(`${key} is no member's id`);
}

function countIn(dict: PyDict, key: string, missing: number): number {
  const value = dict.get(key);
  if (value === undefined) return missing;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw malformed(`${key} is no count`);
}

function malformed(message: string, cause?: unknown): ProtocolError {
  return new ProtocolError("meta-malformed", message, { cause });
}
