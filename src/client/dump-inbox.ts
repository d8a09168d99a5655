import type { LoadedDump } from "../../protocol/files/dump-format.js";
import type { SnapshotChunk } from "../../protocol/wire/messages.js";
import { systemClock } from "../clock.js";
import { nodeLimits } from "../node/limits.js";
import { nodeCompression } from "../storage/compression.js";
import { dumpBounds } from "../storage/dump-bounds.js";
import { loadDump } from "../storage/dump-codec.js";
import { Store } from "../store/store.js";
import { clientLimits } from "./limits.js";

export interface ReadDump {
  readonly dump: LoadedDump;
  readonly store: Store;
}

/** Takes a leader's dump in, piece by piece, and holds it in memory: a client has no files. */
export class DumpInbox {
  readonly #dataBytesMax: number;
  readonly #bounds: ReturnType<typeof dumpBounds>;
  #pieces: Uint8Array[] | null = null;
  #bytes = 0;

  /** @param maxDataBytes The members' `quorate.max_data_bytes`, where it is known. */
  constructor(maxDataBytes = 0) {
    const { dataBytesMax, entryBytesMax } = clientLimits;
    this.#dataBytesMax = Math.max(dataBytesMax, maxDataBytes * nodeLimits.takenShare);
    this.#bounds = dumpBounds({ dataBytesMax: this.#dataBytesMax, entryBytesMax });
  }

  /**
   * @returns the dump and its store, read in slices, where this was the last piece; else null.
   * @throws ProtocolError where what came is no dump; RangeError where it is too large.
   */
  async take(chunk: SnapshotChunk): Promise<ReadDump | null> {
    if (chunk.isFirst) {
      this.#pieces = [];
      this.#bytes = 0;
    }
    // The beginning was lost with an earlier link.
    if (this.#pieces === null) return null;
    this.#pieces.push(chunk.data);
    this.#bytes += chunk.data.length;
    if (this.#bytes > this.#bounds.fileBytesMax) {
      this.drop();
      throw new RangeError(`a dump of more than ${this.#bounds.fileBytesMax} bytes`);
    }
    if (!chunk.isLast) return null;
    const bytes = Buffer.concat(this.#pieces, this.#bytes);
    this.drop();
    const file = {
      size: () => Promise.resolve(bytes.length),
      read: (position: number, length: number) =>
        Promise.resolve(bytes.subarray(position, position + length)),
    };
    const tools = { clock: systemClock, compression: nodeCompression };
    const dump = await loadDump(file, tools, this.#bounds);
    return { dump, store: await buildStore(dump, this.#dataBytesMax) };
  }

  drop(): void {
    this.#pieces = null;
    this.#bytes = 0;
  }
}

async function buildStore(dump: LoadedDump, dataBytesMax: number): Promise<Store> {
  const steps = Store.fromDumpSteps(dump.data, dataBytesMax);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
