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
import type { Revealed } from "./revealed.js";

export interface PowerLossOptions extends LeftoverOptions {
  readonly selfAddr: string;
  /** Of the moments at which the disk changes, the share that is looked at. */
  readonly share: number;
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
  states = 0;
  /** Different directories, each opened once. */
  readonly opened = new Map<string, Recovered | string>();
  readonly #options: PowerLossOptions;
  readonly #folder = scratchFolder();

  constructor(options: PowerLossOptions) {
    this.#options = options;
  }

  readonly visit: Visit = async ({ disk, revealed, sec }) => {
    if (!this.#options.chance.is(this.#options.share)) return;
    this.moments += 1;
    for (const image of leftovers(disk, this.#options)) {
      this.states += 1;
      const recovered = await this.#recover(image);
      const fault = typeof recovered === "string" ? recovered : missing(recovered, revealed, image);
      if (fault !== null) this.faults.push(`${sec}: ${fault}`);
    }
  };

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #recover(image: DirectoryImage): Promise<Recovered | string> {
    const key = keyOf(image);
    const known = this.opened.get(key);
    if (known !== undefined) return known;
    const dataDir = join(this.#folder, String(this.opened.size));
    writeImage(dataDir, image);
    const recovered = await open(dataDir, this.#options.selfAddr);
    rmSync(dataDir, { recursive: true });
    this.opened.set(key, recovered);
    return recovered;
  }
}

async function open(dataDir: string, selfAddr: string): Promise<Recovered | string> {
  const options = { dataDir, selfAddr, logger: silentLogger, fileSystem: unlocked };
  try {
    const { storage, recovered } = await Storage.open(options);
    await storage.close();
    // Without the data itself: thousands of these are kept.
    const dump = recovered.dump === null ? null : { ...recovered.dump, data: new Map() };
    return { ...recovered, dump };
  } catch (error) {
    return `the files cannot be opened: ${String(error)}`;
  }
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
    const held = entries[index - first];
    const isInDump = index <= (dump?.last.index ?? 0);
    if (!isInDump && held?.term !== told) {
      return `entry ${index} of term ${told} is ${held === undefined ? "gone" : `of ${held.term}`}`;
    }
  }
  return null;
}

function keyOf(image: DirectoryImage): string {
  const hash = createHash("sha1");
  for (const [name, content] of [...image].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${name} ${content.length} `).update(content);
  }
  return hash.digest("base64");
}
