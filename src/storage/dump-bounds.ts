import { dataKeyBytes } from "../../protocol/files/limits.js";
import { boundedDumpLimits, type PickleLimits } from "../../protocol/pickle/limits.js";
import { dumpSpareBytes } from "./limits.js";

/** What a member takes of the others: how much data in all, and how large one entry. */
export interface DataLimits {
  readonly dataBytesMax: number;
  readonly entryBytesMax: number;
}

/** What a dump that is received may come to, in its file and in memory. */
export interface DumpBounds {
  readonly dataBytesMax: number;
  readonly inflatedBytesMax: number;
  readonly fileBytesMax: number;
  readonly pickle: PickleLimits;
}

/** A store of no more than `dataBytesMax` makes a dump that is within all of them. */
export function dumpBounds({ dataBytesMax, entryBytesMax }: DataLimits): DumpBounds {
  // With the log's two entries at its end, whose bytes Python writes as text.
  const inflatedBytesMax = dataBytesMax + 4 * entryBytesMax + dumpSpareBytes;
  const keys = Math.ceil(dataBytesMax / dataKeyBytes) + dumpSpareBytes / dataKeyBytes;
  return {
    dataBytesMax,
    inflatedBytesMax,
    // What cannot be compressed grows by a few bytes in each block.
    fileBytesMax: inflatedBytesMax + inflatedBytesMax / 128,
    pickle: boundedDumpLimits(inflatedBytesMax, keys),
  };
}
