import { KnownGlobal } from "./globals.js";
import { allocationBytes } from "./limits.js";
import type { PickleMachine } from "./machine.js";
import { CallArguments, EncodedText, opaqueDepth, type StackValue } from "./shared-values.js";
import {
  type PyDict,
  PyFrozenSet,
  PyInstance,
  type PySet,
  PyTuple,
  type PyValue,
} from "./values.js";

/** The value, where it is one. */
export function asValue(machine: PickleMachine, value: StackValue): PyValue {
  if (
    value instanceof KnownGlobal ||
    value instanceof CallArguments ||
    value instanceof EncodedText
  ) {
    throw machine.notAValue();
  }
  return value;
}

// --- tuples

export function emptyTuple(machine: PickleMachine): void {
  machine.allocate(allocationBytes.tuple);
  machine.pushDeep(new PyTuple([]), 1);
}

export function tuple(machine: PickleMachine): void {
  makeTuple(machine, machine.popMark());
}

export function tuple1(machine: PickleMachine): void {
  makeTuple(machine, machine.need(1));
}

export function tuple2(machine: PickleMachine): void {
  makeTuple(machine, machine.need(2));
}

export function tuple3(machine: PickleMachine): void {
  makeTuple(machine, machine.need(3));
}

function makeTuple(machine: PickleMachine, from: number): void {
  const depth = machine.deepest(from);
  machine.allocate(allocationBytes.tuple + (machine.size - from) * allocationBytes.item);
  if (depth >= opaqueDepth) {
    const items = machine.slice(from);
    machine.dropTo(from);
    machine.pushGlobal(new CallArguments(items));
  } else {
    const items = machine.values(from);
    machine.dropTo(from);
    machine.pushContainer(new PyTuple(items), depth);
  }
}

// --- lists

export function emptyList(machine: PickleMachine): void {
  machine.allocate(allocationBytes.list);
  machine.pushDeep([], 1);
}

export function list(machine: PickleMachine): void {
  const from = machine.popMark();
  const depth = machine.deepestValue(from);
  machine.allocate(allocationBytes.list + (machine.size - from) * allocationBytes.item);
  const items = machine.values(from);
  machine.dropTo(from);
  machine.pushContainer(items, depth);
}

export function append(machine: PickleMachine): void {
  appendFrom(machine, machine.need(2) + 1);
}

export function appends(machine: PickleMachine): void {
  const from = machine.popMark();
  machine.need(machine.size - from + 1);
  appendFrom(machine, from);
}

function appendFrom(machine: PickleMachine, from: number): void {
  const target = machine.at(from - 1);
  if (!Array.isArray(target)) throw machine.fault("pickle-malformed", "append to what is no list");
  machine.requireChangeable(target);
  machine.allocate((machine.size - from) * allocationBytes.item);
  if (from < machine.size) machine.deepen(from - 1, machine.deepestValue(from));
  for (let index = from; index < machine.size; index++) {
    target.push(asValue(machine, machine.at(index)));
  }
  machine.checkContainer(target.length);
  machine.dropTo(from);
}

// --- dicts

export function emptyDict(machine: PickleMachine): void {
  machine.allocate(allocationBytes.dict);
  machine.pushDeep(new Map(), 1);
}

export function dict(machine: PickleMachine): void {
  const from = machine.popMark();
  const depth = machine.deepestValue(from);
  machine.allocate(allocationBytes.dict);
  const made: PyDict = new Map();
  setItemsFrom(machine, made, from, () => {
    machine.dropTo(from);
    machine.pushContainer(made, depth);
  });
}

export function setItem(machine: PickleMachine): void {
  setOnTarget(machine, machine.need(3) + 1);
}

export function setItems(machine: PickleMachine): void {
  const from = machine.popMark();
  machine.need(machine.size - from + 1);
  setOnTarget(machine, from);
}

function setOnTarget(machine: PickleMachine, from: number): void {
  const target = machine.at(from - 1);
  if (!(target instanceof Map)) {
    throw machine.fault("pickle-malformed", "items set on what is no dict");
  }
  machine.requireChangeable(target);
  if (from < machine.size) machine.deepen(from - 1, machine.deepestValue(from));
  setItemsFrom(machine, target, from, () => machine.dropTo(from));
}

