import { DurableView } from "./durable-view.js";
import { JournalWriters } from "./journal-writers.js";
import { Revealing } from "./revealed.js";
import { readSystemCalls, type SystemCall } from "./system-calls.js";
import { TracedDisk } from "./traced-disk.js";
import { WireTap } from "./wire-tap.js";

export interface TracedMember {
  readonly selfAddr: string;
  readonly dataDir: string;
  /** Of all members, the traced one among them. */
  readonly majority: number;
}

/** A moment at which the machine could have stopped. */
export type Visit = (point: {
  readonly disk: TracedDisk;
  readonly revealed: Revealing;
  /** Since when it has been so, and until when it stays so: seconds since 1970. */
  readonly sec: number;
  readonly untilSec: number;
}) => void | Promise<void>;

/** Calls and messages of one process, in the order of what each does. */
interface Step {
  readonly at: number;
  readonly sec: number;
  readonly isDisk: boolean;
  readonly run: () => void;
}

/** All that one member's processes have done to their directory and have told others, one after the other. */
export class MemberTrace {
  readonly disk: TracedDisk;
  readonly revealed: Revealing;
  readonly #tap = new WireTap();
  /** Calls by name, to see that a trace is one. */
  readonly calls = new Map<string, number>();
  readonly journal = new JournalWriters();

  constructor({ selfAddr, dataDir, majority }: TracedMember) {
    this.disk = new TracedDisk(dataDir);
    this.revealed = new Revealing(selfAddr, new DurableView(this.disk, selfAddr), majority);
  }

  /**
   * Goes through the trace of the member's next process. `visit` is called before each change of the
   * disk, when everything that was told before it has been told, and at the end.
   */
  async play(traceFile: string, visit: Visit = () => {}): Promise<void> {
    this.disk.restarted();
    this.#tap.restarted();
    this.revealed.restarted();
    const calls = readSystemCalls(traceFile);
    this.journal.add(calls);
    const steps = calls.flatMap((call) => this.#steps(call));
    steps.sort((a, b) => a.at - b.at);
    let sec = steps[0]?.sec ?? 0;
    for (const step of steps) {
      if (step.isDisk) {
        const untilSec = Math.max(sec, step.sec);
        await this.#visit(visit, sec, untilSec);
        sec = untilSec;
      }
      step.run();
    }
    await this.#visit(visit, sec, Number.POSITIVE_INFINITY);
  }

  async #visit(visit: Visit, sec: number, untilSec: number): Promise<void> {
    await visit({ disk: this.disk, revealed: this.revealed, sec, untilSec });
  }

  #steps(call: SystemCall): Step[] {
    this.calls.set(call.name, (this.calls.get(call.name) ?? 0) + 1);
    const steps: Step[] = [];
    for (const { at, isChange, happen } of this.disk.happenings(call)) {
      steps.push({
        at,
        sec: at === call.end ? call.endSec : call.beginSec,
        isDisk: isChange,
        run: happen,
      });
    }
    // A connection's bytes are put together in the order of calls; each message has its own moment.
    for (const tapped of this.#tap.take(call)) {
      const { at, sec } = tapped;
      steps.push({ at, sec, isDisk: false, run: () => this.revealed.take(tapped) });
    }
    return steps;
  }
}
