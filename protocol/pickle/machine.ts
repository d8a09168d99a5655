import { ProtocolError, type ProtocolFault } from "../errors.js";
import { asBuffer } from "./buffer-slices.js";
import { KnownGlobal } from "./globals.js";
import { KeyIndex } from "./key-index.js";
import { allocationBytes, comparisonOps, type PickleLimits } from "./limits.js";
import { KeyError } from "./py-key.js";
import {
  CallArguments,
  EncodedText,
  opaqueDepth,
  SharedValues,
  type StackValue,
} from "./shared-values.js";
import type { Spent } from "./spent.js";
import { TwoReaders } from "./two-readers.js";
import type { PyDict, PySet, PyValue } from "./values.js";

/**
 * The state of one decoding: input, stack, marks and memo, and what was spent of the limits. The
 * opcodes are functions on it (decode-*.ts).
 *
 * With each value on the stack stands how deep it nests, so the depth limit holds without a second
 * walk over the result.
 */
export class PickleMachine {
  readonly input: Buffer;
  readonly limits: PickleLimits;
  /** Whether bytes are copied out of the input, which somebody else will use again. */
  readonly copies: boolean;
  /** Where the next byte is read. */
  position = 0;
  /** Where the current opcode stands: the offset of every fault. */
  opcodeAt = 0;
  ops = 0;
  /** What the last PROTO said. */
  protocol = 0;
  readonly readers = new TwoReaders();
  finished = false;
  /** Where a slice ends: an opcode that puts ints into a container stops there, and goes on in the next slice. */
  pauseAt = Number.POSITIVE_INFINITY;
  /** The rest of such an opcode; true when it is done. */
  private rest: (() => boolean) | null = null;

  /** Values below `top`; what stands above is stale. */
  private readonly stack: StackValue[] = [];
  private readonly depths: number[] = [];
  private top = 0;
  private readonly marks: number[] = [];
  /** Where the values after the last mark begin: nothing below may be popped. */
  private fence = 0;
  private readonly memo: (StackValue | undefined)[] = [];
  /** Entries whose index leaves a gap, which Python's pickler never does. */
  private sparseMemo: Map<number, StackValue> | null = null;
  private memoEntries = 0;
  private allocated = 0;
  private expanded = 0;
  /** The opcode that was charged for last, where it stands, and what it has come to. */
  private chargedAt = -1;
  private charged = 0;
  /** These two are made when first needed: most messages share nothing and have str keys. */
  private shared: SharedValues | null = null;
  private keys: KeyIndex | null = null;

  constructor(bytes: Uint8Array, limits: PickleLimits, copies: boolean) {
    this.input = asBuffer(bytes);
    this.limits = limits;
    this.copies = copies;
  }

  fault(code: ProtocolFault, message: string, cause?: unknown): ProtocolError {
    return new ProtocolError(code, message, { offset: this.opcodeAt, cause });
  }

  /** Beyond a limit that goes with the size of what is decoded: the receiver may want to know which. */
  private beyond(limit: keyof PickleLimits, message: string): ProtocolError {
    return new ProtocolError("pickle-limit", message, { offset: this.opcodeAt, limit });
  }

  // --- input

  /** Claims the next `length` bytes and returns where they start. */
  take(length: number): number {
    const start = this.position;
    if (length > this.input.length - start) {
      throw this.fault("pickle-truncated", "pickle ends within an opcode");
    }
    this.position = start + length;
    return start;
  }

  takeByte(): number {
    const byte = this.input[this.position];
    if (byte === undefined) throw this.fault("pickle-truncated", "pickle ends within an opcode");
    this.position++;
    return byte;
  }

  takeUint32(): number {
    const at = this.take(4);
    return this.input.readUInt32LE(at);
  }

  /** An eight-byte length: beyond the safe integers it is certainly beyond the input. */
  takeLength64(): number {
    const at = this.take(8);
    return this.input.readUInt32LE(at) + this.input.readUInt32LE(at + 4) * 0x1_0000_0000;
  }