/** Ints as keys may all have one hash: with many of them the opcode takes several slices. */
function setItemsFrom(
  machine: PickleMachine,
  target: PyDict,
  from: number,
  then: () => void,
): void {
  const end = machine.size;
  if ((end - from) % 2 !== 0) throw machine.fault("pickle-malformed", "dict key without a value");
  machine.allocate(((end - from) / 2) * allocationBytes.mapItem);
  let index = from;
  machine.goOnWith(() => {
    for (; index < end; index += 2) {
      if (machine.isDue) return false;
      const key = asValue(machine, machine.at(index));
      machine.setItem(target, key, asValue(machine, machine.at(index + 1)));
    }
    machine.checkContainer(target.size);
    then();
    return true;
  });
}

// --- sets

export function emptySet(machine: PickleMachine): void {
  machine.allocate(allocationBytes.set);
  machine.pushDeep(new Set(), 1);
}

export function addItems(machine: PickleMachine): void {
  const from = machine.popMark();
  machine.need(machine.size - from + 1);
  const target = machine.at(from - 1);
  if (!(target instanceof Set)) {
    throw machine.fault("pickle-malformed", "items added to what is no set");
  }
  machine.requireChangeable(target);
  if (from < machine.size) machine.deepen(from - 1, machine.deepestValue(from));
  addAll(machine, target, machine.values(from), () => machine.dropTo(from));
}

export function frozenSet(machine: PickleMachine): void {
  const from = machine.popMark();
  const depth = machine.deepestValue(from);
  makeSet(machine, machine.values(from), (made) => {
    machine.dropTo(from);
    machine.pushContainer(new PyFrozenSet([...made]), depth);
  });
}

/** A set of the items; Python's equal ones are one. */
export function makeSet(
  machine: PickleMachine,
  items: readonly PyValue[],
  then: (made: PySet) => void,
): void {
  machine.allocate(allocationBytes.set);
  const made: PySet = new Set();
  addAll(machine, made, items, () => then(made));
}

/** In slices, as `setItemsFrom`. */
function addAll(
  machine: PickleMachine,
  target: PySet,
  items: readonly PyValue[],
  then: () => void,
): void {
  machine.checkItems(items.length);
  machine.allocate(items.length * allocationBytes.mapItem);
  let index = 0;
  machine.goOnWith(() => {
    for (; index < items.length; index++) {
      if (machine.isDue) return false;
      machine.addItem(target, items[index] ?? null);
    }
    machine.checkContainer(target.size);
    then();
    return true;
  });
}

// --- instances

/**
 * BUILD: gives an instance its attributes. Also takes `(attributes, slots)` where there are no
 * slots, and no attributes at all (None), as Python's own BUILD of such an instance would.
 */
export function build(machine: PickleMachine): void {
  const from = machine.need(2);
  const state = attributesOf(machine, machine.at(from + 1));
  const target = machine.at(from);
  if (!(target instanceof PyInstance)) {
    throw machine.fault("pickle-malformed", "state given to what is no instance");
  }
  machine.requireChangeable(target);
  machine.deepen(from, machine.deepestValue(from + 1));
  machine.checkItems(state.size);
  machine.allocate(state.size * allocationBytes.mapItem);
  for (const [name, value] of state) {
    if (typeof name !== "string") {
      throw machine.fault("pickle-malformed", "attribute name that is no str");
    }
    target.state.set(name, value);
  }
  machine.dropTo(from + 1);
}

function attributesOf(machine: PickleMachine, state: StackValue): PyDict {
  if (state === null) return new Map();
  if (state instanceof Map) return state;
  if (state instanceof PyTuple && state.items.length === 2) {
    const [attributes = null, slots = null] = state.items;
    const hasSlots = slots !== null && !(slots instanceof Map && slots.size === 0);
    if (!hasSlots && (attributes === null || attributes instanceof Map)) {
      return attributes ?? new Map();
    }
  }
  throw machine.fault("pickle-malformed", "state of an instance that is no dict");
}
