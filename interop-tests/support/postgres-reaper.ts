import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Account } from "./patroni-account.js";

/**
 * SIGKILL for every process that works in the folder $1 or below, until there is none. A postgres
 * leaves Patroni's group and outlives it, on purpose; all its processes work in its data folder,
 * which belongs to one test alone.
 */
const killAllIn = `
while :; do
  found=
  for process in /proc/[0-9]*; do
    case "$(readlink "$process/cwd" 2>/dev/null)" in
      "$1"|"$1"/*) kill -KILL "\${process#/proc/}" 2>/dev/null; found=yes;;
    esac
  done
  [ -n "$found" ] || break
  sleep 0.05
done`;

/** Kills what works in a folder; asked as the account that it runs as, which may look at it. */
export async function killIn(folder: string, account: Account): Promise<void> {
  const { program, args } = account.as(shell(killAllIn, folder));
  await exitOf(spawn(program, args, { stdio: ["ignore", "ignore", "inherit"] }));
}

/**
 * Does the same when `close` is called, and also when this process ends without having called it,
 * whatever way it ends: the watcher waits for the end of its input.
 */
export class Reaper {
  readonly #watcher: ChildProcess;
  readonly #ended: Promise<void>;

  constructor(folder: string, account: Account) {
    const { program, args } = account.as(shell(`cat > /dev/null\n${killAllIn}`, folder));
    this.#watcher = spawn(program, args, { stdio: ["pipe", "ignore", "inherit"], detached: true });
    this.#ended = exitOf(this.#watcher);
  }

  async close(): Promise<void> {
    this.#watcher.stdin?.end();
    await this.#ended;
  }
}

function shell(script: string, folder: string) {
  return { program: "/bin/sh", args: ["-c", script, "sh", folder] };
}

async function exitOf(child: ChildProcess): Promise<void> {
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`the shell that ends processes ended with ${code}`);
}
