import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encodeSet } from "../../protocol/log/kv-calls.js";
import type { WriteOutcome } from "../../src/node/write-outcome.js";
import type { GuardName } from "../../src/raft/types.js";
import { freeAddresses } from "./free-ports.js";
import { type KvData, type KvRecord, parseKvData } from "./kv-data.js";
import { isRecord, LineChannel } from "./line-channel.js";
import { untilListening } from "./listening.js";
import type { Child, Exit } from "./process.js";
import { projectRoot } from "./project.js";
import type { Scene } from "./scene.js";
import type { Conditions, SetOptions } from "./vanilla-client.js";
import { dataFolder } from "./vanilla-member.js";
import type { OwnRecord, WritingClient } from "./writing-client.js";

export interface QuorateOptions {
  readonly selfAddr: string;
  readonly partners: readonly string[];
  /** Default: the same folder that a vanilla member of this address has. */
  readonly dataDir?: string;
  readonly password?: string | undefined;
  readonly bindAddr?: string;
  /** Address for HTTP; default: a free one. Null: HTTP stays off. */
  readonly http?: string | null;
  readonly extraArgs?: readonly string[];
  /** Node.js binary; default: the one that runs the test. See node-versions.ts. */
  readonly node?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A program with its options that runs the member as its child: strace, say. */
  readonly under?: readonly string[];
  /** Guards that are left out, for tests that show what they prevent: see quorate-unguarded.ts. */
  readonly guardsOff?: readonly GuardName[];
  /** Takes writes from the test as well; see quorate-control.ts. */
  readonly isWriter?: boolean;
}

/** Reading its own state is quick; longer than this, the loop is blocked. */
const httpMsMax = 10_000;

/** A running `quorate run`. */
export class QuorateMember implements WritingClient {
  readonly selfAddr: string;
  readonly dataDir: string;
  readonly http: string | null;
  readonly child: Child;
  /** Null unless it was started as a writer. */
  readonly #channel: LineChannel | null;

  constructor(
    options: { selfAddr: string; dataDir: string; http: string | null; isWriter: boolean },
    child: Child,
  ) {
    this.#channel = options.isWriter ? new LineChannel(child) : null;
    this.selfAddr = options.selfAddr;
    this.dataDir = options.dataDir;
    this.http = options.http;
    this.child = child;
  }

  get name(): string {
    return this.child.name;
  }

  /** `GET /v1/status`. */
  async httpStatus(): Promise<Readonly<Record<string, unknown>>> {
    const status = await this.getJson("/v1/status");
    if (!isRecord(status)) throw new Error(`${this.name}: the status is no object`);
    return status;
  }

  /** Codes of what `GET /v1/status` calls degraded. */
  async reasons(): Promise<string[]> {
    const { degraded } = await this.httpStatus();
    if (!Array.isArray(degraded)) throw new Error(`${this.name}: no list of what is degraded`);
    return degraded.map((reason) => (isRecord(reason) ? String(reason["code"]) : ""));
  }

  /** `GET /v1/kv?prefix=`: this member's own applied state. */
  async kv(prefix = ""): Promise<KvData> {
    return parseKvData(await this.getJson(`/v1/kv?prefix=${encodeURIComponent(prefix)}`));
  }

  /** As VanillaNode.data, so that both can be compared. */
  data(): Promise<KvData> {
    return this.kv();
  }

