import { join } from "node:path";
import { freeAddresses } from "./free-ports.js";
import { type KvData, parseKvData } from "./kv-data.js";
import { isRecord } from "./line-channel.js";
import { untilListening } from "./listening.js";
import type { Child, Exit } from "./process.js";
import { projectRoot } from "./project.js";
import type { Scene } from "./scene.js";
import { dataFolder } from "./vanilla-member.js";

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
}

/** Reading its own state is quick; longer than this, the loop is blocked. */
const httpMsMax = 10_000;

/** A running `quorate run`. */
export class QuorateMember {
  readonly selfAddr: string;
  readonly dataDir: string;
  readonly http: string | null;
  readonly child: Child;

  constructor(options: { selfAddr: string; dataDir: string; http: string | null }, child: Child) {
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

  /** `GET /v1/kv?prefix=`: this member's own applied state. */
  async kv(prefix = ""): Promise<KvData> {
    return parseKvData(await this.getJson(`/v1/kv?prefix=${encodeURIComponent(prefix)}`));
  }

  /** As VanillaNode.data, so that both can be compared. */
  data(): Promise<KvData> {
    return this.kv();
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
  const dataDir = options.dataDir ?? dataFolder(scene, options.selfAddr);
  const http = options.http === undefined ? await freeAddress() : options.http;
  const child = scene.start({
    name: `quorate ${options.selfAddr}`,
    program: options.node ?? process.execPath,
    args: [join(projectRoot(), "bin", "quorate.js"), "run", ...flags(options, dataDir, http)],
    env: options.env ?? {},
  });
  await untilListening(child, options.bindAddr ?? options.selfAddr);
  if (http !== null) await untilListening(child, http);
  return new QuorateMember({ selfAddr: options.selfAddr, dataDir, http }, child);
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
