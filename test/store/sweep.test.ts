import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { encodeMembership } from "../../protocol/log/commands.js";
import { encodeDelete, encodeSet, kvFunction } from "../../protocol/log/kv-calls.js";
import { PyTuple, type PyValue } from "../../protocol/pickle/values.js";
import { parseCommand } from "../../src/store/command.js";
import {
  costlyPrefixesMax,
  keysPerSlice,
  lookedAtMax,
  sweepsInTailMax,
} from "../../src/store/limits.js";
import { type ApplyOutcome, Store } from "../../src/store/store.js";
import { TailOverlay } from "../../src/store/tail-overlay.js";
import { callCommand, contentOf, dictOf, resultOf } from "./commands.js";

/** Recursive deletes: what looks at every key is done in slices. */

const set = (key: string): Uint8Array =>
  encodeSet(key, { value: "x", updated: 5, created: 5, expire: 10 });

const sweep = (prefix: string): Uint8Array => encodeDelete(prefix, { recursive: true });

function filled(count: number): Store {
  const store = new Store();
  for (let n = 0; n < count; n += 1) store.apply(set(`/${n % 2}/${n}`), n + 2);
  return store;
}

/** How often a text is asked for its beginning. */
function countsAsked(run: () => void): number {
  const original = String.prototype.startsWith;
  let asked = 0;
  String.prototype.startsWith = function (...args) {
    asked += 1;
    return original.apply(this, args);
  };
  try {
    run();
  } finally {
    String.prototype.startsWith = original;
  }
  return asked;
}

/** Of a command that takes slices. */
function begun(store: Store, command: Uint8Array): Generator<void, ApplyOutcome> {
  const steps = store.begin(command, 1_000_000);
  assert("next" in steps);
  return steps;
}

describe("a recursive delete of many keys", () => {
  const count = 20_000;

  test("looks at so many keys in a slice, and nothing has changed before the last one", () => {
    const store = filled(count);
    const before = store.bytes;
    const steps = begun(store, sweep("/0/"));
    let slices = 0;
    for (let step = steps.next(); ; step = steps.next()) {
      if (step.done === true) {
        assert.equal(resultOf(step.value), true);
        assert("changed" in step.value);
        assert.equal(step.value.changed.length, count / 2);
        break;
      }
      slices += 1;
      assert.equal(store.size, count);
      assert.equal(store.bytes, before);
      assert.notEqual(store.get("/0/0"), null);
    }
    assert.equal(slices, Math.floor((count - 1) / keysPerSlice));
  });

  test("has happened when its last slice is done, though the keys go later", () => {
    const store = filled(count);
    const [bytes, expiringBytes] = [store.bytes, store.expiringBytes];
    const twin = filled(count);
    twin.apply(sweep("/0/"), 1_000_000);
    const expected = contentOf(twin);
    const early = store.beginSnapshot();
    const steps = begun(store, sweep("/0/"));
    while (steps.next().done !== true);
    assert(store.isSweeping);
    let slices = 1;
    do {
      assert.equal(store.size, count / 2);
      assert(store.bytes < bytes && store.bytes === twin.bytes);
      assert(store.expiringBytes < expiringBytes && store.expiringBytes === twin.expiringBytes);
      assert.equal(store.get("/0/0"), null);
      assert.equal(store.get(`/0/${count - 2}`), null);
      assert.notEqual(store.get("/1/1"), null);
      assert.match(store.refusal(encodeDelete(`/0/${count - 2}`), []) ?? "", /KeyError/);
      assert.throws(() => store.begin(set("/0/0"), 1), /sweep/);
      slices += 1;
    } while (store.sweep());
    assert.equal(slices, 1 + Math.ceil(count / 2 / keysPerSlice));
    assert.deepEqual(contentOf(store), expected);
    assert.equal([...early.records].length, count, "as of before");
    early.end();
  });

  test("a snapshot that begins while the keys go shows none of them", () => {
    const store = filled(4 * keysPerSlice);
    const steps = begun(store, sweep("/0/"));
    while (steps.next().done !== true);
    store.sweep();
    const expected = contentOf(store);
    const whole = store.beginSnapshot();
    assert.deepEqual(new Map<PyValue, PyValue>(whole.records), expected);
    whole.end();
    const snapshot = store.beginSnapshot();
    assert.equal(snapshot.size, 2 * keysPerSlice);
    const read: (readonly [PyValue, PyValue])[] = [];
    for (let n = 0; n < 10; n += 1) {
      const step = snapshot.records.next();
      if (step.done !== true) read.push(step.value);
    }
    while (store.isSweeping) store.sweep();
    store.apply(set("/0/0"), 1_000_001);
    store.apply(set("/1/1"), 1_000_002);
    read.push(...snapshot.records);
    snapshot.end();
    assert.equal(read.length, 2 * keysPerSlice);
    assert.deepEqual(new Map<PyValue, PyValue>(read), expected);
  });

  test("whoever reads it is told from time to time that nothing comes", () => {
    const store = filled(4 * keysPerSlice);
    const steps = begun(store, sweep("/"));
    while (steps.next().done !== true);
    assert.ok(store.isSweeping);
    const snapshot = store.beginSnapshot();
    assert.deepEqual([...snapshot.steps], [null, null, null, null]);
    snapshot.end();
  });

  test("too many of them are not taken behind one another, nor with too many costly prefixes", () => {
    const store = filled(10);
    const many = Array.from({ length: sweepsInTailMax }, (_, n) => ({
      ...{ index: n + 20, term: 1 },
      command: encodeDelete(`/x${n}/`, { recursive: true }),
    }));
    assert.equal(filled(10).delay(sweep("/0/"), many.slice(1)), null);
    assert.match(store.delay(sweep("/0/"), many) ?? "", /wait to be applied/);
    assert.equal(store.refusal(sweep("/0/"), many), null, "only for the moment");
    assert.equal(store.delay(set("/0/0"), many), null);
    assert.equal(store.refusal(set("/0/0"), many), null);
    const halves = (count: number) =>
      callCommand(kvFunction.delete, [new PyTuple(Array<string>(count).fill("/\ud83d"))], {
        recursive: true,
      });
    assert.equal(store.refusal(halves(costlyPrefixesMax - 1), []), null);
    assert.match(store.refusal(halves(costlyPrefixesMax), []) ?? "", /half a character/);
  });

  test("what is due meanwhile is none of them, and a key that comes again is due at its own time", () => {
    const store = filled(4 * keysPerSlice);
    store.noteTime(0, false);
    const steps = begun(store, sweep("/0/"));
    while (steps.next().done !== true);
    store.sweep();
    assert(store.expired(10, 0).every(({ key }) => String(key).startsWith("/1/")));
    store.apply(set("/0/0"), 1_000_001);
    assert.equal(store.expired(10, 0).length, 2 * keysPerSlice + 1);
    assert.equal(store.expiring, 2 * keysPerSlice + 1);
  });

  test("thousands of prefixes that need a closer look make a slice smaller", () => {
    const store = filled(100);
    const half = callCommand(0, [new PyTuple(Array.from({ length: 2_000 }, () => "\ud83d"))], {
      recursive: true,
    });
    const steps = begun(store, half);
    let slices = 0;
    while (steps.next().done !== true) slices += 1;
    assert(slices >= 99, `${slices} slices`);
  });
});

