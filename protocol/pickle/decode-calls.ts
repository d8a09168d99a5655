import { viewOf } from "./buffer-slices.js";
import { asValue, makeSet } from "./decode-containers.js";
import { byteArrayOf } from "./decode-scalars.js";
import { findGlobal, KnownGlobal } from "./globals.js";
import { allocationBytes, globalNameBytesMax } from "./limits.js";
import type { PickleMachine } from "./machine.js";
import { CallArguments, EncodedText, type StackValue } from "./shared-values.js";
import {
  PyByteArray,
  type PyDict,
  PyFrozenSet,
  PyInstance,
  PyOrderedDict,
  PyTuple,
  type PyValue,
} from "./values.js";

/** What stands after GLOBAL in nearly every message: the call that makes bytes in protocol 2. */
const encodeLines = Buffer.from("_codecs\nencode\n", "latin1");

function isEncodeNext(machine: PickleMachine): boolean {
  for (let index = 0; index < encodeLines.length; index++) {
    if (machine.input[machine.position + index] !== encodeLines[index]) return false;
  }
  return true;
}

/** GLOBAL: module and name on two lines. */
export function global(machine: PickleMachine): void {
  if (isEncodeNext(machine)) {
    machine.take(encodeLines.length);
    pushNamed(machine, "_codecs", "encode");
    return;
  }
  pushNamed(machine, machine.takeLine(globalNameBytesMax), machine.takeLine(globalNameBytesMax));
}

/** STACK_GLOBAL: module and name from the stack. */
export function stackGlobal(machine: PickleMachine): void {
  const from = machine.need(2);
  const module = machine.at(from);
  const name = machine.at(from + 1);
  if (typeof module !== "string" || typeof name !== "string") {
    throw machine.fault("pickle-malformed", "name of a global that is no str");
  }
  machine.dropTo(from);
  pushNamed(machine, module, name);
}

function pushNamed(machine: PickleMachine, module: string, name: string): void {
  machine.pushGlobal(lookUp(machine, module, name));
}

function lookUp(machine: PickleMachine, module: string, name: string): KnownGlobal {
  const known = findGlobal(module, name, machine.protocol);
  if (known === undefined) {
    const shown = JSON.stringify(`${module}.${name}`.slice(0, globalNameBytesMax));
    throw machine.fault("pickle-global", `pickle names the global ${shown}`);
  }
  return known;
}

/** INST: module and name on two lines, the arguments after the mark. */
export function inst(machine: PickleMachine): void {
  const module = machine.takeLine(globalNameBytesMax);
  const called = lookUp(machine, module, machine.takeLine(globalNameBytesMax));
  const from = machine.popMark();
  const args = machine.slice(from);
  machine.dropTo(from);
  instantiate(machine, called, args);
}

/** OBJ: class and arguments after the mark. */
export function obj(machine: PickleMachine): void {
  const from = machine.popMark();
  const [called, ...args] = machine.slice(from);
  if (called === undefined) throw machine.fault("pickle-malformed", "no class to instantiate");
  machine.dropTo(from);
  instantiate(machine, called, args);
}

/** NEWOBJ: class and a tuple of arguments. */
export function newObj(machine: PickleMachine): void {
  const from = machine.need(2);
  const args = argumentsOf(machine, machine.at(from + 1));
  const called = machine.at(from);
  machine.dropTo(from);
  instantiate(machine, called, args);
}

/** NEWOBJ_EX: the same with a dict of keyword arguments, of which our classes take none. */
export function newObjEx(machine: PickleMachine): void {
  const keywords = machine.at(machine.need(3) + 2);
  if (!(keywords instanceof Map) || keywords.size > 0) throw unsupported(machine, "instantiation");
  machine.pop();
  newObj(machine);
}

/** The only classes that are instantiated are those that travel as data, without arguments. */
function instantiate(
  machine: PickleMachine,
  called: StackValue,
  args: readonly StackValue[],
): void {
  if (!(called instanceof KnownGlobal) || called.role !== "instance" || args.length > 0) {
    throw unsupported(machine, called instanceof KnownGlobal ? called.name : "instantiation");
  }
  machine.allocate(allocationBytes.instance);
  const state: PyDict = new Map();
  // The instance and its dict of attributes.
  machine.pushContainer(new PyInstance(called.name, state), 1);
}

function argumentsOf(machine: PickleMachine, args: StackValue): readonly StackValue[] {
  if (args instanceof PyTuple || args instanceof CallArguments) return args.items;
  throw machine.fault("pickle-malformed", "arguments of a call that are no tuple");
}

function unsupported(machine: PickleMachine, name: string): Error {
  return machine.fault("pickle-malformed", `unsupported call of ${name}`);
}

/** REDUCE: a call, of one of the few globals whose meaning is built in here. */
export function reduce(machine: PickleMachine): void {
  const from = machine.need(2);
  const called = machine.at(from);
  const args = argumentsOf(machine, machine.at(from + 1));
  if (!(called instanceof KnownGlobal)) {
    throw machine.fault("pickle-malformed", "call of what is no function");
  }
  // The members of a set stand in a list, and that in the tuple of the arguments.
  const depth = Math.max(0, machine.deepest(from + 1) - 2);
  machine.dropTo(from);
  switch (called.role) {
    case "encode":
      machine.push(encodedBytes(machine, called, args));
      return;
    case "bytes":
      machine.push(plainBytes(machine, constructedBytes(machine, called, args)));
      return;
    case "bytearray":
      machine.allocate(allocationBytes.view);
      machine.push(byteArrayOf(constructedBytes(machine, called, args)));
      return;
    case "set":
      makeSet(machine, items(machine, called, args), (made) => machine.pushContainer(made, depth));
      return;
    case "frozenset":
      makeSet(machine, items(machine, called, args), (made) => {
        machine.pushContainer(new PyFrozenSet([...made]), depth);
      });
      return;
    case "ordered-dict":
      orderedDict(machine, called, args, depth);
      return;
    case "reconstructor":
    case "new-object":
      reconstruct(machine, called, args);
      return;
    case "object":
    case "instance":
      throw unsupported(machine, called.name);
  }
}

