import type { Child } from "../../interop-tests/support/process.js";
import type { Scene } from "../../interop-tests/support/scene.js";
import type { Wire } from "../load/load-task.js";

export interface RunningMember {
  /** Where clients connect to. */
  readonly address: string;
  readonly dataDir: string;
  readonly child: Child;
}

/** A cluster that runs. */
export interface Running {
  readonly wire: Wire;
  readonly members: readonly RunningMember[];
  /** The member that all that run say leads. */
  leader(): Promise<RunningMember>;
  /** Starts a member that has ended again, on its files. */
  restart(member: RunningMember): Promise<void>;
}

export interface ClusterOptions {
  readonly members: number;
  readonly password: string | null;
  /** Puts files in the members' folders before they start; not for etcd. */
  readonly prepare?: (addresses: readonly string[], dataDirs: readonly string[]) => Promise<void>;
}

/** Something to measure: real processes with the settings that they come with. */
export interface System {
  readonly name: string;
  /** Whether what it acknowledges is on disk. */
  readonly isDurable: boolean;
  /** What is missing to run it, and how to get it; null: nothing. */
  missing(): Promise<string | null>;
  start(scene: Scene, options: ClusterOptions): Promise<Running>;
}
