import { gzipSync } from "node:zlib";
import { DumpEncoder } from "../../protocol/files/dump-format.js";
import { encodeMembership } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import { encodeEntryTuple } from "../../protocol/wire/message-codec.js";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import type { Chance } from "../../test/sim/chance.js";
import { emptyFiles, type VanillaFiles } from "../../test/sim/vanilla-host.js";
import { VanillaNode } from "../../test/sim/vanilla-node.js";

export type Step =
  | { readonly do: "tick"; readonly ms: number }
  | { readonly do: "message"; readonly from: string; readonly message: PeerMessage }
  | { readonly do: "connect" | "disconnect"; readonly peer: string }
  | { readonly do: "submit"; readonly command: Uint8Array; readonly number: number }
  | {
      readonly do: "restart";
      /** The last dump is lost, and the one before it is there: the power failed. */
      readonly losesDump: boolean;
    };

/** Where the model stands after a step, in the words of the twin. */
export interface Standing {
  readonly sent: readonly (readonly [string, PeerMessage])[];
  readonly told: readonly (readonly [number, number])[];
  readonly role: string;
  readonly leader: string | null;
  readonly term: number;
  readonly vote: string | null;
  readonly commit: number;
  readonly applied: number;
  readonly log: readonly (readonly [number, number])[];
  /** The others that it takes for members. */
  readonly others: readonly string[];
}

const self = "a:1";
const peers = ["b:1", "c:1"] as const;
/** Those that come and go. */
const everybody = [self, ...peers, "d:1", "e:1"] as const;

/** The model alone, in the place of a whole member: what it sends and answers is kept. */
export class ModelBench {
  readonly #remembers: boolean;
  readonly #files: VanillaFiles = emptyFiles();
  /** Before the last one. */
  #dumpBefore: Uint8Array | null = null;
  #nowMs = 1_000_000;
  #sent: [string, PeerMessage][] = [];
  #told: [number, number][] = [];
  #connected = new Set<string>();
  node: VanillaNode;

  constructor(remembers: boolean) {
    this.#remembers = remembers;
    this.node = this.#start();
  }

  take(step: Step): Standing {
    const { dump } = this.#files;
    this.#take(step);
    if (step.do !== "restart" && this.#files.dump !== dump) this.#dumpBefore = dump;
    return this.#standing();
  }

  #take(step: Step): void {
    switch (step.do) {
      case "tick":
        this.#nowMs += step.ms;
        this.node.tick();
        break;
      case "message":
        this.node.receive(step.from, step.message);
        break;
      case "connect":
        this.#connected.add(step.peer);
        this.node.connected(step.peer);
        break;
      case "disconnect":
        this.#connected.delete(step.peer);
        this.node.disconnected(step.peer);
        break;
      case "submit":
        this.node.submit(step.command, (error) => this.#told.push([step.number, error]));
        break;
      case "restart":
        this.#connected = new Set();
        if (step.losesDump) this.#files.dump = this.#dumpBefore;
        if (step.losesDump) this.#dumpBefore = null;
        this.node = this.#start();
        break;
    }
  }

  #start(): VanillaNode {
    return new VanillaNode(this.#files, {
      self,
      others: peers,
      remembers: this.#remembers,
      compactionEntries: 12,
      random: () => 0.5,
      nowMs: () => this.#nowMs,
      addPeer: () => {},
      dropPeer: (peer) => this.#connected.delete(peer),
      send: (to, message) => {
        if (this.#connected.has(to)) this.#sent.push([to, message]);
      },
      // Without a fork the dump is written at once; the journal is cut in the next tick all the same.
      forkDump: (done) => done(),
      say: () => {},
    });
  }

  #standing(): Standing {
    const { node } = this;
    const sent = this.#sent;
    const told = this.#told;
    this.#sent = [];
    this.#told = [];
    return {
      sent,
      told,
      role: node.role,
      leader: node.leader,
      term: node.term,
      vote: node.votedFor,
      commit: node.commitIndex,
      applied: node.lastApplied,
      log: node.log.map(({ index, term }) => [index, term]),
      others: [...node.others].sort(),
    };
  }
}

/** A step that a peer, the clock or a client could take next, chosen by chance. */
export class StepChooser {
  readonly #chance: Chance;
  readonly #node: () => VanillaNode;
  #number = 0;
  readonly #waiting: Step[] = [];

  constructor(chance: Chance, node: () => VanillaNode) {
    this.#chance = chance;
    this.#node = node;
  }