const latin1Names: readonly string[] = ["latin1", "latin-1", "iso-8859-1"];

/** `_codecs.encode(text, 'latin1')`: how Python 3 writes bytes up to protocol 2. */
function encodedBytes(
  machine: PickleMachine,
  called: KnownGlobal,
  args: readonly StackValue[],
): Uint8Array {
  const [text, encoding = null] = args;
  const isLatin1 = typeof encoding === "string" && latin1Names.includes(encoding);
  if (args.length === 2 && isLatin1 && text instanceof EncodedText) return text.bytes;
  if (args.length !== 2 || typeof text !== "string" || !isLatin1) {
    throw unsupported(machine, called.name);
  }
  machine.allocate(allocationBytes.view + text.length);
  const bytes = new Uint8Array(text.length);
  let seen = 0;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    seen |= unit;
    bytes[index] = unit;
  }
  if (seen > 0xff) throw machine.fault("pickle-malformed", "text of bytes beyond Latin-1");
  return bytes;
}

/** `bytes()`, `bytearray()`, `bytearray(bytes)`, and Python 2's `bytearray(text, 'latin-1')`. */
function constructedBytes(
  machine: PickleMachine,
  called: KnownGlobal,
  args: readonly StackValue[],
): Uint8Array {
  const [first] = args;
  if (args.length === 2) return encodedBytes(machine, called, args);
  if (args.length === 1 && first instanceof Uint8Array) return first;
  if (args.length > 0) throw unsupported(machine, called.name);
  machine.allocate(allocationBytes.view);
  return new Uint8Array(0);
}

/** `bytes(bytearray)` can be a key. */
function plainBytes(machine: PickleMachine, bytes: Uint8Array): Uint8Array {
  if (!(bytes instanceof PyByteArray)) return bytes;
  machine.allocate(allocationBytes.view);
  return viewOf(bytes, 0, bytes.length);
}

/** The argument of `set(items)` and its kin: a list or a tuple, or nothing. */
function items(
  machine: PickleMachine,
  called: KnownGlobal,
  args: readonly StackValue[],
): readonly PyValue[] {
  const [first] = args;
  if (args.length === 0) return [];
  if (args.length === 1 && Array.isArray(first)) return first;
  if (args.length === 1 && first instanceof PyTuple) return first.items;
  throw unsupported(machine, called.name);
}

/** `OrderedDict()` and Python 2's `OrderedDict([[key, value], …])`. */
function orderedDict(
  machine: PickleMachine,
  called: KnownGlobal,
  args: readonly StackValue[],
  depth: number,
): void {
  const pairs = items(machine, called, args);
  machine.checkItems(pairs.length);
  machine.allocate(allocationBytes.dict + pairs.length * allocationBytes.mapItem);
  const dict = new PyOrderedDict();
  let index = 0;
  machine.goOnWith(() => {
    for (; index < pairs.length; index++) {
      if (machine.isDue) return false;
      const pair = pairs[index] ?? null;
      const [key, value, ...rest] = pair instanceof PyTuple ? pair.items : asPair(machine, pair);
      if (key === undefined || value === undefined || rest.length > 0) {
        throw unsupported(machine, called.name);
      }
      machine.setItem(dict, key, value);
    }
    machine.pushContainer(dict, depth);
    return true;
  });
}

function asPair(machine: PickleMachine, pair: PyValue): readonly PyValue[] {
  if (Array.isArray(pair)) return pair;
  throw machine.fault("pickle-malformed", "item of a dict that is no pair");
}

/** `copyreg._reconstructor(cls, object, None)` and `copyreg.__newobj__(cls)`. */
function reconstruct(
  machine: PickleMachine,
  called: KnownGlobal,
  args: readonly StackValue[],
): void {
  const [cls = null, base = null, state = null] = args;
  if (called.role === "reconstructor") {
    const isPlain = base instanceof KnownGlobal && base.role === "object" && state === null;
    if (args.length !== 3 || !isPlain) throw unsupported(machine, called.name);
    instantiate(machine, cls, []);
  } else {
    instantiate(machine, cls, args.slice(1));
  }
}

/** POP: drops a value, or a mark where that is the last thing on the stack. */
export function pop(machine: PickleMachine): void {
  if (machine.markIsTop) machine.popMark();
  else machine.pop();
}

/** DUP: a second reference, as if recalled from the memo. */
export function dup(machine: PickleMachine): void {
  const value = machine.at(machine.need(1));
  if (
    value instanceof KnownGlobal ||
    value instanceof CallArguments ||
    value instanceof EncodedText
  ) {
    machine.pushGlobal(value);
  } else {
    machine.pushShared(value);
  }
}

/** STOP: the one value left is the result. */
export function stop(machine: PickleMachine): void {
  const value = machine.pop();
  asValue(machine, value);
  const objection = machine.readers.objection();
  if (objection !== null) throw machine.fault("pickle-limit", objection);
  machine.push(value);
  machine.finished = true;
}
