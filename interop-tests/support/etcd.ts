import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { EtcdUser } from "../../src/tools/backup/etcd-api.js";
import { withFolderLock } from "./folder-lock.js";
import { freePorts } from "./free-ports.js";
import { untilListening } from "./listening.js";
import { cacheFolder } from "./project.js";
import type { PythonEnvironment } from "./python.js";
import type { Scene } from "./scene.js";

const run = promisify(execFile);
const installMsMax = 5 * 60_000;

export interface EtcdKey {
  readonly value: string;
  /** Seconds that its lease has left; null: it has none. */
  readonly leftSec: number | null;
}

/** A running etcd, alone in its cluster. */
export class Etcd {
  /** `host:port` for clients. */
  readonly address: string;
  readonly url: string;

  constructor(address: string) {
    this.address = address;
    this.url = `http://${address}`;
  }

  /** All keys, as they are stored. */
  async keys(): Promise<Record<string, EtcdKey>> {
    const all = Buffer.of(0).toString("base64");
    const { kvs } = await this.#post("/v3/kv/range", { key: all, range_end: all });
    const found: Record<string, EtcdKey> = {};
    for (const kv of Array.isArray(kvs) ? kvs : []) {
      const { key, value, lease } = Object(kv);
      const leftSec = lease === undefined ? null : await this.#timeLeft(String(lease));
      found[text(key)] = { value: text(value), leftSec };
    }
    return found;
  }

  /** From then on everyone has to say who they are. */
  async enableAuthentication(name: string, password: string): Promise<void> {
    await this.#post("/v3/auth/user/add", { name, password });
    await this.#post("/v3/auth/role/add", { name: "root" });
    await this.#post("/v3/auth/user/grant", { user: name, role: "root" });
    await this.#post("/v3/auth/enable", {});
  }

  async changePassword(user: EtcdUser, password: string): Promise<void> {
    const token = await this.#tokenOf(user);
    await this.#post("/v3/auth/user/changepw", { name: user.name, password }, token);
  }

  async addRole(user: EtcdUser, name: string): Promise<void> {
    await this.#post("/v3/auth/role/add", { name }, await this.#tokenOf(user));
  }

  async #tokenOf({ name, password }: EtcdUser): Promise<string> {
    const { token } = await this.#post("/v3/auth/authenticate", { name, password });
    return String(token);
  }

  async #timeLeft(lease: string): Promise<number> {
    const { TTL } = await this.#post("/v3/lease/timetolive", { ID: lease });
    return Number(TTL);
  }

  async #post(path: string, body: object, token?: string): Promise<Record<string, unknown>> {
    const headers = token === undefined ? {} : { authorization: token };
    const options = { method: "POST", body: JSON.stringify(body), headers };
    const answer = await fetch(`${this.url}${path}`, options);
    const said: unknown = await answer.json();
    if (!answer.ok) throw new Error(`${path}: ${JSON.stringify(said)}`);
    return Object(said);
  }
}

/**
 * @param more Flags beside those that every one of ours needs.
 * @throws Error that says what to install.
 */
export async function startEtcd(
  scene: Scene,
  more: Readonly<Record<string, string>> = {},
): Promise<Etcd> {
  await run("etcd", ["--version"]).catch((error: unknown) => {
    const hint = "etcd does not run (on Debian and Ubuntu: apt-get install etcd-server)";
    throw new Error(hint, { cause: error });
  });
  const [client = 0, peer = 0] = await freePorts(2);
  const address = `127.0.0.1:${client}`;
  const flags = {
    "data-dir": scene.makeFolder("etcd"),
    "listen-client-urls": `http://${address}`,
    "advertise-client-urls": `http://${address}`,
    "listen-peer-urls": `http://127.0.0.1:${peer}`,
    "initial-advertise-peer-urls": `http://127.0.0.1:${peer}`,
    "initial-cluster": `default=http://127.0.0.1:${peer}`,
    ...more,
  };
  const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
  const child = scene.start({ name: "etcd", program: "etcd", args });
  await untilListening(child, address);
  return new Etcd(address);
}

/** What Patroni's `etcd3` imports beside what it always needs. */
const packages = ["python-etcd==0.4.5", "dnspython==2.7.0"];

/** A folder of those packages, for PYTHONPATH; kept under `.cache`. */
export async function etcdPackages(python: PythonEnvironment): Promise<string> {
  const home = cacheFolder("python-etcd");
  const folder = join(home, packages.join("-").replaceAll("=", ""));
  await mkdir(home, { recursive: true });
  await withFolderLock(join(home, "lock"), async () => {
    if (existsSync(folder)) return;
    const building = `${folder}.building`;
    await rm(building, { recursive: true, force: true });
    const options = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"];
    const args = ["-m", "pip", "install", ...options, "--no-build-isolation"];
    await run(python.python, [...args, "--target", building, ...packages], {
      timeout: installMsMax,
    });
    await rename(building, folder);
  });
  return folder;
}

function text(base64: unknown): string {
  return Buffer.from(String(base64 ?? ""), "base64").toString("utf8");
}
