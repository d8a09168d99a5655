import assert from "node:assert/strict";
import { gunzipSync, gzipSync } from "node:zlib";
import { ProtocolError } from "../../protocol/errors.js";
import { type Dump, DumpEncoder } from "../../protocol/files/dump-format.js";
import { type PickleLimits, pickleDumpLimits } from "../../protocol/pickle/limits.js";
import { PyFloat, type PyValue } from "../../protocol/pickle/values.js";
import { systemClock } from "../../src/clock.js";
import { readDump } from "../../src/files/read-dump.js";
import { nodeCompression } from "../../src/storage/compression.js";
import { dumpBounds } from "../../src/storage/dump-bounds.js";
import { DumpFiles, type DumpReceiver } from "../../src/storage/dump-files.js";
import { memberFiles } from "../../src/storage/files.js";
import { Store } from "../../src/store/store.js";
import { checkPlain, generalDump, withDicts } from "../protocol/files/plain-dumps.js";
import { chunks } from "./chunks.js";
import type { Dice } from "./dice.js";
import type { Target } from "./fuzzer.js";
import { MemoryFiles } from "./memory-files.js";
import { pickleMutators } from "./pickle-mutators.js";
import { dumpFileSeeds, dumpSeeds } from "./seeds.js";

/** So little that mutations reach the bounds. */
const limits = { dataBytesMax: 64 * 1024, entryBytesMax: 4 * 1024 };
const bounds = dumpBounds(limits);
const pickleBounds: PickleLimits = {
  ...bounds.pickle,
  allocatedBytesMax: 16 * 1024,
  expandedBytesMax: 8 * 1024,
  memoEntriesMax: 200,
  itemsPerOpMax: 40,
  containerItemsMax: 30,
  stackValuesMax: 60,
  stringBytesMax: 300,
  strBytesMax: 200,
};

