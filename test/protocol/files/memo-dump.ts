import { op } from "../../../protocol/pickle/opcodes.js";

/** An item as Python's pickler may write it. */
export interface MemoItem {
  readonly key: string | Uint8Array;
  /** Fields in their order. */
  readonly fields: readonly (readonly [string, string | number | { readonly int: number }])[];
}

/** How much is in the memo, and fetched from it. */
export interface MemoStyle {
  readonly memoises: boolean;
  /** Whether a text that came before is fetched. */
  shares(text: string): boolean;
  readonly itemsPerBatch: number;
}

const encodedCodec = Buffer.from("c_codecs\nencode\n", "latin1");

/** A dump's pickle with these items as its data, written as Python's pickler writes them. */
export class MemoDump {
  readonly #pieces: Buffer[] = [Buffer.of(op.proto, 2)];
  readonly #places = new Map<string, number>();
  readonly #style: MemoStyle;
  #memo = 0;

  constructor(style: MemoStyle) {
    this.#style = style;
  }

  write(items: readonly MemoItem[]): Buffer {
    this.#raw(op.mark, op.emptyDict);
    this.#put();
    this.#raw(op.mark);
    this.#text("_SyncObj__enabledCodeVersion");
    this.#raw(op.binInt1, 1);
    this.#text("_KVStoreTTL__data");
    this.#raw(op.emptyDict);
    this.#put();
    this.#items(items);
    this.#raw(op.setItems);
    this.#entry(7);
    this.#entry(6);
    this.#members();
    this.#raw(op.tuple);
    this.#put();
    this.#raw(op.stop);
    return Buffer.concat(this.#pieces);
  }

  #items(items: readonly MemoItem[]): void {
    const { itemsPerBatch } = this.#style;
    for (let from = 0; from < items.length; from += itemsPerBatch) {
      const batch = items.slice(from, from + itemsPerBatch);
      if (batch.length > 1) this.#raw(op.mark);
      for (const item of batch) this.#item(item);
      this.#raw(batch.length > 1 ? op.setItems : op.setItem);
    }
  }

  #item({ key, fields }: MemoItem): void {
    this.#text(key);
    this.#raw(op.emptyDict);
    this.#put();
    this.#raw(op.mark);
    for (const [name, value] of fields) {
      this.#text(name);
      if (typeof value === "string") this.#text(value);
      else if (typeof value === "number") this.#float(value);
      else this.#int(value.int);
    }
    this.#raw(op.setItems);
  }

  #text(text: string | Uint8Array): void {
    const known = typeof text === "string" ? this.#places.get(text) : undefined;
    if (known !== undefined && typeof text === "string" && this.#style.shares(text)) {
      if (known < 256) this.#raw(op.binGet, known);
      else this.#raw(op.longBinGet, ...uint32(known));
      return;
    }
    const bytes = Buffer.from(text);
    this.#raw(op.binUnicode, ...uint32(bytes.length));
    this.#pieces.push(bytes);
    if (typeof text === "string" && this.#style.memoises) this.#places.set(text, this.#memo);
    this.#put();
  }

  #float(value: number): void {
    const bytes = Buffer.alloc(9, op.binFloat);
    bytes.writeDoubleBE(value, 1);
    this.#pieces.push(bytes);
  }

  #int(value: number): void {
    if (value >= 0 && value < 256) this.#raw(op.binInt1, value);
    else if (value >= 0 && value < 65_536) this.#raw(op.binInt2, value & 0xff, value >> 8);
    else if (value === (value | 0)) this.#raw(op.binInt, ...uint32(value >>> 0));
    else {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(BigInt(value));
      this.#raw(op.long1, 6, ...bytes.subarray(0, 6));
    }
  }

  #entry(index: number): void {
    this.#pieces.push(encodedCodec);
    this.#put();
    this.#text("\u0001");
    this.#text("latin1");
    this.#raw(op.tuple2);
    this.#put();
    this.#raw(op.reduce);
    this.#put();
    this.#raw(op.binInt1, index, op.binInt1, 1, op.tuple3);
    this.#put();
  }

  /** None: who they are is not what is looked at. */
  #members(): void {
    this.#pieces.push(Buffer.from("c__builtin__\nset\n", "latin1"));
    this.#put();
    this.#raw(op.emptyList);
    this.#put();
    this.#raw(op.tuple1);
    this.#put();
    this.#raw(op.reduce);
    this.#put();
  }

  #put(): void {
    if (!this.#style.memoises) return;
    if (this.#memo < 256) this.#raw(op.binPut, this.#memo);
    else this.#raw(op.longBinPut, ...uint32(this.#memo));
    this.#memo += 1;
  }

  #raw(...bytes: readonly number[]): void {
    this.#pieces.push(Buffer.from(bytes));
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
