import { asBuffer } from "../pickle/buffer-slices.js";
import { allocationBytes, type PickleLimits } from "../pickle/limits.js";
import { op } from "../pickle/opcodes.js";
import type { Spent } from "../pickle/spent.js";
import { decodeUtf8 } from "../pickle/text.js";
import { MemoPlaces } from "./memo-places.js";
import { PlainItems, type PlainTimes } from "./plain-items.js";

/** Where the data's items begin, and what was spent by then. */
export interface Beginning extends Spent {
  /** Values and marks on the stack, the dict among them. */
  readonly stacked: number;
}

const textHeadBytes = 5;
/** Longer texts are not looked at byte by byte. */
const shortTextBytes = 96;
/** Beyond any that the usual dict has, and what stands on the stack while its last item is read. */
const itemValuesMax = 16;
/** The depth of a dict of dicts of texts and numbers. */
export const plainDataDepth = 2;
/** So much is read at once, and the rest of the last item. */
const runBytes = 64 * 1024;
const longIntBytesMax = 6;

/** The fields, by bits. */
const field = { value: 1, updated: 2, created: 4, expire: 8, index: 16 } as const;
const required = field.value | field.updated | field.created | field.index;
const names = {
  value: Buffer.from("value", "latin1"),
  updated: Buffer.from("updated", "latin1"),
  created: Buffer.from("created", "latin1"),
  expire: Buffer.from("expire", "latin1"),
  index: Buffer.from("index", "latin1"),
};

/** Thrown and caught within this file: something is not of the usual shape. */
const unusual = new Error("unusual");

/**
 * Reads the items of a dump's data in the one shape in which Patroni's values stand there (pickled by Python,
 * with its memo, or by ourselves, without), with no stack and no dicts. It counts what the general decoder
 * would have spent on them, and gives up where anything is unusual or a bound is reached: that one has to
 * look then, and says what is wrong and where.
 */
export class PlainItemReader {
  readonly items = new PlainItems();
  readonly spent: Spent;
  readonly #bytes: Buffer;
  /** The same: numbers are read faster by it. */
  readonly #view: DataView;
  readonly #limits: PickleLimits;
  readonly #textBytesMax: number;
  readonly #batchItemsMax: number;
  readonly #places: MemoPlaces;
  readonly #times: PlainTimes = { updated: 0, created: 0, expire: null };
  #at: number;
  /** Items of the batch that is being read; -1 between two. */
  #inBatch = -1;
  #value = "";
  /** Of the text that was read last, in UTF-8. */
  #textBytes = 0;
  #index = 0;
  /** The place of the memo that was fetched last. */
  #fetched = 0;
  /** Whether all items were read. */
  isDone = false;

  constructor(pickle: Uint8Array, beginning: Beginning, limits: PickleLimits) {
    const { position, ops, allocated, expanded, memo, stacked } = beginning;
    this.#bytes = asBuffer(pickle);
    this.#view = new DataView(pickle.buffer, pickle.byteOffset, pickle.byteLength);
    this.#at = position;
    this.spent = { position, ops, allocated, expanded, memo };
    this.#limits = limits;
    this.#textBytesMax = Math.min(limits.stringBytesMax, limits.strBytesMax);
    const stackFree = limits.stackValuesMax - stacked;
    this.#batchItemsMax = (Math.min(stackFree, limits.itemsPerOpMax) - itemValuesMax) / 2;
    this.#places = new MemoPlaces(memo);
  }

  /**
   * Reads some items, fewer where they are large.
   *
   * @returns false where the general decoder has to read all of it.
   */
  run(items: number): boolean {
    try {
      const enough = this.#at + runBytes;
      for (let left = items; left > 0 && this.#at < enough && !this.isDone; left--) this.#step();
      this.spent.position = this.#at;
      this.spent.memo = this.#places.next;
      return this.#isWithinLimits();
    } catch (error) {
      if (error === unusual) return false;
      throw error;
    }
  }

  #isWithinLimits(): boolean {
    const { ops, allocated, expanded, memo } = this.spent;
    const limits = this.#limits;
    return (
      ops <= limits.opsMax &&
      allocated <= limits.allocatedBytesMax &&
      expanded <= limits.expandedBytesMax &&
      memo <= limits.memoEntriesMax &&
      this.items.length <= limits.containerItemsMax &&
      this.#batchItemsMax > 0 &&
      plainDataDepth <= limits.depthMax
    );
  }

