import type { PyValue } from "../../protocol/pickle/values.js";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import { parseUtility } from "../../protocol/wire/utility.js";
import type { Chance } from "./chance.js";
import type { Endpoint } from "./endpoint.js";
import type { Life } from "./machine.js";
import type { Timeline } from "./timeline.js";

/** What is seen of the traffic: for the trace and the checkers. */
export interface TrafficWatch {
  sent(from: string, to: string, message: PeerMessage): void;
  delivered(from: string, to: string, message: PeerMessage): void;
  link(event: string, a: string, b: string): void;
  asked(from: string, question: Question): void;
  answered(from: string, question: Question, value: PyValue): void;
}

/** Delay of a packet, in milliseconds, and bytes that pass in one. */
interface Line {
  delayMs: number;
  bytesPerMs: number;
}

/** The wires between the machines. */
export class SimNetwork {
  readonly timeline: Timeline;
  readonly chance: Chance;
  readonly watch: TrafficWatch;
  /** Whether messages go through their bytes on the way. */
  readonly throughCodec: boolean;
  /** Processes that listen, by address. */
  readonly listening = new Map<string, Endpoint>();
  /** Machines with power: those answer for a process that is gone. */
  readonly powered = new Set<string>();
  readonly #usual: Line;
  readonly #blocked = new Set<string>();
  readonly #lines = new Map<string, Line>();
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(parts: {
    readonly timeline: Timeline;
    readonly chance: Chance;
    readonly watch: TrafficWatch;
    readonly throughCodec: boolean;
    readonly wireMs: number;
  }) {
    this.#usual = { delayMs: parts.wireMs, bytesPerMs: 100_000 };
    this.timeline = parts.timeline;
    this.chance = parts.chance;
    this.watch = parts.watch;
    this.throughCodec = parts.throughCodec;
  }

  isBlocked(from: string, to: string): boolean {
    return this.#blocked.has(`${from}>${to}`);
  }

  /** Packets in this direction wait, as those do that TCP sends again and again. */
  block(from: string, to: string): void {
    this.#blocked.add(`${from}>${to}`);
  }

  unblock(from: string, to: string): void {
    const way = `${from}>${to}`;
    if (!this.#blocked.delete(way)) return;
    const waiting = this.#waiting.get(way);
    this.#waiting.delete(way);
    for (const go of waiting ?? []) go();
  }

  slow(from: string, to: string, line: Line | null): void {
    if (line === null) this.#lines.delete(`${from}>${to}`);
    else this.#lines.set(`${from}>${to}`, line);
  }

  heal(): void {
    this.#lines.clear();
    for (const way of [...this.#blocked]) {
      const [from = "", to = ""] = way.split(">");
      this.unblock(from, to);
    }
  }

  whenOpen(from: string, to: string, go: () => void): void {
    const way = `${from}>${to}`;
    const waiting = this.#waiting.get(way);
    if (waiting === undefined) this.#waiting.set(way, new Set([go]));
    else waiting.add(go);
  }

  delayMs(from: string, to: string, bytes: number): number {
    const line = this.#lines.get(`${from}>${to}`) ?? this.#usual;
    const spread = this.chance.next();
    return line.delayMs * (0.4 + 2 * spread * spread) + bytes / line.bytesPerMs;
  }

  /** A question over a connection of its own. */
  ask(
    asker: { readonly address: string; readonly life: Life },
    question: Question,
  ): Promise<PyValue> {
    const { address: from, life } = asker;
    const { address: to, request, timeoutMs } = question;
    this.watch.asked(from, question);
    return new Promise((resolve, reject) => {
      let isOver = false;
      const timer = life.clock.after(timeoutMs, () => {
        isOver = true;
        reject(new Error(`no answer from ${to}`));
      });
      const fail = (why: string) =>
        this.#travel(to, from, () =>
          life.enter(() => {
            timer.cancel();
            reject(new Error(`${to}: ${why}`));
          }),
        );
      this.#travel(from, to, () => {
        const there = this.listening.get(to);
        if (there === undefined) {
          if (this.powered.has(to)) fail("refused");
          return;
        }
        there.life.enter(() => {
          if (there.isClosed) return;
          there.utility(parseUtility(request), (value) =>
            this.#travel(to, from, () =>
              life.enter(() => {
                timer.cancel();
                if (!isOver) this.watch.answered(from, question, value);
                resolve(value);
              }),
            ),
          );
        });
      });
    });
  }

  #travel(from: string, to: string, arrive: () => void): void {
    const go = () => {
      this.timeline.after(this.delayMs(from, to, 200), () => {
        if (this.isBlocked(from, to)) this.whenOpen(from, to, go);
        else arrive();
      });
    };
    go();
  }
}

export interface Question {
  readonly address: string;
  readonly request: readonly PyValue[];
  readonly timeoutMs: number;
}
