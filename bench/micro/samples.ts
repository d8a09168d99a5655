import type { Entry } from "../../protocol/log/entry.js";
import { encodeMessage } from "../../protocol/wire/message-codec.js";
import { setCommand } from "../load/observer-load.js";

const valueBytes = 128;
const term = 7;
const firstIndex = 1_000_000;

/** Pickles as they travel for one write of 128 bytes, and for batches of them. */
export const samples: Readonly<Record<string, Uint8Array>> = {
  "command (set)": setCommand(1, valueBytes).subarray(1),
  apply_command: encodeMessage({
    ...{ type: "apply_command", command: setCommand(1, valueBytes), requestId: 12_345 },
  }),
  apply_command_response: encodeMessage({
    ...{ type: "apply_command_response", requestId: 12_345, logIdx: firstIndex, logTerm: term },
  }),
  next_node_idx: encodeMessage({
    ...{ type: "next_node_idx", nextNodeIdx: firstIndex, reset: false, success: true },
  }),
  heartbeat: appendOf(0),
  "append of 16": appendOf(16),
  "append of 128": appendOf(128),
};

function appendOf(count: number): Uint8Array {
  const entries: Entry[] = Array.from({ length: count }, (_, at) => ({
    ...{ index: firstIndex + at, term, command: setCommand(at, valueBytes) },
  }));
  return encodeMessage({
    ...{ type: "append_entries", term, commitIndex: firstIndex - 1, entries },
    ...{ prevLogIdx: firstIndex - 1, prevLogTerm: term },
  });
}
