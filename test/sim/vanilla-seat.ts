import type { Entry } from "../../protocol/log/entry.js";
import type { PyValue } from "../../protocol/pickle/values.js";
import { encodeMembers, encodeStatus, type UtilityRequest } from "../../protocol/wire/utility.js";
import type { Chance } from "./chance.js";
import { Endpoint } from "./endpoint.js";
import { Life, Machine } from "./machine.js";
import type { SimNetwork } from "./sim-network.js";
import type { AnySeat, Standing } from "./standing.js";
import { emptyFiles, type VanillaFiles } from "./vanilla-host.js";
import { VanillaNode } from "./vanilla-node.js";

export interface VanillaSeatHost {
  readonly network: SimNetwork;
  readonly chance: Chance;
  readonly partners: readonly string[];
  readonly remembers: boolean;
  readonly compactionEntries: number;
  touched(seat: VanillaSeat): void;
  say(who: string, what: string): void;
}

/** upstream's connectionRetryTime. */
const retryMs = 5_000;
/** How often the system writes its cache to the disk by itself. */
const writeBackMs = 5_000;

/** A machine with a model of PySyncObj on it. */
export class VanillaSeat implements AnySeat {
  readonly address: string;
  readonly machine: Machine;
  readonly #host: VanillaSeatHost;
  readonly #chance: Chance;
  #files: VanillaFiles = emptyFiles();
  /** What a loss of power leaves at least. */
  #durable: VanillaFiles = emptyFiles();
  #life: Life | null = null;
  #node: VanillaNode | null = null;
  #endpoint: Endpoint | null = null;
  #tickIsDue = false;

  constructor(address: string, host: VanillaSeatHost) {
    this.address = address;
    this.#host = host;
    this.#chance = host.chance.fork();
    this.machine = new Machine(host.network.timeline, () => host.touched(this));
  }

  standing(): Standing | null {
    const node = this.#node;
    if (node === null) return null;
    return {
      address: this.address,
      kind: "vanilla",
      role: node.role,
      leads: node.role === "leader",
      term: node.term,
      firstIndex: node.log[0]?.index ?? 1,
      lastIndex: node.lastIndex,
      commitIndex: node.commitIndex,
      appliedIndex: node.lastApplied,
      store: node.store,
      others: this.#others,
      mustRefetch: false,
      entryAt: (index) => node.log[index - (node.log[0]?.index ?? 1)],
    };
  }

  holds(index: number, term: number): boolean {
    const { journal } = this.#files;
    const first = journal[0]?.index ?? 1;
    return index < first || journal[index - first]?.term === term;
  }

  lastEntry(): Entry | null {
    return this.#files.journal.at(-1) ?? null;
  }

  start(): void {
    if (this.#life !== null) return;
    const life = new Life(this.machine);
    this.#life = life;
    this.#host.network.powered.add(this.address);
    this.#host.say(this.address, "vanilla process starts");
    life.enter(() => this.#begin(life));
  }

  kill(): void {
    this.#leave(true);
  }

  losePower(): void {
    this.#leave(false);
    this.#host.network.powered.delete(this.address);
    // Nothing is synced: what the system has not written by itself is there or not. A trimmed journal
    // without the dump that goes with it is left out: such a member never comes back by itself.
    const { journal, dump } = this.#files;
    if (dump !== this.#durable.dump) {
      if (this.#chance.is(0.5)) this.#files = { ...this.#durable };
      return;
    }
    const kept = this.#chance.below(journal.length + 1);
    const isPrefix = this.#durable.journal.every((entry, at) => entry === journal[at]);
    if (isPrefix && kept >= this.#durable.journal.length) {
      this.#files = { ...this.#durable, journal: journal.slice(0, kept) };
    } else this.#files = { ...this.#durable };
  }

  stop(): void {
    this.kill();
  }

  loseLink(peer: string): void {
    this.#endpoint?.loseLink(peer);
  }

  submit(command: Uint8Array, done: (error: number) => void): void {
    const node = this.#node;
    this.#life?.enter(() => node?.submit(command, done));
  }

  get #others(): string[] {
    return this.#host.partners.filter((partner) => partner !== this.address);
  }

  #begin(life: Life): void {
    const { network, remembers, compactionEntries } = this.#host;
    const endpoint = new Endpoint(network, {
      address: this.address,
      life,
      isQuorate: false,
      connectionTimeoutMs: 3_500,
      retryMs,
      events: {
        peerConnected: () => {},
        peerDisconnected: () => {},
        peerHello: () => {},
        observerConnected: () => {},
        observerDisconnected: () => {},
        message: (from, message) => {
          this.#node?.receive(from, message);
          this.#tickSoon(life);
        },
        utility: (request, reply) => this.#answer(request, reply),
      },
    });
    this.#endpoint = endpoint;
    endpoint.setPeers(this.#others);
    this.#node = new VanillaNode(this.#files, {
      self: this.address,
      others: this.#others,
      remembers,
      compactionEntries,
      random: this.#chance.next,
      nowMs: () => this.machine.monotonicMs(),
      isConnected: (peer) => endpoint.isConnected(peer),
      send: (to, message) => void endpoint.sendMany([to], message),
      forkDump: (done) => {
        life.clock.after(this.#chance.between(20, 300), () => {
          done();
          // It is noticed in a later tick: a kill in between is what clears a journal.
        });
      },
      say: (what) => this.#host.say(this.address, what),
    });
    void endpoint.listen();
    life.clock.every(50, () => this.#node?.tick());
    life.clock.every(writeBackMs, () => {
      this.#durable = { ...this.#files };
    });
  }

  /** The poller returns when something has come, and the next tick follows. */
  #tickSoon(life: Life): void {
    if (this.#tickIsDue) return;
    this.#tickIsDue = true;
    life.clock.soon(() => {
      this.#tickIsDue = false;
      this.#node?.tick();
    });
  }

  #answer(request: UtilityRequest, reply: (value: PyValue) => void): void {
    const node = this.#node;
    if (node === null) return;
    if (request.command === "status") {
      const partners = this.#others.map((address) => ({ address, connected: true }));
      reply(
        encodeStatus({
          version: this.#host.remembers ? "0.3.17" : "0.3.15",
          revision: "deprecated",
          self: this.address,
          state: { follower: 0, candidate: 1, leader: 2 }[node.role],
          leader: node.leader,
          hasQuorum: true,
          partners,
          observers: [],
          logLen: node.log.length,
          lastApplied: node.lastApplied,
          commitIdx: node.commitIndex,
          raftTerm: node.term,
          nextNodeIdx: new Map(),
          matchIdx: new Map(),
          leaderCommitIdx: null,
          uptimeSec: 1,
          selfCodeVersion: 0,
          enabledCodeVersion: 0,
          extra: new Map(),
        }),
      );
    } else if (request.command === "members") {
      const all = [...this.#others, this.address];
      reply(
        encodeMembers(
          all.map((address) => ({ address, leader: node.leader === address, connected: true })),
        ),
      );
    } else if (request.command === "transfer" || request.command === "add") reply("FAIL");
  }

  #leave(tellsOthers: boolean): void {
    if (this.#life !== null) this.#life.isOver = true;
    this.#life = null;
    this.#node = null;
    this.#tickIsDue = false;
    this.#endpoint?.vanish(tellsOthers);
    this.#endpoint = null;
    this.machine.resume();
  }
}