  /** An item, with the opcode around it where a batch begins or ends there. */
  #step(): void {
    const code = this.#bytes[this.#at];
    if (this.#inBatch < 0) {
      if (code === op.setItems) {
        // It belongs to the dict that holds the data.
        this.isDone = true;
        return;
      }
      if (code !== op.mark) {
        // Python's pickler writes a single item without a mark.
        this.#item();
        this.#one(op.setItem);
        return;
      }
      this.#one(op.mark);
      this.#inBatch = 0;
      return;
    }
    if (code === op.setItems) {
      this.#one(op.setItems);
      this.#inBatch = -1;
      return;
    }
    this.#item();
    this.#inBatch += 1;
    if (this.#inBatch > this.#batchItemsMax) throw unusual;
  }

  #item(): void {
    const key = this.#text();
    let textBytes = this.#textBytes;
    this.#one(op.emptyDict);
    this.#places.noteNext(0, this.#putSize());
    this.#one(op.mark);
    const fields = this.#fields();
    textBytes += this.#textBytes;
    const count = fields & field.expire ? 5 : 4;
    if ((fields & required) !== required || count > this.#limits.containerItemsMax) throw unusual;
    this.spent.allocated += allocationBytes.dict + (count + 1) * allocationBytes.mapItem;
    this.items.add(key, this.#value, this.#times, this.#index, textBytes);
  }

  /** Those of one dict, up to its end. */
  #fields(): number {
    const times = this.#times;
    times.expire = null;
    let seen = 0;
    let valueBytes = 0;
    while (this.#bytes[this.#at] !== op.setItems) {
      const name = this.#name();
      if ((seen & name) !== 0) throw unusual;
      seen |= name;
      switch (name) {
        case field.value:
          this.#value = this.#text();
          valueBytes = this.#textBytes;
          break;
        case field.updated:
          times.updated = this.#float();
          break;
        case field.created:
          times.created = this.#float();
          break;
        case field.expire:
          times.expire = this.#float();
          break;
        default:
          this.#index = this.#int();
      }
    }
    this.#one(op.setItems);
    this.#textBytes = valueBytes;
    return seen;
  }

  #one(byte: number): void {
    if (this.#bytes[this.#at] !== byte) throw unusual;
    this.#at += 1;
    this.spent.ops += 1;
  }

  // --- the memo

  /**
   * Passes over the opcode that puts what was read last into the memo, where there is one.
   *
   * @returns how many places it takes: one, or none.
   */
  #putSize(): number {
    const code = this.#bytes[this.#at];
    if (code !== op.binPut && code !== op.longBinPut) return 0;
    const isShort = code === op.binPut;
    const place = isShort ? this.#byteAt(this.#at + 1) : this.#uint32At(this.#at + 1);
    // A pickler fills the places one after the other.
    if (place !== this.#places.next) throw unusual;
    this.#at += isShort ? 2 : 5;
    this.spent.ops += 1;
    this.spent.allocated += allocationBytes.memoEntry;
    return 1;
  }

