import { fstatSync, writeSync } from "node:fs";
import { Writable } from "node:stream";
import { faultName } from "./faults.js";

/** The line that tells how many could not be written, and why. */
export type LostLine = (lines: number, reason: string) => string;

type StandardStream = NodeJS.WriteStream & { readonly fd: number };

/**
 * Where the log of `run` goes. A log that cannot be written ends no member: its disk may be full while the one
 * of the data has room, and where both are full the member waits for room.
 */
export function logOutput(stream: StandardStream, lostLine: LostLine): Writable {
  // What Node.js makes of a file gives up with the first fault. A pipe or a terminal that has gone stays gone.
  return isFile(stream) ? new LogFile((bytes) => writeSync(stream.fd, bytes), lostLine) : stream;
}

function isFile(stream: StandardStream): boolean {
  try {
    const found = fstatSync(stream.fd);
    return found.isFile() || (found.isCharacterDevice() && !stream.isTTY);
  } catch {
    // It was closed before the start.
    return false;
  }
}

/** Writes line by line. One that does not go through is dropped and counted; the next one that does tells of them. */
export class LogFile extends Writable {
  readonly #writeSome: (bytes: Uint8Array) => number;
  readonly #lostLine: LostLine;
  #lost = 0;
  #reason = "";
  /** The file ends with a part of a line. */
  #isAmidLine = false;

  /** @param writeSome Gives how many bytes it wrote. */
  constructor(writeSome: (bytes: Uint8Array) => number, lostLine: LostLine) {
    super({ decodeStrings: true });
    this.#writeSome = writeSome;
    this.#lostLine = lostLine;
  }

  override _write(line: Buffer, _encoding: unknown, done: () => void): void {
    try {
      if (this.#isAmidLine) this.#writeAll(Buffer.from("\n"));
      if (this.#lost > 0) {
        this.#writeAll(Buffer.from(this.#lostLine(this.#lost, this.#reason)));
        this.#lost = 0;
      }
      this.#writeAll(line);
    } catch (error) {
      this.#lost += 1;
      this.#reason = faultName(error);
    }
    done();
  }

  #writeAll(bytes: Uint8Array): void {
    for (let rest = bytes; rest.length > 0; ) {
      const written = this.#writeSome(rest);
      if (written > 0) this.#isAmidLine = rest[written - 1] !== newline;
      rest = rest.subarray(written);
    }
  }
}

const newline = 0x0a;
