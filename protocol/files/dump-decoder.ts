import { ProtocolError } from "../errors.js";
import { PickleDecoder } from "../pickle/decoder.js";
import { type PickleLimits, pickleMessageLimits } from "../pickle/limits.js";
import { PickleMachine } from "../pickle/machine.js";
import { op } from "../pickle/opcodes.js";
import { resultOf, runMachine } from "../pickle/run-machine.js";
import type { PyDict } from "../pickle/values.js";
import { checkDumpValues, type Dump, dataKey, type LoadedDump, parseDump } from "./dump-format.js";
import { PlainItemReader, plainDataDepth } from "./plain-item-reader.js";

/** Opcodes before the data's items: ours and Python's have ten. */
const headOpsMax = 64;
/** Offsets are held in 32 bits. */
const plainBytesMax = 0xffff_ffff;

/**
 * Decodes a dump's pickle in steps, between which other work may be done.
 *
 * @param opsPerStep Opcodes of one step, about.
 * @throws ProtocolError as PickleDecoder, `parseDump` and `checkDumpValues` do.
 */
export function* decodeDumpSteps(
  pickle: Uint8Array,
  limits: Partial<PickleLimits>,
  opsPerStep: number,
): Generator<void, Dump> {
  const decoder = new PickleDecoder(pickle, limits);
  while (!decoder.run(opsPerStep)) yield;
  const dump = parseDump(decoder.result());
  yield* checkDumpValues(dump.data);
  return dump;
}

/**
 * The same, but where all values are plain, most of it goes by a reader of its own: that one gives the same, or
 * leaves it.
 */
export function* loadDumpSteps(
  pickle: Uint8Array,
  limits: Partial<PickleLimits>,
  opsPerStep: number,
): Generator<void, LoadedDump> {
  const plain = yield* plainDumpSteps(pickle, limits, opsPerStep);
  return plain ?? (yield* decodeDumpSteps(pickle, limits, opsPerStep));
}

/**
 * A dump all of whose values are plain.
 *
 * @returns null where the general decoder has to look: what it would say is not known.
 */
export function* plainDumpSteps(
  pickle: Uint8Array,
  limits: Partial<PickleLimits>,
  opsPerStep: number,
): Generator<void, LoadedDump | null> {
  if (pickle.length > plainBytesMax) return null;
  const machine = new PickleMachine(pickle, { ...pickleMessageLimits, ...limits }, false);
  try {
    const data = runToItems(machine);
    if (data === null) return null;
    const reader = new PlainItemReader(pickle, machine.spent(), machine.limits);
    while (!reader.isDone) {
      if (!reader.run(Math.ceil(opsPerStep / opsPerItem))) return null;
      yield;
    }
    // From here on the dict stands for what was read: nothing may look into it.
    machine.passOver(reader.spent, reader.items.length > 0 ? plainDataDepth : 1);
    while (!runMachine(machine, opsPerStep)) yield;
    const dump = parseDump(resultOf(machine));
    if (dump.data !== data || machine.isShared(data)) return null;
    return { ...dump, data: reader.items };
  } catch (error) {
    if (error instanceof ProtocolError) return null;
    throw error;
  }
}

/** An item costs about as much as so many opcodes of the general decoder's. */
const opsPerItem = 8;

/** @returns the data's dict, new and empty, as the last thing on the stack; null where it does not come. */
function runToItems(machine: PickleMachine): PyDict | null {
  for (let ops = 0; ops < headOpsMax; ops++) {
    if (runMachine(machine, 1)) return null;
    if (machine.input[machine.opcodeAt] !== op.emptyDict || !isData(machine)) continue;
    const next = machine.input[machine.position];
    // A further reference to it could be made, were it not fetched by nobody: see `isShared`.
    if (next === op.binPut || next === op.longBinPut) runMachine(machine, 1);
    const data = machine.at(machine.size - 1);
    return data instanceof Map && machine.memoIsDense ? data : null;
  }
  return null;
}

function isData(machine: PickleMachine): boolean {
  return machine.size > 1 && machine.at(machine.size - 2) === dataKey;
}