describe("what another leader has left in the log", () => {
  const tailOf = (commands: readonly Uint8Array[]) =>
    commands.map((command, at) => ({ index: at + 1_000_000, term: 1, command }));
  const halves = callCommand(kvFunction.delete, [new PyTuple(Array(2_000).fill("/\ud83d"))], {
    recursive: true,
  });
  const many = (count: number) => Array.from({ length: count }, (_, n) => sweep(`/x${n}/`));
  const odd = (key: number) => callCommand(kvFunction.set, [key, dictOf({ created: 1 })]);

  for (const [what, commands, keys] of [
    ["thousands of recursive deletes", many(3 * sweepsInTailMax), 10],
    ["a recursive delete of thousands of halves of characters", [halves, ...many(5)], 10],
    [
      "thousands of keys that are no texts",
      Array.from({ length: 3 * sweepsInTailMax }, (_, n) => odd(n)),
      10,
    ],
    [
      "recursive deletes that have to ask each key",
      Array.from({ length: 20 }, () => callCommand(0, [new PyTuple(["/x", 5]), true])),
      lookedAtMax + 1,
    ],
  ] as const) {
    test(`is not asked entry by entry for each proposal: ${what}`, () => {
      const store = filled(keys);
      const tail = tailOf(commands);
      let looks = 0;
      while (!store.lookAhead(tail)) looks += 1;
      assert(looks <= sweepsInTailMax + costlyPrefixesMax, `${looks} entries are looked at`);
      const asked = countsAsked(() => {
        for (const command of [set("/new"), encodeDelete("/0/0"), sweep("/0/")]) {
          assert.match(store.delay(command, tail) ?? "", /to be applied first/);
          assert.match(store.refusal(command, tail) ?? "", /to be applied first/);
        }
      });
      assert.equal(asked, 0);
      assert.equal(store.delay(encodeMembership("rem", "a:1"), tail), null, "it may be the cure");
      assert.equal(store.refusal(encodeMembership("rem", "a:1"), tail), null);
      for (const { command, index } of tail) store.apply(command, index);
      assert.equal(store.delay(set("/new"), []), null);
      assert.equal(store.refusal(set("/new"), []), null);
    });
  }

  test("is decoded once, also where it goes no further", () => {
    for (const [commands, decoded] of [
      [[halves, sweep("/")], 1],
      [many(2 * sweepsInTailMax), sweepsInTailMax + costlyPrefixesMax + 1],
    ] as const) {
      let count = 0;
      const empty = { record: () => undefined, ids: () => [], idCount: 0, oddKeys: 0 };
      const overlay = new TailOverlay(empty, (command) => {
        count += 1;
        return parseCommand(command);
      });
      for (let n = 0; n < 10; n += 1) overlay.follow(tailOf(commands));
      assert.equal(count, decoded);
      assert(overlay.isStopped);
      overlay.follow([]);
      assert(!overlay.isStopped);
    }
  });

  test("is judged behind as soon as so much of it is applied", () => {
    const store = filled(10);
    const tail = tailOf([...many(2 * sweepsInTailMax), encodeDelete("/0/0")]);
    const isApplied = (count: number) => {
      const behind = tail.slice(count);
      return [store.delay(encodeDelete("/0/0"), behind), store.delay(sweep("/"), behind)];
    };
    for (let applied = 0; applied < tail.length; applied += 1) {
      const [plain, recursive] = isApplied(applied);
      const left = 2 * sweepsInTailMax - applied;
      assert.equal(plain === null, left <= sweepsInTailMax + costlyPrefixesMax, `${left} left`);
      assert.equal(recursive === null, left < sweepsInTailMax, `${left} left`);
      if (plain !== null) continue;
      assert.match(store.refusal(encodeDelete("/0/0"), tail.slice(applied)) ?? "", /KeyError/);
    }
  });
});

