import type { PeerMessage } from "../../protocol/wire/messages.js";
import { silentLogger } from "../../src/logger.js";
import { Network } from "../../src/net/network.js";

/** A write that the cluster has acknowledged: committed, and told so by the leader of its term. */
export interface Ack {
  readonly index: number;
  readonly term: number;
  /** When it was known: milliseconds since 1970. */
  readonly atMs: number;
}

interface Waiting {
  readonly leader: string;
  /** The newest term heard of when it was sent. */
  readonly term: number;
  readonly resolve: (ack: Ack | null) => void;
  /** Where the leader has appended it. */
  at: { readonly index: number; readonly term: number } | null;
}

/** Members come and go all the time here: soon enough to be there when the next leader is. */
const connectionRetryMs = 40;

/**
 * An observer that only writes. It keeps no log: a leader that has answered with (index, term) and
 * then, in that term, tells a commit index of at least that index has committed the write, because
 * a leader never changes its own log within a term. So it knows earlier than Patroni's client does,
 * which waits for its own copy, and what it counts as acknowledged is all that such a client counts.
 */
export class AckObserver {
  readonly #network: Network;
  readonly #waiting = new Map<number, Waiting>();
  #leader: string | null = null;
  #term = 0;
  #requestId = 0;

  constructor(members: readonly string[]) {
    this.#network = new Network({
      selfAddr: null,
      bindAddr: null,
      password: null,
      logger: silentLogger,
      timeouts: {
        connectionTimeoutMs: 2_000,
        connectionRetryMs,
        dnsCacheMs: 60_000,
        dnsFailCacheMs: 1_000,
      },
      events: {
        peerConnected: () => {},
        peerDisconnected: (address) => this.#lost(address),
        peerHello: () => {},
        observerConnected: () => {},
        observerDisconnected: () => {},
        message: (from, message) => this.#receive(from, message),
        utility: () => {},
        drained: () => {},
      },
    });
    this.#network.setPeers(members);
  }

  async start(): Promise<void> {
    await this.#network.listen();
  }

  async close(): Promise<void> {
    await this.#network.close();
    for (const id of [...this.#waiting.keys()]) this.#settle(id, null);
  }

  /** The leader of the newest term heard of, as long as the link to it is up. */
  get leader(): string | null {
    return this.#leader;
  }

  /** Null: not acknowledged. It may have been committed all the same. */
  write(command: Uint8Array): Promise<Ack | null> {
    const leader = this.#leader;
    if (leader === null) return Promise.resolve(null);
    this.#requestId += 1;
    const requestId = this.#requestId;
    if (!this.#network.send(leader, { type: "apply_command", command, requestId })) {
      return Promise.resolve(null);
    }
    const term = this.#term;
    return new Promise((resolve) => {
      this.#waiting.set(requestId, { leader, term, resolve, at: null });
    });
  }

  #receive(from: string, message: PeerMessage): void {
    switch (message.type) {
      case "append_entries":
        this.#heard(from, message);
        this.#answer(from, (message.prevLogIdx ?? 0) + message.entries.length + 1, true);
        break;
      case "append_chunk":
        this.#heard(from, message);
        this.#answer(from, (message.prevLogIdx ?? 0) + 2, message.transmission === "finish");
        break;
      case "install_snapshot":
        this.#heard(from, message);
        if (message.chunk?.isLast === true) this.#answer(from, message.commitIndex + 1, true);
        break;
      case "apply_command_response": {
        const waiting = this.#waiting.get(message.requestId);
        if (waiting === undefined || waiting.leader !== from) break;
        if ("error" in message) this.#settle(message.requestId, null);
        else waiting.at = { index: message.logIdx, term: message.logTerm };
        break;
      }
      default:
        break;
    }
  }

  /** It claims to hold everything, so that it is never sent a dump. */
  #answer(to: string, nextNodeIdx: number, success: boolean): void {
    this.#network.send(to, { type: "next_node_idx", nextNodeIdx, reset: false, success });
  }

  #heard(from: string, { term, commitIndex }: { term: number; commitIndex: number }): void {
    if (term < this.#term) return;
    this.#term = term;
    this.#leader = from;
    const atMs = Date.now();
    for (const [id, { leader, at, term: sentIn }] of this.#waiting) {
      if (leader !== from) this.#settle(id, null);
      // The same one leads again: what it has not answered before, it may never answer.
      else if ((at?.term ?? sentIn) < term) this.#settle(id, null);
      else if (at !== null && at.index <= commitIndex) this.#settle(id, { ...at, atMs });
    }
  }

  #lost(address: string): void {
    if (this.#leader === address) this.#leader = null;
    for (const [id, { leader }] of this.#waiting) if (leader === address) this.#settle(id, null);
  }

  #settle(id: number, ack: Ack | null): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.resolve(ack);
  }
}
