import { dict, float, int, list, type Typed, type TypedPair, tuple } from "./typed-json.js";

/** One operation as store_twin.py takes it. */
export type Operation = OperationBody & {
  /** Log index of the entry. */
  readonly index: number;
  /** Pickle protocol of the command. */
  readonly protocol: number;
  /** Wall clock in seconds at which the due keys are asked for. */
  readonly now: number;
};

type OperationBody =
  | { readonly raw: string }
  | { readonly call: Typed; readonly type?: number }
  | { readonly expireStored: Typed; readonly but: Typed }
  | {
      readonly setStored: Typed;
      readonly value: Typed;
      readonly conditions: readonly (readonly [string, string])[];
    };

const usualKeys: readonly Typed[] = [
  "",
  "/service/batman/leader",
  "/service/batman/members/a",
  "/service/batman/members/b",
  "/service/batman",
  "\u0000nul",
  "__proto__",
  { u: [0xe9, 0x1f600] },
  { u: [0xe9, 0xd83d] },
];

const oddKeys: readonly Typed[] = [
  int(1),
  float(1),
  true,
  int(2n ** 70n),
  float(2 ** 70),
  float(1.5),
  null,
  { b: "2f73" },
  tuple(["a", int(1)]),
  tuple(["/s", "/x"]),
  { z: ["a", int(1)] },
  { n: "127.0.0.1:1" },
  // A high and a low surrogate that are two characters, and a str that begins with them.
  { u: [0xd83d, 0xde00] },
  { u: [0xd83d, 0xde00, 0x61] },
  list([]),
  dict([]),
  { s: [] },
];

const values: readonly Typed[] = [
  "x",
  "y",
  "",
  { u: [0x4e2d, 0x6587] },
  null,
  int(0),
  int(1),
  float(1),
  float(Number.NaN),
  true,
  { b: "00ff" },
  { b: "" },
  list([int(1), float(Number.NaN)]),
  tuple([int(1)]),
  dict([["x", int(2n ** 64n)]]),
  { s: [int(1)] },
  // Of which the last two are not equal, and either one equals the first.
  dict([
    ["a", int(1)],
    ["b", int(2)],
  ]),
  {
    o: [
      ["a", int(1)],
      ["b", int(2)],
    ],
  },
  {
    o: [
      ["b", int(2)],
      ["a", int(1)],
    ],
  },
];

const times: readonly Typed[] = [float(10.5), float(11), int(11), float(12.25), true, null, "11"];