  /** Claims the bytes of one str or bytes, whose length the pickle gave. */
  takeString(length: number): number {
    if (length > this.limits.stringBytesMax) {
      throw this.fault("pickle-limit", `string of ${length} bytes`);
    }
    return this.take(length);
  }

  /** The text up to the next newline (which is claimed too), each byte a character. */
  takeLine(bytesMax: number): string {
    const start = this.position;
    const end = this.input.indexOf(0x0a, start);
    if (end < 0) throw this.fault("pickle-truncated", "pickle ends within a line");
    if (end - start > bytesMax) throw this.fault("pickle-limit", `line of ${end - start} bytes`);
    this.position = end + 1;
    return this.input.latin1Slice(start, end);
  }

  // --- limits

  allocate(bytes: number): void {
    this.allocated += bytes;
    if (this.allocated > this.limits.allocatedBytesMax) {
      throw this.beyond("allocatedBytesMax", "pickle takes too much memory");
    }
  }

  /** To be asked before one opcode does something with so many values. */
  checkItems(count: number): void {
    if (count > this.limits.itemsPerOpMax) {
      throw this.fault("pickle-limit", `${count} values at once`);
    }
  }

  /** To be asked when a container has grown to so many values. */
  checkContainer(count: number): void {
    if (count > this.limits.containerItemsMax) {
      throw this.beyond("containerItemsMax", `a container of ${count} values`);
    }
  }

  /** What one-byte opcodes pile up costs memory as well. */
  checkStack(): void {
    if (this.top + this.marks.length > this.limits.stackValuesMax) {
      throw this.fault("pickle-limit", "too many values that nothing takes");
    }
  }

  /** What takes as long as so many opcodes is to be charged for before it is done. */
  chargeOps(ops: number): void {
    this.countOps(ops);
    if (this.chargedAt !== this.opcodeAt) {
      this.chargedAt = this.opcodeAt;
      this.charged = 0;
    }
    this.charged += ops;
    if (this.charged > this.limits.opsPerOpMax) {
      throw this.fault("pickle-limit", "an opcode that takes too long");
    }
  }

  /** Carries out an opcode that may take several slices. */
  goOnWith(rest: () => boolean): void {
    if (!rest()) this.rest = rest;
  }

  /** Whether the last opcode has a rest; then some more of it is done. */
  goOn(): boolean {
    if (this.rest === null) return false;
    if (this.rest()) this.rest = null;
    return true;
  }

  /** Whether an opcode that can pause has to. */
  get isDue(): boolean {
    return this.ops >= this.pauseAt;
  }

  private countOps(ops: number): void {
    this.ops += ops;
    if (this.ops > this.limits.opsMax) {
      throw this.fault("pickle-limit", "pickle of too many opcodes");
    }
  }

  // --- stack

  get size(): number {
    return this.top;
  }

  /** Pushes what nests nothing. */
  push(value: StackValue): void {
    const top = this.top++;
    this.stack[top] = value;
    this.depths[top] = 0;
  }

  pushDeep(value: StackValue, depth: number): void {
    const top = this.top++;
    this.stack[top] = value;
    this.depths[top] = depth;
  }

  /** Pushes what must not become part of a value. */
  pushGlobal(value: KnownGlobal | CallArguments | EncodedText): void {
    this.pushDeep(value, opaqueDepth);
  }

  /** Pushes a container whose deepest member nests `depth`. */
  pushContainer(value: PyValue, depth: number): void {
    this.checkDepth(depth + 1);
    this.pushDeep(value, depth + 1);
  }

  /** Whether the next thing pushed is what `_codecs.encode` is going to be called with. */
  get encodesNext(): boolean {
    const value = this.stack[this.top - 1];
    return this.top > 0 && value instanceof KnownGlobal && value.role === "encode";
  }

