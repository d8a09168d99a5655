import type { Chance } from "./chance.js";

const sectorBytes = 512;

interface Change {
  /** Null: a change of size alone. */
  readonly bytes: Buffer | null;
  /** Position of the bytes, or the new size. */
  readonly at: number;
}

/** One file: as the system's cache shows it, and as it would be found after a loss of power. */
export class Inode {
  #cached = Buffer.alloc(0);
  #size = 0;
  #durable = Buffer.alloc(0);
  #durableSize = 0;
  /** Since the last sync. */
  #pending: Change[] = [];
  /** Changes whenever the durable content does. */
  syncs = 0;

  get size(): number {
    return this.#size;
  }

  get isClean(): boolean {
    return this.#pending.length === 0;
  }

  read(position: number, length: number): Buffer {
    const end = Math.min(this.#size, position + length);
    return Buffer.from(this.#cached.subarray(Math.min(position, end), end));
  }

  /** What a loss of power in this moment surely leaves. */
  durable(): Buffer {
    return this.#durable.subarray(0, this.#durableSize);
  }

  write(bytes: Uint8Array, at: number): void {
    const change = { bytes: Buffer.from(bytes), at };
    this.#pending.push(change);
    this.#change(change);
  }

  truncate(size: number): void {
    const change = { bytes: null, at: size };
    this.#pending.push(change);
    this.#change(change);
  }

  sync(): void {
    for (const change of this.#pending) this.#keep(change);
    this.#pending = [];
    this.syncs += 1;
  }

  /** Linux forgets what it could not write: the next sync succeeds, and leaves it out. */
  failSync(chance: Chance): void {
    for (const change of this.#pending) if (chance.is(0.3)) this.#keep(change);
    this.#pending = [];
    this.syncs += 1;
  }

  /** Each unsynced sector of each write is there or not; sizes likewise. */
  losePower(chance: Chance): void {
    for (const change of this.#pending) {
      if (change.bytes === null) {
        if (chance.is(0.5)) this.#keep(change);
        continue;
      }
      const mode = chance.below(4);
      if (mode === 1) this.#keep(change);
      else if (mode > 1) this.#tear(change.bytes, change.at, chance);
    }
    this.#pending = [];
    this.#cached = Buffer.from(this.durable());
    this.#size = this.#durableSize;
    this.syncs += 1;
  }

  #tear(bytes: Buffer, start: number, chance: Chance): void {
    for (let at = 0; at < bytes.length; ) {
      const next = sectorBytes - ((start + at) % sectorBytes);
      if (chance.is(0.5)) this.#keep({ bytes: bytes.subarray(at, at + next), at: start + at });
      at += next;
    }
  }

  #change(change: Change): void {
    [this.#cached, this.#size] = changed(this.#cached, this.#size, change);
  }

  #keep(change: Change): void {
    [this.#durable, this.#durableSize] = changed(this.#durable, this.#durableSize, change);
  }
}

/** The buffer may be longer than the file; behind the file's end it holds zeros. */
function changed(
  buffer: Buffer,
  size: number,
  { bytes, at }: Change,
): [Buffer<ArrayBuffer>, number] {
  const end = bytes === null ? at : Math.max(size, at + bytes.length);
  let target = buffer as Buffer<ArrayBuffer>;
  if (end > buffer.length) {
    target = Buffer.alloc(Math.max(end, 2 * buffer.length));
    buffer.copy(target, 0, 0, size);
  }
  if (bytes === null && at < size) target.fill(0, at, size);
  if (bytes !== null) bytes.copy(target, at);
  return [target, end];
}

/** A directory tree with one directory: names that become durable in the order of their changes. */
export class DiskImage {
  #names = new Map<string, Inode>();
  readonly #durableNames = new Map<string, Inode>();
  #pending: (() => void)[] = [];

  find(path: string): Inode | undefined {
    return this.#names.get(path);
  }

  /** The file that a loss of power in this moment would surely leave under the name. */
  findDurable(path: string): Inode | undefined {
    return this.#durableNames.get(path);
  }

  names(): string[] {
    return [...this.#names.keys()];
  }

  create(path: string): Inode {
    const inode = new Inode();
    this.#names.set(path, inode);
    this.#pending.push(() => this.#durableNames.set(path, inode));
    return inode;
  }

  rename(from: string, to: string): void {
    const inode = this.#names.get(from);
    if (inode === undefined) throw systemError("ENOENT");
    this.#names.delete(from);
    this.#names.set(to, inode);
    this.#pending.push(() => {
      this.#durableNames.delete(from);
      this.#durableNames.set(to, inode);
    });
  }

  unlink(path: string): void {
    if (!this.#names.delete(path)) throw systemError("ENOENT");
    this.#pending.push(() => this.#durableNames.delete(path));
  }

  sync(): void {
    for (const change of this.#pending.splice(0)) change();
  }

  /** Any prefix of the changes of names is there, whatever became of the contents. */
  losePower(chance: Chance): void {
    const kept = chance.below(this.#pending.length + 1);
    for (const change of this.#pending.splice(0).slice(0, kept)) change();
    this.#names = new Map(this.#durableNames);
    for (const inode of new Set(this.#names.values())) inode.losePower(chance);
  }

  /** The file has another content, for good. */
  replace(path: string, bytes: Buffer): void {
    const inode = new Inode();
    inode.write(bytes, 0);
    inode.sync();
    this.#names.set(path, inode);
    this.#durableNames.set(path, inode);
  }

  wipe(): void {
    this.#names.clear();
    this.#durableNames.clear();
    this.#pending = [];
  }
}

export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}, simulated`), { code });
}
