import * as calls from "./decode-calls.js";
import * as containers from "./decode-containers.js";
import * as scalars from "./decode-scalars.js";
import { escapedCharsPerOp, textLineBytesMax } from "./limits.js";
import type { PickleMachine } from "./machine.js";
import { parseMemoIndex } from "./numbers.js";
import { op, protocolMax } from "./opcodes.js";
import type { PyValue } from "./values.js";

type Opcode = (machine: PickleMachine) => void;

function proto(machine: PickleMachine): void {
  const version = machine.takeByte();
  if (version > protocolMax) {
    throw machine.fault("pickle-opcode", `pickle of unknown protocol ${version}`);
  }
  machine.protocol = version;
}

/** No reader takes a frame of more bytes, whatever follows. */
const frameBytesMax = 2 ** 63;

/** FRAME: only says how much follows. */
function frame(machine: PickleMachine): void {
  machine.readers.meet("frame");
  const length = machine.takeLength64();
  if (length >= frameBytesMax) throw machine.fault("pickle-malformed", "a frame of 2^63 bytes");
  if (length > machine.input.length - machine.position) machine.readers.meet("longFrame");
}

/** READONLY_BUFFER: nothing to bytes, and Pythons before 3.8 know no such opcode. */
function readonlyBuffer(machine: PickleMachine): void {
  if (machine.at(machine.need(1)) instanceof Uint8Array) {
    throw machine.fault("pickle-limit", "an opcode that some Pythons know");
  }
  throw machine.fault("pickle-malformed", "what is no buffer, made read-only");
}

function memoIndex(machine: PickleMachine): number {
  const line = machine.takeLine(textLineBytesMax);
  machine.chargeOps(Math.floor(line.length / escapedCharsPerOp));
  const end = line.indexOf("\0");
  if (end >= 0) machine.readers.meet("first");
  const index = parseMemoIndex(end < 0 ? line : line.slice(0, end));
  if (index === null) throw machine.fault("pickle-malformed", "memo index that is no number");
  return index;
}

function binInt1(machine: PickleMachine): void {
  machine.push(machine.takeByte());
}

function unknown(machine: PickleMachine): void {
  const code = machine.input[machine.opcodeAt] ?? 0;
  throw machine.fault("pickle-opcode", `pickle opcode 0x${code.toString(16)} is not known`);
}

/** Each opcode that Python defines and we do not carry out: they reach outside the pickle. */
function refused(machine: PickleMachine): void {
  throw machine.fault("pickle-opcode", "pickle refers to objects outside itself");
}

const opcodes: readonly (readonly [number, Opcode])[] = [
  [op.mark, (machine) => machine.mark()],
  [op.stop, calls.stop],
  [op.pop, calls.pop],
  [op.popMark, (machine) => machine.dropTo(machine.popMark())],
  [op.dup, calls.dup],
  [op.float, scalars.float],
  [op.int, scalars.int],
  [op.binInt, scalars.binInt],
  [op.binInt1, binInt1],
  [op.long, scalars.long],
  [op.binInt2, scalars.binInt2],
  [op.none, (machine) => machine.push(null)],
  [op.reduce, calls.reduce],
  [op.string, scalars.string],
  [op.binString, scalars.binString],
  [op.shortBinString, scalars.shortBinString],
  [op.unicode, scalars.unicode],
  [op.binUnicode, scalars.binUnicode],
  [op.append, containers.append],
  [op.build, containers.build],
  [op.global, calls.global],
  [op.dict, containers.dict],
  [op.emptyDict, containers.emptyDict],
  [op.appends, containers.appends],
  [op.get, (machine) => machine.recall(memoIndex(machine))],
  [op.binGet, (machine) => machine.recall(machine.takeByte())],
  [op.inst, calls.inst],
  [op.longBinGet, (machine) => machine.recall(machine.takeUint32())],
  [op.list, containers.list],
  [op.emptyList, containers.emptyList],
  [op.obj, calls.obj],
  [op.put, (machine) => machine.memoize(memoIndex(machine))],
  [op.binPut, (machine) => machine.memoize(machine.takeByte())],
  [op.longBinPut, (machine) => machine.memoize(machine.takeUint32())],
  [op.setItem, containers.setItem],
  [op.tuple, containers.tuple],
  [op.emptyTuple, containers.emptyTuple],
  [op.setItems, containers.setItems],
  [op.binFloat, scalars.binFloat],
  [op.binBytes, scalars.binBytes],
  [op.shortBinBytes, scalars.shortBinBytes],
  [op.proto, proto],
  [op.newObj, calls.newObj],
  [op.tuple1, containers.tuple1],
  [op.tuple2, containers.tuple2],
  [op.tuple3, containers.tuple3],
  [op.newTrue, (machine) => machine.push(true)],
  [op.newFalse, (machine) => machine.push(false)],
  [op.long1, scalars.long1],
  [op.long4, scalars.long4],
  [op.shortBinUnicode, scalars.shortBinUnicode],
  [op.binUnicode8, scalars.binUnicode8],
  [op.binBytes8, scalars.binBytes8],
  [op.emptySet, containers.emptySet],
  [op.addItems, containers.addItems],
  [op.frozenSet, containers.frozenSet],
  [op.newObjEx, calls.newObjEx],
  [op.stackGlobal, calls.stackGlobal],
  [op.memoize, (machine) => machine.memoize(machine.memoSize)],
  [op.frame, frame],
  [op.byteArray8, scalars.byteArray8],
  [op.persId, refused],
  [op.binPersId, refused],
  [op.ext1, refused],
  [op.ext2, refused],
  [op.ext4, refused],
  [op.nextBuffer, refused],
  [op.readonlyBuffer, readonlyBuffer],
];

const table: readonly Opcode[] = (() => {
  const made: Opcode[] = new Array<Opcode>(256).fill(unknown);
  for (const [code, opcode] of opcodes) made[code] = opcode;
  return made;
})();

/** Goes on for at most `maxOps` opcodes. True when the pickle's end was reached. */
export function runMachine(machine: PickleMachine, maxOps: number): boolean {
  const input = machine.input;
  // Weighing a shared value counts as opcodes too, so the loop asks the machine each time.
  const until = machine.ops + maxOps;
  const last = Math.min(until, machine.limits.opsMax);
  machine.pauseAt = until;
  while (!machine.finished && machine.ops < last) {
    if (machine.goOn()) continue;
    machine.opcodeAt = machine.position;
    const code = input[machine.position];
    if (code === undefined) throw machine.fault("pickle-truncated", "pickle without an end");
    machine.position++;
    machine.ops++;
    (table[code] ?? unknown)(machine);
  }
  if (!machine.finished && last < until) machine.chargeOps(until - last);
  machine.checkStack();
  return machine.finished;
}

/** The value that a machine has finished with. */
export function resultOf(machine: PickleMachine): PyValue {
  if (!machine.finished) throw new Error("the pickle is not decoded yet");
  return containers.asValue(machine, machine.at(machine.size - 1));
}