  /** Where the text begins that is fetched from the memo here. */
  #fetchedAt(code: number | undefined): number {
    if (code !== op.binGet && code !== op.longBinGet) throw unusual;
    const isShort = code === op.binGet;
    this.#fetched = isShort ? this.#byteAt(this.#at + 1) : this.#uint32At(this.#at + 1);
    const from = this.#places.at(this.#fetched);
    // Dicts, and what came before the data, are not fetched in the usual shape.
    if (from === 0) throw unusual;
    this.#at += isShort ? 2 : 5;
    this.spent.ops += 1;
    return from;
  }

  // --- texts

  #name(): number {
    const code = this.#bytes[this.#at];
    if (code !== op.binUnicode) {
      const from = this.#fetchedAt(code);
      const length = this.#uint32At(from + 1);
      this.spent.expanded += length;
      return this.#nameAt(from + textHeadBytes, length);
    }
    const from = this.#at;
    const length = this.#uint32At(from + 1);
    const name = this.#nameAt(from + textHeadBytes, length);
    this.#passText(from, length);
    return name;
  }

  /** Told apart by their length and their first letter. */
  #nameAt(from: number, length: number): number {
    const first = this.#bytes[from];
    switch (length) {
      case 5:
        return first === names.value[0]
          ? this.#expect(from, names.value, field.value)
          : this.#expect(from, names.index, field.index);
      case 6:
        return this.#expect(from, names.expire, field.expire);
      case 7:
        return first === names.updated[0]
          ? this.#expect(from, names.updated, field.updated)
          : this.#expect(from, names.created, field.created);
      default:
        throw unusual;
    }
  }

  #expect(from: number, name: Buffer, found: number): number {
    const bytes = this.#bytes;
    for (let i = 0; i < name.length; i++) if (bytes[from + i] !== name[i]) throw unusual;
    return found;
  }

  #text(): string {
    const code = this.#bytes[this.#at];
    if (code !== op.binUnicode) return this.#fetchedText(this.#fetchedAt(code));
    const from = this.#at;
    const length = this.#uint32At(from + 1);
    const text = this.#textAt(from + textHeadBytes, length);
    this.#passText(from, length);
    return text;
  }

  #passText(from: number, length: number): void {
    if (length > this.#textBytesMax) throw unusual;
    this.#at = from + textHeadBytes + length;
    this.#textBytes = length;
    this.spent.ops += 1;
    this.spent.allocated += allocationBytes.string + 2 * length;
    this.#places.noteNext(from, this.#putSize());
  }

  #fetchedText(from: number): string {
    const length = this.#uint32At(from + 1);
    // Were it decoded each time, a long text could fill the memory.
    const text = this.#places.text(this.#fetched, () => this.#textAt(from + textHeadBytes, length));
    this.#textBytes = length;
    this.spent.expanded += text.length;
    return text;
  }

  #textAt(from: number, length: number): string {
    const bytes = this.#bytes;
    const end = from + length;
    if (length > this.#textBytesMax || end > bytes.length) throw unusual;
    if (length <= shortTextBytes) {
      let seen = 0;
      for (let at = from; at < end; at++) seen |= bytes[at] ?? 0;
      if (seen < 0x80) return bytes.latin1Slice(from, end);
    }
    // Lone surrogates cost more than an opcode.
    const text = decodeUtf8(bytes, from, end, () => {
      throw unusual;
    });
    if (typeof text !== "string") throw unusual;
    return text;
  }

  // --- numbers

  #byteAt(at: number): number {
    return this.#bytes[at] ?? -1;
  }

  #uint32At(at: number): number {
    if (at + 4 > this.#bytes.length) throw unusual;
    return this.#view.getUint32(at, true);
  }

  #float(): number {
    this.#one(op.binFloat);
    const at = this.#at;
    if (at + 8 > this.#bytes.length) throw unusual;
    this.#at = at + 8;
    this.spent.allocated += allocationBytes.float;
    return this.#view.getFloat64(at);
  }

  #int(): number {
    const code = this.#bytes[this.#at];
    const at = this.#at + 1;
    this.spent.ops += 1;
    switch (code) {
      case op.binInt1:
        this.#at = at + 1;
        return this.#checked(this.#byteAt(at));
      case op.binInt2:
        this.#at = at + 2;
        return this.#checked(this.#byteAt(at) | (this.#byteAt(at + 1) << 8));
      case op.binInt:
        this.#at = at + 4;
        return this.#uint32At(at) | 0;
      case op.long1:
        return this.#longInt(at);
      default:
        throw unusual;
    }
  }

  /** -1 stands for bytes that are not there. */
  #checked(value: number): number {
    if (value < 0) throw unusual;
    return value;
  }

  #longInt(at: number): number {
    const length = this.#byteAt(at);
    if (length < 1 || length > longIntBytesMax || at + 1 + length > this.#bytes.length) {
      throw unusual;
    }
    this.#at = at + 1 + length;
    this.spent.allocated += allocationBytes.bigint + length;
    return this.#bytes.readIntLE(at + 1, length);
  }
}