  /** Makes sure that `count` values stand above the last mark; returns where they start. */
  need(count: number): number {
    const from = this.top - count;
    if (from < this.fence) throw this.fault("pickle-malformed", "stack underflow");
    return from;
  }

  pop(): StackValue {
    const from = this.need(1);
    this.top = from;
    return this.at(from);
  }

  at(index: number): StackValue {
    const value = this.stack[index];
    if (value === undefined) throw new Error("read beyond the decoder's stack");
    return value;
  }

  /** What stands from `from` up, as an array of its own; it stays on the stack. */
  slice(from: number): StackValue[] {
    return this.stack.slice(from, this.top);
  }

  /** The same, where the depth has shown that no global is among them. */
  values(from: number): PyValue[] {
    return this.stack.slice(from, this.top) as PyValue[];
  }

  dropTo(top: number): void {
    this.top = top;
  }

  /** The greatest depth among the values from `from` up. */
  deepest(from: number): number {
    let deepest = 0;
    for (let index = from; index < this.top; index++) {
      const depth = this.depths[index] ?? 0;
      if (depth > deepest) deepest = depth;
    }
    return deepest;
  }

  /** As deepest, where all of them have to be values: Python has classes in lists, we do not. */
  deepestValue(from: number): number {
    const depth = this.deepest(from);
    if (depth >= opaqueDepth) throw this.notAValue();
    return depth;
  }

  notAValue(): ProtocolError {
    return this.fault("pickle-malformed", "a class or function stands where a value belongs");
  }

  /** Raises the depth of the container at `index` to hold a member of `depth`. */
  deepen(index: number, depth: number): void {
    if (depth < (this.depths[index] ?? 0)) return;
    this.checkDepth(depth + 1);
    this.depths[index] = depth + 1;
  }

  private checkDepth(depth: number): void {
    if (depth <= this.limits.depthMax) return;
    if (depth >= opaqueDepth) throw this.notAValue();
    throw this.fault("pickle-limit", `values nested more than ${this.limits.depthMax} deep`);
  }

  // --- marks

  mark(): void {
    this.marks.push(this.top);
    this.fence = this.top;
  }

  /** Removes the last mark; returns where the values above it start. */
  popMark(): number {
    const from = this.marks.pop();
    if (from === undefined) throw this.fault("pickle-malformed", "no mark on the stack");
    this.fence = this.marks[this.marks.length - 1] ?? 0;
    this.checkItems(this.top - from);
    return from;
  }

  /** For POP, which takes a mark off where one is the last thing on the stack. */
  get markIsTop(): boolean {
    return this.marks.length > 0 && this.top === this.fence;
  }

  // --- memo

  memoize(index: number): void {
    const value = this.at(this.need(1));
    if (index >= this.limits.memoEntriesMax || this.memoEntries >= this.limits.memoEntriesMax) {
      throw this.beyond("memoEntriesMax", "memo too large");
    }
    this.allocate(allocationBytes.memoEntry);
    if (this.memoAt(index) === undefined) this.memoEntries++;
    // Python 2's C pickler starts at 1, all others at 0.
    if (index === 1 && this.memo.length === 0) this.memo.push(undefined);
    if (index <= this.memo.length) this.memo[index] = value;
    else {
      this.sparseMemo ??= new Map();
      this.checkItems(this.sparseMemo.size + 1);
      this.chargeOps(comparisonOps(index, this.sparseMemo.size));
      this.sparseMemo.set(index, value);
    }
  }

  /** How many entries the memo has: the index that MEMOIZE takes. */
  get memoSize(): number {
    return this.memoEntries;
  }

  private memoAt(index: number): StackValue | undefined {
    const value = this.memo[index];
    if (value !== undefined || this.sparseMemo === null) return value;
    // Whoever chooses the places can have all of them meet, as with the keys of a container.
    this.chargeOps(comparisonOps(index, this.sparseMemo.size));
    return this.sparseMemo.get(index);
  }

