import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Makes a fresh clone ready to run. It is run before anything is installed, so it is plain
 * JavaScript and imports nothing but Node.js itself.
 */

export const root = fileURLToPath(new URL("..", import.meta.url));
const path = (...names) => join(root, ...names);

const sourceFolders = ["src", "protocol", "test", "interop-tests", "bench", "scripts"];
const buildStamp = path("dist", ".built-from");
const lockFolder = path(".cache", "setup-lock");

/** Installing takes seconds to a minute; whoever holds the lock for longer is stuck. */
const lockMsMax = 10 * 60_000;
const lockPollMs = 200;

/** A step that failed, in one line that says what to do. */
export class SetupError extends Error {}

/**
 * Installs the packages and builds, each only where it is not done yet.
 *
 * @param {(line: string) => void} say told what takes time, before it begins.
 */
export function setUp(say) {
  if (isInstalled() && isBuilt()) return;
  withLock(() => {
    if (!isInstalled()) install(say);
    if (!isBuilt()) build(say);
  });
}

/** Installs the packages of the lock file where they are not there yet. */
export function setUpPackages(say) {
  if (isInstalled()) return;
  withLock(() => {
    if (!isInstalled()) install(say);
  });
}

/** Whether node_modules holds what package-lock.json names, by npm's own note of what it put there. */
function isInstalled() {
  const wanted = readJson(path("package-lock.json"))?.packages ?? {};
  const found = readJson(path("node_modules", ".package-lock.json"))?.packages ?? {};
  return Object.entries(wanted).every(
    ([name, entry]) =>
      // The optional ones are for other platforms.
      name === "" || entry.optional === true || found[name]?.version === entry.version,
  );
}

function install(say) {
  say("installing the npm packages (npm ci)");
  // npm tells its scripts where it is; outside of them it is on the PATH.
  const npm = process.env.npm_execpath;
  const args = ["ci", "--include=dev", "--no-audit", "--no-fund"];
  const [program, all] = npm?.endsWith(".js") ? [process.execPath, [npm, ...args]] : ["npm", args];
  const { status, error, stdout, stderr } = spawnSync(program, all, {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (error !== undefined) throw new SetupError(`npm does not run (${error.message}): install npm`);
  if (status !== 0) {
    process.stderr.write(`${stdout}${stderr}`);
    throw new SetupError("npm ci failed, see above: mend that (the network?) and run this again");
  }
}

function isBuilt() {
  try {
    return readFileSync(buildStamp, "utf8") === sourcesStamp();
  } catch {
    return false;
  }
}

function build(say) {
  say("building (tsc)");
  const stamp = sourcesStamp();
  rmSync(buildStamp, { force: true });
  const tsc = path("node_modules", "typescript-7", "bin", "tsc");
  const { status } = spawnSync(process.execPath, [tsc, "-p", "."], {
    cwd: root,
    // The compiler tells faults on stdout; this program's stdout is for what was asked for.
    stdio: ["ignore", 2, 2],
  });
  if (status !== 0)
    throw new SetupError("the build failed, see above: mend the sources named there");
  prune(path("dist"), root);
  writeFileSync(buildStamp, stamp);
}

/** Removes what was built from sources that are gone: their tests would still run. */
function prune(folder, sources) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const built = join(folder, entry.name);
    if (entry.isDirectory()) {
      const source = join(sources, entry.name);
      if (existsSync(source)) prune(built, source);
      else rmSync(built, { recursive: true });
    } else {
      const source = entry.name.replace(/(\.d\.ts|\.js)(\.map)?$/, ".ts");
      if (!existsSync(join(sources, source))) rmSync(built);
    }
  }
}

/** Changes whenever a source, its settings or a package does. */
function sourcesStamp() {
  const hash = createHash("sha256");
  for (const name of ["package-lock.json", "tsconfig.json"]) hash.update(readFileSync(path(name)));
  const visit = (folder) => {
    if (!existsSync(folder)) return;
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const file = join(folder, entry.name);
      if (entry.isDirectory()) visit(file);
      else if (entry.name.endsWith(".ts")) {
        const { size, mtimeMs } = statSync(file);
        hash.update(`${file} ${size} ${mtimeMs}\n`);
      }
    }
  };
  for (const folder of sourceFolders) visit(path(folder));
  return hash.digest("hex");
}

/** So that `npm start` and `npm test` in two terminals do not install at once. */
function withLock(work) {
  mkdirSync(path(".cache"), { recursive: true });
  const deadline = Date.now() + lockMsMax;
  while (!tryLock()) {
    if (Date.now() > deadline) {
      throw new SetupError(`another set-up has not ended; if none runs, remove ${lockFolder}`);
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, lockPollMs);
  }
  try {
    work();
  } finally {
    rmSync(lockFolder, { recursive: true, force: true });
  }
}

function tryLock() {
  try {
    mkdirSync(lockFolder);
    writeFileSync(join(lockFolder, "pid"), String(process.pid));
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    if (!isOwnerAlive()) rmSync(lockFolder, { recursive: true, force: true });
    return false;
  }
}

function isOwnerAlive() {
  try {
    process.kill(Number(readFileSync(join(lockFolder, "pid"), "utf8")), 0);
    return true;
  } catch (error) {
    // Without a note the owner is about to write it, or ended in that moment long ago.
    if (error.code !== "ENOENT") return error.code !== "ESRCH";
    return existsSync(lockFolder) && Date.now() - statSync(lockFolder).mtimeMs < 10_000;
  }
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return null;
  }
}