describe("judging a recursive delete", () => {
  test("looks at no key, nor does what is judged behind it", () => {
    const store = filled(1_000);
    const asked = countsAsked(() => {
      const first = { index: 2_000, term: 1, command: sweep("/0/") };
      assert.equal(store.refusal(first.command, []), null);
      assert.match(store.refusal(encodeDelete("/0/0"), [first]) ?? "", /KeyError/);
      assert.equal(store.refusal(encodeDelete("/1/1"), [first]), null);
    });
    assert(asked <= 10, `${asked} keys asked`);
  });

  test("is refused with a prefix that is no str, whatever is there", () => {
    for (const store of [new Store(), filled(2)]) {
      for (const prefix of [5, null, new PyTuple([]), new PyTuple(["a", 5])]) {
        const command = callCommand(0, [prefix, true]);
        assert.match(store.refusal(command, []) ?? "", /takes a str/);
      }
      assert.equal(store.refusal(callCommand(0, [new PyTuple(["a", "b"]), true]), []), null);
    }
  });

  test("with keys of all types: as applying it would show", () => {
    const key = fc.constantFrom<PyValue>("a", "ab", "b", 5, new Uint8Array([97]), "\u0000e");
    const command = fc.oneof(
      key.map((name) => callCommand(2, [name, dictOf({ value: "x", created: 1 })])),
      key.map((name) => callCommand(0, [name])),
      fc.constantFrom("a", "", "b", "\u0000").map(sweep),
      fc
        .constantFrom<PyValue>(new PyTuple(["a", 5]), new Uint8Array([97]))
        .map((prefix) => callCommand(0, [prefix, true])),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 12 }), fc.nat(12), (commands, applied) => {
        const store = new Store();
        const twin = new Store();
        const log = commands.map((one, at) => ({ index: at + 2, term: 1, command: one }));
        for (const entry of log.slice(0, applied)) store.apply(entry.command, entry.index);
        for (const entry of log) twin.apply(entry.command, entry.index);
        const tail = log.slice(applied);
        for (const prefix of ["a", "c"]) {
          const raises = "raised" in twinOf(twin).apply(sweep(prefix), 100);
          assert.equal(store.refusal(sweep(prefix), tail) !== null, raises);
        }
        for (const name of ["a", "ab", "b", "\u0000e"]) {
          const raises = "raised" in twinOf(twin).apply(encodeDelete(name), 100);
          assert.equal(store.refusal(encodeDelete(name), tail) !== null, raises);
        }
      }),
      { numRuns: 500 },
    );
  });
});

function twinOf(store: Store): Store {
  return Store.fromDump(new Map(store.entries()));
}
