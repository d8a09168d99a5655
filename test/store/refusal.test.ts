import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { commandType, encodeCommand, encodeVersion } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import { encodeDelete, encodeExpire, encodeSet } from "../../protocol/log/kv-calls.js";
import { tcpNode } from "../../protocol/log/tcp-node.js";
import { op } from "../../protocol/pickle/opcodes.js";
import { PyInstance, type PyValue } from "../../protocol/pickle/values.js";
import { Store } from "../../src/store/store.js";
import { callCommand, dictOf, float } from "./commands.js";
import { bytesOf, nestedLists, setOfValue, textOf } from "./raw-commands.js";

const set = (key: string): Uint8Array => encodeSet(key, { value: "x", updated: 5, created: 5 });

function logOf(...commands: readonly Uint8Array[]): Entry[] {
  return commands.map((command, at) => ({ index: at + 1, term: 1, command }));
}

describe("refusal", () => {
  test("a plain _delete needs its key at that point of the log", () => {
    const store = new Store();
    assert.match(store.refusal(encodeDelete("a"), []) ?? "", /KeyError/);
    assert.equal(store.refusal(encodeDelete("a"), logOf(set("a"))), null);
    const tail = logOf(set("a"), encodeDelete("a"));
    assert.match(store.refusal(encodeDelete("a"), tail) ?? "", /KeyError/);
    assert.equal(store.refusal(encodeDelete("a", { prevExist: true }), tail), null);
    assert.equal(store.refusal(encodeDelete("a", { recursive: true }), tail), null);
  });

  test("as it is: without a tail, and without a trace in what is asked about one", () => {
    const store = new Store();
    const tail = logOf(set("a"));
    assert.equal(store.refusal(encodeDelete("a"), tail), null);
    assert.match(store.refusalAsIs(encodeDelete("a")) ?? "", /KeyError/);
    assert.match(store.refusalAsIs(Uint8Array.of(3, 1)) ?? "", /./);
    assert.match(store.refusalAsIs(new Uint8Array(0)) ?? "", /no type/);
    assert.equal(store.refusalAsIs(set("a")), null);
    assert.equal(store.refusal(encodeDelete("a"), tail), null);
  });

  test("follows the tail when it is cut and goes on differently", () => {
    const store = new Store();
    const [first] = logOf(set("a"));
    assert(first !== undefined);
    const before = [first, { index: 2, term: 1, command: encodeDelete("a") }];
    assert.notEqual(store.refusal(encodeDelete("a"), before), null);
    const after = [first, { index: 2, term: 2, command: set("b") }];
    assert.equal(store.refusal(encodeDelete("a"), after), null);
    assert.equal(store.refusal(encodeDelete("b"), after), null);
    assert.notEqual(store.refusal(encodeDelete("b"), [first]), null);
  });

  test("forgets what has been applied", () => {
    const store = new Store();
    const log = logOf(set("a"), set("b"), encodeExpire("a", dictOf({})), encodeDelete("b"));
    for (let applied = 0; applied <= log.length; applied += 1) {
      assert.notEqual(store.refusal(encodeDelete("b"), log.slice(applied)), null);
      assert.equal(store.refusal(encodeDelete("a"), log.slice(applied)), null);
      const entry = log[applied];
      if (entry !== undefined) store.apply(entry.command, entry.index);
    }
  });

  test("what a value would do to vanilla later", () => {
    const store = new Store();
    const good = { value: "x", updated: float(1), created: float(1) };
    const refused = (key: string | number, value: ReturnType<typeof dictOf>): string =>
      store.refusal(callCommand(2, [key, value]), []) ?? "";
    assert.equal(refused("a", dictOf(good)), "");
    assert.match(refused(5, dictOf(good)), /no str/);
    assert.match(refused("a", dictOf({ value: "x", updated: float(1) })), /created/);
    assert.match(refused("a", dictOf({ value: "x", created: "a" })), /updated/);
    assert.match(refused("a", dictOf({ ...good, expire: "soon" })), /expire/);
    assert.match(refused("a", dictOf({ ...good, expire: null })), /expire/);
    assert.equal(refused("a", dictOf({ ...good, expire: 5 })), "");
    // A condition that is not met sets nothing.
    assert.equal(store.refusal(callCommand(2, [5, dictOf({})], { prevExist: true }), []), null);
  });

  test("what Python cannot look up, or does not read", () => {
    const store = new Store();
    const refused = (command: Uint8Array): string => store.refusal(command, []) ?? "";
    // As a dict's key, a set's member, and what is not there.
    const asKey = bytesOf(op.byteArray8, 1, Buffer.alloc(7), "a");
    assert.equal(store.refusal(setOfValue("/k", asKey), []), null);
    const dict = bytesOf(op.emptyDict, asKey, op.none, op.setItem);
    assert.match(refused(setOfValue("/k", dict)), /unhashable/);
    const call = bytesOf(commandType.regular, op.binInt1, 0, asKey, op.tuple1);
    const condition = bytesOf(op.emptyDict, textOf("prevExist"), op.newTrue, op.setItem);
    assert.match(refused(bytesOf(call, condition, op.tuple3, op.stop)), /unhashable/);
    const expire = bytesOf(commandType.regular, op.binInt1, 1, asKey, op.emptyDict, op.tuple2);
    assert.match(refused(bytesOf(expire, op.tuple2, op.stop)), /unhashable/);
    for (const line of ["I08", "I010", "I5L", "L08L", "L5L ", "S'\xff'", "S 'a' "]) {
      assert.notEqual(refused(setOfValue("/k", `${line}\n`)), "", line);
    }
    const beyond = ["I010", "L0x1L", "F1_0\n0F1\0"].map((line) => `${line}\n`);
    for (const value of [...beyond, bytesOf(op.frame, 200, Buffer.alloc(7), op.none)]) {
      assert.notEqual(refused(setOfValue("/k", value)), "");
      const applied = new Store().apply(setOfValue("/k", value), 2);
      assert.equal("raised" in applied && applied.isBeyondLimits, true, "PySyncObj may read it");
    }
    // Names of Python 2, which Python 3 knows below protocol 3 only.
    const named = (proto: number) => bytesOf(op.proto, proto, "c__builtin__\nset\n)R");
    assert.equal(refused(setOfValue("/k", named(2))), "");
    for (const proto of [3, 4, 5]) assert.match(refused(setOfValue("/k", named(proto))), /global/);
    // Frames, and a str at which C's reader gives up: the other one minds where frames end.
    const frame = (bytes: number) => bytesOf(op.frame, bytes, Buffer.alloc(7));
    const foreign = bytesOf(op.shortBinString, 1, 0xff);
    assert.equal(refused(setOfValue("/k", foreign)), "");
    assert.equal(refused(setOfValue("/k", bytesOf(frame(3), op.binInt1, 1))), "");
    for (const both of [bytesOf(frame(3), foreign), bytesOf(foreign, frame(1), op.pop, foreign)]) {
      assert.match(refused(setOfValue("/k", both)), /no reader of Python's/);
      const applied = new Store().apply(setOfValue("/k", both), 2);
      assert.equal("raised" in applied && applied.isBeyondLimits, true, "PySyncObj may read it");
    }
  });

  test("a node that vanilla could not take, or whose host it could not look up", () => {
    const store = new Store();
    const refused = (node: PyValue): string => {
      const command = encodeCommand(commandType.membership, ["add", "z:1", node]);
      assert(!("raised" in store.apply(command, 1)));
      return store.refusal(command, []) ?? "";
    };
    const nodeOf = (changes: Readonly<Record<string, PyValue>>, name = "TCPNode") =>
      new PyInstance(
        `pysyncobj.node.${name}`,
        new Map([...tcpNode("a:1").state, ...Object.entries(changes)]),
      );
    for (const node of [
      "a:1",
      tcpNode("a:1"),
      nodeOf({ _TCPNode__ip: "10.0.0.1" }),
      "b.example.:1",
      "::1:1",
    ]) {
      assert.equal(refused(node), "");
    }
    for (const node of [
      new PyInstance("pysyncobj.node.Node", new Map([["_id", "a:1"]])),
      new PyInstance("pysyncobj.node.TCPNode", new Map([["_id", "a:1"]])),
      nodeOf({}, "Node"),
      nodeOf({ _id: "b:1" }),
      nodeOf({ _TCPNode__address: 5 }),
      nodeOf({ _TCPNode__host: "b" }),
      nodeOf({ _TCPNode__port: "1" }),
      nodeOf({ _TCPNode__ip: 5 }),
      nodeOf({ _destroy: null }),
    ]) {
      assert.match(refused(node), /not as PySyncObj makes one/);
    }
    for (const host of ["a..b", ".a", "a".repeat(64), "\ud800"]) {
      assert.match(refused(`${host}:1`), /cannot look up/);
      assert.match(refused(tcpNode(`${host}:1`)), /cannot look up/);
    }
    const none = encodeCommand(commandType.membership, null);
    assert.equal(store.refusal(none, []), null);
    assert.match(
      store.refusal(encodeCommand(commandType.membership, ["rem", "a..b:1"]), []) ?? "",
      /look up/,
    );
  });

  test("a code version that is no int", () => {
    const store = new Store();
    for (const version of [false, float(0)]) {
      const command = encodeCommand(commandType.version, version);
      assert.match(store.refusal(command, []) ?? "", /is an int/);
      assert(!("raised" in store.apply(command, 1)));
    }
    assert.equal(store.refusal(encodeVersion(0), []), null);
  });

  test("what nests deeper than a leader takes, though members apply it", () => {
    for (const [depth, isTaken] of [
      [63, true],
      [64, false],
      [125, false],
    ] as const) {
      const store = new Store();
      const command = setOfValue("/k", nestedLists(depth));
      const reason = store.refusal(command, []);
      if (isTaken) assert.equal(reason, null);
      else assert.match(reason ?? "", /nests more than 64 deep/);
      assert(!("raised" in store.apply(command, 2)));
    }
  });

  test("a value that is to go by itself, and that no command could name", () => {
    const store = new Store();
    const parts = (count: number) => {
      const sets = Buffer.alloc(count, op.emptySet);
      return bytesOf(op.emptyList, op.mark, sets, op.appends);
    };
    const more = { expire: bytesOf(op.binInt1, 7) };
    assert.equal(store.refusal(setOfValue("/k", parts(2_000), more), []), null);
    assert.match(store.refusal(setOfValue("/k", parts(4_000), more), []) ?? "", /too many parts/);
    assert.equal(store.refusal(setOfValue("/k", parts(4_000)), []), null);
  });

  test("is seen at sight of plain sets behind plain sets", () => {
    const store = new Store();
    const [a, b, c] = [set("a"), set("b"), set("c")];
    assert(store.isAdmittedAtSight(a, []));
    assert(store.isAdmittedAtSight(b, logOf(a)));
    assert(store.isAdmittedAtSight(c, logOf(a, b)));
    assert(!store.isAdmittedAtSight(encodeDelete("a"), logOf(a, b, c)));
    // As much of the tail as was judged so, and nothing else.
    assert(!store.isAdmittedAtSight(set("d"), logOf(a, b)));
    assert(!store.isAdmittedAtSight(set("d"), logOf(set("e"), a, b, c)));
    assert(store.isAdmittedAtSight(set("d"), logOf(b, c)));
    assert.equal(store.refusal(set("d"), logOf(a, b, c)), null);
    assert(!store.isAdmittedAtSight(set("d"), logOf(a, b, c)));
  });

  test("is not seen at sight where a value of another shape may be under the key", () => {
    const odd = callCommand(2, ["a", dictOf({ value: "x" })]);
    const store = new Store();
    assert(!store.isAdmittedAtSight(set("a"), logOf(odd)));
    store.apply(odd, 1);
    assert(!store.isAdmittedAtSight(set("a"), []));
    assert.match(store.refusal(set("a"), []) ?? "", /created/);
    assert(store.isAdmittedAtSight(set("b"), []));
  });

  test("is null exactly where a store that has applied the tail would not raise", () => {
    const key = fc.constantFrom("a", "ab", "b");
    const command = fc.oneof(
      key.map(set),
      key.map((name) => encodeDelete(name)),
      key.map((name) => encodeDelete(name, { recursive: true })),
      fc.tuple(key, fc.nat(6)).map(([name, prevIndex]) => encodeDelete(name, { prevIndex })),
      key.map((name) =>
        encodeExpire(name, dictOf({ value: "x", updated: float(5), created: float(5) })),
      ),
    );
    // Each step appends a command, or cuts the tail back, or applies some of it.
    const step = fc.oneof(
      { weight: 4, arbitrary: command },
      fc.record({ cut: fc.nat(3) }),
      fc.record({ apply: fc.nat(3) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const store = new Store();
        const applied: Entry[] = [];
        let tail: Entry[] = [];
        let term = 1;
        for (const item of steps) {
          if (item instanceof Uint8Array) {
            const index = applied.length + tail.length + 1;
            const raises = raisesAfter([...applied, ...tail], item);
            const isAtSight = store.isAdmittedAtSight(item, tail);
            const isRefused = !isAtSight && store.refusal(item, tail) !== null;
            assert.equal(isRefused, raises);
            tail = [...tail, { index, term, command: item }];
          } else if ("cut" in item) {
            tail = tail.slice(0, Math.max(0, tail.length - item.cut));
            term += 1;
          } else {
            for (const entry of tail.splice(0, item.apply)) {
              store.apply(entry.command, entry.index);
              applied.push(entry);
            }
          }
        }
      }),
    );
  });
});

function raisesAfter(log: readonly Entry[], command: Uint8Array): boolean {
  const twin = new Store();
  for (const entry of log) twin.apply(entry.command, entry.index);
  return "raised" in twin.apply(command, log.length + 1);
}
