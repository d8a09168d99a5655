import { encodeNoOp } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import { encodeSet } from "../../protocol/log/kv-calls.js";
import type { Chance } from "./chance.js";

/** A member of 0.3.15: its log, and what it forgets. */
export interface FormerMember {
  log: readonly Entry[];
  term: number;
  commitIndex: number;
  /** It stores that once a second. */
  storedCommitIndex: number;
}

export interface FormerWrite {
  readonly entry: Entry;
  /** The term in which it was acknowledged. */
  readonly inTerm: number;
}

interface Turn {
  /** How likely each member starts again before it. */
  readonly restarts: number;
  readonly writesMax: number;
  readonly gone: FormerMember | null;
}

/**
 * Three members of 0.3.15 that were started again time and again, without any time passing: who was there,
 * who could lead whom, and what came of it. Each follows the rules of PySyncObj (VanillaNode has all of them): a
 * member that starts again is in term 0, votes by last term and last index alone, takes over the leader's log
 * whatever it had committed of its own, and counts entries of the leader's term as committed when two hold them.
 *
 * No term is led twice: of the entries of such a one nobody can tell who asks.
 */
export class FormerMembers {
  readonly members: readonly FormerMember[];
  readonly #chance: Chance;
  readonly #acknowledged: FormerWrite[] = [];
  readonly #ledTerms: Set<number>;
  #written = 0;

  constructor(chance: Chance) {
    this.#chance = chance;
    // From the time before they were started again all together: terms as high as elections that failed make them.
    const log: Entry[] = [{ index: 1, term: 0, command: encodeNoOp() }];
    let term = 0;
    for (let each = 1 + chance.below(3); each > 0; each -= 1) {
      term += 4 + chance.below(8);
      log.push({ index: log.length + 1, term, command: encodeNoOp() });
      for (let more = chance.below(3); more > 0; more -= 1) log.push(this.#write(log.length, term));
    }
    this.#ledTerms = new Set(log.map((entry) => entry.term));
    const commitIndex = log.length;
    this.members = Array.from({ length: 3 }, () => ({
      log,
      term,
      commitIndex,
      storedCommitIndex: commitIndex,
    }));
    // More often than by chance alone all start again, and whoever leads then is away next.
    const isStaged = chance.is(0.6);
    if (isStaged) {
      for (const member of this.members) startAgain(member);
      const gone = this.#leadOnce({ restarts: 0, writesMax: 5, gone: null });
      this.#leadOnce({ restarts: 0, writesMax: 2, gone });
    }
    for (let each = isStaged ? chance.below(5) - 3 : 1 + chance.below(4); each > 0; each -= 1) {
      this.#leadOnce({ restarts: 0.7, writesMax: 3, gone: null });
    }
  }

  /** What was acknowledged, and two of the three still hold: the others have lost the rest. */
  kept(): FormerWrite[] {
    return this.#acknowledged.filter(
      ({ entry }) => this.members.filter(({ log }) => log[entry.index - 1] === entry).length >= 2,
    );
  }

  /**
   * Some start again; two, or all three, elect one of them, which appends, and stops at some moment.
   *
   * @param gone Who is away, where that is not left to chance.
   * @returns who has led.
   */
  #leadOnce({ restarts, writesMax, gone }: Turn): FormerMember | null {
    const chance = this.#chance;
    for (const member of this.members) if (chance.is(restarts)) startAgain(member);
    const away = gone ?? (chance.is(0.8) ? chance.pick(this.members) : null);
    const there = this.members.filter((member) => member !== away);
    const able = there.filter(
      (member) => there.filter((other) => other === member || votes(other, member)).length >= 2,
    );
    if (able.length === 0) return null;
    const leader = chance.pick(able);
    let term = 1 + chance.below(3) + Math.max(...there.map((member) => member.term));
    while (this.#ledTerms.has(term)) term += 1;
    this.#ledTerms.add(term);
    for (const member of there) member.term = term;
    this.#append(leader, term, chance.below(writesMax + 1));
    this.#replicate(
      leader,
      there.filter((member) => member !== leader),
    );
    return leader;
  }

  #append(leader: FormerMember, term: number, writes: number): void {
    const log = [...leader.log];
    log.push({ index: log.length + 1, term, command: encodeNoOp() });
    for (let more = writes; more > 0; more -= 1) log.push(this.#write(log.length, term));
    leader.log = log;
  }

  #replicate(leader: FormerMember, followers: readonly FormerMember[]): void {
    const chance = this.#chance;
    const ends = followers.map((follower) => {
      if (chance.is(0.1)) return 0;
      const own = leader.log.filter(({ term }) => term === leader.term).length;
      const lacking = chance.is(0.8) ? 0 : chance.below(own);
      follower.log = leader.log.slice(0, leader.log.length - lacking);
      // The leader may stop before the answer reaches it.
      return chance.is(0.1) ? 0 : follower.log.length;
    });
    const committed = Math.max(...ends);
    if (leader.log[committed - 1]?.term === leader.term) {
      leader.commitIndex = Math.max(leader.commitIndex, committed);
      for (const entry of leader.log.slice(0, committed)) {
        const isWrite = entry.term === leader.term && entry.command.length > 1;
        if (isWrite) this.#acknowledged.push({ entry, inTerm: leader.term });
      }
      for (const follower of followers) {
        const isTold = follower.log.at(-1)?.term === leader.term && chance.is(0.5);
        const told = Math.min(committed, follower.log.length);
        if (isTold) follower.commitIndex = Math.max(follower.commitIndex, told);
      }
    }
    for (const member of [leader, ...followers]) {
      if (chance.is(0.7)) member.storedCommitIndex = member.commitIndex;
    }
  }

  #write(lastIndex: number, term: number): Entry {
    this.#written += 1;
    const value = `former ${this.#written} of term ${term}`;
    const command = encodeSet(`/former${this.#written % 6}`, { value, created: 1, updated: 1 });
    return { index: lastIndex + 1, term, command };
  }
}

function startAgain(member: FormerMember): void {
  member.term = 0;
  member.commitIndex = member.storedCommitIndex;
}

function votes(voter: FormerMember, candidate: FormerMember): boolean {
  const lastTerm = (member: FormerMember): number => member.log.at(-1)?.term ?? 0;
  if (lastTerm(candidate) !== lastTerm(voter)) return lastTerm(candidate) > lastTerm(voter);
  return candidate.log.length >= voter.log.length;
}
