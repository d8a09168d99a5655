import { basename } from "node:path";
import { type Change, changed } from "../../test/storage/unsynced.js";
import { bytes, descriptor, path, type SystemCall } from "./system-calls.js";

/** One file, whatever its names are. */
export interface TracedFile {
  /** As it is read through the system's cache. */
  cached: Buffer;
  /** What is on the disk whatever happens. */
  durable: Buffer;
  /** Changes that no sync has covered, in order, each with the position at which it began. */
  pending: { readonly at: number; readonly change: Change }[];
}

/** A change of the directory: `file` null takes the name away. */
export interface NameChange {
  readonly at: number;
  readonly changes: readonly (readonly [name: string, file: TracedFile | null])[];
}

/** Something that happened to the directory at a position in the order of calls. */
interface Happening {
  readonly at: number;
  /** Makes another state of the directory; otherwise it is book-keeping of what is open. */
  readonly isChange: boolean;
  readonly happen: () => void;
}

const harmless = new Set(["close", "read", "readv", "mmap"]);

/**
 * The data directory of a member as its system calls have made it: what is in the system's cache, and
 * what has been synced. A change counts from the beginning of its call on, since it may be on the disk
 * before the call has ended; a sync counts when its call has ended, for what had begun before it.
 */
export class TracedDisk {
  readonly names = new Map<string, TracedFile>();
  readonly durableNames = new Map<string, TracedFile>();
  pendingNames: NameChange[] = [];
  /** The directory's own name in its parent is durable. */
  isMade = true;
  /** Changes with everything that may make another state out of the directory. */
  version = 0;
  readonly #directory: string;
  readonly #open = new Map<number, TracedFile | "directory" | "parent">();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** A new process: it has nothing open. */
  restarted(): void {
    this.#open.clear();
  }

  /**
   * What a call does to the directory, in its order of time.
   *
   * @throws Error where it changes the directory in a way that is not known here.
   */
  happenings(call: SystemCall): Happening[] {
    if (call.error !== null) return [];
    const { name, args, begin, end } = call;
    switch (name) {
      case "open":
      case "openat":
        return this.#opened(call);
      case "close":
        return [
          { at: begin, isChange: false, happen: () => this.#open.delete(descriptor(args[0]).fd) },
        ];
      case "pwrite64": {
        const written = () => bytes(args[1]).subarray(0, call.result ?? undefined);
        const change = () => ({ kind: "write", at: Number(args[3]), bytes: written() }) as const;
        return this.#changing(call, change);
      }
      case "ftruncate":
        return this.#changing(call, () => ({ kind: "size", size: Number(args[1]) }));
      case "fdatasync":
      case "fsync":
        return call.result === 0 ? [changing(end, () => this.#synced(call))] : [];
      case "rename":
        return this.#renamed(call, path(args[0]), path(args[1]));
      case "unlink":
        return this.#unlinked(call, path(args[0]));
      case "mkdir":
        return this.#made(call);
      default:
        return harmless.has(name) ? [] : this.#other(call);
    }
  }

  #made(call: SystemCall): Happening[] {
    const made = path(call.args[0]);
    if (made !== this.#directory) return this.#other(call);
    const happen = () => {
      this.version += 1;
      this.isMade = false;
    };
    return [changing(call.begin, happen)];
  }

  #name(of: string): string | null {
    return of.startsWith(`${this.#directory}/`) ? basename(of) : null;
  }

  #opened({ args, result, begin, end }: SystemCall): Happening[] {
    const at = args[0]?.startsWith('"') === true ? 0 : 1;
    const target = path(args[at]);
    const isDirectory = target === this.#directory;
    const name = this.#name(target);
    const isParent = this.#directory.startsWith(`${target}/`);
    if (name === null && !isDirectory && !isParent) return [];
    const flags = args[at + 1] ?? "";
    const happenings: Happening[] = [];
    if (name !== null && flags.includes("O_CREAT")) {
      happenings.push(changing(begin, () => this.#created(name, begin)));
    }
    const open = () => {
      const file = name === null ? undefined : this.names.get(name);
      const opened = isDirectory ? "directory" : isParent ? "parent" : file;
      if (opened === undefined) throw new Error(`${target} was opened and is not there`);
      if (result !== null) this.#open.set(result, opened);
    };
    happenings.push({ at: end, isChange: false, happen: open });
    return happenings;
  }

  #created(name: string, at: number): void {
    this.version += 1;
    const known = this.names.get(name);
    if (known !== undefined) {
      // O_TRUNC of a file that a killed process has left.
      this.#change(known, { kind: "size", size: 0 }, at);
      return;
    }
    const file = { cached: Buffer.alloc(0), durable: Buffer.alloc(0), pending: [] };
    this.names.set(name, file);
    this.pendingNames.push({ at, changes: [[name, file]] });
  }

  #changing({ args, begin }: SystemCall, change: () => Change): Happening[] {
    const { fd } = descriptor(args[0]);
    const happen = () => {
      const file = this.#open.get(fd);
      if (file === undefined || typeof file === "string") return;
      this.#change(file, change(), begin);
    };
    return [changing(begin, happen)];
  }

  #change(file: TracedFile, change: Change, at: number): void {
    this.version += 1;
    file.cached = changed(file.cached, change);
    file.pending.push({ at, change });
  }

