import assert from "node:assert/strict";
import { commandType } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import { RaftCore } from "../../src/raft/core.js";
import type {
  Effect,
  GuardName,
  InitialState,
  Input,
  RaftConfig,
  SnapshotSummary,
} from "../../src/raft/types.js";

/** A small deterministic generator (mulberry32): one integer makes a whole run. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

interface Disk {
  term: number;
  votedFor: string | null;
  commitIndex: number;
  /** See floorOf of the storage. */
  termFloor?: number;
  entries: Entry[];
  /** Dump: everything up to here is in it. */
  dump: { summary: SnapshotSummary; applied: Entry[] } | null;
}

type DiskOp = Extract<Effect, { kind: "append" | "truncate" | "meta" | "compact" | "install" }>;

export interface Held {
  to: string;
  message: PeerMessage;
  after: number;
}

function logEnd({ log: { lastIndex, lastTerm } }: RaftCore["state"]) {
  return { lastIndex, lastTerm };
}

/** One member: the real core, a disk that syncs when told, and the list of what it applied. */
export class SimMember {
  readonly id: string;
  core: RaftCore | null = null;
  disk: Disk;
  pending: { op: DiskOp; seq: number }[] = [];
  held: Held[] = [];
  commits: { index: number; after: number }[] = [];
  durableSeq = 0;
  applied: Entry[] = [];
  offered: { summary: SnapshotSummary; applied: Entry[] } | null = null;

  constructor(id: string) {
    this.id = id;
    const noOp = { index: 1, term: 0, command: Uint8Array.of(commandType.noOp) };
    this.disk = { term: 0, votedFor: null, commitIndex: 1, entries: [noOp], dump: null };
  }
}

export interface SimOptions {
  readonly seed: number;
  readonly members: readonly string[];
  readonly guardsOff?: ReadonlySet<GuardName>;
  /** Whether they know each other for Quorate members; they do where it is not said. */
  readonly quorate?: boolean;
  /** Longest step of the clock: the longer, the more elections in a run. */
  readonly clockStepMsMax?: number;
  /** Chance that an event which is no message is a disk's. */
  readonly diskSpeed?: number;
}

/**
 * Cores that talk over links which keep order, lose whole links, and delay; over disks whose writes
 * become durable late and are lost, in part, at a crash. Checks the raft invariants after each step.
 */
export class SimCluster {
  readonly random: () => number;
  readonly members = new Map<string, SimMember>();
  nowMs = 0;
  readonly notes: string[] = [];
  protected readonly links = new Map<string, PeerMessage[]>();
  protected readonly up = new Set<string>();
  private readonly leaders = new Map<number, string>();
  private readonly chosen = new Map<number, Entry>();
  private readonly options: SimOptions;
  /** Highest term that a member ever showed. */
  private readonly shownTerm = new Map<string, number>();
  private readonly votes = new Map<string, string>();

  constructor(options: SimOptions) {
    this.options = options;
    this.random = seededRandom(options.seed);
    for (const id of options.members) this.members.set(id, new SimMember(id));
    for (const id of options.members) this.start(id);
  }

  member(id: string): SimMember {
    const member = this.members.get(id);
    if (member === undefined) throw new Error(`no member ${id}`);
    return member;
  }

  start(id: string): void {
    const member = this.member(id);
    const { disk } = member;
    member.applied = [...(disk.dump?.applied ?? disk.entries.slice(0, 1))];
    const config: RaftConfig = {
      selfId: id,
      electionTimeoutMsMin: 400,
      electionTimeoutMsMax: 1400,
      heartbeatMs: 100,
      leaderFallbackMs: 30_000,
      onConflict: "keep",
      random: this.random,
      ...(this.options.guardsOff === undefined ? {} : { guardsOff: this.options.guardsOff }),
    };
    const initial: InitialState = {
      term: disk.term,
      votedFor: disk.votedFor,
      commitIndex: disk.commitIndex,
      appliedIndex: disk.dump?.summary.last.index ?? 1,
      entries: disk.entries,
      members: disk.dump?.summary.members ?? this.options.members,
      mustRefetch: false,
      ...(disk.termFloor === undefined ? {} : { termFloor: disk.termFloor }),
    };
    member.durableSeq = 0;
    member.core = new RaftCore(config, initial, this.nowMs);
    this.perform(member, member.core.begin());
    for (const other of this.members.keys()) if (other !== id) this.connect(id, other);
  }

