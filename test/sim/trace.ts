import { crc32 } from "node:zlib";
import type { PeerMessage } from "../../protocol/wire/messages.js";

/** What happened, line by line: hashed always, kept or printed where somebody wants to read it. */
export class Trace {
  hash = 0;
  lines = 0;
  readonly #print: ((line: string) => void) | null;

  constructor(print: ((line: string) => void) | null) {
    this.#print = print;
  }

  add(atMs: number, who: string, what: string): void {
    const line = `${atMs.toFixed(3).padStart(10)} ${who.padEnd(5)} ${what}`;
    this.hash = crc32(line, this.hash);
    this.lines += 1;
    this.#print?.(line);
  }
}

/** A message on one line. */
export function shownMessage(message: PeerMessage): string {
  switch (message.type) {
    case "append_entries": {
      const { term, prevLogIdx, prevLogTerm, entries, commitIndex } = message;
      const last = entries.at(-1);
      const what = last === undefined ? "heartbeat" : `entries …${last.index}/${last.term}`;
      return `append t${term} after ${prevLogIdx}/${prevLogTerm} ${what} commit ${commitIndex}`;
    }
    case "append_chunk":
      return `chunk t${message.term} ${message.transmission} ${message.data.length} B after ${message.prevLogIdx}`;
    case "install_snapshot":
      return `snapshot t${message.term} ${message.chunk?.data.length ?? "heartbeat"}`;
    case "request_vote":
      return `request_vote t${message.term} log ${message.lastLogIndex}/${message.lastLogTerm}`;
    case "next_node_idx":
      return `next ${message.nextNodeIdx}${message.success ? " ok" : ""}${message.reset ? " reset" : ""}`;
    case "apply_command":
      return `command ${message.requestId}, ${message.command.length} B`;
    default:
      return JSON.stringify(message);
  }
}
