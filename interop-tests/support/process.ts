import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import type { Readable, Writable } from "node:stream";

export interface ChildOptions {
  /** For messages and for the log's name. */
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Where stderr goes, and stdout unless it is piped. Appended to. */
  readonly logFile: string;
  /** With pipes: stdin and stdout are the caller's. */
  readonly pipes?: boolean;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A member that hands over leadership and writes its files takes at most this to stop. */
const stopMsMax = 15_000;
/** The end of a log that is shown: enough for a traceback and what led to it. */
const logTailBytes = 8 * 1024;

const running = new Set<Child>();

/** One process that a test started, in a group of its own so that its own children end with it. */
export class Child {
  readonly name: string;
  readonly logFile: string;
  readonly exited: Promise<Exit>;
  readonly #process: ChildProcess;
  #exit: Exit | null = null;

  constructor(options: ChildOptions) {
    this.name = options.name;
    this.logFile = options.logFile;
    const log = openSync(options.logFile, "a");
    const { program, args } = endingWithParent(options);
    this.#process = spawn(program, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: options.pipes === true ? ["pipe", "pipe", log] : ["ignore", log, log],
      detached: true,
    });
    closeSync(log);
    running.add(this);
    this.exited = new Promise((resolve) => {
      const ended = (exit: Exit) => {
        this.#exit = exit;
        running.delete(this);
        resolve(exit);
      };
      this.#process.once("exit", (code, signal) => ended({ code, signal }));
      this.#process.once("error", () => ended({ code: null, signal: null }));
    });
    // What is written to a process that has just ended is lost, and no fault of the test.
    this.#process.stdin?.on("error", () => {});
  }

  get pid(): number {
    const { pid } = this.#process;
    if (pid === undefined) throw new Error(`${this.name} could not be started`);
    return pid;
  }

  get isRunning(): boolean {
    return this.#exit === null;
  }

  get stdin(): Writable {
    if (this.#process.stdin === null) throw new Error(`${this.name} was started without pipes`);
    return this.#process.stdin;
  }

  get stdout(): Readable {
    if (this.#process.stdout === null) throw new Error(`${this.name} was started without pipes`);
    return this.#process.stdout;
  }

  /** Sends a signal to the process alone; a process that has ended gets none. */
  signal(signal: NodeJS.Signals): void {
    if (this.isRunning) this.#process.kill(signal);
  }

  /** SIGSTOP: the process hangs, its connections stay. */
  pause(): void {
    this.signal("SIGSTOP");
  }

  resume(): void {
    this.signal("SIGCONT");
  }

  /** Ends the process and waits for it; where it does not end in time, SIGKILL follows. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<Exit> {
    this.signal(signal);
    if (signal !== "SIGKILL") this.signal("SIGCONT");
    const timer = setTimeout(() => this.killGroup(), stopMsMax);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  /** SIGKILL for the process and for those that it started. */
  killGroup(): void {
    const { pid } = this.#process;
    if (pid === undefined) return;
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // All of them have ended.
    }
  }

  /** All that the process has logged. */
  log(): string {
    return existsSync(this.logFile) ? readFileSync(this.logFile, "utf8") : "";
  }

  /** The last lines of the log under the process's name, for a test that failed. */
  report(): string {
    const state = this.#exit === null ? "running" : `ended ${JSON.stringify(this.#exit)}`;
    return `--- ${this.name} (${state})\n${this.log().slice(-logTailBytes)}`;
  }
}

/**
 * A test process that is killed cannot end its children; Linux does it then. Elsewhere they end
 * with the exit handler only.
 */
function endingWithParent(options: ChildOptions): { program: string; args: readonly string[] } {
  const setpriv = "/usr/bin/setpriv";
  if (!existsSync(setpriv)) return options;
  return { program: setpriv, args: ["--pdeathsig", "KILL", options.program, ...options.args] };
}

function killAll(): void {
  for (const child of running) child.killGroup();
}

process.on("exit", killAll);
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
  process.once(signal, () => {
    killAll();
    process.kill(process.pid, signal);
  });
}
