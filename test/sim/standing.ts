import type { Entry } from "../../protocol/log/entry.js";
import type { UtilityRequest } from "../../protocol/wire/utility.js";
import type { StatusReport } from "../../src/node/member-types.js";
import type { Store } from "../../src/store/store.js";

/** Where a member of either kind stands, as far as the world outside can tell. */
export interface Standing {
  readonly address: string;
  readonly kind: "quorate" | "vanilla";
  readonly role: StatusReport["role"];
  /** It leads, and has begun to append. */
  readonly leads: boolean;
  readonly term: number;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly commitIndex: number;
  readonly appliedIndex: number | null;
  readonly store: Store;
  /** The others that it takes for members. */
  readonly others: readonly string[];
  readonly mustRefetch: boolean;
  /** Undefined where the log does not hold it. */
  entryAt(index: number): Entry | undefined;
}

/** A machine with a member on it. */
export interface AnySeat {
  readonly address: string;
  /** Null while no process runs. */
  standing(): Standing | null;
  /** Whether its disk, or its memory where it runs, holds this entry, as such or in its dump. */
  holds(index: number, term: number): boolean;
  /** The end of that log; null where no process runs that could be asked, and reading it takes one. */
  lastEntry(): Entry | null;
  start(): void;
  /** SIGKILL. The machine goes on, and so does the system's cache of its files. */
  kill(): void;
  losePower(): void;
  /** SIGTERM. */
  stop(): void;
  loseLink(peer: string): void;
  /** A client of this member writes; `done` gets one of failReason, or nothing ever. */
  submit(command: Uint8Array, done: (error: number) => void): void;
  /** Asks the member what an administrator's command would. */
  admin(request: UtilityRequest, reply: (value: unknown) => void): void;
}
