import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { encodeUtility } from "../../protocol/wire/utility.js";
import { askUtility } from "../../src/net/utility-client.js";
import { refetchingCode } from "../../src/node/member-types.js";
import type { KvData } from "./kv-data.js";
import { type QuorateMember, spawnQuorate } from "./quorate-member.js";
import type { Scene } from "./scene.js";
import { type Kind, type SeatState, seatState } from "./seats.js";
import { spawnControlled, type VanillaNode } from "./vanilla-client.js";
import { dataFolder } from "./vanilla-member.js";

export interface CrashSeatOptions {
  readonly kind: Kind;
  /** PySyncObj's, for a vanilla member. */
  readonly version: string;
  readonly selfAddr: string;
  readonly partners: readonly string[];
  /** Address of HTTP; null for a vanilla member. */
  readonly http: string | null;
  /** A log longer than this is compacted; null: the default, 5,000 entries. */
  readonly compactAbove: number | null;
}

/** Shorter than in production, so that many elections fit into a minute. */
const seconds = { min: 0.2, max: 0.5, heartbeat: 0.05, retry: 0.05 } as const;

const askMsMax = 5_000;

/** A member that is killed and started again and again, without waiting for anything. */
export class CrashSeat {
  readonly kind: Kind;
  readonly selfAddr: string;
  readonly dataDir: string;
  readonly #scene: Scene;
  readonly #options: CrashSeatOptions;
  #node: QuorateMember | VanillaNode | null = null;

  constructor(scene: Scene, options: CrashSeatOptions) {
    this.#scene = scene;
    this.#options = options;
    this.kind = options.kind;
    this.selfAddr = options.selfAddr;
    this.dataDir = dataFolder(scene, options.selfAddr);
  }

  get name(): string {
    return this.#running.name;
  }

  /** Ours only, for what HTTP tells; null while it is not there. */
  get quorate(): QuorateMember | null {
    const node = this.#node;
    return node !== null && "http" in node && node.child.isRunning ? node : null;
  }

  get isRunning(): boolean {
    return this.#node?.child.isRunning === true;
  }

  data(): Promise<KvData> {
    return this.#running.data();
  }

  /** What it tells on the wire. */
  async state(): Promise<SeatState> {
    const request = encodeUtility({ command: "status" });
    const options = { timeoutMs: askMsMax, password: null };
    return seatState(this.selfAddr, await askUtility(this.selfAddr, request, options));
  }

  /** @param isDoomed It ends itself by SIGKILL between the two renames of its first compaction. */
  async start(isDoomed = false): Promise<void> {
    this.#node = await this.#spawn(isDoomed);
  }

  /** Resolves when the process has ended, whoever ended it. */
  async ended(): Promise<void> {
    await this.#running.child.exited;
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(): Promise<void> {
    await this.#running.child.stop("SIGKILL");
  }

  /** While it does not run: its disk is thrown away, and it is given an empty one. */
  loseDisk(): void {
    rmSync(this.dataDir, { recursive: true });
    mkdirSync(this.dataDir);
  }

  /** Whether it runs, has applied the entry of that index, and takes its part, as far as it says so. */
  async isWhole(index: number): Promise<boolean> {
    const state = await this.state().catch(() => null);
    if (state === null || state.appliedIndex < index) return false;
    if (this.kind === "vanilla") return true;
    const reasons = await this.quorate?.reasons().catch(() => null);
    return reasons?.includes(refetchingCode) === false;
  }

  /** All lines of the present process. */
  log(): string {
    return this.#running.child.log();
  }

  get #running(): QuorateMember | VanillaNode {
    if (this.#node === null) throw new Error(`${this.selfAddr} was never started`);
    return this.#node;
  }

  async #spawn(isDoomed: boolean): Promise<QuorateMember | VanillaNode> {
    const { kind, version, selfAddr, partners, http, compactAbove } = this.#options;
    if (kind === "vanilla") {
      const compaction = compactAbove === null ? {} : { logCompactionMinEntries: compactAbove };
      return await spawnControlled(this.#scene, `vanilla ${version} ${selfAddr}`, {
        ...{ version, selfAddr, partners, dataDir: this.dataDir },
        conf: {
          raftMinTimeout: seconds.min,
          raftMaxTimeout: seconds.max,
          appendEntriesPeriod: seconds.heartbeat,
          connectionRetryTime: seconds.retry,
          ...compaction,
        },
      });
    }
    const extraArgs = [
      ...["--min-timeout", String(seconds.min), "--max-timeout", String(seconds.max)],
      ...["--append-entries-period", String(seconds.heartbeat)],
      ...["--connection-retry-time", String(seconds.retry)],
      ...(compactAbove === null ? [] : ["--log-compaction-min-entries", String(compactAbove)]),
    ];
    const { dataDir } = this;
    const doom = isDoomed ? { under: this.#killer(), env: { UV_THREADPOOL_SIZE: "1" } } : {};
    return spawnQuorate(this.#scene, { selfAddr, partners, http, dataDir, extraArgs, ...doom });
  }

  /**
   * The kernel kills it as it enters the second rename of a new journal: the first is the start's own,
   * which makes a journal or joins it with the dump. Counted a thread, so it must have only one.
   */
  #killer(): string[] {
    const journal = join(this.dataDir, `${this.selfAddr}.journal.quorate-tmp`);
    const inject = "inject=rename:signal=SIGKILL:when=2";
    const quietly = ["-D", "-qq", "-o", "/dev/null", "-f"];
    return ["strace", ...quietly, "-P", journal, "-e", "trace=rename", "-e", inject];
  }
}
