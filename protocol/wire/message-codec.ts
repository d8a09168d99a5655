import { ProtocolError } from "../errors.js";
import type { Entry } from "../log/entry.js";
import { decodePickle } from "../pickle/decoder.js";
import { encodePickle } from "../pickle/encoder.js";
import { PyTuple, type PyValue } from "../pickle/values.js";
import { checkCount, Fields } from "./fields.js";
import { encodeHot, encodeHotFrame, type HotMessage } from "./hot-messages.js";
import { entryPickleLimits, unknownNameCharsMax } from "./limits.js";
import type {
  AppendChunk,
  AppendEntries,
  ApplyCommandResponse,
  InstallSnapshot,
  PeerMessage,
  SnapshotChunk,
} from "./messages.js";

/** A message of a type that a newer member may know: it is counted and ignored. */
export interface UnknownMessage {
  readonly type: "unknown";
  /** The type it names, cut for the log. */
  readonly name: string;
}

type Decode = (fields: Fields) => PeerMessage;

const decoders: ReadonlyMap<string, Decode> = new Map<string, Decode>([
  [
    "request_vote",
    (fields) => ({
      type: "request_vote",
      term: fields.count("term"),
      lastLogIndex: fields.count("last_log_index"),
      lastLogTerm: fields.count("last_log_term"),
    }),
  ],
  ["response_vote", (fields) => ({ type: "response_vote", term: fields.count("term") })],
  ["append_entries", decodeAppendEntries],
  [
    "next_node_idx",
    (fields) => ({
      type: "next_node_idx",
      nextNodeIdx: fields.count("next_node_idx"),
      reset: fields.bool("reset"),
      success: fields.bool("success"),
    }),
  ],
  [
    "apply_command",
    (fields) => ({
      type: "apply_command",
      command: ownBytes(fields.bytes("command")),
      requestId: fields.has("request_id") ? fields.count("request_id") : null,
    }),
  ],
  ["apply_command_response", decodeResponse],
  ["timeout_now", (fields) => ({ type: "timeout_now", term: fields.count("term") })],
  [
    "quorate_hello",
    (fields) => ({
      type: "quorate_hello",
      protocol: fields.count("protocol"),
      version: fields.str("version"),
    }),
  ],
  ["quorate_ping", () => ({ type: "quorate_ping" })],
  ["quorate_pong", () => ({ type: "quorate_pong" })],
  [
    "quorate_pre_vote",
    (fields) => ({
      type: "quorate_pre_vote",
      term: fields.count("term"),
      lastLogIndex: fields.count("last_log_index"),
      lastLogTerm: fields.count("last_log_term"),
    }),
  ],
  [
    "quorate_pre_vote_answer",
    (fields) => ({
      type: "quorate_pre_vote_answer",
      term: fields.count("term"),
      granted: fields.bool("granted"),
      hearsLeader: fields.bool("hears_leader"),
      commitIndex: fields.count("commit_index"),
      commitTerm: fields.count("commit_term"),
    }),
  ],
]);

/**
 * Checks every field of a received message; upstream's reader is `SyncObj.__onMessageReceived`.
 *
 * @throws ProtocolError `message-shape`, or `number-range` for a number beyond 2^53 − 1.
 */
export function decodeMessage(value: PyValue): PeerMessage | UnknownMessage {
  if (!(value instanceof Map)) {
    throw new ProtocolError("message-shape", "a message is not a dict");
  }
  const type = value.get("type");
  if (typeof type !== "string") {
    throw new ProtocolError("message-shape", "a message has no type");
  }
  const decode = decoders.get(type);
  if (decode === undefined) return { type: "unknown", name: type.slice(0, unknownNameCharsMax) };
  return decode(new Fields(value, type));
}

/**
 * A large entry travels as pieces of the pickle of its tuple (`SyncObj.__sendAppendEntries`).
 *
 * @throws ProtocolError `pickle-truncated` where a piece is missing at the end: upstream can mark
 *   two pieces as the last one.
 */
export function decodeEntryTuple(bytes: Uint8Array): Entry {
  return decodeEntry(decodePickle(bytes, entryPickleLimits));
}

/** What the pieces of a large entry are cut from: the pickled tuple (command, index, term). */
export function encodeEntryTuple(entry: Entry): Uint8Array {
  return encodePickle(new PyTuple([entry.command, entry.index, entry.term]));
}

