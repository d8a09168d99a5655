import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { encodeSet } from "../../protocol/log/kv-calls.js";
import { encodeUtility, parseStatus } from "../../protocol/wire/utility.js";
import { askUtility } from "../../src/net/utility-client.js";
import { type Ack, AckObserver } from "./ack-observer.js";
import type { Breakage } from "./broken-member.js";
import { eventually } from "./eventually.js";
import { freeAddresses } from "./free-ports.js";
import { untilListening } from "./listening.js";
import { type QuorateMember, spawnQuorate } from "./quorate-member.js";
import type { Scene } from "./scene.js";
import { strace } from "./system-calls.js";
import { threadMark } from "./thread-mark.js";

/** A log longer than this is compacted: a few dozen times in a scenario. */
const compactAbove = 25;
const neverAbove = 1_000_000;
/** Under strace, on a busy machine. */
const progressMsMax = 60_000;

export interface TracedClusterOptions {
  /** The traced member is broken on purpose. */
  readonly broken?: Breakage;
  /** All three are traced, for what one moment leaves of a whole cluster. */
  readonly all?: boolean;
}

/** A write that was acknowledged. */
export interface AckedWrite extends Ack {
  readonly value: string;
}

/** The traces of one member's processes, one after the other. */
export interface Traces {
  readonly selfAddr: string;
  readonly dataDir: string;
  readonly files: readonly string[];
}

/** Three members, one of them under strace, and what its processes' traces are. */
export class TracedCluster {
  readonly traced: string;
  readonly acked = new Map<string, AckedWrite>();
  readonly #scene: Scene;
  readonly #addresses: readonly string[];
  readonly #options: TracedClusterOptions;
  readonly #traces = new Map<string, string[]>();
  readonly #members = new Map<string, QuorateMember>();
  readonly #observer: AckObserver;
  #keys = 0;

  private constructor(scene: Scene, addresses: readonly string[], options: TracedClusterOptions) {
    this.#scene = scene;
    this.#addresses = addresses;
    this.#options = options;
    // The middle one is dialled by one of the others and dials the other one.
    this.traced = addresses[1] ?? "";
    this.#observer = new AckObserver(addresses);
  }

  /** @throws Error where strace is missing. */
  static async start(scene: Scene, options: TracedClusterOptions = {}): Promise<TracedCluster> {
    if (!existsSync("/usr/bin/strace")) {
      throw new Error("strace is missing; on Debian and Ubuntu: apt-get install strace");
    }
    const cluster = new TracedCluster(scene, await freeAddresses(3), options);
    // The slow one first: a member that comes to a leader without any files has to catch up first.
    for (const address of [cluster.traced, ...cluster.others]) await cluster.#start(address);
    await cluster.#observer.start();
    return cluster;
  }

  get others(): readonly string[] {
    return this.#addresses.filter((address) => address !== this.traced);
  }

  member(address: string): QuorateMember {
    const member = this.#members.get(address);
    if (member === undefined) throw new Error(`nobody was started at ${address}`);
    return member;
  }

  /** Writes until `count` more are acknowledged, a few at once. */
  async write(count: number, valueBytes = 20): Promise<void> {
    const wanted = this.acked.size + count;
    const deadline = Date.now() + progressMsMax;
    const work = async () => {
      while (this.acked.size < wanted) {
        if (Date.now() > deadline) throw new Error(`${this.acked.size} of ${wanted} acknowledged`);
        const ack = await this.#writeOne(valueBytes);
        if (ack === null) await sleep(20);
      }
    };
    await Promise.all(Array.from({ length: Math.min(4, count) }, work));
  }

  /** Writes until the thread that writes the traced member's batches has named itself. */
  async writeUntilThread(): Promise<void> {
    const mark = [...Buffer.from(threadMark)].map((byte) => `\\x${byte.toString(16)}`).join("");
    const trace = this.tracesOf(this.traced).files.at(-1) ?? "";
    const isNamed = async () => {
      if (readFileSync(trace, "latin1").includes(mark)) return true;
      await this.write(4);
      return false;
    };
    await eventually("its thread has named itself", isNamed, { timeoutMs: progressMsMax });
  }

  /** Begins writes that nobody can commit, and leaves them. */
  async writeInVain(count: number): Promise<void> {
    for (let n = 0; n < count; n++) void this.#writeOne(20);
    await sleep(300);
  }

  /** Has a member lead, by transfers. */
  async makeLead(address: string): Promise<void> {
    await eventually(
      `${address} leads`,
      async () => {
        const leader = await this.leader();
        if (leader === address) return true;
        const transfer = encodeUtility({ command: "transfer", address });
        if (leader !== null) await askUtility(leader, transfer, { timeoutMs: 5_000, key: null });
        await sleep(500);
        return false;
      },
      { timeoutMs: progressMsMax },
    );
  }

