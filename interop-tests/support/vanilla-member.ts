import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { untilListening } from "./listening.js";
import type { Child, Exit } from "./process.js";
import { pythonWith } from "./python.js";
import type { Scene } from "./scene.js";
import { type ControlOptions, startControlled, type VanillaNode } from "./vanilla-client.js";

export interface VanillaOptions {
  readonly version: string;
  readonly selfAddr: string;
  readonly partners: readonly string[];
  /** Default: a folder of the member's own in the scene's. */
  readonly dataDir?: string;
  readonly password?: string | undefined;
  readonly bindAddr?: string;
}

/** A running `patroni_raft_controller`. */
export interface VanillaMember {
  readonly selfAddr: string;
  readonly dataDir: string;
  readonly version: string;
  readonly child: Child;
  stop(signal?: NodeJS.Signals): Promise<Exit>;
}

/** Starts the real, unmodified patroni_raft_controller and waits until it listens. */
export async function startVanilla(scene: Scene, options: VanillaOptions): Promise<VanillaMember> {
  const { bin, env } = await pythonWith(options.version);
  const dataDir = options.dataDir ?? dataFolder(scene, options.selfAddr);
  const config = join(scene.folder, `patroni-${fileName(options.selfAddr)}.yml`);
  writeFileSync(config, patroniYml(options, dataDir));
  const child = scene.start({
    name: `vanilla ${options.version} ${options.selfAddr}`,
    program: bin("patroni_raft_controller"),
    args: [config],
    env,
  });
  await untilListening(child, options.bindAddr ?? options.selfAddr);
  return {
    selfAddr: options.selfAddr,
    dataDir,
    version: options.version,
    child,
    stop: (signal) => child.stop(signal),
  };
}

/** A member of the same class whose own memory can be read: see VanillaNode. */
export interface ControlledMember extends VanillaNode {
  readonly selfAddr: string;
  readonly dataDir: string;
}

/**
 * Starts Patroni's unmodified KVStoreTTL as a member that answers to the test, with settings that
 * Patroni does not offer (`conf: {logCompactionMinEntries: 50}`) where given.
 */
export async function startVanillaMemberWithControl(
  scene: Scene,
  options: ControlOptions & { readonly selfAddr: string },
): Promise<ControlledMember> {
  const dataDir = options.dataDir ?? dataFolder(scene, options.selfAddr);
  const name = `member ${options.version} ${options.selfAddr}`;
  const node = await startControlled(scene, name, { ...options, dataDir });
  return Object.assign(node, { selfAddr: options.selfAddr, dataDir });
}

/** The data folder that a member of this address has by default, vanilla or not. */
export function dataFolder(scene: Scene, selfAddr: string): string {
  return scene.makeFolder(`data-${fileName(selfAddr)}`);
}

function fileName(address: string): string {
  return address.replaceAll(/[^\w.-]/g, "_");
}

function patroniYml(options: VanillaOptions, dataDir: string): string {
  const raft = {
    self_addr: options.selfAddr,
    partner_addrs: options.partners,
    data_dir: dataDir,
    ...(options.password === undefined ? {} : { password: options.password }),
    ...(options.bindAddr === undefined ? {} : { bind_addr: options.bindAddr }),
  };
  return stringify({ scope: "quorate", name: options.selfAddr, log: { level: "INFO" }, raft });
}
