import type { Entry } from "../../protocol/log/entry.js";
import { encodeEntryTuple } from "../../protocol/wire/message-codec.js";
import type { NextNodeIdx } from "../../protocol/wire/messages.js";
import type { VanillaHost } from "./vanilla-host.js";
import type { VanillaNode } from "./vanilla-node.js";

const batchBytes = 65_536;

/** What a vanilla leader sends to its followers, and what it knows of them. */
export class VanillaSender {
  readonly #node: VanillaNode;
  readonly #host: VanillaHost;
  readonly #next = new Map<string, number>();
  readonly #match = new Map<string, number>();
  readonly #answeredMs = new Map<string, number>();
  readonly #sending = new Map<string, { dump: Uint8Array; at: number }>();

  constructor(node: VanillaNode, host: VanillaHost) {
    this.#node = node;
    this.#host = host;
  }

  /** A leadership begins: nothing is known of the peer. */
  begin(peer: string): void {
    this.#next.set(peer, this.#node.lastIndex + 1);
    this.#match.set(peer, 0);
    this.#answeredMs.set(peer, this.#host.nowMs());
  }

  /** It is no member any more. */
  forget(peer: string): void {
    this.#next.delete(peer);
    this.#match.delete(peer);
  }

  matchOf(peer: string): number {
    return this.#match.get(peer) ?? 0;
  }

  answeredMs(peer: string): number {
    return this.#answeredMs.get(peer) ?? 0;
  }

  /** What is on its way of a dump begins anew. */
  dropDump(peer: string): void {
    this.#sending.delete(peer);
  }

  dropDumps(): void {
    this.#sending.clear();
  }

  sendTo(peer: string): void {
    let sendsOnce = true;
    let sendsDump = false;
    const next = () => this.#next.get(peer) ?? 1;
    while (next() <= this.#node.lastIndex || sendsOnce || sendsDump) {
      if (next() > (this.#node.log[0]?.index ?? 1)) this.#sendEntries(peer, next());
      else sendsDump = this.#sendDump(peer);
      if (!sendsDump && next() <= (this.#node.log[0]?.index ?? 1)) return;
      sendsOnce = false;
    }
  }

  #sendEntries(peer: string, from: number): void {
    const before = this.#node.at(from - 1);
    const entries: Entry[] = [];
    let bytes = 0;
    for (let index = from; index <= this.#node.lastIndex; index += 1) {
      const entry = this.#node.at(index);
      if (entry === undefined) break;
      entries.push(entry);
      bytes += entry.command.length;
      if (bytes >= batchBytes) break;
    }
    this.#next.set(peer, from + entries.length);
    const { term, commitIndex } = this.#node;
    const prevLogIdx = before?.index ?? null;
    const place = { term, commitIndex, prevLogIdx, prevLogTerm: before?.term ?? null };
    const [single] = entries;
    if (entries.length === 1 && single !== undefined && single.command.length >= batchBytes) {
      const pickle = encodeEntryTuple(single);
      for (let at = 0; at < pickle.length; at += batchBytes) {
        // By the command's length, not the pickle's: the last two pieces may both say `finish`.
        const isLast = at + batchBytes >= single.command.length;
        const transmission = at === 0 ? "start" : isLast ? "finish" : "process";
        const data = pickle.subarray(at, at + batchBytes);
        this.#host.send(peer, { type: "append_chunk", transmission, data, ...place });
      }
    } else this.#host.send(peer, { type: "append_entries", entries, ...place });
  }

  /** @returns whether more of it is to follow at once. */
  #sendDump(peer: string): boolean {
    const { term, commitIndex } = this.#node;
    let sending = this.#sending.get(peer);
    const dump = this.#node.dumpToSend;
    if (dump === null) sending = undefined;
    else if (sending === undefined) {
      sending = { dump, at: 0 };
      this.#sending.set(peer, sending);
    }
    if (sending === undefined) {
      this.#host.send(peer, { type: "install_snapshot", term, commitIndex, chunk: null });
      return false;
    }
    const data = sending.dump.subarray(sending.at, sending.at + batchBytes);
    const chunk = { data, isFirst: sending.at === 0, isLast: data.length === 0 };
    this.#host.send(peer, { type: "install_snapshot", term, commitIndex, chunk });
    sending.at += data.length;
    if (!chunk.isLast) return true;
    this.#sending.delete(peer);
    this.#next.set(peer, (this.#node.log[1]?.index ?? 1) + 1);
    return false;
  }

  answered(from: string, { nextNodeIdx, reset, success }: NextNodeIdx): void {
    if (reset) this.#next.set(from, nextNodeIdx);
    if (success && (this.#match.get(from) ?? 0) < nextNodeIdx - 1) {
      this.#match.set(from, nextNodeIdx - 1);
      this.#next.set(from, nextNodeIdx);
    }
    this.#answeredMs.set(from, this.#host.nowMs());
  }
}