  recall(index: number): void {
    const value = this.memoAt(index);
    if (value === undefined) {
      throw this.fault("pickle-malformed", `no memo entry ${index}`);
    } else if (typeof value === "string") {
      this.expand(value.length);
      this.push(value);
    } else if (value instanceof EncodedText) {
      this.expand(value.bytes.length);
      this.pushGlobal(value);
    } else if (value instanceof KnownGlobal || value instanceof CallArguments) {
      this.pushGlobal(value);
    } else {
      this.pushShared(value);
    }
  }

  /** Pushes a further reference to a value, which must not change from now on. */
  pushShared(value: StackValue): void {
    this.shared ??= new SharedValues({
      look: () => this.chargeOps(1),
      weigh: (known, ofThisCall) => {
        this.allocate(allocationBytes.sharedValue);
        this.checkContainer(known);
        this.checkItems(ofThisCall);
      },
    });
    const weight = this.shared.share(value);
    this.expand(weight.bytes);
    this.pushDeep(value, weight.depth);
  }

  private expand(bytes: number): void {
    this.expanded += bytes;
    if (this.expanded > this.limits.expandedBytesMax) {
      throw this.beyond("expandedBytesMax", "shared references expand to too much");
    }
  }

  // --- what somebody else has read

  /** What was spent so far, and how much stands on the stack. */
  spent(): Spent & { readonly stacked: number } {
    const { position, ops, allocated, expanded, top, marks } = this;
    return {
      position,
      ops,
      allocated,
      expanded,
      memo: this.memoEntries,
      stacked: top + marks.length,
    };
  }

  /** Whether the memo's places were filled one after the other: the next one is as many as there are. */
  get memoIsDense(): boolean {
    return this.sparseMemo === null && this.memo.length === this.memoEntries;
  }

  /**
   * Goes on where somebody else has read on, who leaves nothing on the stack and has counted what it would
   * have cost here. What he has put into the memo cannot be recalled.
   *
   * @param depth How deep the last value on the stack has come to nest.
   */
  passOver(spent: Spent, depth: number): void {
    this.position = spent.position;
    this.countOps(spent.ops - this.ops);
    this.allocate(spent.allocated - this.allocated);
    this.expand(spent.expanded - this.expanded);
    this.memo.length = spent.memo;
    this.memoEntries = spent.memo;
    this.deepen(this.top - 1, depth - 1);
  }

  /** Whether there is a further reference to the value. */
  isShared(value: StackValue): boolean {
    return this.shared?.has(value) === true;
  }

  // --- containers under construction

  /** Refuses to change what has a second reference: that is how cycles are made, which Python reads. */
  requireChangeable(container: StackValue): void {
    if (this.isShared(container)) {
      throw this.fault("pickle-limit", "a shared value changes: cyclic data is not supported");
    }
  }

  setItem(dict: PyDict, key: PyValue, value: PyValue): void {
    if (typeof key === "string") dict.set(key, value);
    else {
      this.countOps(comparisonOps(key, dict.size));
      this.withKeys((keys) => keys.setItem(dict, key, value));
    }
  }

  addItem(set: PySet, item: PyValue): void {
    if (typeof item === "string") set.add(item);
    else {
      this.countOps(comparisonOps(item, set.size));
      this.withKeys((keys) => keys.addItem(set, item));
    }
  }

  private withKeys(action: (keys: KeyIndex) => void): void {
    this.keys ??= new KeyIndex(this.limits.keyCharsMax, {
      allocate: (bytes) => this.allocate(bytes),
      work: (ops) => this.chargeOps(ops),
    });
    try {
      action(this.keys);
    } catch (error) {
      if (!(error instanceof KeyError)) throw error;
      const code = error.reason === "too-large" ? "pickle-limit" : "pickle-malformed";
      throw this.fault(code, error.message, error);
    }
  }
}
