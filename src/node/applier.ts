import type { Dump } from "../../protocol/files/dump-format.js";
import { commandType, decodeCommand } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import { Store } from "../store/store.js";
import type { Notes } from "./notes.js";
import type { Proposals } from "./proposals.js";

export interface ApplierHost {
  readonly proposals: Proposals;
  readonly notes: Notes;
  /** The store holds the effects of all entries up to here. */
  applied(index: number): void;
  /** What the store held is gone; `dumpIndex` is where the dump that it is now ends, null: as before. */
  replaced(dumpIndex: number | null): void;
  /** The newest dump on disk, null where there is none. */
  readDump(): Promise<Dump | null>;
  failed(error: Error): void;
}

/** The store and how it follows the log: nothing else changes it. */
export class Applier {
  readonly #host: ApplierHost;
  #store: Store;
  /** Enabled code version: KVStoreTTL's functions are all of version 0. */
  codeVersion: number;
  #appliedIndex: number;
  /** Entries given out while the store is being built again; null at all other times. */
  #postponed: Entry[] | null = null;

  constructor(host: ApplierHost, dump: Dump | null) {
    this.#host = host;
    this.#store = dump === null ? new Store() : Store.fromDump(dump.data);
    this.codeVersion = dump?.codeVersion ?? 0;
    this.#appliedIndex = dump?.last.index ?? 1;
  }

  get store(): Store {
    return this.#store;
  }

  /**
   * The entry up to which the store holds all effects, and none beyond; null while it is being
   * built again. The core learns of it a little later: what is read from the store belongs to this.
   */
  get appliedIndex(): number | null {
    return this.#postponed === null ? this.#appliedIndex : null;
  }

  apply(entries: readonly Entry[]): void {
    if (this.#postponed !== null) {
      this.#postponed.push(...entries);
      return;
    }
    let index = 0;
    for (const entry of entries) {
      const result = this.#applyOne(entry);
      this.#host.proposals.applied(entry, result);
      index = entry.index;
    }
    if (index > 0) this.#host.applied(index);
  }

  /** After committed entries had to go: the store again, from the dump and these entries. */
  rebuild(entries: readonly Entry[]): void {
    if (this.#postponed !== null) {
      this.#host.failed(new Error("a second conflict while the store is being built again"));
      return;
    }
    this.#postponed = [];
    this.#host.replaced(null);
    this.#host.readDump().then(
      (dump) => this.#rebuildFrom(dump, entries),
      (error: unknown) => this.#host.failed(new Error("cannot read the dump", { cause: error })),
    );
  }

  /** A leader's dump, and the store built from it, take the place of what was here. */
  install(dump: Dump, store: Store): void {
    this.#postponed = null;
    this.#store = store;
    this.codeVersion = dump.codeVersion;
    this.#appliedIndex = dump.last.index;
    this.#host.replaced(dump.last.index);
    this.#host.proposals.appliedByDump(dump.last.index);
  }

  #rebuildFrom(dump: Dump | null, entries: readonly Entry[]): void {
    const postponed = this.#postponed;
    // A leader's dump has replaced the store meanwhile.
    if (postponed === null) return;
    const store = dump === null ? new Store() : Store.fromDump(dump.data);
    const from = dump?.last.index ?? 1;
    this.#store = store;
    this.#appliedIndex = from;
    for (const entry of entries) if (entry.index > from) this.#applyOne(entry);
    this.#postponed = null;
    this.apply(postponed);
  }

  #applyOne(entry: Entry) {
    if (entry.command[0] === commandType.version) this.#applyVersion(entry);
    const outcome = this.#store.apply(entry.command, entry.index);
    this.#appliedIndex = entry.index;
    if (!("raised" in outcome)) return outcome.result;
    this.#host.notes.say({
      level: "warn",
      code: "raising-entry",
      text:
        `entry ${entry.index} of term ${entry.term} changes nothing: ${outcome.raised}. Every ` +
        "PySyncObj member stops applying at it, after restarts too.",
    });
    return null;
  }

  #applyVersion(entry: Entry): void {
    try {
      const command = decodeCommand(entry.command);
      if (command.kind === "version" && command.version === 0) this.codeVersion = 0;
    } catch {
      // The store says why the entry is none.
    }
  }
}
