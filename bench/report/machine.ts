import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";
import { version as etcdVersion } from "../systems/etcd.js";
import { pysyncobjVersion } from "../systems/raft-members.js";
import { spreadOf } from "./statistics.js";

/** What figures depend on. */
export interface Machine {
  readonly at: string;
  readonly cores: number;
  readonly processor: string;
  readonly memoryGib: number;
  readonly kernel: string;
  readonly node: string;
  readonly pysyncobj: string;
  readonly etcd: string | null;
  /** Of one minute: more than nothing before a run says that the machine has other work. */
  readonly loadBefore: number;
  /** Milliseconds for 300 bytes written and synced, where the members' files are. */
  readonly fdatasyncMs: { readonly median: number; readonly min: number; readonly max: number };
}

const syncs = 200;
const syncedBytes = 300;

/** @param folder Where the members' files will be. */
export async function lookAtMachine(folder: string): Promise<Machine> {
  const { median, min, max } = spreadOf(syncTimes(folder));
  return {
    at: new Date().toISOString(),
    cores: availableParallelism(),
    processor: cpus()[0]?.model ?? "unknown",
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    pysyncobj: pysyncobjVersion,
    etcd: await etcdVersion(),
    loadBefore: loadavg()[0] ?? 0,
    fdatasyncMs: { median, min, max },
  };
}

function syncTimes(folder: string): number[] {
  const path = join(folder, "sync-probe");
  const file = openSync(path, "w");
  const bytes = Buffer.alloc(syncedBytes, 1);
  // The file has its size first, as a journal has.
  writeSync(file, Buffer.alloc(syncs * syncedBytes));
  fdatasyncSync(file);
  const times = Array.from({ length: syncs }, (_, at) => {
    const began = performance.now();
    writeSync(file, bytes, 0, bytes.length, at * syncedBytes);
    fdatasyncSync(file);
    return performance.now() - began;
  });
  closeSync(file);
  rmSync(path);
  return times;
}