  crash(id: string): void {
    const member = this.member(id);
    member.core = null;
    // The disk may have done some of what it was asked and not confirmed: a prefix of it.
    const kept = Math.floor(this.random() * (member.pending.length + 1));
    for (const { op } of member.pending.splice(0, kept)) this.writeDown(member, op);
    member.pending = [];
    member.held = [];
    member.commits = [];
    member.offered = null;
    for (const other of this.members.keys()) this.disconnect(id, other);
  }

  connect(a: string, b: string): void {
    if (this.member(a).core === null || this.member(b).core === null) return;
    const link = linkOf(a, b);
    if (this.up.has(link)) return;
    this.up.add(link);
    for (const [from, to] of pairs(a, b)) {
      this.links.set(`${from}>${to}`, []);
      this.step(from, { kind: "connected", peer: to });
      if (this.options.quorate !== false) this.step(from, { kind: "peer-is-quorate", peer: to });
    }
  }

  disconnect(a: string, b: string): void {
    const link = linkOf(a, b);
    if (!this.up.delete(link)) return;
    for (const [from, to] of pairs(a, b)) {
      this.links.set(`${from}>${to}`, []);
      this.step(from, { kind: "disconnected", peer: to });
    }
  }

  step(id: string, input: Input): void {
    const member = this.member(id);
    if (member.core === null) return;
    this.perform(member, member.core.step(input, this.nowMs));
    this.check(member);
  }

  /** One event, chosen by chance: a message, a disk write, or the clock. */
  advance(): void {
    const roll = this.random();
    const busy = [...this.links].filter(([, queue]) => queue.length > 0);
    const writing = [...this.members.values()].filter((member) => member.pending.length > 0);
    if (roll < 0.6 && busy.length > 0) {
      const [link] = busy[Math.floor(this.random() * busy.length)] ?? [];
      if (link !== undefined) this.deliver(link);
    } else if (this.random() < (this.options.diskSpeed ?? 0.75) && writing.length > 0) {
      const member = writing[Math.floor(this.random() * writing.length)];
      if (member !== undefined) this.sync(member);
    } else {
      this.nowMs += Math.floor(this.random() * (this.options.clockStepMsMax ?? 20));
      for (const id of this.members.keys()) this.step(id, { kind: "tick" });
    }
  }

  /** Everything is delivered and synced, and time goes on: the cluster has all it needs. */
  calm(ms: number): void {
    const until = this.nowMs + ms;
    while (this.nowMs < until) {
      for (let round = 0; round < 1000; round += 1) {
        const busy = [...this.links].filter(([, queue]) => queue.length > 0);
        const writing = [...this.members.values()].filter((member) => member.pending.length > 0);
        const answers = this.runLater();
        if (busy.length === 0 && writing.length === 0 && answers === 0) break;
        for (const member of writing) this.sync(member);
        for (const [link] of busy) this.deliver(link);
      }
      this.nowMs += 10;
      for (const id of this.members.keys()) this.step(id, { kind: "tick" });
    }
  }

  leader(): string | null {
    const leading = [...this.members.values()].filter((m) => m.core?.state.role === "leader");
    leading.sort((a, b) => (b.core?.state.term ?? 0) - (a.core?.state.term ?? 0));
    return leading[0]?.id ?? null;
  }

  propose(id: string, text: string): void {
    const command = Uint8Array.of(commandType.regular, ...Buffer.from(text));
    this.step(id, { kind: "propose", proposals: [{ command, origin: { kind: "nobody" } }] });
  }

