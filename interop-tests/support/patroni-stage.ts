import { chmodSync } from "node:fs";
import type { TestContext } from "node:test";
import { freePorts } from "./free-ports.js";
import { type Account, unprivilegedAccount } from "./patroni-account.js";
import { execText } from "./patroni-exec.js";
import { PatroniNode, type PatroniOptions, scope } from "./patroni-node.js";
import { findPostgres, type PostgresBinaries } from "./postgres-binaries.js";
import { Reaper } from "./postgres-reaper.js";
import { type PythonEnvironment, pythonWith } from "./python.js";
import { openScene, type Scene } from "./scene.js";

/** One line of `patronictl list`. */
export interface ListedMember {
  readonly Member: string;
  readonly Host: string;
  readonly Role: string;
  readonly State: string;
  readonly TL: number;
}

interface StageTools {
  readonly scene: Scene;
  readonly account: Account;
  readonly python: PythonEnvironment;
  readonly postgres: PostgresBinaries;
}

/** A scene in which Patroni nodes run, and a clock that the steps are reported by. */
export class PatroniStage {
  readonly scene: Scene;
  readonly account: Account;
  readonly python: PythonEnvironment;
  readonly postgres: PostgresBinaries;
  readonly #say: (line: string) => void;
  readonly #started = Date.now();

  constructor(tools: StageTools, say: (line: string) => void) {
    this.scene = tools.scene;
    this.account = tools.account;
    this.python = tools.python;
    this.postgres = tools.postgres;
    this.#say = say;
  }

  /** Reports a step with the seconds since the stage was opened. */
  note(step: string): void {
    this.#say(`${((Date.now() - this.#started) / 1000).toFixed(1)} s: ${step}`);
  }

  /** A node that is configured, not started. */
  async node(options: PatroniOptions): Promise<PatroniNode> {
    const [postgres, rest] = await freePorts(2);
    if (postgres === undefined || rest === undefined) throw new Error("no free ports");
    return new PatroniNode(this, options, { postgres, rest });
  }

  /** The real patronictl with a node's own configuration. */
  patronictl(node: PatroniNode, args: readonly string[]): Promise<string> {
    const { program, args: all } = this.account.as({
      program: this.python.python,
      args: [this.python.bin("patronictl"), "-c", node.configFile, ...args],
    });
    return execText(program, all, { ...this.python.env, HOME: node.folder, LC_ALL: "C.UTF-8" });
  }

  async list(node: PatroniNode): Promise<readonly ListedMember[]> {
    const printed = await this.patronictl(node, ["list", scope, "--format", "json"]);
    return JSON.parse(printed) as ListedMember[];
  }
}

/**
 * A stage that ends with the test: first the postgres processes, then the scene.
 *
 * @param version PySyncObj's, beneath Patroni.
 */
export async function openPatroniStage(t: TestContext, version = "0.3.17"): Promise<PatroniStage> {
  const postgres = findPostgres();
  const python = await pythonWith(version);
  const reapers: Reaper[] = [];
  // Before the scene's own hook, which removes the folder.
  t.after(async () => {
    for (const reaper of reapers) await reaper.close();
  });
  const scene = openScene(t);
  // The nodes' folders in it belong to another user, who has to pass.
  chmodSync(scene.folder, 0o711);
  const account = await unprivilegedAccount(python, scene.folder);
  reapers.push(new Reaper(scene.folder, account));
  const stage = new PatroniStage({ scene, account, python, postgres }, (line) =>
    t.diagnostic(line),
  );
  stage.note(`${postgres.version}; Patroni and PostgreSQL run as ${account.name}`);
  return stage;
}
