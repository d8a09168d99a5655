import type { DurableFiles } from "../durable-files.js";
import type { Committed } from "../history.js";
import { shown } from "../history.js";
import { Violation } from "../violation.js";
import type { Checker, MemberView } from "./checker.js";

/**
 * What 3 and 9 rest on: an entry that a leader takes for committed is on the disks of a majority in that
 * moment.
 */
export class MajorityHolds implements Checker {
  readonly name = "majority-holds";
  readonly #disks: ReadonlyMap<string, DurableFiles>;
  /** Members that have lost their disk, and who has had a new link to them since. */
  readonly #knowing = new Map<string, Set<string>>();

  /** @param disks Of all machines, whether their members run or not. */
  constructor(disks: ReadonlyMap<string, DurableFiles>) {
    this.#disks = disks;
  }

  lostDisk(address: string): void {
    this.#knowing.set(address, new Set());
  }

  linked(address: string, peer: string): void {
    this.#knowing.get(peer)?.add(address);
  }

  committed({ entry, by }: Committed, members: Iterable<MemberView>): void {
    const { raft } = [...members].find(({ address }) => address === by) ?? {};
    if (raft?.isLeader !== true) return;
    const voters = [by, ...raft.members];
    const holders = voters.filter((voter) => this.#counts(by, voter, entry));
    // A change of members that came in the same moment had not been there yet when it was counted.
    const isChanging = raft.membershipChangeIndex > raft.commitIndex;
    if (2 * holders.length > voters.length - (isChanging ? 1 : 0)) return;
    const where = holders.length === 0 ? "no disk" : `the disks of ${holders} alone`;
    throw new Violation(this.name, `${by} commits ${shown(entry)}, which is on ${where}`);
  }

  /** A leader that has no new link to a machine cannot know that its disk is another one. */
  #counts(leader: string, voter: string, { index, term }: Committed["entry"]): boolean {
    if (this.#knowing.get(voter)?.has(leader) === false) return true;
    return this.#disks.get(voter)?.holds(index, term) === true;
  }
}
