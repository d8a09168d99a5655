import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  commandType,
  encodeCommand,
  encodeMembership,
  encodeNoOp,
  encodeVersion,
} from "../../protocol/log/commands.js";
import { encodeDelete, encodeExpire, encodeSet, kvFunction } from "../../protocol/log/kv-calls.js";
import { decodePickle } from "../../protocol/pickle/decoder.js";
import { encodePickle } from "../../protocol/pickle/encoder.js";
import {
  PyFloat,
  PyFrozenSet,
  PyOrderedDict,
  PySurrogateStr,
  PyTuple,
  type PyValue,
} from "../../protocol/pickle/values.js";
import { Store } from "../../src/store/store.js";
import { callCommand, contentOf, dictOf, float, raisedBy, resultOf } from "./commands.js";

const at = (value: PyValue, sec: number, created = sec) => ({ value, updated: sec, created });

describe("_set", () => {
  test("returns the value dict with the entry's index, and stores it", () => {
    const store = new Store();
    const outcome = store.apply(encodeSet("/a", { ...at("x", 5), expire: 9 }), 42);
    const expected = dictOf({
      value: "x",
      updated: float(5),
      created: float(5),
      expire: float(9),
      index: 42,
    });
    assert.deepEqual(resultOf(outcome), expected);
    assert.deepEqual("changed" in outcome && outcome.changed, ["/a"]);
    assert.deepEqual(store.get("/a"), expected);
    assert.equal(store.size, 1);
  });

  test("keeps created where it is the stored one, else created is updated", () => {
    const store = new Store();
    store.apply(encodeSet("a", at("x", 5)), 1);
    store.apply(encodeSet("a", at("y", 6, 5)), 2);
    assert.deepEqual(store.get("a")?.get("created"), float(5));
    store.apply(encodeSet("a", at("z", 7, 6)), 3);
    assert.deepEqual(store.get("a")?.get("created"), float(7));
    // A new key takes any created.
    store.apply(encodeSet("b", at("z", 7, 1)), 4);
    assert.deepEqual(store.get("b")?.get("created"), float(1));
  });

  test("an equal created of another type is the stored one, and the new one's type stays", () => {
    const store = new Store();
    store.apply(encodeSet("a", at("x", 5)), 1);
    const value = dictOf({ value: "y", updated: float(8), created: 5 });
    store.apply(callCommand(2, ["a", value]), 2);
    assert.equal(store.get("a")?.get("created"), 5);
  });

  test("keeps fields that nobody knows and types other than the usual", () => {
    const store = new Store();
    const value = dictOf({ value: Uint8Array.of(1), created: 1, updated: null, more: true });
    store.apply(callCommand(2, ["a", value]), 7);
    assert.deepEqual(contentOf(store), new Map([["a", new Map([...value, ["index", 7]])]]));
  });

  test("compares an OrderedDict with its order, also after a dump", () => {
    const ordered = (...keys: readonly string[]) =>
      new PyOrderedDict(keys.map((key) => [key, null]));
    const first = new Store();
    const value = dictOf({ value: ordered("x", "y"), created: float(1), updated: float(1) });
    first.apply(callCommand(2, ["a", value]), 1);
    const dumped = decodePickle(encodePickle(contentOf(first)));
    assert(dumped instanceof Map);
    for (const store of [first, Store.fromDump(dumped)]) {
      const isSet = (prevValue: PyValue) =>
        resultOf(store.apply(callCommand(2, ["a", value], { prevValue }), 2)) !== false;
      assert.equal(isSet(ordered("y", "x")), false);
      assert.equal(isSet(ordered("x", "y")), true);
      assert.equal(isSet(dictOf({ y: null, x: null })), true);
    }
  });

  test("overwrites an index that came with the value", () => {
    const store = new Store();
    const value = dictOf({ value: "x", created: float(1), updated: float(1), index: "old" });
    store.apply(callCommand(2, ["a", value]), 7);
    assert.equal(store.get("a")?.get("index"), 7);
  });

  test("raises where a field is missing that Python looks at, and then changes nothing", () => {
    const store = new Store();
    store.apply(encodeSet("a", at("x", 5)), 1);
    const before = contentOf(store);
    const noCreated = dictOf({ value: "y", updated: float(6) });
    const noUpdated = dictOf({ value: "y", created: float(6) });
    assert.match(raisedBy(store.apply(callCommand(2, ["a", noCreated]), 2)), /created/);
    assert.match(raisedBy(store.apply(callCommand(2, ["a", noUpdated]), 2)), /updated/);
    for (const value of [null, "text", 5, [1], new PyTuple([])]) {
      assert.match(raisedBy(store.apply(callCommand(2, ["a", value]), 2)), /TypeError/);
    }
    assert.deepEqual(contentOf(store), before);
    // On a new key nobody looks.
    assert.deepEqual(
      resultOf(store.apply(callCommand(2, ["b", dictOf({})]), 3)),
      dictOf({ index: 3 }),
    );
    // And then the stored one lacks it.
    assert.match(raisedBy(store.apply(encodeSet("b", at("x", 1)), 4)), /created/);
  });
});

