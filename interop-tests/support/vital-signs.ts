import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { QuorateMember } from "./quorate-member.js";

const sampleEveryMs = 10;
const mib = 1024 * 1024;

/** Resident memory of a process in MiB. Linux tells it; elsewhere the test says that it cannot. */
export function residentMib(pid: number): number {
  return memoryMib(pid, "VmRSS");
}

/** The most that it ever had: looking now and then misses what comes and goes in between. */
export function mostResidentMib(pid: number): number {
  return memoryMib(pid, "VmHWM");
}

function memoryMib(pid: number, name: "VmRSS" | "VmHWM"): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kib = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1];
  if (kib === undefined) throw new Error(`process ${pid} does not tell its memory`);
  return (Number(kib) * 1024) / mib;
}

/** Time in ms that a process's main thread has had on a processor so far. */
export function mainThreadMs(pid: number): number {
  const [nanoseconds = ""] = readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ");
  return Number(nanoseconds) / 1e6;
}

/**
 * Looks at a member while others do something to it: its memory, and how long its loop leaves a
 * small HTTP request waiting. On a busy machine the wait is also the machine's.
 */
export class VitalSigns {
  readonly before: number;
  peakMib = 0;
  longestMs = 0;
  readonly waits: number[] = [];
  readonly #member: QuorateMember;
  readonly #done: Promise<void>;
  #running = true;

  constructor(member: QuorateMember) {
    this.#member = member;
    this.before = residentMib(member.child.pid);
    this.#done = this.#watch();
  }

  /** @returns what memory was reached beyond that at the beginning, in MiB. */
  async stop(): Promise<number> {
    this.#running = false;
    await this.#done;
    return this.peakMib - this.before;
  }

  /** The wait that all but one in a hundred were below, in ms. */
  get usualMs(): number {
    const sorted = [...this.waits].sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length * 0.99)] ?? 0;
  }

  async #watch(): Promise<void> {
    while (this.#running) {
      const began = performance.now();
      await this.#member.httpStatus();
      const waited = performance.now() - began;
      this.waits.push(waited);
      this.longestMs = Math.max(this.longestMs, waited);
      this.peakMib = Math.max(this.peakMib, residentMib(this.#member.child.pid));
      await sleep(sampleEveryMs);
    }
  }
}
