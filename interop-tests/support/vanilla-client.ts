import { type KvData, type KvRecord, parseKvData } from "./kv-data.js";
import { isRecord, LineChannel } from "./line-channel.js";
import type { Child, Exit } from "./process.js";
import { supportFile } from "./project.js";
import { pythonWith } from "./python.js";
import type { Scene } from "./scene.js";
import type { OwnRecord, WritingClient } from "./writing-client.js";

/** Conditions of KVStoreTTL's set and delete. */
export interface Conditions {
  readonly prevExist?: boolean;
  readonly prevValue?: string | null;
  readonly prevIndex?: number | null;
}

export interface SetOptions extends Conditions {
  /** Seconds. */
  readonly ttl?: number;
}

export interface WriterOptions {
  /** Keys are the prefix and a number from 0. */
  readonly prefix: string;
  readonly count: number;
  readonly valueBytes?: number;
  readonly pauseMs?: number;
}

export interface WriterResult {
  readonly acked: number;
  /** Attempts that were not acknowledged and were made again. */
  readonly failed: number;
  readonly seconds: number;
}

export interface Writer {
  /** Keys acknowledged so far, in order. */
  readonly acked: readonly string[];
  readonly done: Promise<WriterResult>;
  /** No further key is begun; `done` then resolves. */
  stop(): Promise<void>;
}

/** Long enough for a thousand writes through two elections. */
const writerMsMax = 10 * 60_000;

/** One process with Patroni's real KVStoreTTL that answers to the test. */
export class VanillaNode implements WritingClient {
  readonly child: Child;
  readonly version: string;
  readonly #channel: LineChannel;

  constructor(child: Child, version: string) {
    this.child = child;
    this.version = version;
    this.#channel = new LineChannel(child);
  }

  get name(): string {
    return this.child.name;
  }

  /** Resolves when the object exists (a member listens then). */
  get started(): Promise<void> {
    return this.#channel.started;
  }

  /** Waits for KVStoreTTL's own on_ready: a leader is known and its log applied. */
  async waitReady(timeoutMs = 30_000): Promise<void> {
    const args = { timeout: timeoutMs / 1000 };
    const ready = await this.#channel.ask("wait_ready", args, { timeoutMs: timeoutMs + 5000 });
    if (ready !== true) throw new Error(`${this.name} is not ready after ${timeoutMs} ms`);
  }