describe("conditions", () => {
  const stored = (): Store => {
    const store = new Store();
    store.apply(encodeSet("a", at("x", 5)), 10);
    return store;
  };
  const setWith = (key: string, kwargs: Readonly<Record<string, PyValue>>): Uint8Array =>
    callCommand(2, [key, dictOf({ value: "n", created: float(5), updated: float(5) })], kwargs);

  const cases: readonly [string, Record<string, PyValue>, boolean][] = [
    ["a", { prevExist: true }, true],
    ["a", { prevExist: false }, false],
    ["b", { prevExist: true }, false],
    ["b", { prevExist: false }, true],
    ["a", { prevExist: "yes" }, true],
    ["b", { prevExist: null }, true],
    ["a", { prevExist: new PyFloat(0) }, false],
    ["a", { prevValue: "x" }, true],
    ["a", { prevValue: "y" }, false],
    ["a", { prevValue: null }, false],
    ["b", { prevValue: "x" }, false],
    ["b", { prevValue: null }, false],
    ["a", { prevIndex: 10 }, true],
    ["a", { prevIndex: new PyFloat(10) }, true],
    ["a", { prevIndex: 11 }, false],
    ["a", { prevIndex: null }, true],
    ["b", { prevIndex: null }, true],
    ["b", { prevIndex: 10 }, false],
    ["a", { prevIndex: 0 }, false],
    ["a", { prevExist: true, prevValue: "x", prevIndex: 9 }, false],
    ["b", { unknown: 1 }, true],
  ];
  for (const [key, kwargs, isMet] of cases) {
    test(`${key} ${JSON.stringify(kwargs)}: ${isMet}`, () => {
      const store = stored();
      const before = contentOf(store);
      const result = resultOf(store.apply(setWith(key, kwargs), 11));
      if (isMet) assert.equal(store.get(key)?.get("value"), "n");
      else {
        assert.equal(result, false);
        assert.deepEqual(contentOf(store), before);
      }
    });
  }

  test("a stored value without the field that a condition asks for raises", () => {
    const store = Store.fromDump(new Map([["a", dictOf({ created: float(1) })]]));
    assert.match(raisedBy(store.apply(setWith("a", { prevValue: "x" }), 2)), /value/);
    assert.match(raisedBy(store.apply(setWith("a", { prevIndex: 1 }), 2)), /index/);
    // Python looks no further than the first condition that is not met.
    const notMet = setWith("a", { prevExist: false, prevValue: "x" });
    assert.equal(resultOf(store.apply(notMet, 2)), false);
  });

  test("an empty value dict counts as no value, and can be deleted all the same", () => {
    const store = Store.fromDump(new Map([["a", dictOf({})]]));
    assert.equal(resultOf(store.apply(encodeDelete("a", { prevExist: true }), 1)), false);
    assert.equal(resultOf(store.apply(encodeDelete("a"), 2)), true);
    assert.equal(store.size, 0);
  });
});

describe("_delete", () => {
  test("of a key that exists is True, of one that does not raises, with a condition is False", () => {
    const store = new Store();
    store.apply(encodeSet("a", at("x", 5)), 1);
    assert.deepEqual(store.apply(encodeDelete("a"), 2), { result: true, changed: ["a"] });
    assert.match(raisedBy(store.apply(encodeDelete("a"), 3)), /KeyError/);
    assert.equal(resultOf(store.apply(encodeDelete("a", { prevExist: true }), 4)), false);
    // The condition holds and there is nothing to remove.
    assert.match(raisedBy(store.apply(encodeDelete("a", { prevExist: false }), 5)), /KeyError/);
  });

  test("recursive removes by prefix, asks no condition, and is True without a match", () => {
    const store = new Store();
    for (const key of ["/s/a", "/s/b", "/t"]) store.apply(encodeSet(key, at("x", 5)), 1);
    const outcome = store.apply(encodeDelete("/s/", { recursive: true, prevExist: false }), 2);
    assert.equal(resultOf(outcome), true);
    assert("changed" in outcome);
    assert.deepEqual(outcome.changed, ["/s/a", "/s/b"]);
    assert.deepEqual(
      [...store.entries()].map(([key]) => key),
      ["/t"],
    );
    assert.equal(resultOf(store.apply(encodeDelete("/x", { recursive: true }), 3)), true);
    assert.equal(resultOf(store.apply(callCommand(0, ["/t", new PyTuple([0])]), 4)), true);
    assert.equal(store.size, 0);
  });

  test("recursive with a key that is no str raises and removes nothing", () => {
    const store = new Store();
    store.apply(encodeSet("/a", at("x", 5)), 1);
    store.apply(callCommand(2, [5, dictOf({})]), 2);
    assert.match(raisedBy(store.apply(encodeDelete("/", { recursive: true }), 3)), /startswith/);
    assert.equal(store.size, 2);
  });

  test("a prefix never splits a character beyond U+FFFF", () => {
    const store = new Store();
    store.apply(encodeSet("\u{1f600}", at("x", 5)), 1);
    store.apply(encodeSet("\ud83dx", at("x", 5)), 2);
    store.apply(encodeDelete("\ud83d", { recursive: true }), 3);
    assert.deepEqual(
      [...store.entries()].map(([key]) => key),
      ["\u{1f600}"],
    );
  });
});