function decodeAppendEntries(fields: Fields): AppendEntries | AppendChunk | InstallSnapshot {
  const term = fields.count("term");
  const commitIndex = fields.count("commit_index");
  if (!fields.has("prevLogIdx")) {
    const chunk = decodeSnapshotChunk(fields.optional("serialized"));
    return { type: "install_snapshot", term, commitIndex, chunk };
  }
  const prevLogIdx = fields.countOrNull("prevLogIdx");
  const prevLogTerm = fields.countOrNull("prevLogTerm");
  if (fields.optional("transmission") !== null) {
    const transmission = fields.str("transmission");
    if (transmission !== "start" && transmission !== "process" && transmission !== "finish") {
      throw new ProtocolError("message-shape", "append_entries.transmission is unknown");
    }
    const data = fields.bytes("data");
    const type = "append_chunk";
    return { type, transmission, data, term, commitIndex, prevLogIdx, prevLogTerm };
  }
  const entries = decodeEntries(fields.optional("entries") ?? []);
  return { type: "append_entries", term, commitIndex, prevLogIdx, prevLogTerm, entries };
}

function decodeEntries(value: PyValue): Entry[] {
  if (!Array.isArray(value)) {
    throw new ProtocolError("message-shape", "append_entries.entries is not a list");
  }
  return value.map(decodeEntry);
}

function decodeEntry(value: PyValue): Entry {
  const items = value instanceof PyTuple ? value.items : [];
  const [command, index, term] = items;
  if (items.length !== 3 || !(command instanceof Uint8Array) || command.length === 0) {
    throw new ProtocolError("message-shape", "an entry is not a tuple (command, index, term)");
  }
  return {
    index: checkCount(index, "an entry's index"),
    term: checkCount(term, "an entry's term"),
    command: ownBytes(command),
  };
}

/** False is what upstream's `Serializer.getTransmissionData` answers when it cannot read its dump. */
function decodeSnapshotChunk(value: PyValue): SnapshotChunk | null {
  if (value === null || value === false) return null;
  const [data, isFirst, isLast] = value instanceof PyTuple ? value.items : [];
  if (
    !(data instanceof Uint8Array) ||
    typeof isFirst !== "boolean" ||
    typeof isLast !== "boolean"
  ) {
    throw new ProtocolError("message-shape", "append_entries.serialized is not a piece of a dump");
  }
  return { data, isFirst, isLast };
}

/** An error that is not None wins, as in upstream's reader. */
function decodeResponse(fields: Fields): ApplyCommandResponse {
  const type = "apply_command_response";
  const requestId = fields.count("request_id");
  if (fields.optional("error") !== null) return { type, requestId, error: fields.count("error") };
  return { type, requestId, logIdx: fields.count("log_idx"), logTerm: fields.count("log_term") };
}

/**
 * Commands stay in the log for long: a view would keep the whole inflated message alive with it
 * (zlib's output buffers have 16 KiB even for a message of 300 bytes).
 */
function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength > bytes.length ? new Uint8Array(bytes) : bytes;
}

/** @returns the pickle of the message's dict, with upstream's keys in upstream's order. */
export function encodeMessage(message: PeerMessage): Uint8Array {
  switch (message.type) {
    case "append_entries":
    case "next_node_idx":
    case "apply_command":
    case "apply_command_response":
      return encodeHot(message);
    default:
      return encodePickle(new Map<PyValue, PyValue>(Object.entries(messageDict(message))));
  }
}

/** The frame of a message that flows for each write, where no password is set; null for others. */
export function encodeFrameAtOnce(message: PeerMessage): Uint8Array | null {
  switch (message.type) {
    case "append_entries":
    case "next_node_idx":
    case "apply_command":
    case "apply_command_response":
      return encodeHotFrame(message);
    default:
      return null;
  }
}

function messageDict(message: Exclude<PeerMessage, HotMessage>): Record<string, PyValue> {
  switch (message.type) {
    case "request_vote":
    case "quorate_pre_vote":
      return {
        type: message.type,
        term: message.term,
        last_log_index: message.lastLogIndex,
        last_log_term: message.lastLogTerm,
      };
    case "response_vote":
    case "timeout_now":
      return { type: message.type, term: message.term };
    case "append_chunk":
      return {
        type: "append_entries",
        transmission: message.transmission,
        data: message.data,
        term: message.term,
        commit_index: message.commitIndex,
        prevLogIdx: message.prevLogIdx,
        prevLogTerm: message.prevLogTerm,
      };
    case "install_snapshot":
      return {
        type: "append_entries",
        term: message.term,
        commit_index: message.commitIndex,
        serialized: snapshotTuple(message.chunk),
      };
    case "quorate_hello":
      return { type: message.type, protocol: message.protocol, version: message.version };
    case "quorate_ping":
    case "quorate_pong":
      return { type: message.type };
    case "quorate_pre_vote_answer":
      return {
        type: message.type,
        term: message.term,
        granted: message.granted,
        hears_leader: message.hearsLeader,
        commit_index: message.commitIndex,
        commit_term: message.commitTerm,
      };
  }
}

function snapshotTuple(chunk: SnapshotChunk | null): PyTuple | null {
  return chunk === null ? null : new PyTuple([chunk.data, chunk.isFirst, chunk.isLast]);
}
