import { AcceptedCalls } from "./accepted-calls.js";
import { otherCommandRefusal, parseCommand } from "./command.js";
import { type Growth, growthOf } from "./growth.js";
import { sweepsInTailMax } from "./limits.js";
import { reasonOf } from "./outcome.js";
import { PlainRun } from "./plain-run.js";
import { parsePlainSet } from "./plain-set.js";
import type { KvCall } from "./python-call.js";
import { GeneralRecord } from "./record.js";
import { refusalOf } from "./refusal.js";
import { type LogTail, type OverlaidStore, TailOverlay } from "./tail-overlay.js";

const stoppedText = "what another leader has left in the log is to be applied first";

/** What a leader asks about commands before they are appended. It changes nothing in the store. */
export class CommandJudge {
  readonly #state: OverlaidStore;
  readonly #calls = new AcceptedCalls();
  readonly #overlay: TailOverlay;
  readonly #plainRun = new PlainRun();

  constructor(state: OverlaidStore) {
    this.#state = state;
    this.#overlay = new TailOverlay(state, (command) => this.#callOf(command));
  }

  /**
   * The call of a command that is applied now, which nobody asks about any more.
   *
   * @throws as `parseCommand`
   */
  take(command: Uint8Array): KvCall | null {
    const known = this.#calls.get(command);
    this.forget(command);
    return known ?? parseCommand(command);
  }

  /**
   * Why the command has to wait until more of the tail is applied, or null where it need not: what `refusal`
   * says of it is for good.
   */
  delay(command: Uint8Array, tail: LogTail): string | null {
    this.#overlay.follow(tail);
    const { sweeps, sweepCost, isStopped } = this.#overlay;
    if (!isStopped && sweepCost < sweepsInTailMax) return null;
    const call = this.#soundCallOf(command);
    if (isStopped && call !== null) return stoppedText;
    if (call?.kind !== "delete" || !call.recursive) return null;
    return `${sweeps} recursive deletes wait to be applied`;
  }

  /**
   * Why the command must not be appended behind the tail, or null where it may be: applied there it
   * would stop every vanilla member (or its leader, or Patroni's own process). Exact for
   * commands as Patroni makes them; see refusal.ts for what is refused beyond that.
   *
   * @param tail The entries of the log that are not applied to this store yet, all of them.
   */
  refusal(command: Uint8Array, tail: LogTail): string | null {
    this.#plainRun.end();
    try {
      const call = parseCommand(command);
      if (call === null) return otherCommandRefusal(command);
      this.#overlay.follow(tail);
      if (this.#overlay.isStopped) return stoppedText;
      const reason = refusalOf(call, this.#overlay);
      if (reason === null) this.#calls.remember(command, call);
      return reason;
    } catch (error) {
      return reasonOf(error);
    }
  }

  /**
   * Whether `refusal` would be null, where that shows at sight: a plain set raises nowhere unless a value of
   * another shape is under its key, and of those are none in a tail of plain sets. False: it has to be asked.
   */
  isAdmittedAtSight(command: Uint8Array, tail: LogTail): boolean {
    if (!this.#plainRun.covers(tail)) return false;
    const call = parsePlainSet(command);
    if (call === null || this.#state.record(call.key) instanceof GeneralRecord) return false;
    this.#plainRun.add(command, tail);
    this.#calls.remember(command, call);
    return true;
  }

  /**
   * What the command would add now; null where it sets nothing.
   *
   * @param isNext It is to be applied next, or `forget` is called: it need not be decoded a second time then.
   */
  growthBy(command: Uint8Array, isNext = false): Growth | null {
    try {
      const known = this.#calls.get(command);
      const call = known ?? parseCommand(command);
      if (isNext && known === undefined && call !== null) this.#calls.remember(command, call);
      return growthOf(call, this.#state.record);
    } catch {
      // Applied, it would raise, and so change nothing.
      return null;
    }
  }

  /** A command that was looked at is not going to be applied. */
  forget(command: Uint8Array): void {
    this.#calls.forget(command);
  }

  /** Bytes of the commands that are kept until they are applied. */
  get acceptedBytes(): number {
    return this.#calls.bytes;
  }

  /**
   * Goes one entry of the tail further towards what `refusal` has to know. After an election the tail can
   * be very long.
   *
   * @returns true where `refusal` will not have to look at more than it.
   */
  lookAhead(tail: LogTail): boolean {
    return this.#overlay.follow(tail, 1);
  }

  /**
   * As `refusal`, for a command that is on its way to another member: as this store is now, with nothing
   * behind it, and nothing of the command kept.
   */
  refusalAsIs(command: Uint8Array): string | null {
    try {
      const call = parseCommand(command);
      return call === null ? otherCommandRefusal(command) : refusalOf(call, this.#state);
    } catch (error) {
      return reasonOf(error);
    }
  }

  /** Null where there is none, be it that vanilla would raise: `refusal` tells why. */
  #soundCallOf(command: Uint8Array): KvCall | null {
    try {
      return this.#callOf(command);
    } catch {
      return null;
    }
  }

  #callOf(command: Uint8Array): KvCall | null {
    return this.#calls.get(command) ?? parseCommand(command);
  }
}
