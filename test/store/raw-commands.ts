import { commandType } from "../../protocol/log/commands.js";
import { kvFunction } from "../../protocol/log/kv-calls.js";
import { op } from "../../protocol/pickle/opcodes.js";
import type { Dice } from "../fuzz/dice.js";

/*
 * Commands in the opcodes of every protocol, as no encoder of ours writes them: what a client may send, up to the
 * decoder's limits.
 */

type Piece = Uint8Array | number | string;

export function bytesOf(...pieces: readonly Piece[]): Buffer {
  return Buffer.concat(
    pieces.map((piece) => {
      if (typeof piece === "number") return Buffer.of(piece);
      return typeof piece === "string" ? Buffer.from(piece, "latin1") : piece;
    }),
  );
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** BINUNICODE of these bytes. */
export function textOf(text: string | Uint8Array): Buffer {
  const bytes = Buffer.from(text);
  return bytesOf(op.binUnicode, uint32(bytes.length), bytes);
}

/** BINBYTES. */
export function rawBytes(bytes: Uint8Array): Buffer {
  return bytesOf(op.binBytes, uint32(bytes.length), bytes);
}

/** So many lists in one another, the innermost empty. */
export function nestedLists(depth: number): Buffer {
  return bytesOf(Buffer.alloc(depth, op.emptyList), Buffer.alloc(depth - 1, op.append));
}

/** `_set(key, {value, updated, created, …})`; a field is opcodes that make a value. */
export function setOf(key: Piece, fields: Readonly<Record<string, Piece>>): Buffer {
  const items = Object.entries(fields).flatMap(([name, value]) => [textOf(name), value]);
  const head = bytesOf(commandType.regular, op.proto, 4, op.binInt1, kvFunction.set);
  const dict = bytesOf(op.emptyDict, op.mark, ...items, op.setItems);
  return bytesOf(head, key, dict, op.tuple2, op.tuple2, op.stop);
}

const five = bytesOf(op.binInt1, 5);

/** The same of a value, as Patroni would write it but for that. */
export function setOfValue(key: string, value: Piece, more: Readonly<Record<string, Piece>> = {}) {
  return setOf(textOf(key), { value, updated: five, created: five, ...more });
}

const globals = {
  encode: "c_codecs\nencode\n",
  set: "c__builtin__\nset\n",
  frozenset: "cbuiltins\nfrozenset\n",
  node: "cpysyncobj.node\nTCPNode\n",
  ordered: "ccollections\nOrderedDict\n",
} as const;

/** Makes opcodes of values, each of which leaves one value on the stack. */
export class RawValues {
  readonly #dice: Dice;
  /** Values that a memo holds, and may be referred to again. */
  #memo = 0;

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  /** `_set` of whatever may stand there. */
  command(): Buffer {
    this.#memo = 0;
    const dice = this.#dice;
    const key = dice.oneIn(3) ? this.hashable(2) : textOf(`/k${dice.below(4)}`);
    const fields: Record<string, Piece> = { value: this.value(this.#budget()) };
    for (const name of ["updated", "created"]) {
      fields[name] = dice.oneIn(5) ? this.value(20) : this.#float();
    }
    if (dice.oneIn(2)) fields["expire"] = dice.oneIn(9) ? this.value(9) : this.#number();
    if (dice.oneIn(4)) fields["more"] = this.value(30);
    return setOf(key, fields);
  }

  /** @param budget About how many values it may hold. */
  value(budget: number): Buffer {
    const dice = this.#dice;
    if (budget <= 1 || dice.oneIn(4)) return this.#kept(this.#scalar());
    if (dice.oneIn(6)) return this.#chain();
    if (dice.oneIn(8)) return this.#kept(this.#wide());
    if (this.#memo > 0 && dice.oneIn(4)) return this.#recalled();
    const parts = Array.from({ length: dice.below(4) }, () => this.value(budget / 4));
    return this.#kept(this.#containerOf(parts));
  }

  hashable(depth: number): Buffer {
    const dice = this.#dice;
    if (depth === 0 || dice.oneIn(2)) return this.#scalar();
    const parts = Array.from({ length: dice.below(4) }, () => this.hashable(depth - 1));
    const node = () => this.#node([textOf("_id"), this.hashable(depth - 1)]);
    return dice.pick([
      () => bytesOf(op.mark, ...parts, op.tuple),
      () => bytesOf(op.mark, ...parts, op.frozenSet),
      () => this.#calledSet(globals.frozenset, parts),
      node,
    ])();
  }

  #budget(): number {
    return this.#dice.pick([1, 4, 20, 60]);
  }

  #kept(value: Buffer): Buffer {
    if (!this.#dice.oneIn(3)) return value;
    const index = this.#memo;
    this.#memo += 1;
    return bytesOf(value, op.longBinPut, uint32(index));
  }

  #recalled(): Buffer {
    return bytesOf(op.longBinGet, uint32(this.#dice.below(this.#memo)));
  }

  /** One in the other, about as deep as the decoder follows. */
  #chain(): Buffer {
    const dice = this.#dice;
    const depth = dice.pick([3, 60, 64, 118, 122, 124, 125, 126]);
    let value = this.#scalar();
    const isHashable = dice.oneIn(2);
    for (let level = 0; level < depth; level += 1) {
      value = isHashable ? this.#hashableOf(value) : this.#containerOf([value]);
    }
    return value;
  }

  #hashableOf(value: Buffer): Buffer {
    return this.#dice.pick([
      () => bytesOf(value, op.tuple1),
      () => bytesOf(op.mark, value, op.frozenSet),
    ])();
  }

  #wide(): Buffer {
    const dice = this.#dice;
    const part = dice.pick([
      bytesOf(op.emptySet),
      bytesOf(op.emptyDict),
      bytesOf(op.none),
      bytesOf(op.shortBinBytes, 1, 0xff),
      bytesOf(op.emptyTuple),
      bytesOf(op.mark, op.frozenSet),
      bytesOf(op.dup).subarray(1),
    ]);
    const count = dice.pick([999, 1_000, 1_001, 3_000]);
    const parts: readonly Buffer[] = Array.from({ length: count }, () => part);
    return dice.pick([
      () => bytesOf(op.emptyList, op.mark, ...parts, op.appends),
      () => bytesOf(op.mark, ...parts, op.tuple),
      () => this.#dictOf(count),
      () => bytesOf(op.emptySet, op.mark, ...this.#numbers(count), op.addItems),
    ])();
  }

  #numbers(count: number): Buffer[] {
    return Array.from({ length: count }, (_, n) => bytesOf(op.binInt, uint32(n)));
  }

  #dictOf(count: number): Buffer {
    const items = this.#numbers(count).flatMap((number) => [number, bytesOf(op.newTrue)]);
    return bytesOf(op.emptyDict, op.mark, ...items, op.setItems);
  }

  #containerOf(parts: readonly Buffer[]): Buffer {
    const dice = this.#dice;
    const items = parts.flatMap((part) => [this.hashable(1), part]);
    const names = parts.flatMap((part, n) => [textOf(`a${n}`), part]);
    return dice.pick([
      () => bytesOf(op.emptyList, op.mark, ...parts, op.appends),
      () => bytesOf(op.mark, ...parts, op.list),
      () => bytesOf(op.mark, ...parts, op.tuple),
      () => bytesOf(op.emptyDict, op.mark, ...items, op.setItems),
      () => bytesOf(op.mark, ...items, op.dict),
      () => bytesOf(op.emptySet, op.mark, ...parts.map(() => this.hashable(2)), op.addItems),
      () =>
        this.#calledSet(
          globals.set,
          parts.map(() => this.hashable(1)),
        ),
      () => this.#node(names),
      () => bytesOf(globals.ordered, op.emptyTuple, op.reduce),
    ])();
  }

  #calledSet(name: string, parts: readonly Buffer[]): Buffer {
    return bytesOf(name, op.emptyList, op.mark, ...parts, op.appends, op.tuple1, op.reduce);
  }

  #node(names: readonly Buffer[]): Buffer {
    const state = bytesOf(op.emptyDict, op.mark, ...names, op.setItems);
    return bytesOf(globals.node, op.emptyTuple, op.newObj, state, op.build);
  }

  #float(): Buffer {
    const bytes = Buffer.alloc(8);
    if (this.#dice.oneIn(3)) for (let at = 0; at < 8; at += 1) bytes[at] = this.#dice.below(256);
    else bytes.writeDoubleBE(this.#dice.pick([5, -0, 1e300, Number.NaN, Number.POSITIVE_INFINITY]));
    return bytesOf(op.binFloat, bytes);
  }

  #number(): Buffer {
    const dice = this.#dice;
    return dice.pick([() => this.#float(), () => this.#int()])();
  }

  #int(): Buffer {
    const dice = this.#dice;
    const digits = dice.pick([1, 15, 16, 17, 20, 4_299, 4_300, 4_301, 4_302]);
    const text = `${dice.pick(["", "-"])}${"987654321".repeat(500).slice(0, digits)}`;
    const length = dice.pick([0, 1, 6, 7, 8, 9, 255, 256, 1_785, 1_786, 1_787]);
    const long = Buffer.alloc(length, dice.pick([0xff, 0x80, 0x7f, 1]));
    return dice.pick([
      () => bytesOf(op.int, `${text}\n`),
      () => bytesOf(op.long, `${text}L\n`),
      () => bytesOf(op.binInt, uint32(dice.next())),
      () => bytesOf(op.binInt2, dice.below(256), dice.below(256)),
      () => bytesOf(op.long4, uint32(length), long),
    ])();
  }

  #scalar(): Buffer {
    const dice = this.#dice;
    const size = dice.pick([0, 1, 2, 40, 255, 1_100, 70_000]);
    const content = Buffer.alloc(size, dice.pick(["a", "\x80", "\xff", "a\xe9", "\0"]), "latin1");
    return dice.pick([
      () => bytesOf(dice.pick([op.none, op.newTrue, op.newFalse])),
      () => this.#number(),
      () => this.#text(),
      () => this.#text(),
      () => rawBytes(content),
      () => bytesOf(op.binString, uint32(size), content),
      () => bytesOf(op.string, `'\\x${dice.pick(["41", "e9", "00"])}'\n`),
      () => bytesOf(op.unicode, `\\u${dice.pick(["d800", "dc00", "00e9"])}\\ud83d\\ude00\n`),
      () =>
        bytesOf(globals.encode, textOf(content.toString("latin1")), textOf("latin1"), 0x86, 0x52),
    ])();
  }

  /** With surrogates by themselves, halves beside one another, and what Node.js takes for a mark. */
  #text(): Buffer {
    const dice = this.#dice;
    const unit = dice.pick(["a", "\u00e9", "\u6f22", "\u{1f600}", "\ufeff", "\ufffd", "\0", "\n"]);
    const text = Buffer.from(unit.repeat(dice.pick([0, 1, 3, 300, 30_000])));
    if (!dice.oneIn(2)) return textOf(text);
    const halves = ["\xed\xa0\xbd", "\xed\xb8\x80", "\xed\xa0\xbd\xed\xb8\x80", "\xed\xbf\xbf"];
    const half = Buffer.from(dice.pick(halves), "latin1");
    const many = Buffer.alloc(half.length * dice.pick([1, 2, 500, 32_768]), half);
    return textOf(dice.oneIn(2) ? bytesOf(text, many) : bytesOf(many, text));
  }
}