  /** Writes through this member, and what came of it. */
  async write(
    what: "set" | "delete" | "submit",
    args: Readonly<Record<string, unknown>>,
  ): Promise<WriteOutcome<unknown>> {
    if (this.#channel === null) throw new Error(`${this.name} was not started as a writer`);
    return (await this.#channel.ask(what, args)) as WriteOutcome<unknown>;
  }

  async set(key: string, value: string, options: SetOptions = {}): Promise<KvRecord | false> {
    const outcome = await this.write("set", { key, value, options });
    return outcome.ok && (outcome.result as KvRecord | false);
  }

  async delete(
    key: string,
    options: Conditions & { readonly recursive?: boolean } = {},
  ): Promise<boolean> {
    const outcome = await this.write("delete", { key, options });
    return outcome.ok && outcome.result === true;
  }

  async get(key: string): Promise<KvRecord | null> {
    return (await this.kv(key)).entries[key] ?? null;
  }

  async setOnce(key: string, record: OwnRecord): Promise<number | null> {
    try {
      const command = Buffer.from(encodeSet(key, record)).toString("hex");
      const outcome = await this.write("submit", { command });
      return outcome.ok ? outcome.index : null;
    } catch {
      // Killed: what became of the write is not known.
      return null;
    }
  }

  /** @throws Error unless the answer is 200 and JSON. */
  async getJson(path: string): Promise<unknown> {
    if (this.http === null) throw new Error(`${this.name} was started without HTTP`);
    const signal = AbortSignal.timeout(httpMsMax);
    const response = await fetch(`http://${this.http}${path}`, { signal });
    const body = await response.text();
    if (response.status !== 200) throw new Error(`${path}: ${response.status} ${body}`);
    return JSON.parse(body);
  }

  /** The log's lines as objects; what is no JSON (a crash's stack, say) as {text}. */
  logLines(): readonly Record<string, unknown>[] {
    return this.child
      .log()
      .split("\n")
      .filter((line) => line !== "")
      .map(parseLine);
  }

  stop(signal: NodeJS.Signals = "SIGTERM"): Promise<Exit> {
    return this.child.stop(signal);
  }
}

/** Starts `bin/quorate.js run` and waits until it listens (on HTTP as well). */
export async function startQuorate(scene: Scene, options: QuorateOptions): Promise<QuorateMember> {
  const http = options.http === undefined ? await freeAddress() : options.http;
  const member = spawnQuorate(scene, { ...options, http });
  await untilListening(member.child, options.bindAddr ?? options.selfAddr);
  if (http !== null) await untilListening(member.child, http);
  return member;
}

/** The same without waiting: the process may be killed at any moment of its start. */
export function spawnQuorate(
  scene: Scene,
  options: QuorateOptions & { readonly http: string | null },
): QuorateMember {
  const { selfAddr, http, under = [], guardsOff = [], isWriter = false } = options;
  const dataDir = options.dataDir ?? dataFolder(scene, selfAddr);
  const node = options.node ?? process.execPath;
  const quorate = [...programOf(guardsOff, isWriter), "run", ...flags(options, dataDir, http)];
  const [program = node, ...args] = [...under, node, ...quorate];
  const child = scene.start({
    name: `quorate ${selfAddr}`,
    program,
    args,
    env: options.env ?? {},
    pipes: isWriter,
  });
  return new QuorateMember({ selfAddr, dataDir, http, isWriter }, child);
}

/** Guards cannot be left out by any option of the real program. */
function programOf(guardsOff: readonly GuardName[], isWriter: boolean): readonly string[] {
  if (isWriter && guardsOff.length > 0) throw new Error("no program takes writes without guards");
  if (isWriter) return [fileURLToPath(new URL("./quorate-control.js", import.meta.url))];
  if (guardsOff.length === 0) return [join(projectRoot(), "bin", "quorate.js")];
  return [fileURLToPath(new URL("quorate-unguarded.js", import.meta.url)), guardsOff.join(",")];
}

function flags(options: QuorateOptions, dataDir: string, http: string | null): string[] {
  const flag = (name: string, value: string | null | undefined) =>
    value === undefined || value === null ? [] : [name, value];
  return [
    ...flag("--self-addr", options.selfAddr),
    ...flag("--bind-addr", options.bindAddr),
    ...flag("--partner-addrs", options.partners.length > 0 ? options.partners.join(",") : null),
    ...flag("--data-dir", dataDir),
    ...flag("--password", options.password),
    ...flag("--http", http),
    "--log-format",
    "json",
    ...(options.extraArgs ?? []),
  ];
}

async function freeAddress(): Promise<string> {
  const [address] = await freeAddresses(1);
  if (address === undefined) throw new Error("no free port");
  return address;
}

function parseLine(line: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(line);
    return isRecord(parsed) ? parsed : { text: line };
  } catch {
    return { text: line };
  }
}