  compact(id: string): void {
    const member = this.member(id);
    const { core } = member;
    if (core === null) return;
    const { log, lastApplied, durableIndex } = core.state;
    if (lastApplied < log.firstIndex + 2 || lastApplied > durableIndex) return;
    const summary = {
      last: log.at(lastApplied),
      previous: log.at(lastApplied - 1),
      members: [id, ...core.state.members],
    };
    member.disk.dump = {
      summary,
      applied: member.applied.filter((entry) => entry.index <= lastApplied),
    };
    this.step(id, { kind: "dump-written", previousIndex: lastApplied - 1 });
  }

  protected deliver(link: string): void {
    const message = this.links.get(link)?.shift();
    const [from, to] = link.split(">");
    if (message === undefined || from === undefined || to === undefined) return;
    this.step(to, { kind: "message", from, message });
  }

  private sync(member: SimMember): void {
    const count = 1 + Math.floor(this.random() * member.pending.length);
    const done = member.pending.splice(0, count);
    for (const { op } of done) this.writeDown(member, op);
    const seq = done.at(-1)?.seq ?? 0;
    member.durableSeq = seq;
    const held = member.held;
    member.held = [];
    for (const item of held) this.post(member, item);
    this.saveCommits(member);
    this.step(member.id, { kind: "durable", seq });
  }

  private saveCommits(member: SimMember): void {
    for (;;) {
      const next = member.commits[0];
      if (next === undefined || next.after > member.durableSeq) return;
      member.commits.shift();
      member.disk.commitIndex = next.index;
    }
  }

  private writeDown({ disk, offered }: SimMember, op: DiskOp): void {
    const first = () => disk.entries[0]?.index ?? 1;
    switch (op.kind) {
      case "append":
        disk.entries.push(...op.entries);
        break;
      case "truncate":
        disk.entries.splice(op.fromIndex - first());
        break;
      case "meta":
        disk.term = op.term;
        disk.votedFor = op.votedFor;
        break;
      case "compact":
        disk.entries.splice(0, op.keepFrom - first());
        break;
      case "install":
        if (offered === null) throw new Error("nothing to install");
        disk.dump = offered;
        disk.entries = [offered.summary.previous, offered.summary.last, ...op.keep];
        break;
    }
  }

  private perform(member: SimMember, effects: readonly Effect[]): void {
    for (const effect of effects) this.performOne(member, effect);
  }

  protected performOne(member: SimMember, effect: Effect): void {
    switch (effect.kind) {
      case "append":
      case "truncate":
      case "meta":
      case "compact":
      case "install":
        if (effect.kind === "install" && member.offered !== null) {
          member.applied = [...member.offered.applied];
        }
        member.pending.push({ op: effect, seq: effect.seq });
        break;
      case "send":
        for (const to of effect.to) {
          this.post(member, { to, message: effect.message, after: effect.after });
        }
        break;
      case "apply":
        for (const entry of effect.entries) this.apply(member, entry);
        {
          const index = effect.entries.at(-1)?.index ?? 0;
          if (member.core !== null) {
            this.perform(member, member.core.step({ kind: "applied", index }, this.nowMs));
          }
        }
        break;
      case "rebuild":
        throw new Error(`${member.id} gave up committed entries`);
      case "save-commit":
        member.commits.push(effect);
        this.saveCommits(member);
        break;
      case "ask-status":
        this.answerStatus(member, effect.peer, effect.question);
        break;
      case "send-snapshot":
        this.sendSnapshot(member, effect.to);
        break;
      case "note":
        this.notes.push(`${member.id}: ${effect.note.code}: ${effect.note.text}`);
        break;
      case "halt":
        throw new Error(`${member.id} halted: ${effect.reason}`);
      default:
        break;
    }
  }

  /** Messages to one receiver never overtake each other. */
  protected post(member: SimMember, item: Held): void {
    const waits = item.after > member.durableSeq || member.held.some((held) => held.to === item.to);
    if (waits) {
      member.held.push(item);
      return;
    }
    if (!this.up.has(linkOf(member.id, item.to))) return;
    this.links.get(`${member.id}>${item.to}`)?.push(item.message);
    this.noteShown(member.id, item);
  }

