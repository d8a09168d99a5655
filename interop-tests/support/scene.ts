import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { Child, type ChildOptions } from "./process.js";

/** Scenes whose end has not come; a program that is interrupted leaves none of their folders behind. */
const open = new Set<Scene>();

process.on("exit", () => {
  for (const scene of open) scene.removeFolder();
});

/**
 * What one test has on the machine: a folder and processes. When the test ends, the processes end
 * and the folder goes; where it failed, the ends of all logs are shown first. QUORATE_KEEP=1 keeps
 * the folder.
 */
export class Scene {
  readonly folder: string;
  readonly #children: Child[] = [];
  readonly #endings: (() => void)[] = [];
  #number = 0;

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), "quorate-interop-"));
    open.add(this);
  }

  /** Starts a process whose log lies in the folder. */
  start(options: Omit<ChildOptions, "logFile">): Child {
    this.#number += 1;
    const logName = `${this.#number}-${options.name.replaceAll(/[^\w.-]/g, "_")}.log`;
    const child = new Child({ ...options, logFile: join(this.folder, logName) });
    this.#children.push(child);
    return child;
  }

  /** Something else that has to end with the scene. */
  atEnd(end: () => void): void {
    this.#endings.push(end);
  }

  /** All processes so far, in the order of their starts. */
  get children(): readonly Child[] {
    return this.#children;
  }

  /** A folder of the given name in the scene's, made on the first use. */
  makeFolder(name: string): string {
    const path = join(this.folder, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** The logs' ends of all processes so far. */
  report(): string {
    return this.#children.map((child) => child.report()).join("\n");
  }

  async close(): Promise<void> {
    for (const end of this.#endings) end();
    for (const child of this.#children) child.killGroup();
    await Promise.all(this.#children.map((child) => child.exited));
    open.delete(this);
    this.removeFolder();
  }

  /** Once nobody writes there any more. */
  removeFolder(): void {
    if (process.env["QUORATE_KEEP"] === undefined) {
      rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
    } else {
      console.log(`kept: ${this.folder}`);
    }
  }
}

/** A scene that ends with the test. */
export function openScene(t: TestContext): Scene {
  const scene = new Scene();
  t.after(async () => {
    if (!hasPassed(t)) console.error(`${t.name} failed\n${scene.report()}`);
    await scene.close();
  });
  return scene;
}

/** Node.js 20.12 and newer tell; the types of 20 do not know of it yet. */
function hasPassed(t: TestContext): boolean {
  return "passed" in t && t.passed === true;
}