  /** KVStoreTTL.set: the stored record, or false where refused or not acknowledged in 10 s. */
  async set(key: string, value: string, options: SetOptions = {}): Promise<KvRecord | false> {
    const { ttl, ...conditions } = options;
    const args = { key, value, ttl: ttl ?? null, options: conditions };
    return (await this.#channel.ask("set", args)) as KvRecord | false;
  }

  /** KVStoreTTL.delete. */
  async delete(
    key: string,
    options: Conditions & { readonly recursive?: boolean } = {},
  ): Promise<boolean> {
    return (await this.#channel.ask("delete", { key, options })) === true;
  }

  async get(key: string): Promise<KvRecord | null> {
    return (await this.#channel.ask("get", { key })) as KvRecord | null;
  }

  /** A replicated call (`_set`, `_delete`, `_expire`) without the client's own checks. */
  async raw(
    name: string,
    args: readonly unknown[],
    kwargs: Readonly<Record<string, unknown>> = {},
    timeoutMs = 10_000,
  ): Promise<{ readonly result: unknown; readonly error: number }> {
    const answer = await this.#channel.ask("raw", {
      name,
      args,
      kwargs,
      timeout: timeoutMs / 1000,
    });
    if (!isRecord(answer)) throw new Error("no answer to a replicated call");
    return { result: answer["result"], error: Number(answer["error"]) };
  }

  async setOnce(key: string, record: OwnRecord): Promise<number | null> {
    try {
      const { result, error } = await this.raw("_set", [key, record]);
      return error === 0 && isRecord(result) ? Number(result["index"]) : null;
    } catch {
      // Killed, or nobody answered in time: what became of the write is not known.
      return null;
    }
  }

  /** Submits any bytes as a command; there is no answer. */
  async submit(command: Uint8Array): Promise<void> {
    await this.#channel.ask("submit", { command: Buffer.from(command).toString("hex") });
  }

  /** All that this process has applied, consistent with its applied index. */
  async data(): Promise<KvData> {
    return parseKvData(await this.#channel.ask("data"));
  }

  /** The same with Python's types, in the encoding of protocol/vectors/README.md. */
  async typedData(): Promise<{ readonly appliedIndex: number; readonly entries: unknown }> {
    const answer = await this.#channel.ask("data", { typed: true });
    if (!isRecord(answer)) throw new Error("no data");
    return { appliedIndex: Number(answer["appliedIndex"]), entries: answer["entries"] };
  }

  /** SyncObj.getStatus of this process; `self` and `leader` as addresses. */
  async status(): Promise<Readonly<Record<string, unknown>>> {
    const status = await this.#channel.ask("status");
    if (!isRecord(status)) throw new Error("no status");
    return status;
  }

  /** Asks for a dump (of a member) without waiting for it. */
  async compact(): Promise<void> {
    await this.#channel.ask("compact");
  }

  /** A utility command by the real TcpUtility; the reply in the vectors' encoding. */
  utility(address: string, command: readonly unknown[], timeoutMs = 10_000): Promise<unknown> {
    const args = { address, command, timeout: timeoutMs / 1000 };
    return this.#channel.ask("utility", args, { timeoutMs: timeoutMs + 5000 });
  }

  /** Writes keys one after the other and tells of each that was acknowledged. */
  startWriter(options: WriterOptions): Writer {
    const acked: string[] = [];
    const number = this.#channel.nextNumber;
    const { prefix, count, valueBytes = 0, pauseMs = 0 } = options;
    const args = { prefix, count, value_bytes: valueBytes, pause: pauseMs / 1000 };
    const done = this.#channel
      .ask("write", args, { timeoutMs: writerMsMax, onAcked: (key) => acked.push(key) })
      .then((result) => result as WriterResult);
    const stop = async () => {
      await this.#channel.ask("stop_writer", { writer: number });
    };
    return { acked, done, stop };
  }

  stop(signal: NodeJS.Signals = "SIGTERM"): Promise<Exit> {
    return this.child.stop(signal);
  }
}

export interface ControlOptions {
  readonly version: string;
  /** Null: an observer. */
  readonly selfAddr: string | null;
  readonly partners: readonly string[];
  readonly dataDir?: string;
  readonly password?: string | undefined;
  readonly bindAddr?: string;
  /** Settings of SyncObjConf, by their names there, over those that Patroni gives. */
  readonly conf?: Readonly<Record<string, unknown>>;
  /** Variables over those of the Python environment. */
  readonly extraEnv?: Readonly<Record<string, string>>;
  /** A program with its options that runs the process: see packet-switch.ts. */
  readonly under?: readonly string[];
}

/** Starts vanilla-control.py; resolves when the real object exists. */
export async function startControlled(
  scene: Scene,
  name: string,
  options: ControlOptions,
): Promise<VanillaNode> {
  const node = await spawnControlled(scene, name, options);
  await node.started.catch((error: unknown) => {
    throw new Error(`${name} did not start\n${node.child.report()}`, { cause: error });
  });
  return node;
}

/** The same without waiting for the object: the process may be killed at any moment of its start. */
export async function spawnControlled(
  scene: Scene,
  name: string,
  options: ControlOptions,
): Promise<VanillaNode> {
  const { python, env } = await pythonWith(options.version);
  const config = {
    self_addr: options.selfAddr,
    partner_addrs: options.partners,
    data_dir: options.dataDir ?? "",
    password: options.password ?? null,
    bind_addr: options.bindAddr ?? null,
    conf: options.conf ?? {},
  };
  const args = [supportFile("vanilla-control.py"), JSON.stringify(config)];
  const { under = [], extraEnv = {} } = options;
  const [program = python, ...rest] = [...under, python, ...args];
  const child = scene.start({
    name,
    program,
    args: rest,
    env: { ...env, ...extraEnv },
    pipes: true,
  });
  return new VanillaNode(child, options.version);
}

export type ObserverOptions = Omit<ControlOptions, "selfAddr" | "dataDir" | "bindAddr">;

/** Patroni's KVStoreTTL without an address of its own, connected to all members and ready. */
export async function startObserver(scene: Scene, options: ObserverOptions): Promise<VanillaNode> {
  const node = await startControlled(scene, `observer ${options.version}`, {
    ...options,
    selfAddr: null,
  });
  await node.waitReady();
  return node;
}
