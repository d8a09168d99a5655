import type { KnownGlobal } from "./globals.js";
import {
  PyFloat,
  PyFrozenSet,
  PyInstance,
  PySurrogateStr,
  PyTuple,
  type PyValue,
} from "./values.js";

/** A tuple that holds a global: arguments of a call, never a value of the result. */
export class CallArguments {
  readonly items: readonly StackValue[];

  constructor(items: readonly StackValue[]) {
    this.items = items;
  }
}

/**
 * The text that `_codecs.encode` is about to make bytes of, as these bytes already: the text of a
 * large command would take twice its size in the heap for nothing. Never a value of the result.
 */
export class EncodedText {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

/** What may stand on the decoder's stack. */
export type StackValue = PyValue | KnownGlobal | CallArguments | EncodedText;

/** Depth of what must not become part of a value: beyond any limit, so that one check finds it. */
export const opaqueDepth = 1 << 28;

/** How deep a value nests, and how many bytes it would take were each reference a copy. */
export interface Weight {
  readonly depth: number;
  readonly bytes: number;
}

type Container =
  | PyValue[]
  | PyTuple
  | PyFrozenSet
  | PyInstance
  | Map<PyValue, PyValue>
  | Set<PyValue>;

interface Frame {
  readonly container: Container;
  readonly rest: Iterator<PyValue>;
  depth: number;
  bytes: number;
}

const opaqueWeight: Weight = { depth: opaqueDepth, bytes: 16 };

/** Estimated bytes of a value without its members. */
const ownBytes = 16;

/** Told of what weighing costs, before it does; each may throw. */
export interface WeighingCharge {
  /** One member is looked at. */
  look(): void;
  /** One more container is remembered: how many are then, and how many of this one reference. */
  weigh(known: number, ofThisCall: number): void;
}

/**
 * Remembers the containers that a pickle refers to more than once. Such a container may no longer
 * change: Python's pickler refers to one only when it is complete, except within itself, which
 * would make a cycle. So its weight is final, each is weighed once, and a tree of references whose
 * copies would fill the memory is known before anyone walks it.
 */
export class SharedValues {
  private readonly weights = new Map<object, Weight>();
  private readonly charge: WeighingCharge;

  constructor(charge: WeighingCharge) {
    this.charge = charge;
  }

  has(value: StackValue): boolean {
    return typeof value === "object" && value !== null && this.weights.has(value);
  }

  /** Weighs a value that is about to get a second reference, and fixes it. Never recursive. */
  share(root: StackValue): Weight {
    const known = this.weightOf(root);
    if (known !== null) return known;
    const frames: Frame[] = [];
    const before = this.weights.size;
    enter(frames, root);
    for (;;) {
      const frame = frames[frames.length - 1];
      if (frame === undefined) throw new Error("no container to weigh");
      const next = frame.rest.next();
      if (next.done !== true) {
        this.charge.look();
        const weight = this.weightOf(next.value);
        if (weight === null) enter(frames, next.value);
        else include(frame, weight);
        continue;
      }
      const weight = { depth: frame.depth, bytes: frame.bytes };
      this.charge.weigh(this.weights.size + 1, this.weights.size + 1 - before);
      this.weights.set(frame.container, weight);
      frames.pop();
      const parent = frames[frames.length - 1];
      if (parent === undefined) return weight;
      include(parent, weight);
    }
  }

  /** Null for a container that was not weighed yet. */
  private weightOf(value: StackValue): Weight | null {
    if (isContainer(value)) return this.weights.get(value) ?? null;
    if (typeof value === "string") return { depth: 0, bytes: ownBytes + value.length };
    if (value instanceof Uint8Array) return { depth: 0, bytes: ownBytes + value.length };
    if (value instanceof PySurrogateStr) return { depth: 0, bytes: ownBytes + value.bytes.length };
    if (typeof value === "bigint") {
      return { depth: 0, bytes: ownBytes + value.toString(16).length };
    }
    if (value === null || typeof value !== "object" || value instanceof PyFloat) {
      return { depth: 0, bytes: ownBytes };
    }
    return opaqueWeight;
  }
}

function enter(frames: Frame[], value: StackValue): void {
  if (!isContainer(value)) throw new Error("not a container");
  frames.push({ container: value, rest: membersOf(value), depth: 1, bytes: ownBytes });
}

function include(frame: Frame, weight: Weight): void {
  frame.depth = Math.max(frame.depth, weight.depth + 1);
  frame.bytes += weight.bytes;
}

function isContainer(value: StackValue): value is Container {
  return (
    value instanceof PyTuple ||
    Array.isArray(value) ||
    value instanceof Map ||
    value instanceof Set ||
    value instanceof PyFrozenSet ||
    value instanceof PyInstance
  );
}

function membersOf(container: Container): Iterator<PyValue> {
  if (container instanceof Map) return entriesFlat(container);
  if (container instanceof PyTuple || container instanceof PyFrozenSet) {
    return container.items[Symbol.iterator]();
  }
  if (container instanceof PyInstance) return [container.state][Symbol.iterator]();
  return container[Symbol.iterator]();
}

function* entriesFlat(map: Map<PyValue, PyValue>): Generator<PyValue, undefined> {
  for (const [key, value] of map) {
    yield key;
    yield value;
  }
  return undefined;
}