  #synced({ name, args, begin }: SystemCall): void {
    const file = this.#open.get(descriptor(args[0]).fd);
    if (file === undefined) return;
    this.version += 1;
    if (file === "parent") this.isMade = true;
    else if (file === "directory") {
      if (name !== "fsync") throw new Error(`${name} of a directory`);
      for (const { changes } of this.pendingNames.filter(({ at }) => at < begin)) {
        applyNames(this.durableNames, changes);
      }
      this.pendingNames = this.pendingNames.filter(({ at }) => at >= begin);
    } else {
      for (const { at, change } of file.pending) {
        if (at < begin) file.durable = changed(file.durable, change);
      }
      file.pending = file.pending.filter(({ at }) => at >= begin);
    }
  }

  #renamed(call: SystemCall, from: string, to: string): Happening[] {
    const [before, after] = [this.#name(from), this.#name(to)];
    if (before === null && after === null) return [];
    if (before === null || after === null) return this.#other(call);
    const happen = () => {
      const file = this.names.get(before);
      if (file === undefined) throw new Error(`${before} was renamed and is not there`);
      this.#renames(call.begin, [
        [before, null],
        [after, file],
      ]);
    };
    return [changing(call.begin, happen)];
  }

  #unlinked(call: SystemCall, target: string): Happening[] {
    const name = this.#name(target);
    if (name === null) return [];
    return [changing(call.begin, () => this.#renames(call.begin, [[name, null]]))];
  }

  #renames(at: number, changes: NameChange["changes"]): void {
    this.version += 1;
    applyNames(this.names, changes);
    this.pendingNames.push({ at, changes });
  }

  /** Anything else that touches the directory is beyond this model, and must be noticed. */
  #other(call: SystemCall): Happening[] {
    const targets = call.args.flatMap((arg) =>
      arg.startsWith('"\\x') && arg.length < 20_000 ? [path(arg)] : [descriptor(arg).target],
    );
    const isHere = targets.some(
      (target) => target === this.#directory || this.#name(target) !== null,
    );
    if (!isHere && !call.name.startsWith("io_")) return [];
    throw new Error(`a call that the model does not know: ${call.name} on ${targets.join(", ")}`);
  }
}

function changing(at: number, happen: () => void): Happening {
  return { at, isChange: true, happen };
}

export function applyNames(names: Map<string, TracedFile>, changes: NameChange["changes"]): void {
  for (const [name, file] of changes) {
    if (file === null) names.delete(name);
    else names.set(name, file);
  }
}