describe("_expire", () => {
  test("removes the key only where created, updated, expire and value are the stored ones", () => {
    const store = new Store();
    store.apply(encodeSet("a", { ...at("x", 5), expire: 7 }), 1);
    const stored = store.get("a");
    assert(stored !== null);
    for (const name of ["created", "updated", "expire", "value"]) {
      for (const other of [new Map(stored).set(name, 1), without(stored, name)]) {
        assert.equal(resultOf(store.apply(encodeExpire("a", other), 2)), null);
        assert.equal(store.size, 1, name);
      }
    }
    const otherIndex = new Map(stored).set("index", 99);
    assert.deepEqual(store.apply(encodeExpire("a", otherIndex), 3), {
      result: null,
      changed: ["a"],
    });
    assert.equal(store.size, 0);
  });

  test("of a missing key does nothing, whatever the value; of a stored one the value is a dict", () => {
    const store = new Store();
    assert.equal(resultOf(store.apply(callCommand(1, ["a", 5]), 1)), null);
    store.apply(encodeSet("a", at("x", 5)), 2);
    assert.match(raisedBy(store.apply(callCommand(1, ["a", 5]), 3)), /AttributeError/);
  });

  test("a missing field equals None", () => {
    const store = new Store();
    store.apply(encodeSet("a", at("x", 5)), 1);
    const asked = new Map(store.get("a")).set("expire", null);
    store.apply(encodeExpire("a", asked), 2);
    assert.equal(store.size, 0);
  });
});

describe("keys", () => {
  test("are one key where Python's hash and equality say so", () => {
    const same: readonly PyValue[][] = [
      [1, new PyFloat(1), true],
      [0, new PyFloat(-0), false],
      [2n ** 70n, new PyFloat(2 ** 70)],
      [new PyTuple(["a", 1]), new PyTuple(["a", true])],
      [new PyFrozenSet([1, "b"]), new PyFrozenSet(["b", new PyFloat(1)])],
    ];
    for (const keys of same) {
      const store = new Store();
      for (const key of keys) store.apply(callCommand(2, [key, dictOf({ created: 1 })]), 1);
      assert.equal(store.size, 1);
      // As in a dict, the first key stays.
      assert.deepEqual([...store.entries()][0]?.[0], keys[0]);
    }
  });

  test("of different types are different, whatever their text", () => {
    const keys: readonly PyValue[] = [
      "1",
      1,
      "\u00001",
      "\u0000n1",
      "\u0000e\u0000n1",
      "n1",
      null,
      "N",
      Uint8Array.of(0x31),
      new PyTuple(["1"]),
      new PyTuple([1]),
      new PyTuple(["a", "b"]),
      new PyTuple(["a,b"]),
      new PySurrogateStr(Uint8Array.of(0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80)),
      "\u{1f600}",
    ];
    const store = new Store();
    for (const [index, key] of keys.entries()) {
      store.apply(callCommand(2, [key, dictOf({ created: 1 })]), index);
    }
    assert.deepEqual(
      [...store.entries()].map(([key]) => key),
      keys,
    );
    for (const [index, key] of keys.entries()) {
      assert.equal(store.get(key)?.get("index"), index);
    }
  });

  test("that Python cannot hash raise", () => {
    const store = new Store();
    for (const key of [[], new Map(), new Set<PyValue>(), new PyTuple([[]])]) {
      raisedBy(store.apply(callCommand(2, [key, dictOf({})]), 1));
      raisedBy(store.apply(callCommand(0, [key]), 1));
      raisedBy(store.apply(callCommand(1, [key, dictOf({})]), 1));
      assert.equal(store.get(key), null);
    }
  });
});