  next(): Step {
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) return waiting;
    const chance = this.#chance;
    const roll = chance.next();
    const peer = this.#peer();
    // Who was taken out is not listened to, and nobody is left to say anything.
    if (peer === null) return { do: "tick", ms: 400 };
    if (roll < 0.3) return { do: "tick", ms: chance.pick([1, 50, 50, 120, 400, 1_100]) };
    if (roll < 0.38) return { do: "connect", peer };
    if (roll < 0.4) return { do: "disconnect", peer };
    if (roll < 0.45) return { do: "submit", command: this.#command(), number: this.#count() };
    if (roll < 0.47) return { do: "restart", losesDump: chance.is(0.3) };
    if (roll < 0.53) return { do: "submit", command: this.#change(), number: this.#count() };
    return { do: "message", from: peer, message: this.#message(peer) };
  }

  #peer(): string | null {
    const known = [...this.#node().others].sort();
    return known.length === 0 ? null : this.#chance.pick(known);
  }

  /** Of who is there already, or is not, as well. */
  #change(): Uint8Array {
    const how = this.#chance.is(0.6) ? "add" : "rem";
    return encodeMembership(how, this.#chance.pick(everybody));
  }

  #count(): number {
    this.#number += 1;
    return this.#number;
  }

  /** A no-op that says something, so that no two are the same and nothing is applied. */
  #command(bytes = 4): Uint8Array {
    return Uint8Array.from({ length: bytes }, (_, at) => (at === 0 ? 1 : this.#chance.below(128)));
  }

  #term(): number {
    return Math.max(0, this.#node().term + this.#chance.pick([-1, 0, 0, 0, 0, 1, 1, 3]));
  }

  #message(from: string): PeerMessage {
    const node = this.#node();
    const chance = this.#chance;
    const term = this.#term();
    // Without many answers a leader commits nothing.
    if (node.role === "leader" && chance.is(0.6)) return this.#answer();
    switch (chance.below(node.role === "follower" ? 9 : 12)) {
      case 0:
      case 1:
        return {
          type: "request_vote",
          term,
          lastLogIndex: Math.max(0, node.lastIndex + chance.pick([-2, 0, 0, 1, 4])),
          lastLogTerm: Math.max(0, node.lastTerm + chance.pick([-1, 0, 0, 0, 1])),
        };
      case 2:
        return { type: "timeout_now", term };
      case 3:
        return { type: "apply_command", command: this.#command(), requestId: this.#count() };
      case 4:
        return chance.is(0.5) ? this.#large(from, term) : this.#dump(from, term);
      case 9:
      case 10:
        return this.#answer();
      case 11:
        return { type: "response_vote", term: node.term };
      default:
        return this.#entries(term);
    }
  }

  #answer(): PeerMessage {
    const chance = this.#chance;
    const past = chance.pick([-6, -2, 0, 1, 1, 1]);
    const nextNodeIdx = Math.max(1, this.#node().lastIndex + past);
    const success = chance.is(0.7);
    return { type: "next_node_idx", nextNodeIdx, success, reset: !success && chance.is(0.7) };
  }

  #entries(term: number): PeerMessage {
    const node = this.#node();
    const chance = this.#chance;
    const prevLogIdx = Math.max(0, node.lastIndex + chance.pick([-5, -2, -1, 0, 0, 0, 0, 1, 3]));
    const known = node.log.find(({ index }) => index === prevLogIdx)?.term ?? 0;
    const prevLogTerm = chance.is(0.85) ? known : known + 1;
    const count = chance.pick([0, 0, 1, 2, 4]);
    const entries: Entry[] = Array.from({ length: count }, (_, at) => ({
      index: prevLogIdx + 1 + at,
      term: chance.is(0.9) ? term : Math.max(0, term - 1),
      command: chance.is(0.2) ? this.#change() : this.#command(),
    }));
    const commitIndex = Math.max(1, node.commitIndex + chance.pick([-2, 0, 1, 3, 9]));
    return { type: "append_entries", term, commitIndex, prevLogIdx, prevLogTerm, entries };
  }

  /** Two pieces of a large entry; the second one follows. */
  #large(from: string, term: number): PeerMessage {
    const node = this.#node();
    const entry = { index: node.lastIndex + 1, term, command: this.#command(64) };
    const pickle = encodeEntryTuple(entry);
    const commitIndex = node.commitIndex;
    const place = { term, commitIndex, prevLogIdx: node.lastIndex, prevLogTerm: node.lastTerm };
    const piece = (transmission: "start" | "finish", data: Uint8Array): PeerMessage => ({
      type: "append_chunk",
      transmission,
      data,
      ...place,
    });
    this.#waiting.push({ do: "message", from, message: piece("finish", pickle.subarray(40)) });
    return piece("start", pickle.subarray(0, 40));
  }

  /** A whole dump: its data, then the empty piece that ends it. */
  #dump(from: string, term: number): PeerMessage {
    const node = this.#node();
    const index = node.lastIndex + this.#chance.pick([-1, 2, 5]);
    const commitIndex = node.commitIndex;
    if (index < 3) return { type: "install_snapshot", term, commitIndex, chunk: null };
    const encoder = new DumpEncoder(0);
    const last = { index, term, command: this.#command() };
    const previous = { index: index - 1, term, command: this.#command() };
    const members = everybody.filter((each) => each === self || this.#chance.is(0.6));
    encoder.finish(last, previous, members);
    const data = gzipSync(encoder.take());
    const piece = (bytes: Uint8Array, isFirst: boolean): PeerMessage => ({
      type: "install_snapshot",
      term,
      commitIndex,
      chunk: { data: bytes, isFirst, isLast: !isFirst },
    });
    this.#waiting.push({ do: "message", from, message: piece(new Uint8Array(), false) });
    return piece(data, true);
  }
}