  /** Whom a majority follows. */
  async leader(): Promise<string | null> {
    const request = encodeUtility({ command: "status" });
    const said = await Promise.all(
      this.#addresses.map((address) =>
        askUtility(address, request, { timeoutMs: 2_000, key: null })
          .then((value) => parseStatus(value).leader)
          .catch(() => null),
      ),
    );
    return said.find((leader) => said.filter((other) => other === leader).length >= 2) ?? null;
  }

  get addresses(): readonly string[] {
    return this.#addresses;
  }

  tracesOf(selfAddr: string): Traces {
    const { dataDir } = this.member(selfAddr);
    return { selfAddr, dataDir, files: this.#traces.get(selfAddr) ?? [] };
  }

  /** Ends a traced member and waits for the end of its trace. */
  async stop(signal: NodeJS.Signals, selfAddr = this.traced): Promise<void> {
    const { child } = this.member(selfAddr);
    await child.stop(signal);
    const trace = this.tracesOf(selfAddr).files.at(-1) ?? "";
    const end = new RegExp(`^${child.pid} +[\\d.]+ \\+\\+\\+ `, "m");
    await eventually("the trace is complete", () => end.test(readFileSync(trace, "latin1")));
  }

  async restart(selfAddr = this.traced): Promise<void> {
    await this.#start(selfAddr);
  }

  /** Ends all members: who runs on a rebuilt directory must find nobody that could complete it. */
  async close(): Promise<void> {
    await this.#observer.close();
    for (const { child } of this.#members.values()) await child.stop("SIGKILL");
  }

  async #writeOne(valueBytes: number): Promise<Ack | null> {
    this.#keys += 1;
    const key = `/traced/${this.#keys}`;
    const now = Date.now() / 1000;
    const value = `${key} ${"v".repeat(valueBytes)}`;
    const ack = await this.#observer.write(encodeSet(key, { value, created: now, updated: now }));
    if (ack !== null) this.acked.set(key, { ...ack, value });
    return ack;
  }

  async #start(selfAddr: string): Promise<void> {
    const partners = this.#addresses.filter((address) => address !== selfAddr);
    const { broken, all = false } = this.#options;
    // A compaction gives the thread back; this one is to stay.
    const above = broken === "thread" ? neverAbove : compactAbove;
    const extraArgs = [
      ...["--min-timeout", "0.4", "--max-timeout", "1.0", "--connection-retry-time", "0.1"],
      ...["--log-compaction-min-entries", String(above)],
    ];
    const options = { selfAddr, partners, http: null, extraArgs };
    if (all || selfAddr === this.traced) {
      const traces = this.#traces.get(selfAddr) ?? [];
      this.#traces.set(selfAddr, traces);
      const name = selfAddr.replace(":", "-");
      const trace = join(this.#scene.folder, `trace-${name}-${traces.length + 1}`);
      traces.push(trace);
      // Not there yet: the member makes it.
      const dataDir = join(this.#scene.makeFolder(`traced-${name}`), "data");
      const traced = { dataDir, under: strace(trace), env: preloaded(broken) };
      this.#members.set(selfAddr, spawnQuorate(this.#scene, { ...options, ...traced }));
    } else this.#members.set(selfAddr, spawnQuorate(this.#scene, options));
    await untilListening(this.member(selfAddr).child, selfAddr);
  }
}

/** What a traced member loads before its own code. */
function preloaded(broken: Breakage | undefined): Record<string, string> {
  const names = ["eager-thread.js", ...(broken === undefined ? [] : ["broken-member.js"])];
  const options = names.map((name) => `--import ${new URL(name, import.meta.url).href}`);
  return { NODE_OPTIONS: options.join(" "), ...(broken === undefined ? {} : { BROKEN: broken }) };
}

/**
 * Everything that moves a member's files: elections won and lost, both roles, compactions, a kill
 * amid writes, a clean stop, a dump from the leader, entries that are cut off again.
 */
export async function runScenario(cluster: TracedCluster): Promise<void> {
  const { traced, others } = cluster;
  const [other = ""] = others;
  await cluster.write(40);
  await cluster.makeLead(traced);
  await cluster.write(60);
  await cluster.write(1, 150_000);
  await cluster.makeLead(other);
  await cluster.write(60);
  await cluster.write(1, 150_000);
  const writing = cluster.write(30);
  await sleep(30);
  await cluster.stop("SIGKILL");
  await writing;
  await cluster.restart();
  await cluster.write(30);
  await beCutOff(cluster);
  await cluster.write(30);
  await cluster.stop("SIGTERM");
  await cluster.write(120);
  await cluster.restart();
  await cluster.write(20);
  await sleep(1_500);
  await cluster.stop("SIGKILL");
}

/** For a cluster in which all are traced: what is under way when the power goes, wherever that is. */
export async function runClusterScenario(cluster: TracedCluster): Promise<void> {
  await cluster.write(40);
  for (const address of cluster.addresses) {
    await cluster.makeLead(address);
    await cluster.write(30);
    const writing = cluster.write(20);
    await sleep(20);
    await cluster.stop("SIGKILL", address);
    await writing;
    await cluster.restart(address);
    await cluster.write(10);
  }
  for (const address of cluster.addresses) await cluster.stop("SIGKILL", address);
}

/** The traced leader alone appends what its successor, elected behind its back, does not have. */
async function beCutOff(cluster: TracedCluster): Promise<void> {
  const { traced, others } = cluster;
  await cluster.makeLead(traced);
  await cluster.write(5);
  for (const address of others) cluster.member(address).child.pause();
  await cluster.writeInVain(5);
  cluster.member(traced).child.pause();
  for (const address of others) cluster.member(address).child.resume();
  await cluster.write(10);
  cluster.member(traced).child.resume();
  await sleep(1_000);
}
