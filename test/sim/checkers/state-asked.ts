import type { PeerMessage } from "../../../protocol/wire/messages.js";
import type { MemberStatus } from "../../../protocol/wire/utility.js";
import { Violation } from "../violation.js";
import type { Checker, MemberView, Question } from "./checker.js";

/** What a member has asked, and was told, since it last led, began a campaign, or heard a leader. */
interface Silence {
  readonly life: number;
  leaderHeardMs: number;
  /** An answer to what was asked before does not count, however late it comes. */
  readonly asked: Set<Question>;
  readonly told: Map<string, MemberStatus[]>;
  granted: { readonly term: number; readonly by: Set<string> };
  /** The term to campaign in for which a leader has handed over. */
  handedTerm: number;
  campaign: Campaign | null;
}

/** As it began: what it asks leaves later, when the vote is on the disk. */
interface Campaign {
  readonly term: number;
  /** Connected members that it had to ask for their state, and did not. */
  readonly unasked: readonly string[];
  /** Whoever has told its state, and what in that speaks against it; null where nobody has to. */
  readonly told: ReadonlyMap<string, string | null> | null;
}

/**
 * Beside members that are not known for Quorate's, and where terms dip in its log, a member asks all connected ones
 * for their state, in the same silence in which it campaigns. It asks those for their votes that have told it,
 * and nobody that has committed more than it holds. Two things stand in for that: a leader has handed over; or,
 * among Quorate members and without a dip, a majority has said that it would vote.
 */
export class StateAskedFirst implements Checker {
  readonly name = "state-asked-first";
  readonly #silences = new Map<string, Silence>();

  asked(member: MemberView, question: Question): void {
    this.#of(member).asked.add(question);
  }

  answered(member: MemberView, question: Question, status: MemberStatus): void {
    const { asked, told } = this.#of(member);
    if (!asked.has(question)) return;
    told.set(question.address, [...(told.get(question.address) ?? []), status]);
  }

  received(member: MemberView, from: string, message: PeerMessage): void {
    const silence = this.#of(member);
    if (message.type === "timeout_now") silence.handedTerm = member.raft.term + 1;
    if (message.type !== "quorate_pre_vote_answer" || !message.granted) return;
    const { term } = message;
    if (term > silence.granted.term) silence.granted = { term, by: new Set() };
    // An answer for an earlier term may come late, amid those for this one.
    if (term === silence.granted.term) silence.granted.by.add(from);
  }

  step(member: MemberView): void {
    const { raft } = member;
    const silence = this.#of(member);
    const begins = raft.role === "candidate" && silence.campaign?.term !== raft.term;
    if (begins) silence.campaign = campaignOf(member, silence);
    if (!begins && !raft.isLeader && raft.leaderHeardMs <= silence.leaderHeardMs) return;
    silence.leaderHeardMs = Math.max(silence.leaderHeardMs, raft.leaderHeardMs);
    silence.asked.clear();
    silence.told.clear();
  }

  sent(from: MemberView, to: string, message: PeerMessage): void {
    // A term beacon names a log position that cannot win.
    if (message.type !== "request_vote" || message.lastLogIndex === 0) return;
    const { campaign } = this.#of(from);
    if (campaign?.term !== message.term || !from.raft.guarded("candidate-guard")) return;
    const { unasked, told } = campaign;
    const against =
      unasked.length > 0
        ? `has not asked ${unasked} for the state`
        : told?.has(to) === false
          ? "was not told its state"
          : told?.get(to);
    if (typeof against !== "string") return;
    const what = `${from.address} asks ${to} for its vote in term ${message.term}`;
    throw new Violation(this.name, `${what}, and ${against}`);
  }

  #of({ address, life }: MemberView): Silence {
    const known = this.#silences.get(address);
    if (known?.life === life) return known;
    const silence: Silence = {
      life,
      leaderHeardMs: Number.NEGATIVE_INFINITY,
      asked: new Set(),
      told: new Map(),
      granted: { term: 0, by: new Set() },
      handedTerm: 0,
      campaign: null,
    };
    this.#silences.set(address, silence);
    return silence;
  }
}

function campaignOf(member: MemberView, silence: Silence): Campaign {
  const { raft } = member;
  const { term, log, members, peers } = raft;
  if (silence.handedTerm === term) return { term, unasked: [], told: null };
  const granted = silence.granted.term === term ? silence.granted.by.size : 0;
  const isWanted = granted + 1 >= raft.majority && !log.hasTermDip;
  const asked = new Set([...silence.asked].map(({ address }) => address));
  const unasked = [...members].filter(
    (peer) =>
      raft.connected.has(peer) &&
      !asked.has(peer) &&
      // Whoever comes while the others say so is asked on its new link all the same.
      !(isWanted && peers.get(peer)?.isQuorate === true),
  );
  if (isWanted) return { term, unasked, told: null };
  const held = heldByMajority(member, silence);
  const told = [...silence.told].map(([peer, answers]) => {
    const shown = peers.get(peer)?.lastIndex ?? 0;
    const isAgainst =
      held > log.lastIndex && answers.every((answer) => hasMore(answer, shown, log.lastIndex));
    const what = `has heard that ${peer} has committed more than ${log.lastIndex} entries`;
    return [peer, isAgainst ? what : null] as const;
  });
  return { term, unasked, told: new Map(told) };
}

/** Of entries that a majority says it does not hold there is nothing to lose any more. */
function heldByMajority({ raft }: MemberView, silence: Silence): number {
  const ends = [...raft.members].map((peer) => {
    const said = silence.told.get(peer)?.map(({ extra }) => extra) ?? [];
    const isWhole = !said.some((extra) => mayLack(extra.get("quorate_degraded")));
    const last = said.map((extra) => extra.get("quorate_last_index"));
    const known = last.filter((index) => typeof index === "number");
    return isWhole && known.length > 0 ? Math.max(...known) : Number.POSITIVE_INFINITY;
  });
  ends.push(raft.log.lastIndex);
  ends.sort((a, b) => b - a);
  return ends[raft.majority - 1] ?? 0;
}

function mayLack(degraded: unknown): boolean {
  return Array.isArray(degraded) && degraded.includes("refetching");
}

/** 0.3.15 can say that more is committed than it has: its log, where that is known, or its store has to have it. */
function hasMore(status: MemberStatus, shown: number, lastIndex: number): boolean {
  if (status.commitIdx <= lastIndex) return false;
  return shown === 0 || Math.max(shown, status.lastApplied) > lastIndex;
}
