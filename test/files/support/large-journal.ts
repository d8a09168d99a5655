import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { projectRoot } from "../../../interop-tests/support/project.js";
import {
  encodeJournalHeader,
  journalHeaderBytes,
  recordsBytes,
  writeRecords,
} from "../../../protocol/files/journal-format.js";
import type { Entry } from "../../../protocol/log/entry.js";
import { noOp, setEntry, vanillaJournal } from "./made-files.js";

/* A journal as large as wanted, and what a command takes to read it. */

export interface LargeJournal {
  readonly bytes: number;
  readonly valueBytes: number;
  readonly keys: number;
  /** Quorate's checksums, or none, as in PySyncObj's. */
  readonly isSealed: boolean;
}

/** Entries that are written at a time. */
const batchEntries = 1000;
/** An election now and then. */
const entriesOfTerm = 50_000;

/** @returns the number of entries. */
export function writeLargeJournal(path: string, options: LargeJournal): number {
  const file = openSync(path, "w");
  try {
    let at = journalHeaderBytes;
    let crc = 0;
    let index = 1;
    while (at < options.bytes) {
      const entries: Entry[] = [];
      for (let made = 0; made < batchEntries; made++, index++)
        entries.push(entryOf(index, options));
      const records = new Uint8Array(recordsBytes(entries));
      writeRecords(entries, records, 0);
      writeSync(file, records, 0, records.length, at);
      if (options.isSealed) crc = crc32(records, crc);
      at += records.length;
    }
    const seal = { previousEnd: at, previousCrc: crc, endCrc: crc };
    const header = options.isSealed
      ? encodeJournalHeader({ version: "0.3.17", endOffset: at, seal }, crc32)
      : vanillaJournal([], at).subarray(0, journalHeaderBytes);
    writeSync(file, header, 0, header.length, 0);
    return index - 1;
  } finally {
    closeSync(file);
  }
}

function entryOf(index: number, { keys, valueBytes }: LargeJournal): Entry {
  const term = Math.ceil(index / entriesOfTerm);
  if (index === 1) return noOp(1, 0);
  if ((index - 1) % entriesOfTerm === 0) return noOp(index, term);
  const value = `${index} `.padEnd(valueBytes, "v");
  return setEntry(index, term, `/service/demo/members/${index % keys}`, value);
}

export interface Cost {
  readonly code: number | null;
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** The most memory that the process had, as Linux counts it (VmHWM). */
  readonly peakBytes: number;
  readonly out: string;
}

/** How often the memory is looked at: the mark that is read only ever rises. */
const lookMs = 20;

/** Runs `quorate …` in a process of its own. */
export async function costOf(args: readonly string[]): Promise<Cost> {
  const startedMs = performance.now();
  const program = join(projectRoot(), "bin", "quorate.js");
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let out = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString("utf8");
  });
  let peakBytes = 0;
  let cpuSeconds = 0;
  const watch = setInterval(() => {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, "latin1");
      const peakKib = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0);
      peakBytes = Math.max(peakBytes, peakKib * 1024);
      const stat =
        readFileSync(`/proc/${child.pid}/stat`, "latin1").split(") ")[1]?.split(" ") ?? [];
      cpuSeconds = (Number(stat[11]) + Number(stat[12])) / 100;
    } catch {
      // It has ended.
    }
  }, lookMs);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exit) => resolve(exit));
  });
  clearInterval(watch);
  const seconds = (performance.now() - startedMs) / 1000;
  return { code, seconds, cpuSeconds, peakBytes, out };
}
