import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { LineChannel } from "./line-channel.js";
import { untilListening } from "./listening.js";
import type { Child, Exit } from "./process.js";
import { projectRoot, supportFile } from "./project.js";
import { pythonWith } from "./python.js";
import type { Scene } from "./scene.js";

/**
 * What the environment of Patroni's acceptance features (features/environment.py in its development
 * tree) starts, with our member where it starts `patroni_raft_controller`.
 */
export interface StageOptions {
  /** PySyncObj below the Patroni nodes. */
  readonly version: string;
  /** `localhost:<port>`, where the features have 1234. */
  readonly controllerAddr: string;
  readonly password: string;
}

/** The controller: nothing but three variables in the environment, no argument but `run`. */
export async function startController(
  scene: Scene,
  options: StageOptions,
  dataDir: string,
): Promise<Child> {
  const child = scene.start({
    name: "controller",
    program: process.execPath,
    args: [join(projectRoot(), "bin", "quorate.js"), "run"],
    env: {
      PATRONI_RAFT_SELF_ADDR: options.controllerAddr,
      PATRONI_RAFT_DATA_DIR: dataDir,
      PATRONI_RAFT_PASSWORD: options.password,
    },
  });
  await untilListening(child, options.controllerAddr);
  return child;
}

export interface PatroniOptions {
  readonly name: string;
  /** Null: the node is an observer, as in the feature that suspends the controller. */
  readonly selfAddr: string | null;
  readonly dataDir: string;
}

/** A Patroni node's side of the DCS: its own Raft class behind its own configuration. */
export class PatroniDcs {
  readonly name: string;
  readonly child: Child;
  readonly #channel: LineChannel;

  constructor(name: string, child: Child) {
    this.name = name;
    this.child = child;
    this.#channel = new LineChannel(child);
  }

  /** Patroni's constructor returns when a leader is known, or its own log is applied. */
  get started(): Promise<void> {
    return this.#channel.started;
  }

  /** Writes the member's key, as each turn of Patroni's loop does. */
  async touch(state: string): Promise<boolean> {
    return (await this.#channel.ask("touch_member", { data: { state } })) === true;
  }

  async acquire(): Promise<boolean> {
    return (await this.#channel.ask("acquire")) === true;
  }

  async renew(): Promise<boolean> {
    return (await this.#channel.ask("renew")) === true;
  }

  /** The cluster as Patroni reads it from this node's own copy. */
  async cluster(): Promise<{ leader: string | null; members: string[] }> {
    return (await this.#channel.ask("cluster")) as { leader: string | null; members: string[] };
  }

  stop(signal: NodeJS.Signals = "SIGTERM"): Promise<Exit> {
    return this.child.stop(signal);
  }
}

export async function startPatroniDcs(
  scene: Scene,
  options: StageOptions,
  node: PatroniOptions,
): Promise<PatroniDcs> {
  const { python, env } = await pythonWith(options.version);
  const config = join(scene.folder, `${node.name}.yml`);
  const raft = node.selfAddr === null ? {} : { data_dir: node.dataDir, self_addr: node.selfAddr };
  const timing = { ttl: 30, loop_wait: 2, retry_timeout: 10 };
  const dcs = { bootstrap: { dcs: timing }, ...timing, raft };
  writeFileSync(config, stringify({ scope: "batman", name: node.name, ...dcs }));
  const child = scene.start({
    name: `patroni ${node.name}`,
    program: python,
    args: [supportFile("patroni_dcs.py"), config],
    env: {
      ...env,
      // With the quotes, as the features write it: Patroni reads the list as YAML.
      PATRONI_RAFT_PARTNER_ADDRS: `'${options.controllerAddr}'`,
      PATRONI_RAFT_PASSWORD: options.password,
    },
    pipes: true,
  });
  const patroni = new PatroniDcs(node.name, child);
  await patroni.started;
  return patroni;
}