  private answerStatus(member: SimMember, peer: string, question: number): void {
    const state = this.members.get(peer)?.core?.state;
    const status =
      state === undefined || !this.up.has(linkOf(member.id, peer))
        ? null
        : {
            version: "0.3.17",
            term: state.term,
            commitIndex: state.commitIndex,
            lastApplied: state.lastApplied,
            logLength: state.log.length,
            leader: state.leader,
            ...(this.options.quorate === false ? {} : logEnd(state)),
          };
    // Asked now, answered in a later step: as over a socket.
    this.later.push(() => this.step(member.id, { kind: "peer-status", peer, question, status }));
  }

  readonly later: (() => void)[] = [];

  runLater(): number {
    const due = this.later.splice(0);
    for (const run of due) run();
    return due.length;
  }

  protected sendSnapshot(member: SimMember, to: string): void {
    const dump = member.disk.dump;
    const { core } = member;
    this.later.push(() => {
      if (dump === null || core === null || core !== member.core) return;
      const receiver = this.members.get(to);
      this.step(member.id, { kind: "snapshot-sent", to, lastIndex: dump.summary.last.index });
      if (receiver === undefined || !this.up.has(linkOf(member.id, to))) return;
      receiver.offered = dump;
      const { summary } = dump;
      const term = core.state.term;
      this.step(to, { kind: "snapshot-received", from: member.id, term, summary });
    });
  }

  private apply(member: SimMember, entry: Entry): void {
    assert.equal(entry.index, (member.applied.at(-1)?.index ?? 0) + 1, "applied in order");
    member.applied.push(entry);
    const before = this.chosen.get(entry.index);
    if (before === undefined) this.chosen.set(entry.index, entry);
    else {
      assert.ok(
        before.term === entry.term && Buffer.from(before.command).equals(entry.command),
        `${member.id} applies another entry at ${entry.index}`,
      );
    }
  }

  private noteShown(id: string, { message, to }: Held): void {
    const term = "term" in message ? message.term : 0;
    if (message.type === "quorate_pre_vote" || message.type === "quorate_pre_vote_answer") return;
    const disk = this.member(id).disk;
    const durable = Math.max(disk.term, ...disk.entries.map((entry) => entry.term));
    assert.ok(term <= durable, `${id} shows term ${term} and its disk has ${durable}`);
    assert.ok(term >= (this.shownTerm.get(id) ?? 0) || term === 0, `${id}'s term goes back`);
    this.shownTerm.set(id, Math.max(term, this.shownTerm.get(id) ?? 0));
    if (message.type === "response_vote") {
      const key = `${id}@${term}`;
      assert.ok(this.votes.get(key) === undefined, `${id} votes twice in term ${term}`);
      this.votes.set(key, to);
    }
    if (message.type === "next_node_idx" && message.success) {
      const held = disk.entries.at(-1)?.index ?? 0;
      assert.ok(message.nextNodeIdx - 1 <= held, `${id} claims entries that its disk lacks`);
    }
  }

  private check(member: SimMember): void {
    const state = member.core?.state;
    if (state === undefined) return;
    assert.ok(state.commitIndex <= state.log.lastIndex, "commit index beyond the log");
    assert.ok(state.lastApplied <= state.commitIndex, "applied beyond the commit index");
    assert.ok(state.durableIndex <= state.log.lastIndex, "durable beyond the log");
    if (state.role === "leader") {
      const known = this.leaders.get(state.term);
      assert.ok(known === undefined || known === member.id, `two leaders in term ${state.term}`);
      this.leaders.set(state.term, member.id);
    }
  }

  /** Every chosen entry is in every member's applied list, in the same place. */
  assertAgreement(): void {
    const all = [...this.members.values()];
    const longest = Math.max(...all.map((member) => member.applied.length));
    for (const member of all) {
      assert.equal(member.applied.length, longest, `${member.id} has applied everything`);
    }
  }
}

function linkOf(a: string, b: string): string {
  return a < b ? `${a}-${b}` : `${b}-${a}`;
}

function pairs(a: string, b: string): readonly (readonly [string, string])[] {
  return [
    [a, b],
    [b, a],
  ];
}
