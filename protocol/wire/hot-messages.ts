import type { Entry } from "../log/entry.js";
import { PickleWriter } from "../pickle/encoder.js";
import {
  storedBlockBytesMax,
  storedHeadBytes,
  storedTailBytes,
  storeInPlace,
} from "./compression.js";
import { frameHeaderBytes, writeFrameHeader } from "./frame.js";
import type { AppendEntries, ApplyCommand, ApplyCommandResponse, NextNodeIdx } from "./messages.js";

/** What flows for each write: these are pickled without building a dict of values first. */
export type HotMessage = AppendEntries | ApplyCommand | ApplyCommandResponse | NextNodeIdx;

/** Kept between calls, so that a message costs no new buffer; encoding is synchronous. */
const writer = new PickleWriter();

/** The pickle of a str, as opcodes to copy. */
function opcodes(...texts: readonly string[]): Uint8Array {
  for (const text of texts) writer.writeStr(text);
  return writer.take();
}

/** The dict's beginning: its type, and the key of the field that follows. */
const starts = {
  appendEntries: opcodes("type", "append_entries", "term"),
  nextNodeIdx: opcodes("type", "next_node_idx", "next_node_idx"),
  applyCommand: opcodes("type", "apply_command", "command"),
  response: opcodes("type", "apply_command_response", "request_id"),
};

const keys = {
  commitIndex: opcodes("commit_index"),
  entries: opcodes("entries"),
  prevLogIdx: opcodes("prevLogIdx"),
  prevLogTerm: opcodes("prevLogTerm"),
  reset: opcodes("reset"),
  success: opcodes("success"),
  requestId: opcodes("request_id"),
  error: opcodes("error"),
  logIdx: opcodes("log_idx"),
  logTerm: opcodes("log_term"),
};

/** @returns the pickle of the message's dict, equal to what upstream sends. */
export function encodeHot(message: HotMessage): Uint8Array {
  write(message);
  return writer.take();
}

/**
 * The message's whole frame where no password is set, in memory that is taken once and copied to once.
 *
 * @returns null where it takes more than one stored block.
 */
export function encodeHotFrame(message: HotMessage): Uint8Array | null {
  write(message);
  const { length } = writer;
  if (length > storedBlockBytesMax) return null;
  const frame = writer.takeWithin(frameHeaderBytes + storedHeadBytes, storedTailBytes);
  writeFrameHeader(frame, frame.length - frameHeaderBytes);
  storeInPlace(frame, frameHeaderBytes, length);
  return frame;
}

function write(message: HotMessage): void {
  // A call that threw has left its beginning behind.
  writer.clear();
  writer.writeProto();
  writer.emptyDict();
  writer.mark();
  switch (message.type) {
    case "append_entries":
      writeAppendEntries(message);
      break;
    case "next_node_idx":
      writer.writeRaw(starts.nextNodeIdx);
      writer.writeInt(message.nextNodeIdx);
      writer.writeRaw(keys.reset);
      writer.writeBool(message.reset);
      writer.writeRaw(keys.success);
      writer.writeBool(message.success);
      break;
    case "apply_command":
      writer.writeRaw(starts.applyCommand);
      writer.writeBytes(message.command);
      if (message.requestId !== null) writeField(keys.requestId, message.requestId);
      break;
    case "apply_command_response":
      writeResponse(message);
      break;
  }
  writer.setItems();
  writer.writeStop();
}

function writeAppendEntries(message: AppendEntries): void {
  writer.writeRaw(starts.appendEntries);
  writer.writeInt(message.term);
  writeField(keys.commitIndex, message.commitIndex);
  writer.writeRaw(keys.entries);
  writer.emptyList();
  if (message.entries.length > 0) {
    writer.mark();
    for (const entry of message.entries) writeEntry(entry);
    writer.appends();
  }
  writeField(keys.prevLogIdx, message.prevLogIdx);
  writeField(keys.prevLogTerm, message.prevLogTerm);
}

function writeEntry(entry: Entry): void {
  writer.writeBytes(entry.command);
  writer.writeInt(entry.index);
  writer.writeInt(entry.term);
  writer.tuple3();
}

function writeResponse(message: ApplyCommandResponse): void {
  writer.writeRaw(starts.response);
  writer.writeInt(message.requestId);
  if ("error" in message) {
    writeField(keys.error, message.error);
    return;
  }
  writeField(keys.logIdx, message.logIdx);
  writeField(keys.logTerm, message.logTerm);
}

function writeField(key: Uint8Array, value: number | null): void {
  writer.writeRaw(key);
  if (value === null) writer.writeNone();
  else writer.writeInt(value);
}
