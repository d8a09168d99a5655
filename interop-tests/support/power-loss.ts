import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { decodeMeta } from "../../protocol/files/meta-format.js";
import { silentLogger } from "../../src/logger.js";
import type { FileSystem } from "../../src/storage/file-system.js";
import { nodeFileSystem } from "../../src/storage/node-file-system.js";
import { type Recovered, Storage } from "../../src/storage/storage.js";
import { type DirectoryImage, type LeftoverOptions, leftovers } from "./leftovers.js";
import type { Visit } from "./member-trace.js";
import { otherThanTold, type Revealed } from "./revealed.js";
import type { ToldLog } from "./told-log.js";

export interface PowerLossOptions extends LeftoverOptions {
  readonly selfAddr: string;
  /** Of the moments at which the disk changes, the share that is looked at. */
  readonly share: number;
}

/** What the real storage makes of a directory. */
interface Opened {
  readonly recovered: Recovered | string;
  /** What its dump holds otherwise than it was told; null: nothing. */
  readonly dumpFault: string | null;
}

/** The lock looks through all processes of the machine, thousands of times for nothing. */
const unlocked: FileSystem = { ...nodeFileSystem, lock: async () => ({ release: async () => {} }) };

/** Where a sync costs nothing: these files need not survive anything. */
function scratchFolder(): string {
  const base = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  return mkdtempSync(join(base, "quorate-power-loss-"));
}

export function writeImage(folder: string, image: DirectoryImage): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of image) writeFileSync(join(folder, name), content);
}

/**
 * Rebuilds what a loss of power could have left at the moments of a trace, and opens each with the
 * real storage: it has to find everything that the member had told anybody by then.
 */
export class PowerLoss {
  readonly faults: string[] = [];
  moments = 0;
  /** Those of them at which every state was rebuilt that there can be; at the others some, by chance. */
  exhaustive = 0;
  states = 0;
  /** Different directories, each opened once. */
  readonly opened = new Map<string, Opened>();
  /** Different dumps, each held once against the log that was told. */
  readonly dumps = new Map<string, string | null>();
  readonly #options: PowerLossOptions;
  readonly #folder = scratchFolder();

  constructor(options: PowerLossOptions) {
    this.#options = options;
  }

  readonly visit: Visit = async ({ disk, revealed, sec }) => {
    if (!this.#options.chance.is(this.#options.share)) return;
    this.moments += 1;
    const left = leftovers(disk, this.#options);
    if (left.isAll) this.exhaustive += 1;
    for (const image of left) {
      this.states += 1;
      const { recovered, dumpFault } = await this.#open(image, revealed);
      const fault = typeof recovered === "string" ? recovered : missing(recovered, revealed, image);
      for (const found of [fault, dumpFault]) {
        if (found !== null) this.faults.push(`${sec}: ${found}`);
      }
    }
  };

  /** For a line of a report. */
  get figures(): string {
    return (
      `${this.moments} moments, ${this.exhaustive} of them exhaustively and ` +
      `${this.moments - this.exhaustive} by chance, ${this.states} states, ${this.opened.size} different, ` +
      `${this.dumps.size} dumps`
    );
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #open(image: DirectoryImage, { log }: Revealed): Promise<Opened> {
    const key = keyOf(image);
    const known = this.opened.get(key);
    if (known !== undefined) return known;
    const dataDir = join(this.#folder, String(this.opened.size));
    writeImage(dataDir, image);
    const recovered = await recover(dataDir, this.#options.selfAddr);
    rmSync(dataDir, { recursive: true });
    const opened = {
      recovered: withoutData(recovered),
      dumpFault: this.#dumpFault(recovered, image, log),
    };
    this.opened.set(key, opened);
    return opened;
  }

  #dumpFault(recovered: Recovered | string, image: DirectoryImage, log: ToldLog): string | null {
    if (typeof recovered === "string" || recovered.dump === null) return null;
    const key = keyOf([...image].filter(([name]) => name.endsWith(".dump")));
    const known = this.dumps.get(key);
    if (known !== undefined) return known;
    const difference = log.differenceOf(recovered.dump);
    const fault = difference === null ? null : `the dump: ${difference}`;
    this.dumps.set(key, fault);
    return fault;
  }
}

async function recover(dataDir: string, selfAddr: string): Promise<Recovered | string> {
  const options = { dataDir, selfAddr, logger: silentLogger, fileSystem: unlocked };
  try {
    const { storage, recovered } = await Storage.open(options);
    await storage.close();
    return recovered;
  } catch (error) {
    return `the files cannot be opened: ${String(error)}`;
  }
}

/** Thousands of these are kept. */
function withoutData(recovered: Recovered | string): Recovered | string {
  if (typeof recovered === "string" || recovered.dump === null) return recovered;
  return { ...recovered, dump: { ...recovered.dump, data: new Map() } };
}

/** It had come to a cluster with a leader without any files, and not caught up yet. */
export function hadToRefetch(image: DirectoryImage): boolean {
  const meta = [...image].find(([name]) => name.endsWith(".meta"));
  return meta !== undefined && decodeMeta(meta[1], crc32).meta.mustRefetch;
}

/** What the member had told, and has no more; null where it has all of it. */
function missing(recovered: Recovered, revealed: Revealed, image: DirectoryImage): string | null {
  const { term, votedFor, entries, dump, mustRefetch, findings } = recovered;
  if (mustRefetch !== hadToRefetch(image)) {
    return `must refetch: ${mustRefetch}: ${findings.map(({ message }) => message).join("; ")}`;
  }
  if (term < revealed.term) return `term ${term}, told was ${revealed.term}`;
  const vote = revealed.votes.get(term);
  if (vote !== undefined && (vote === null ? votedFor === null : vote !== votedFor)) {
    return `in term ${term} the vote is ${votedFor}, told was ${vote}`;
  }
  const first = entries[0]?.index ?? 1;
  for (const [index, told] of revealed.entries) {
    // What a dump holds is held against the whole log.
    if (index <= (dump?.last.index ?? 0)) continue;
    const other = otherThanTold(told, entries[index - first]);
    if (other !== null) return `entry ${index} of term ${told.term} is ${other}`;
  }
  return null;
}

function keyOf(image: Iterable<readonly [string, Buffer]>): string {
  const hash = createHash("sha1");
  for (const [name, content] of [...image].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${name} ${content.length} `).update(content);
  }
  return hash.digest("base64");
}
