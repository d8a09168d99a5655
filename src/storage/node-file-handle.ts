import * as fs from "node:fs";
import { BorrowedThread } from "./borrowed-thread.js";
import { type FileHandle, inSteps, type PlacedBytes } from "./file-system.js";
import { readChunkBytesMax } from "./limits.js";

/** Nobody but the member's user has a reason to read what Patroni stores. */
const fileMode = 0o600;

type Done<T> = (error: Error | null, value?: T) => void;

export function openDescriptor(path: string, flags: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.open(path, flags, fileMode, (error, descriptor) => {
      if (error === null) resolve(descriptor);
      else reject(error);
    });
  });
}

/**
 * A file by its descriptor and callbacks: a batch on its way to the disk is a few calls, and those of
 * `node:fs/promises` take half as much processor time again.
 *
 * A descriptor's number is given to the next file that is opened. So it is closed only when no call is
 * under way, and no call begins after that.
 */
export class NodeFileHandle implements FileHandle {
  readonly #path: string;
  readonly #descriptor: number;
  #underWay = 0;
  #closing: Promise<void> | null = null;
  #tellIdle: (() => void) | null = null;
  readonly #thread: BorrowedThread;

  constructor(path: string, descriptor: number, thread = new BorrowedThread()) {
    this.#thread = thread;
    this.#path = path;
    this.#descriptor = descriptor;
  }

  async size(): Promise<number> {
    const { size } = await this.#call<fs.Stats>((done) => fs.fstat(this.#descriptor, done));
    return size;
  }

  async read(position: number, length: number): Promise<Uint8Array> {
    const room = Math.max(0, Math.min(length, (await this.size()) - position));
    const bytes = Buffer.allocUnsafeSlow(room);
    let filled = 0;
    while (filled < room) {
      const wanted = Math.min(room - filled, readChunkBytesMax);
      const [from, to] = [position + filled, filled];
      const count = await this.#call<number>((done) =>
        fs.read(this.#descriptor, bytes, to, wanted, from, done),
      );
      if (count === 0) break;
      filled += count;
    }
    return bytes.subarray(0, filled);
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    let written = 0;
    while (written < bytes.length) {
      const from = written;
      const wanted = Math.min(bytes.length - from, readChunkBytesMax);
      written += await this.#call<number>((done) =>
        fs.write(this.#descriptor, bytes, from, wanted, position + from, done),
      );
    }
  }

  sync(): Promise<void> {
    return this.#call((done) => fs.fdatasync(this.#descriptor, done));
  }

  async writeThenSync(writes: readonly PlacedBytes[]): Promise<void> {
    const thread = this.#thread.forBatch();
    if (thread?.canDo(writes) !== true) return await inSteps(this, writes);
    await this.#call((done) => thread.writeThenSync(this.#descriptor, writes, done));
  }

  truncate(size: number): Promise<void> {
    return this.#call((done) => fs.ftruncate(this.#descriptor, size, done));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#underWay > 0) {
      await new Promise<void>((resolve) => {
        this.#tellIdle = resolve;
      });
    }
    this.#thread.end();
    await new Promise<void>((resolve, reject) => {
      fs.close(this.#descriptor, (error) => (error ? reject(error) : resolve()));
    });
  }

  #call<T = void>(start: (done: Done<T>) => void): Promise<T> {
    if (this.#closing !== null) return Promise.reject(new Error(`${this.#path} is closed`));
    this.#underWay += 1;
    return new Promise<T>((resolve, reject) => {
      start((error, value) => {
        this.#underWay -= 1;
        if (this.#underWay === 0) this.#tellIdle?.();
        if (error) reject(error);
        else resolve(value as T);
      });
    });
  }
}
