import { failReason } from "../../../protocol/wire/messages.js";
import type { History } from "../history.js";
import { Violation } from "../violation.js";
import type { Checker, MemberView, Told } from "./checker.js";

/**
 * 9. A write that was acknowledged is in every later state, and one that was refused for sure is in
 * none.
 */
export class AcknowledgedStays implements Checker {
  readonly name = "acknowledged-stays";
  readonly #history: History;
  readonly #kept = new Map<number, Uint8Array>();
  readonly #refused: Told[] = [];

  constructor(history: History) {
    this.#history = history;
  }

  get count(): number {
    return this.#kept.size;
  }

  told(told: Told): void {
    if (told.error === failReason.success) {
      const index = this.#history.indexOf(told.command);
      if (index === undefined) {
        throw new Violation(this.name, `${told.by} acknowledged a write that nobody has committed`);
      }
      this.#kept.set(index, told.command);
    } else if (definite.has(told.error)) this.#refused.push(told);
  }

  end(all: Iterable<MemberView>): void {
    const members = [...all];
    // Clients do not hear of their writes in the order of the log.
    const last = Math.max(0, ...this.#kept.keys());
    // Where the peace has brought all of them as far, each has it; where it could not (`isTorn`), those that can commit.
    const behind = members.filter(({ raft }) => raft.log.lastIndex < last).length;
    for (const { address, raft, appliedIndex } of members) {
      // It serves nothing: the peace has let nobody bring it up to date (see `isTorn` in peace.ts).
      if (raft.mustRefetch) continue;
      if (2 * behind >= members.length) {
        throw new Violation(
          this.name,
          `${address} ends at ${appliedIndex}, entry ${last} was acknowledged`,
        );
      }
      for (const [index, command] of this.#kept) {
        const held = raft.log.holds(index) ? raft.log.at(index) : this.#history.at(index)?.entry;
        if (held === undefined || Buffer.compare(held.command, command) !== 0) {
          throw new Violation(this.name, `${address} has lost entry ${index}, acknowledged before`);
        }
      }
    }
    for (const { command, by, error } of this.#refused) {
      if (this.#history.indexOf(command) === undefined) continue;
      throw new Violation(this.name, `${by} refused a write (${error}), and it was carried out`);
    }
  }
}

/** After these the command is nowhere, and never will be. */
const definite: ReadonlySet<number> = new Set([
  failReason.queueFull,
  failReason.missingLeader,
  failReason.discarded,
  failReason.notLeader,
  failReason.requestDenied,
]);
