import { descriptor, path, type SystemCall } from "./system-calls.js";
import { threadMark } from "./thread-mark.js";

/** What one kind of thread did to the journal. */
export interface JournalCalls {
  writes: number;
  syncs: number;
}

/** By whom the journal was written: the thread that writes batches, or one of Node's pool. */
export class JournalWriters {
  readonly thread: JournalCalls = { writes: 0, syncs: 0 };
  readonly pool: JournalCalls = { writes: 0, syncs: 0 };

  /** For a line of a report. */
  get figures(): string {
    const { thread, pool } = this;
    return `the journal synced ${thread.syncs} times by its thread, ${pool.syncs} by the pool`;
  }

  /** All calls of one process. */
  add(calls: readonly SystemCall[]): void {
    const marked = new Set(calls.filter(isMark).map(({ thread }) => thread));
    for (const call of calls) {
      const { name, args, error } = call;
      if (error !== null || (name !== "pwrite64" && name !== "fdatasync")) continue;
      if (!descriptor(args[0]).target.endsWith(".journal")) continue;
      const counts = marked.has(call.thread) ? this.thread : this.pool;
      counts[name === "fdatasync" ? "syncs" : "writes"] += 1;
    }
  }
}

function isMark({ name, args }: SystemCall): boolean {
  if (name !== "open" && name !== "openat") return false;
  return args.some((arg) => arg.startsWith('"\\x') && path(arg) === threadMark);
}
