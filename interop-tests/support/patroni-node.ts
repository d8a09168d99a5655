import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { execText } from "./patroni-exec.js";
import type { PatroniStage } from "./patroni-stage.js";
import { killIn } from "./postgres-reaper.js";
import type { Child } from "./process.js";

export interface PatroniOptions {
  readonly name: string;
  /** Absent: an observer. */
  readonly selfAddr?: string;
  readonly partners: readonly string[];
  /** Of the raft cluster. */
  readonly password?: string;
}

export interface PatroniPorts {
  readonly postgres: number;
  readonly rest: number;
}

export const scope = "quorate";
/** Patroni's smallest: a lease of a primary that was killed ends after it. */
export const ttlSec = 20;
/** Small, so that steps follow quickly; the retries have what the lease leaves beside it. */
const loopWaitSec = 2;
const retryTimeoutSec = (ttlSec - loopWaitSec) / 2;

const restMsMax = 10_000;

/** One Patroni and the PostgreSQL that it runs. */
export class PatroniNode {
  readonly name: string;
  readonly selfAddr: string | null;
  readonly ports: PatroniPorts;
  readonly configFile: string;
  readonly folder: string;
  readonly #stage: PatroniStage;
  #child: Child | null = null;
  /** Folders of Python packages beside those that every node needs. */
  #pythonPath: readonly string[] = [];

  constructor(stage: PatroniStage, options: PatroniOptions, ports: PatroniPorts) {
    this.name = options.name;
    this.selfAddr = options.selfAddr ?? null;
    this.ports = ports;
    this.#stage = stage;
    this.folder = stage.scene.makeFolder(options.name);
    stage.account.own(this.folder);
    chmodSync(this.folder, 0o700);
    const raftFolder = join(this.folder, "raft");
    mkdirSync(raftFolder, { recursive: true });
    stage.account.own(raftFolder);
    this.configFile = join(this.folder, "patroni.yml");
    writeFileSync(this.configFile, stringify(this.#config(options, raftFolder)));
    stage.account.own(this.configFile);
  }

  /** Starts Patroni, which starts (or bootstraps, or repairs) PostgreSQL. */
  start(): void {
    const { account, python, scene } = this.#stage;
    const { program, args } = account.asChild({
      program: python.python,
      args: [python.bin("patroni"), this.configFile],
    });
    const name = `patroni ${this.name}`;
    const path = [python.env["PYTHONPATH"] ?? "", ...this.#pythonPath].join(":");
    const env = { ...python.env, PYTHONPATH: path, HOME: this.folder, LC_ALL: "C" };
    this.#child = scene.start({ name, program, args, env, cwd: this.folder });
  }

  /** SIGTERM for Patroni; where the cluster is paused PostgreSQL goes on. */
  async stop(): Promise<void> {
    await this.#running().stop();
  }

  /** Changes the `raft` section of its file, for the next start. */
  editRaft(change: (raft: Readonly<Record<string, unknown>>) => unknown): void {
    const config: unknown = parse(readFileSync(this.configFile, "utf8"));
    const { raft, ...others } = Object(config);
    writeFileSync(this.configFile, stringify({ ...others, raft: change(raft) }));
  }

  /** From the next start on its DCS is etcd, by Patroni's `etcd3`. */
  useEtcd(address: string, pythonPath: string): void {
    const config: unknown = parse(readFileSync(this.configFile, "utf8"));
    const { raft: _, ...others } = Object(config);
    writeFileSync(this.configFile, stringify({ ...others, etcd3: { hosts: [address] } }));
    this.#pythonPath = [pythonPath];
  }

  /** SIGKILL for Patroni first, which would start PostgreSQL again, then for its postgres. */
  async kill(): Promise<void> {
    this.#running().killGroup();
    await this.#running().exited;
    await killIn(this.folder, this.#stage.account);
  }

  /** What this run of Patroni, and its postgres, has logged. */
  log(): string {
    return this.#running().log();
  }

  /** `GET /patroni`: Patroni's view of its own PostgreSQL. */
  async rest(): Promise<Readonly<Record<string, unknown>>> {
    const signal = AbortSignal.timeout(restMsMax);
    const response = await fetch(`http://127.0.0.1:${this.ports.rest}/patroni`, { signal });
    return (await response.json()) as Record<string, unknown>;
  }

  /** Runs SQL through psql and TCP; the rows' fields as text, as psql -At prints them. */
  sql(statement: string): Promise<string> {
    const where = ["-h", "127.0.0.1", "-p", String(this.ports.postgres), "-U", "postgres"];
    return execText(
      join(this.#stage.postgres.folder, "psql"),
      ["-XAtq", "-v", "ON_ERROR_STOP=1", ...where, "-d", "postgres", "-c", statement],
      { PGCONNECT_TIMEOUT: "5" },
    );
  }

  #running(): Child {
    if (this.#child === null) throw new Error(`${this.name} was not started`);
    return this.#child;
  }

  #config(options: PatroniOptions, raftFolder: string): unknown {
    const rest = `127.0.0.1:${this.ports.rest}`;
    const member = { self_addr: options.selfAddr, data_dir: raftFolder };
    return {
      scope,
      name: this.name,
      restapi: { listen: rest, connect_address: rest },
      raft: {
        ...(options.selfAddr === undefined ? {} : member),
        partner_addrs: options.partners,
        ...(options.password === undefined ? {} : { password: options.password }),
      },
      bootstrap: {
        dcs: {
          ttl: ttlSec,
          loop_wait: loopWaitSec,
          retry_timeout: retryTimeoutSec,
          postgresql: { use_pg_rewind: true, parameters: { max_connections: 30 } },
        },
        initdb: [{ encoding: "UTF8" }, { locale: "C" }, "data-checksums"],
      },
      postgresql: this.#postgresConfig(),
    };
  }

  #postgresConfig(): unknown {
    const address = `127.0.0.1:${this.ports.postgres}`;
    return {
      listen: address,
      connect_address: address,
      data_dir: join(this.folder, "data"),
      bin_dir: this.#stage.postgres.folder,
      pgpass: join(this.folder, "pgpass"),
      // Only this machine reaches the port, and only for as long as the test runs.
      pg_hba: ["local all all trust", "host all all 127.0.0.1/32 trust"].concat([
        "host replication all 127.0.0.1/32 trust",
      ]),
      authentication: {
        superuser: { username: "postgres", password: "superuser" },
        replication: { username: "replicator", password: "replicator" },
        rewind: { username: "rewinder", password: "rewinder" },
      },
      parameters: { unix_socket_directories: this.folder, shared_buffers: "16MB" },
      remove_data_directory_on_rewind_failure: true,
      remove_data_directory_on_diverged_timelines: true,
    };
  }
}