/** Generates operations from a seed: half as Patroni makes them, half gone wrong in some way. */
export class StoreOperations {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** One sequence, to be applied to an empty store. */
  sequence(length: number): Operation[] {
    // Few keys, so that they meet; the odd ones in some sequences only, since a single one
    // makes all recursive deletes of the sequence raise.
    const odd = this.#chance(0.35) ? [this.#pick(oddKeys), this.#pick(oddKeys)] : [];
    const keys = [this.#pick(usualKeys), this.#pick(usualKeys), this.#pick(usualKeys), ...odd];
    let index = 1 + this.#below(1000);
    return Array.from({ length }, () => {
      index += 1;
      const protocol = this.#chance(0.7) ? 2 : this.#below(6);
      return { ...this.#body(keys), index, protocol, now: this.#below(20) };
    });
  }

  #body(keys: readonly Typed[]): OperationBody {
    const key = this.#pick(keys);
    const kind = this.#below(100);
    if (kind < 40) return { call: tuple([this.#id(2), ...this.#arguments([key, this.#value()])]) };
    if (kind < 52) return this.#setStored(key);
    if (kind < 72) return { call: tuple([this.#id(0), ...this.#deleteArguments(key)]) };
    if (kind < 86) return this.#expireStored(key);
    if (kind < 90) return { call: tuple([this.#id(1), ...this.#arguments([key, this.#value()])]) };
    if (kind < 95) return { call: this.#malformedCall(key) };
    return this.#otherCommand();
  }

  /** The function's id, at times as another number that equals it, or one that is nobody's. */
  #id(funcId: number): Typed {
    if (this.#chance(0.95)) return int(funcId);
    return this.#pick([float(funcId), funcId === 1, int(3), int(-1), float(0.5), "2", list([])]);
  }

  /** Positional arguments and keyword arguments, in the ways that Python lets one pass them. */
  #arguments(args: readonly Typed[]): Typed[] {
    const conditions = this.#conditions();
    const style = this.#below(20);
    if (style === 0)
      return [
        dict([
          ["key", args[0] ?? null],
          ["value", args[1] ?? null],
        ]),
      ];
    if (style === 1) return [tuple(args.slice(0, 1)), dict([["value", args[1] ?? null]])];
    if (style === 2) return [tuple(args), dict([["key", args[0] ?? null], ...conditions])];
    if (style === 3) return [tuple([...args, this.#pick(values)])];
    if (style === 4) return [tuple([]), dict([...named(args), ...conditions])];
    if (style === 5) return [list(args)];
    if (style === 6) return [tuple(args), list(conditions.map((pair) => tuple(pair)))];
    if (conditions.length === 0 && this.#chance(0.8)) return [tuple(args)];
    return [tuple(args), dict(conditions)];
  }

  #deleteArguments(key: Typed): Typed[] {
    const style = this.#below(12);
    const prefix = this.#chance(0.5) ? this.#prefixOf(key) : key;
    if (style < 2) return [tuple([prefix, true])];
    if (style < 4) return [tuple([prefix]), dict([["recursive", this.#pick(values)]])];
    if (style === 4) return [tuple([key, false]), dict([["recursive", true]])];
    if (style === 5) return [tuple([tuple([prefix, this.#pick(usualKeys)]), int(1)])];
    if (style === 6) return [tuple([key])];
    if (style === 7) return ["/x"];
    const recursive: TypedPair = ["recursive", false];
    // As Patroni does: a condition, so that a missing key is no error.
    return [tuple([key]), dict([recursive, ["prevExist", true], ...this.#conditions()])];
  }

  #prefixOf(key: Typed): Typed {
    if (typeof key === "string") return key.slice(0, this.#below(key.length + 1));
    if (typeof key === "object" && key !== null && Array.isArray(key["u"])) {
      return { u: (key["u"] as number[]).slice(0, 1) };
    }
    return this.#pick(["/", "", { b: "2f" }, int(1)]);
  }

  #conditions(): TypedPair[] {
    const pairs: TypedPair[] = [];
    if (this.#chance(0.25)) {
      pairs.push(["prevExist", this.#pick([true, false, ...values])]);
    }
    if (this.#chance(0.15)) pairs.push(["prevValue", this.#pick(values)]);
    if (this.#chance(0.15)) pairs.push(["prevIndex", this.#pick([null, int(5), float(5), "x"])]);
    if (this.#chance(0.05)) pairs.push(this.#pick(oddArguments));
    return pairs;
  }

  #setStored(key: Typed): OperationBody {
    const conditions = this.#pick([
      [["prevValue", "value"]],
      [["prevIndex", "index"]],
      [
        ["prevValue", "value"],
        ["prevIndex", "index"],
        ["prevExist", "created"],
      ],
      // The stored time where the value belongs: most often not equal.
      [["prevValue", "updated"]],
    ] as const);
    return { setStored: key, value: this.#value(), conditions };
  }

  #expireStored(key: Typed): OperationBody {
    const field = this.#pick(["value", "created", "updated", "expire", "index", "other"]);
    const isChanged = this.#chance(0.3);
    const but = isChanged ? dict([[field, this.#pick([...values, ...times])]]) : dict([]);
    return { expireStored: key, but };
  }

  #value(): Typed {
    if (this.#chance(0.04)) return this.#pick(values);
    const pairs: TypedPair[] = [
      ["value", this.#chance(0.7) ? this.#pick(["x", "y"]) : this.#pick(values)],
      ["updated", this.#time()],
      ["created", this.#time()],
    ];
    if (this.#chance(0.5)) pairs.push(["expire", this.#time()]);
    if (this.#chance(0.1)) pairs.push(["index", this.#pick(values)]);
    if (this.#chance(0.05)) pairs.push([this.#pick(["extra", int(1), null]), this.#pick(values)]);
    if (this.#chance(0.06)) pairs.splice(this.#below(3), 1);
    return this.#chance(0.05) ? { o: pairs } : dict(pairs);
  }

  #time(): Typed {
    return this.#chance(0.8) ? float(10 + this.#below(4)) : this.#pick(times);
  }

  #malformedCall(key: Typed): Typed {
    return this.#pick<Typed>([
      int(2),
      int(0),
      null,
      "call",
      tuple([]),
      tuple([int(2)]),
      tuple([int(2), tuple([key, dict([])]), dict([]), dict([])]),
      list([int(0), tuple([key])]),
      tuple([int(0), int(5)]),
      tuple([int(0), tuple([key]), null]),
      tuple([int(0), tuple([key]), int(1)]),
      tuple([int(0), tuple([key]), "ab"]),
      tuple([int(0), tuple([key]), list(["ab"])]),
      tuple([int(0), tuple([key]), list([tuple(["prevExist", true]), list(["x", int(1)])])]),
      tuple([int(0), tuple([key]), list([tuple(["prevExist"])])]),
      tuple([int(0), tuple([key]), dict([[int(1), int(1)]])]),
      tuple([int(0), dict([[key === null || typeof key === "string" ? key : "k", true]])]),
      tuple([int(0), { b: "2f" }]),
      tuple([int(0), { s: ["/s"] }]),
      tuple([int(0), tuple([key]), dict([["self", int(1)]])]),
    ]);
  }

  #otherCommand(): OperationBody {
    const raw = this.#pick([
      "",
      "00",
      "00ff",
      "0080022e",
      // A pickle that ends before its STOP, and one with bytes behind it.
      "008002",
      "008002284b00580100000061742e00",
      "01",
      "0102030405",
      "02",
      "024e2e",
      "024b052e",
      "025d2e",
      "03",
      "034e2e",
      "034b002e",
      "034b012e",
      "0388002e",
      "03882e",
      "03892e",
      "03473fe00000000000002e",
      "0347bfe00000000000002e",
      "034affffffff2e",
      "04",
      "ff4e2e",
    ]);
    return { raw };
  }

  #pick<T>(items: readonly T[]): T {
    const item = items[this.#below(items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }

  #chance(probability: number): boolean {
    return this.#next() < probability;
  }

  #below(bound: number): number {
    return Math.trunc(this.#next() * bound);
  }

  /** The generator mulberry32: 32 bits of state, good enough here and the same everywhere. */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}

const oddArguments: readonly TypedPair[] = [
  ["unknown", int(1)],
  ["old_value", int(1)],
  ["self", int(1)],
  ["callback", null],
  ["_doApply", true],
  ["_doApply", false],
  ["timeout", int(1)],
];

function named(args: readonly Typed[]): TypedPair[] {
  return [
    ["key", args[0] ?? null],
    ["value", args[1] ?? null],
  ];
}