describe("calls", () => {
  test("bind their arguments as Python does", () => {
    const good = dictOf({ value: "x", created: float(1), updated: float(1) });
    const bad: readonly Uint8Array[] = [
      callCommand(2, ["a"]),
      callCommand(2, ["a", good, 1]),
      callCommand(2, ["a", good], { key: "b" }),
      callCommand(2, ["a", good], { self: 1 }),
      callCommand(2, ["a", good], { old_value: 1 }),
      callCommand(1, ["a", good], { prevExist: true }),
      callCommand(0, ["a", false], { recursive: false }),
      callCommand(0, []),
      callCommand(3, ["a"]),
      callCommand("2", ["a", good]),
      callCommand([], ["a"]),
      encodeCommand(commandType.regular, 2),
      encodeCommand(commandType.regular, new PyTuple([2])),
    ];
    const store = new Store();
    for (const command of bad) raisedBy(store.apply(command, 1));
    assert.equal(store.size, 0);
    resultOf(store.apply(callCommand(2, [], { key: "a", value: good }), 1));
    resultOf(store.apply(callCommand(new PyFloat(2), ["b"], { value: good, _doApply: true }), 2));
    assert.equal(store.size, 2);
    resultOf(store.apply(callCommand(1, ["a", good], { callback: 5 }), 3));
    assert.equal(store.size, 1);
  });

  test("that ask to be submitted again change nothing", () => {
    const store = new Store();
    const call = (more: Readonly<Record<string, PyValue>>): Uint8Array =>
      callCommand(2, ["a", dictOf({})], { _doApply: false, ...more });
    assert.equal(resultOf(store.apply(call({}), 1)), null);
    raisedBy(store.apply(call({ sync: true }), 1));
    assert.equal(store.size, 0);
    assert.notEqual(store.refusal(call({}), []), null);
  });

  test("with arguments in a set of several raise: each process has its own order", () => {
    const setOf = (...items: readonly PyValue[]) => {
      const call = new PyTuple([kvFunction.delete, new Set<PyValue>(items)]);
      return encodeCommand(commandType.regular, call);
    };
    const store = new Store();
    store.apply(encodeSet("/a", at("v", 1)), 1);
    raisedBy(store.apply(setOf("/a", true), 2));
    assert.equal(store.size, 1);
    assert.notEqual(store.refusal(setOf("/a", true), []), null);
    assert.equal(resultOf(store.apply(setOf("/a"), 3)), true);
    assert.equal(store.size, 0);
  });

  test("that cannot be read raise and change nothing", () => {
    const store = new Store();
    for (const bytes of [[], [0], [0, 0x80], [0, 0xff], [2, 0x29, 0x2e], [3], [3, 0x4e, 0x2e]]) {
      raisedBy(store.apply(Uint8Array.from(bytes), 1));
      assert.notEqual(store.refusal(Uint8Array.from(bytes), []), null);
    }
    const named = Buffer.from("\0cos\nsystem\n(Vtrue\ntR.", "latin1");
    raisedBy(store.apply(named, 1));
  });
});

describe("other commands", () => {
  test("are not the store's: no-ops, membership, unknown types, code version 0", () => {
    const store = new Store();
    const commands = [
      encodeNoOp(),
      encodeMembership("add", "127.0.0.1:1"),
      Uint8Array.of(9, 9),
      encodeVersion(0),
    ];
    for (const command of commands) {
      assert.deepEqual(store.apply(command, 1), { result: null, changed: [] });
      assert.equal(store.refusal(command, []), null);
    }
  });

  test("a code version above 0 raises, one below is refused", () => {
    const store = new Store();
    assert.match(raisedBy(store.apply(encodeVersion(1), 1)), /WrongVer/);
    assert.notEqual(store.refusal(encodeVersion(1), []), null);
    assert.equal(resultOf(store.apply(encodeVersion(-1), 1)), null);
    assert.notEqual(store.refusal(encodeVersion(-1), []), null);
  });
});

describe("a dump's dictionary", () => {
  test("is taken over as it stands", () => {
    const data = new Map<PyValue, PyValue>([
      ["a", dictOf({ value: "x", updated: float(1), created: float(1), index: 3 })],
      ["b", dictOf({ value: "x", created: 1, expire: float(5) })],
      [7, dictOf({})],
    ]);
    const store = Store.fromDump(data);
    assert.deepEqual(contentOf(store), data);
    assert.equal(store.expiring, 1);
  });

  test("with a value that is no dict is refused", () => {
    assert.throws(() => Store.fromDump(new Map([["a", "x"]])), { code: "dump-malformed" });
  });
});

function without(dict: ReadonlyMap<PyValue, PyValue>, name: string): Map<PyValue, PyValue> {
  return new Map([...dict].filter(([key]) => key !== name));
}
