import { encodeMembership } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import type { PyValue } from "../../protocol/pickle/values.js";
import { failReason } from "../../protocol/wire/messages.js";
import {
  encodeMembers,
  encodeStatus,
  encodeUtility,
  parseMembers,
  type UtilityRequest,
  utilityOutcome,
} from "../../protocol/wire/utility.js";
import type { Chance } from "./chance.js";
import { droppedReason, Endpoint } from "./endpoint.js";
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
  /** As Patroni's members do it asks the others who is a member, and has itself let in. */
  readonly discovers: boolean;
  readonly compactionEntries: number;
  touched(seat: VanillaSeat): void;
  say(who: string, what: string): void;
}

/** upstream's connectionRetryTime. */
const retryMs = 5_000;
/** Patroni's retry_timeout: for all partners together. */
const discoveryMs = 10_000;
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
      // Without the dump that its journal goes on from it has nothing of what was before.
      firstIndex: this.isHollow ? 1 : (node.log[0]?.index ?? 1),
      lastIndex: node.lastIndex,
      commitIndex: node.commitIndex,
      appliedIndex: node.lastApplied,
      store: node.store,
      others: node.others,
      mustRefetch: false,
      entryAt: (index) => node.log[index - (node.log[0]?.index ?? 1)],
    };
  }

  holds(index: number, term: number): boolean {
    const { journal } = this.#files;
    const first = journal[0]?.index ?? 1;
    return (index < first && !this.isHollow) || journal[index - first]?.term === term;
  }

  /** Its journal was trimmed, and the dump is lost: it applies nothing any more, votes, and may lead. */
  get isHollow(): boolean {
    const { journal, dump } = this.#files;
    return dump === null && (journal[0]?.index ?? 1) > 1;
  }

  /** Somebody empties its data directory. */
  wipe(): void {
    this.kill();
    this.#files = emptyFiles();
    this.#durable = emptyFiles();
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
    life.enter(() => {
      if (!this.#host.discovers) this.#begin(life, this.#partners);
      else void this.#discover(life).catch(() => {});
    });
  }

  kill(): void {
    this.#leave(true);
  }

  losePower(): void {
    this.#leave(false);
    this.#host.network.powered.delete(this.address);
    // Nothing is synced: what the system has not written by itself is there or not, a new dump and the
    // journal that was trimmed for it each by itself.
    const { journal, dump } = this.#files;
    if (dump !== this.#durable.dump) {
      const isDumpThere = this.#chance.is(0.5);
      const isJournalThere = this.#chance.is(0.5);
      this.#files = {
        ...(isJournalThere ? this.#files : this.#durable),
        dump: isDumpThere ? dump : this.#durable.dump,
      };
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

  /** Asks the member what an administrator's command would. */
  admin(request: UtilityRequest, reply: (value: PyValue) => void): void {
    this.#life?.enter(() => this.#answer(request, reply));
  }

  /** As configured. */
  get #partners(): string[] {
    return this.#host.partners.filter((partner) => partner !== this.address);
  }

  /** DynMemberSyncObj of Patroni: one after the other; who answers is asked, once, to let it in. */
  async #discover(life: Life): Promise<void> {
    const partners = this.#partners;
    const asker = { address: this.address, life };
    for (const address of partners) {
      const timeoutMs = discoveryMs / partners.length;
      const question = { address, request: encodeUtility({ command: "members" }), timeoutMs };
      const members = await this.#host.network.ask(asker, question).then(parseMembers, () => []);
      if (life.isOver) return;
      if (members.length === 0) continue;
      const known = members.map((member) => member.address);
      this.#begin(
        life,
        known.filter((member) => member !== this.address),
      );
      if (known.includes(this.address)) return;
      const request = encodeUtility({ command: "add", address: this.address });
      await this.#host.network.ask(asker, { address, request, timeoutMs }).catch(() => {});
      return;
    }
    this.#begin(life, partners);
  }

  #begin(life: Life, others: readonly string[]): void {
    const { network, remembers, compactionEntries } = this.#host;
    const endpoint = new Endpoint(network, {
      address: this.address,
      life,
      isQuorate: false,
      connectionTimeoutMs: 3_500,
      retryMs,
      events: {
        peerConnected: (peer) => this.#node?.connected(peer),
        peerDisconnected: (peer, reason) => {
          if (reason !== droppedReason) this.#node?.disconnected(peer);
        },
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
    const peers = new Set(others);
    endpoint.setPeers(others);
    this.#node = new VanillaNode(this.#files, {
      self: this.address,
      others,
      remembers,
      compactionEntries,
      random: this.#chance.next,
      nowMs: () => this.machine.monotonicMs(),
      addPeer: (peer) => endpoint.setPeers([...peers.add(peer)]),
      dropPeer: (peer) => {
        peers.delete(peer);
        endpoint.setPeers([...peers]);
      },
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
      const partners = node.others.map((address) => ({ address, connected: true }));
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
      const all = [...node.others, this.address];
      reply(
        encodeMembers(
          all.map((address) => ({ address, leader: node.leader === address, connected: true })),
        ),
      );
    } else if (request.command === "transfer") reply("FAIL");
    else if (request.command === "add" || request.command === "remove") {
      const { command, address } = request;
      const how = command === "add" ? "add" : "rem";
      const answer = (isDone: boolean) => reply(utilityOutcome(request, isDone));
      if (how === "rem" && address === this.address) answer(false);
      else
        node.submit(encodeMembership(how, address), (error) =>
          answer(error === failReason.success),
        );
    }
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