/** A store of it, unless it is more than a member is meant to hold. */
function checkStore(dump: Dump): void {
  try {
    const steps = Store.fromDumpSteps(dump.data, limits.dataBytesMax);
    for (let step = steps.next(); ; step = steps.next()) {
      if (step.done !== true) continue;
      assert.ok(step.value.bytes <= limits.dataBytesMax, "more data than the bound");
      return;
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    assert.equal(error.code, "dump-too-large");
  }
}

/** The pickle by itself, also with bounds that are small: what they let through is nothing else. */
const dump: Target = {
  name: "dump",
  seeds: [...dumpSeeds, ownDump()],
  mutators: pickleMutators,
  run(input, dice) {
    const seen = generalDump(input, pickleDumpLimits, 1 + dice.below(4096));
    const bounded = generalDump(input, pickleBounds, 1 + dice.below(64));
    checkPlain(input, pickleDumpLimits, 1 + dice.below(4096));
    checkPlain(input, pickleBounds, 1 + dice.below(64));
    if (typeof bounded !== "string") assert.deepEqual(bounded, seen, "the bounds change it");
    else if (typeof seen !== "string") assert.equal(bounded, "pickle-limit");
    if (typeof seen !== "string") checkStore(seen);
    return typeof seen !== "string";
  },
};

const garbage = [Buffer.alloc(8), Buffer.from("garbage"), Buffer.of(0x1f, 0x8b)] as const;
/** What one more member of the file inflates to: some of it is beyond the bound. */
const paddings = [0, 1_000, 100_000, bounds.inflatedBytesMax, 4 * 1024 * 1024] as const;
/** Makes a value and drops it, again and again: larger than what the last member's end promises. */
const longBeginning = gzipSync(Buffer.from("N0".repeat(9_000)), { level: 1 });
const promises = [0, 1, 0x7fff_ffff, 0xffff_ffff, bounds.inflatedBytesMax + 1] as const;

/** A file of one or more members, with what gzip allows and what it does not. */
function packed(pickle: Uint8Array, dice: Dice): Uint8Array {
  const parts = dice.oneIn(2) ? [pickle] : chunks(pickle, dice).slice(0, 6);
  const members = parts.map((part) => gzipSync(part, { level: dice.below(2) }));
  if (dice.oneIn(8)) members.unshift(longBeginning);
  // Python passes over what stands behind a pickle's end.
  if (dice.oneIn(64)) members.push(gzipSync(Buffer.alloc(dice.pick(paddings)), { level: 1 }));
  if (dice.oneIn(8)) members.push(dice.pick(garbage));
  const file = Buffer.concat(members);
  // The header's flags: names, comments and fields that are not there.
  if (dice.oneIn(16)) file[3] = 1 << dice.below(8);
  if (dice.oneIn(8) && file.length > 4) file.writeUInt32LE(dice.pick(promises), file.length - 4);
  return file;
}

function inflated(file: Uint8Array): Uint8Array | null {
  try {
    return gunzipSync(file);
  } catch {
    return null;
  }
}

const tools = { clock: systemClock, compression: nodeCompression };

/** As it comes from a leader, and what is left of it where it is refused: nothing. */
async function received(file: Uint8Array, dice: Dice): Promise<Dump | string> {
  const fs = new MemoryFiles();
  const parts = { fs, files: memberFiles("/d", "a:1"), tools, now: () => new Date(0) };
  const receiver = new DumpFiles(parts, null).receive(limits);
  try {
    const { dump: taken, path } = await take(receiver, chunks(file, dice));
    assert.deepEqual([...fs.files.keys()], [path]);
    return withDicts(taken);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    await receiver.abort();
    assert.deepEqual([...fs.files.keys()], [], "what was refused is still there");
    return error.code;
  }
}

async function take(
  receiver: DumpReceiver,
  pieces: readonly Uint8Array[],
): Promise<Awaited<ReturnType<DumpReceiver["finish"]>>> {
  for (const piece of pieces) await receiver.write(piece);
  return await receiver.finish();
}

interface Sent {
  readonly file: Uint8Array;
  readonly pickle: Uint8Array | null;
  readonly own: Dump | string;
}

/** Checks what was received against the whole: the bounds are all that may be in its way. */
function checkReceived({ file, pickle, own }: Sent, seen: Dump | string): void {
  const isTooLarge = pickle !== null && pickle.length > bounds.inflatedBytesMax;
  if (isTooLarge) assert.equal(seen, "dump-too-large");
  else if (typeof seen !== "string") assert.deepEqual(seen, own, "received, it is another one");
  else if (typeof own !== "string" && seen !== "pickle-limit") {
    // What stands behind the last member is passed over, but for the size that its end promises.
    assert.equal(seen, "dump-too-large");
    const promised = Buffer.from(file.subarray(-4)).readUInt32LE();
    assert.ok(promised > bounds.inflatedBytesMax, "it is said to be larger than it is");
  }
}

/** The file: a mutated one as it is, or a mutated pickle in a file whose checksums are right. */
const dumpFile: Target = {
  name: "dump-file",
  seeds: [...dumpFileSeeds, ...dumpSeeds, ownDump()],
  share: 0.2,
  mutators: pickleMutators,
  async run(input, dice) {
    const file = input[0] === 0x1f ? input : packed(input, dice);
    const pickle = inflated(file);
    const own = pickle === null ? "unreadable" : generalDump(pickle, pickleDumpLimits);
    const fs = new MemoryFiles();
    fs.put("/d/a:1.dump", file);
    const read = await readDump(fs, "/d/a:1.dump");
    assert.equal(read.bytes, file.length);
    if (read.kind === "dump") assert.deepEqual(read.dump, own);
    else assert.equal(typeof own, "string", "a whole dump is taken for a damaged one");
    const seen = await received(file, dice);
    checkReceived({ file, pickle, own }, seen);
    if (typeof seen !== "string") checkStore(seen);
    return read.kind === "dump";
  },
};

/** As Quorate writes it. */
function ownDump(): Uint8Array {
  const encoder = new DumpEncoder(1);
  for (const key of ["/a", "/b"]) {
    const value = new Map<PyValue, PyValue>([
      ["value", `${key} é`],
      ["updated", new PyFloat(1.5)],
      ["created", new PyFloat(1.25)],
      ["expire", new PyFloat(2.5)],
      ["index", 7],
    ]);
    encoder.add(key, value);
  }
  const last = (index: number) => ({ index, term: 3, command: Buffer.of(0, 0xff, 0x80) });
  encoder.finish(last(9), last(8), ["127.0.0.1:4001", "[::1]:4002", "c:3"]);
  return encoder.take();
}

export const dumpTargets: readonly Target[] = [dump, dumpFile];
