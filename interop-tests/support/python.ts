import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errorCode, withFolderLock } from "./folder-lock.js";
import { cacheFolder, supportFile } from "./project.js";

/** The PySyncObj versions that the tests run against, oldest first. */
export const pysyncobjVersions = [
  "0.3.8",
  "0.3.11",
  "0.3.14",
  "0.3.15",
  "0.3.16",
  "0.3.17",
] as const;

export interface PythonEnvironment {
  /** The interpreter; run it with `env`. */
  readonly python: string;
  /** Path of an installed program, e.g. `patroni_raft_controller` or `syncobj_admin`. */
  readonly bin: (name: string) => string;
  /** Variables to add to the child's environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** A download of all packages takes seconds; this is for slow lines. */
const installMsMax = 5 * 60_000;
const outputBytesMax = 16 * 1024 * 1024;

const built = new Map<string, Promise<PythonEnvironment>>();

/**
 * An environment with Patroni 4.1.5 and the given PySyncObj: one virtual environment for all, and
 * a folder for each PySyncObj version that PYTHONPATH puts first. Built on the first use, kept
 * under `.cache/python`, and safe when several test processes ask at once.
 *
 * @throws Error that says what to install where Python 3 or its venv module is missing.
 */
export function pythonWith(version: string): Promise<PythonEnvironment> {
  const known = built.get(version);
  if (known !== undefined) return known;
  const building = build(version);
  built.set(version, building);
  // A failure (no network, say) is not kept: the next test tries again.
  building.catch(() => built.delete(version));
  return building;
}

async function build(version: string): Promise<PythonEnvironment> {
  if (!/^\d+\.\d+\.\d+$/.test(version)) throw new Error(`not a PySyncObj version: ${version}`);
  const requirements = await readFile(supportFile("python-requirements.txt"), "utf8");
  const made = stampOf(cacheFolder("python"), await systemPythonVersion(), requirements);
  // A folder for each interpreter and list of packages: a test run with another PATH builds its
  // own, and takes nothing away from one that is under way.
  const home = join(cacheFolder("python"), made.slice(0, 12));
  const base = join(home, "base");
  const target = join(home, `pysyncobj-${version}`);
  if (!(await isStamped(base, made)) || !(await isStamped(target, made))) {
    await mkdir(home, { recursive: true });
    await withFolderLock(join(home, "lock"), async () => {
      if (!(await isStamped(base, made))) await buildBase(base, made);
      if (!(await isStamped(target, made))) {
        await buildTarget({ base, target, version, stamp: made });
      }
    });
  }
  return {
    python: join(base, "bin", "python"),
    bin: (name) => programPath([target, base], name),
    env: { PYTHONPATH: target, PYTHONUNBUFFERED: "1", PYTHONDONTWRITEBYTECODE: "1" },
  };
}

async function buildBase(base: string, stamp: string): Promise<void> {
  await rm(base, { recursive: true, force: true });
  try {
    await run(systemPython(), ["-m", "venv", base]);
  } catch (error) {
    throw new Error(
      "Python's venv module does not work; on Debian and Ubuntu: apt-get install python3-venv",
      { cause: error },
    );
  }
  await pip(base, ["--requirement", supportFile("python-requirements.txt")]);
  await writeFile(join(base, "quorate-stamp"), stamp);
}

interface Target {
  readonly base: string;
  readonly target: string;
  readonly version: string;
  readonly stamp: string;
}

async function buildTarget({ base, target, version, stamp }: Target): Promise<void> {
  const building = `${target}.building`;
  await rm(building, { recursive: true, force: true });
  await pip(
    base,
    ["--no-deps", "--no-build-isolation", "--no-cache-dir"].concat([
      "--target",
      building,
      `pysyncobj==${version}`,
    ]),
  );
  await writeFile(join(building, "quorate-stamp"), stamp);
  await rm(target, { recursive: true, force: true });
  await rename(building, target);
}

function pip(base: string, args: readonly string[]): Promise<string> {
  const options = ["--quiet", "--disable-pip-version-check", "--no-input"];
  return run(join(base, "bin", "python"), ["-m", "pip", "install", ...options, ...args]);
}

/** The interpreter that the environment is made from; QUORATE_PYTHON names another one. */
function systemPython(): string {
  return process.env["QUORATE_PYTHON"] ?? "python3";
}

async function systemPythonVersion(): Promise<string> {
  try {
    return await run(systemPython(), ["-c", "import sys; print(sys.version, sys.base_prefix)"]);
  } catch (error) {
    const why = errorCode(error) === "ENOENT" ? "is not installed" : "does not run";
    throw new Error(
      `${systemPython()} ${why}: the interop tests need Python 3 ` +
        "(on Debian and Ubuntu: apt-get install python3 python3-venv)",
      { cause: error },
    );
  }
}

function run(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { timeout: installMsMax, maxBuffer: outputBytesMax };
    execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout.trim());
      else {
        const said = `${stdout}${stderr}`.trim().slice(-4000);
        const failure = new Error(`${program} ${args.join(" ")} failed: ${said}`, { cause: error });
        reject(Object.assign(failure, { code: error.code }));
      }
    });
  });
}

/** A stamp names all that a folder was made from; it is written when the folder is complete. */
function stampOf(...parts: readonly string[]): string {
  return createHash("sha256").update(parts.join("\n")).digest("hex");
}

async function isStamped(folder: string, stamp: string): Promise<boolean> {
  try {
    return (await readFile(join(folder, "quorate-stamp"), "utf8")) === stamp;
  } catch {
    return false;
  }
}

function programPath(folders: readonly string[], name: string): string {
  for (const folder of folders) {
    const path = join(folder, "bin", name);
    if (existsSync(path)) return path;
  }
  throw new Error(`no program ${name} in the bin folders of ${folders.join(" and ")}`);
}
