import { encodeSet } from "../../protocol/log/kv-calls.js";
import { deriveFernetKey } from "../../protocol/wire/fernet.js";
import { heldAfter } from "./following.js";
import { Encoded, keyName, type LoadClient, valueText, type Workload } from "./load-client.js";
import { MemberLink } from "./member-link.js";
import type { Scanned } from "./pickle-scan.js";

interface Waiting {
  readonly sentMs: number;
  readonly done: (committed: boolean) => void;
  /** Where the leader has appended it; 0: not answered yet. */
  index: number;
}

/** A write without an outcome for so long is given up. */
const giveUpMs = 5_000;
const createdSec = 1_700_000_000.25;

/**
 * Patroni's writes as an observer of PySyncObj's protocol sends them, to Quorate and PySyncObj alike.
 * It keeps no log: a leader that has answered with an index and then, in the same term, tells a commit
 * index of at least that has committed the write. Like every observer it is sent all entries, and
 * answers them.
 */
export class ObserverLoad implements LoadClient {
  readonly #commands: Encoded;
  readonly #links: MemberLink[];
  readonly #waiting = new Map<number, Waiting>();
  /** Answered, in the order of their indices. */
  #placed: Waiting[] = [];
  #placedAt = 0;
  #requestId = 0;
  #term = 0;
  #leader: MemberLink | null = null;
  #opened: (() => void) | null = null;
  readonly #sweep: NodeJS.Timeout;

  constructor(members: readonly string[], workload: Workload, password: string | null) {
    this.#commands = new Encoded((key) => setCommand(key, workload.valueBytes));
    const key = password === null ? null : deriveFernetKey(password);
    const events = {
      message: (link: MemberLink, message: Scanned) => this.#receive(link, message),
      up: () => {},
      down: (link: MemberLink) => this.#down(link),
    };
    this.#links = members.map((address) => new MemberLink(address, key, events));
    this.#sweep = setInterval(() => this.#giveUp(), 1000);
  }

  /** The leader's address, where one has been heard and its link is up. */
  get leader(): string | null {
    return this.#leader?.address ?? null;
  }

  open(): Promise<void> {
    for (const link of this.#links) link.dial();
    return new Promise((resolve) => {
      this.#opened = resolve;
    });
  }

  write(key: number, done: (committed: boolean) => void): void {
    const leader = this.#leader;
    if (leader === null) {
      setTimeout(() => done(false), 5);
      return;
    }
    this.#requestId += 1;
    const requestId = this.#requestId;
    this.#waiting.set(requestId, { sentMs: performance.now(), done, index: 0 });
    leader.send({ type: "apply_command", command: this.#commands.of(key), requestId });
  }

  close(): void {
    clearInterval(this.#sweep);
    for (const link of this.#links) link.close();
  }

  #receive(link: MemberLink, message: Scanned): void {
    if (message.type === "append_entries") this.#onEntries(link, message);
    else if (message.type === "apply_command_response") this.#onAnswer(link, message);
  }

  #onEntries(link: MemberLink, message: Scanned): void {
    const { term, commitIndex } = message;
    if (term < this.#term) return;
    if (link !== this.#leader || term !== this.#term) this.#follow(link, term);
    const nextNodeIdx = heldAfter(message) + 1;
    link.send({ type: "next_node_idx", nextNodeIdx, reset: false, success: true });
    const placed = this.#placed;
    for (;;) {
      const first = placed[this.#placedAt];
      if (first === undefined || first.index > commitIndex) break;
      this.#placedAt += 1;
      first.done(true);
    }
    if (this.#placedAt > 4096) {
      this.#placed = placed.slice(this.#placedAt);
      this.#placedAt = 0;
    }
  }

  #follow(link: MemberLink, term: number): void {
    this.#term = term;
    this.#failAll();
    this.#leader = link;
    this.#opened?.();
    this.#opened = null;
  }

  #onAnswer(link: MemberLink, message: Scanned): void {
    const waiting = this.#waiting.get(message.requestId);
    if (waiting === undefined || link !== this.#leader) return;
    this.#waiting.delete(message.requestId);
    if (message.error !== null || message.logTerm !== this.#term) waiting.done(false);
    else {
      waiting.index = message.logIdx;
      this.#placed.push(waiting);
    }
  }

  #down(link: MemberLink): void {
    if (link !== this.#leader) return;
    this.#leader = null;
    this.#failAll();
  }

  #failAll(): void {
    const open = [...this.#waiting.values(), ...this.#placed.slice(this.#placedAt)];
    this.#waiting.clear();
    this.#placed = [];
    this.#placedAt = 0;
    for (const { done } of open) done(false);
  }

  #giveUp(): void {
    const [first] = this.#waiting.values();
    const oldest = this.#placed[this.#placedAt] ?? first;
    if (oldest !== undefined && performance.now() - oldest.sentMs > giveUpMs) this.#failAll();
  }
}

export function setCommand(key: number, valueBytes: number): Uint8Array {
  const times = { created: createdSec, updated: createdSec };
  return encodeSet(keyName(key), { value: valueText(key, valueBytes), ...times });
}
