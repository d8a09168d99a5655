import assert from "node:assert/strict";
import { commandType } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import type { GuardName } from "../../src/raft/types.js";
import { seededRandom } from "./sim-cluster.js";
import { type Left, Solo } from "./solo.js";
import { VanillaModel } from "./vanilla-model.js";

export interface MixedOptions {
  readonly seed: number;
  readonly quorate: readonly string[];
  readonly vanilla: readonly string[];
  readonly guardsOff?: readonly GuardName[];
}

/** What outlives a restart of one of our members, and what it has applied since the last one. */
class Seat {
  readonly id: string;
  solo: Solo;
  applied: Entry[];
  conflicts = 0;

  constructor(id: string, solo: Solo) {
    this.id = id;
    this.solo = solo;
    this.applied = solo.state.log.slice(1, 1);
  }
}

/**
 * Our cores beside models of 0.3.15, over links that keep order and break. Disks are prompt here: the
 * late ones are sim-cluster.ts's subject.
 */
export class MixedCluster {
  readonly random: () => number;
  readonly seats = new Map<string, Seat>();
  readonly vanillas = new Map<string, VanillaModel>();
  readonly ids: readonly string[];
  nowMs = 0;
  /** Everything that some member has applied: acknowledged, as far as its client can tell. */
  readonly acknowledged = new Map<string, number>();
  private readonly options: MixedOptions;
  private readonly links = new Map<string, (PeerMessage | "ask" | "told")[]>();
  private readonly up = new Set<string>();
  private readonly votes = new Map<string, string>();
  private readonly terms = new Map<string, number>();

  constructor(options: MixedOptions) {
    this.options = options;
    this.random = seededRandom(options.seed);
    this.ids = [...options.quorate, ...options.vanilla];
    for (const id of options.quorate) this.seats.set(id, new Seat(id, this.newSolo(id, {})));
    for (const id of options.vanilla) {
      this.vanillas.set(id, new VanillaModel(id, this.othersOf(id), this.random));
    }
    this.connectAll();
  }

  connectAll(): void {
    for (const a of this.ids) for (const b of this.ids) if (a < b) this.connect(a, b);
  }

