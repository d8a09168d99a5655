import { frameBytesMax, messageBytesMax } from "../../protocol/wire/limits.js";
import {
  connectionsMax,
  observersSendBytesMax,
  repliesBytesMax,
  sendBufferBytesMax,
} from "../../src/net/limits.js";
import { nodeLimits } from "../../src/node/limits.js";
import { logBytesMax } from "../../src/node/log-bytes.js";
import { raftLimits } from "../../src/raft/limits.js";
import { dumpBounds } from "../../src/storage/dump-bounds.js";
import { appendBytesMax } from "../../src/storage/limits.js";
import { acceptedCallBytesMax } from "../../src/store/limits.js";
import { attackedMibMax } from "./attack-bounds.js";

/** All that a member of three may hold at worst, part by part: docs/security.md has the table and its sum. */

const mib = 1024 * 1024;
const otherMembers = 2;
/** What Node and the program take before they have done anything. */
const startedMib = 80;
/** A character beyond Latin-1 makes each of a text take two bytes, and one of ASCII counts as one. */
const textFactor = 2;
/** A command's bytes beyond 0x7f are two each in the pickle of its entry. */
const pickledFactor = 2;
/** An empty list or dict within a value counts for 64 bytes, and takes three times that. */
const dataFactor = 3;
/** What a proposal takes beside its command. */
const proposalBytes = 200;

export interface MemoryPart {
  /** The row's first cell. */
  readonly name: string;
  readonly mib: number;
}

export function memoryParts(dataBytesMax: number): readonly MemoryPart[] {
  const entryBytesMax = raftLimits.entryBytesMax;
  const { takenShare, keptUnderWayShare, gatheredBytesMax, gatheredMax } = nodeLimits;
  const dump = dumpBounds({ dataBytesMax: dataBytesMax * takenShare, entryBytesMax });
  const data = dataFactor * dataBytesMax * (takenShare + keptUnderWayShare);
  const log = logBytesMax({ dataBytesMax, compaction: { minEntries: 5_000, minTimeMs: 0 } });
  const waiting =
    observersSendBytesMax + otherMembers * sendBufferBytesMax + connectionsMax * repliesBytesMax;
  const part = (name: string, bytes: number) => ({ name, mib: Math.ceil(bytes / mib) });
  return [
    part("Node and the program", startedMib * mib),
    part("messages that come in, and garbage", attackedMibMax * mib + frameBytesMax),
    part("what waits to be sent", waiting),
    part("the large entry that was cut into pieces last", pickledFactor * entryBytesMax),
    part("proposals that wait", gatheredBytesMax + entryBytesMax + gatheredMax * proposalBytes),
    part("decoded calls", textFactor * acceptedCallBytesMax),
    part("the log", log * raftLimits.logSpareFactor),
    part("what is on its way into the journal", appendBytesMax + entryBytesMax),
    part("the data", data),
    part("the data as they were when our own dump was begun", data),
    part("a leader's dump that comes in", nodeLimits.snapshotWaitingBytesMax + messageBytesMax),
    part("the same while it is read", dump.inflatedBytesMax + dump.pickle.allocatedBytesMax),
  ];
}

export function memorySumMib(dataBytesMax: number): number {
  return memoryParts(dataBytesMax).reduce((sum, part) => sum + part.mib, 0);
}