  connect(a: string, b: string): void {
    const link = `${a}-${b}`;
    if (a >= b || this.up.has(link)) return;
    this.up.add(link);
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      this.links.set(`${from}>${to}`, []);
      this.vanillas.get(from)?.connected.add(to);
      const seat = this.seats.get(from);
      seat?.solo.connect(to, this.seats.has(to));
      if (seat !== undefined) this.drain(seat);
    }
  }

  disconnect(a: string, b: string): void {
    if (a > b) {
      this.disconnect(b, a);
      return;
    }
    if (!this.up.delete(`${a}-${b}`)) return;
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      this.links.set(`${from}>${to}`, []);
      this.vanillas.get(from)?.connected.delete(to);
      const seat = this.seats.get(from);
      seat?.solo.step({ kind: "disconnected", peer: to });
      if (seat !== undefined) this.drain(seat);
    }
  }

  /** A member stops and comes back with what its kind keeps. */
  restart(id: string): void {
    for (const other of this.ids) if (other !== id) this.disconnect(id, other);
    const seat = this.seats.get(id);
    if (seat !== undefined) {
      const { log, term, votedFor, commitIndex } = seat.solo.state;
      const entries = log.slice(1, log.lastIndex);
      const kept = { entries, term, commit: commitIndex };
      seat.solo = this.newSolo(id, votedFor === null ? kept : { ...kept, votedFor });
      seat.applied = entries.slice(0, 1);
      this.drain(seat);
    }
    const vanilla = this.vanillas.get(id);
    vanilla?.restart(this.nowMs);
    if (vanilla !== undefined) this.noteApplied(vanilla.applied);
    for (const other of this.ids) if (other !== id) this.connect(...inOrder(id, other));
  }

  /** One event by chance: a message, or the clock. */
  advance(): void {
    const busy = [...this.links].filter(([, queue]) => queue.length > 0);
    if (this.random() < 0.8 && busy.length > 0) {
      const [link] = busy[Math.floor(this.random() * busy.length)] ?? [""];
      this.deliver(link);
    } else this.passTime(Math.floor(this.random() * 20));
  }

  calm(ms: number): void {
    const until = this.nowMs + ms;
    while (this.nowMs < until) {
      for (let turn = 0; turn < 500; turn += 1) {
        const busy = [...this.links].filter(([, queue]) => queue.length > 0);
        if (busy.length === 0) break;
        for (const [link] of busy) this.deliver(link);
      }
      this.passTime(10);
    }
  }

  leader(): string | null {
    const leading = this.ids.filter((id) => this.roleOf(id) === "leader");
    leading.sort((a, b) => this.termOf(b) - this.termOf(a));
    return leading[0] ?? null;
  }

  propose(id: string, text: string): void {
    const command = Uint8Array.of(commandType.regular, ...Buffer.from(text));
    this.vanillas.get(id)?.propose(command);
    const seat = this.seats.get(id);
    seat?.solo.propose(command);
    if (seat !== undefined) this.drain(seat);
  }

  logOf(id: string): readonly Entry[] {
    const log = this.seats.get(id)?.solo.state.log;
    return log?.slice(1, log.lastIndex) ?? this.vanillas.get(id)?.log ?? [];
  }

  /** Acknowledged writes that the log of `id` does not hold. */
  lostIn(id: string): string[] {
    const held = new Set(this.logOf(id).map(({ command }) => textOf(command)));
    return [...this.acknowledged.keys()].filter((text) => text !== "" && !held.has(text));
  }

  get conflicts(): number {
    return [...this.seats.values()].reduce((sum, seat) => sum + seat.conflicts, 0);
  }

  private othersOf(id: string): string[] {
    return this.ids.filter((other) => other !== id);
  }

  private newSolo(id: string, kept: Partial<ConstructorParameters<typeof Solo>[0]>): Solo {
    const solo = new Solo({
      self: id,
      peers: this.othersOf(id),
      connected: [],
      random: this.random,
      nowMs: this.nowMs,
      ...(this.options.guardsOff === undefined ? {} : { guardsOff: this.options.guardsOff }),
      ...kept,
    });
    return solo;
  }

  private roleOf(id: string): string {
    return this.seats.get(id)?.solo.state.role ?? this.vanillas.get(id)?.role ?? "";
  }

  private termOf(id: string): number {
    return this.seats.get(id)?.solo.state.term ?? this.vanillas.get(id)?.term ?? 0;
  }

  private passTime(ms: number): void {
    this.nowMs += ms;
    for (const seat of this.seats.values()) {
      seat.solo.nowMs = this.nowMs;
      seat.solo.tick();
      this.drain(seat);
    }
    for (const vanilla of this.vanillas.values()) {
      this.post(vanilla.id, vanilla.tick(this.nowMs));
      this.noteApplied(vanilla.applied.slice(-50));
    }
  }

  private deliver(link: string): void {
    const item = this.links.get(link)?.shift();
    const [from = "", to = ""] = link.split(">");
    if (item === undefined) return;
    // A question is answered with the state of the moment in which it arrives.
    if (item === "ask") this.links.get(`${to}>${from}`)?.push("told");
    else if (item === "told") this.tell(to, from);
    else {
      const seat = this.seats.get(to);
      seat?.solo.receive(from, item);
      if (seat !== undefined) this.drain(seat);
      const vanilla = this.vanillas.get(to);
      if (vanilla !== undefined) this.post(to, vanilla.receive(from, item, this.nowMs));
    }
  }

  private tell(asker: string, peer: string): void {
    const seat = this.seats.get(asker);
    if (seat === undefined) return;
    const state = this.seats.get(peer)?.solo.state;
    const status = this.vanillas.get(peer)?.status() ?? {
      version: "0.3.17",
      term: state?.term ?? 0,
      commitIndex: state?.commitIndex ?? 1,
      lastApplied: state?.lastApplied ?? 1,
      logLength: state?.log.length ?? 1,
      leader: null,
    };
    seat.solo.status(peer, status);
    this.drain(seat);
  }

  private post(from: string, left: readonly Left[]): void {
    for (const { to, message } of left) {
      if (this.up.has(inOrder(from, to).join("-"))) this.links.get(`${from}>${to}`)?.push(message);
    }
  }

  /** What one of our members has done in its last step. */
  private drain(seat: Seat): void {
    for (const effect of seat.solo.effects.splice(0)) {
      if (effect.kind === "rebuild") seat.applied = [...effect.entries];
      else if (effect.kind === "apply") {
        for (const entry of effect.entries) {
          assert.equal(entry.index, (seat.applied.at(-1)?.index ?? 0) + 1, "applied in order");
          seat.applied.push(entry);
        }
        this.noteApplied(effect.entries);
      } else if (effect.kind === "conflict") seat.conflicts += 1;
    }
    for (const peer of seat.solo.takeAsked()) this.links.get(`${seat.id}>${peer}`)?.push("ask");
    const left = seat.solo.take();
    for (const { to, message } of left) this.check(seat, to, message);
    this.post(seat.id, left);
    const { log, term } = seat.solo.state;
    assert.ok(term >= (this.terms.get(seat.id) ?? 0), `${seat.id}'s term goes back`);
    this.terms.set(seat.id, term);
    for (const entry of seat.applied.slice(-3)) {
      assert.equal(log.termAt(entry.index), entry.term, `${seat.id}'s store is not its log's fold`);
    }
  }

  private check({ id }: Seat, to: string, message: PeerMessage): void {
    if (message.type !== "response_vote") return;
    const key = `${id}@${message.term}`;
    assert.ok(!this.votes.has(key), `${id} votes twice in term ${message.term}`);
    this.votes.set(key, to);
  }

  private noteApplied(entries: readonly Entry[]): void {
    for (const { command, index } of entries) this.acknowledged.set(textOf(command), index);
  }
}

function textOf(command: Uint8Array): string {
  return Buffer.from(command.subarray(1)).toString();
}

function inOrder(a: string, b: string): [string, string] {
  return a < b ? [a, b] : [b, a];
}
