import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ProtocolError } from "../../../protocol/errors.js";
import {
  commandKind,
  commandType,
  decodeCommand,
  encodeCommand,
  encodeMembership,
  encodeNoOp,
  encodeVersion,
} from "../../../protocol/log/commands.js";
import { nodeId, splitAddress, tcpNode } from "../../../protocol/log/tcp-node.js";
import { type PyDict, PyInstance, PyTuple, type PyValue } from "../../../protocol/pickle/values.js";

function refuses(command: Uint8Array): void {
  assert.throws(
    () => decodeCommand(command),
    (error) => error instanceof ProtocolError && error.code === "command-shape",
  );
}

function regular(value: PyValue): Uint8Array {
  return encodeCommand(commandType.regular, value);
}

function membership(value: PyValue): Uint8Array {
  return encodeCommand(commandType.membership, value);
}

test("a no-op is one byte", () => {
  assert.deepEqual([...encodeNoOp()], [1]);
  assert.deepEqual(decodeCommand(encodeNoOp()), { kind: "no-op" });
});

test("commands survive encoding and decoding", () => {
  const change = { kind: "membership", change: "add", address: "10.0.0.1:2222" } as const;
  assert.deepEqual(decodeCommand(encodeMembership("add", "10.0.0.1:2222")), change);
  const removal = decodeCommand(encodeMembership("rem", "[::1]:2222"));
  assert.deepEqual(removal, { kind: "membership", change: "rem", address: "[::1]:2222" });
  assert.deepEqual(decodeCommand(encodeVersion(3)), { kind: "version", version: 3 });
});

test("the kind is known from the first byte alone", () => {
  assert.equal(commandKind(Uint8Array.of(0)), "regular");
  assert.equal(commandKind(encodeNoOp()), "no-op");
  assert.equal(commandKind(encodeMembership("add", "a:1")), "membership");
  assert.equal(commandKind(encodeVersion(1)), "version");
});

test("a type that upstream does not know does nothing, as there", () => {
  for (const type of [4, 7, 255]) {
    assert.deepEqual(decodeCommand(Uint8Array.of(type, 1, 2)), { kind: "no-op" });
  }
});

test("a call has three forms", () => {
  const kwargs: PyDict = new Map<PyValue, PyValue>([["prevExist", true]]);
  const args = new PyTuple(["key", 5]);
  assert.deepEqual(decodeCommand(regular(2)), {
    kind: "regular",
    call: { funcId: 2, args: [], kwargs: new Map() },
  });
  assert.deepEqual(decodeCommand(regular(new PyTuple([2, args]))), {
    kind: "regular",
    call: { funcId: 2, args: ["key", 5], kwargs: new Map() },
  });
  assert.deepEqual(decodeCommand(regular(new PyTuple([2, args, kwargs]))), {
    kind: "regular",
    call: { funcId: 2, args: ["key", 5], kwargs },
  });
});

test("calls of other shapes are refused", () => {
  const args = new PyTuple([]);
  refuses(regular(new PyTuple([])));
  refuses(regular(new PyTuple([2])));
  refuses(regular(new PyTuple([2, 5])));
  refuses(regular(new PyTuple([2, args, 5])));
  refuses(regular(new PyTuple([2, args, new Map(), 5])));
});

test("a membership command's node counts, its id only where there is none", () => {
  const decoded = decodeCommand(membership(["add", "a:1", tcpNode("b:2")]));
  assert.deepEqual(decoded, { kind: "membership", change: "add", address: "b:2" });
  assert.deepEqual(decodeCommand(membership(["rem", "a:1"])), {
    kind: "membership",
    change: "rem",
    address: "a:1",
  });
});

test("membership commands of other shapes are refused", () => {
  for (const value of [[], ["add"], ["move", "a:1"], ["add", 5], ["add", "a"], ["add", "a:b"]]) {
    refuses(membership(value));
  }
  refuses(membership("add"));
  refuses(membership(["add", "a:1", new PyInstance("pysyncobj.node.TCPNode", new Map())]));
});

test("an empty command, a cut pickle and a version that is no number are refused", () => {
  refuses(new Uint8Array(0));
  refuses(Uint8Array.of(commandType.regular));
  const command = encodeMembership("add", "10.0.0.1:2222");
  for (let length = 1; length < command.length; length++) refuses(command.subarray(0, length));
  refuses(encodeCommand(commandType.version, "3"));
});

test("a pickle that names a global of the system is refused, with its own fault as the cause", () => {
  const command = Buffer.concat([Uint8Array.of(0), Buffer.from("cos\nsystem\n(S'true'\ntR.")]);
  assert.throws(
    () => decodeCommand(command),
    (error) =>
      error instanceof ProtocolError &&
      error.code === "command-shape" &&
      error.cause instanceof ProtocolError &&
      error.cause.code === "pickle-global",
  );
});

test("random bytes give a command or a ProtocolError", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        decodeCommand(bytes);
      } catch (error) {
        assert.ok(error instanceof ProtocolError && error.code === "command-shape");
      }
    }),
  );
});

test("an address is split at its last colon", () => {
  assert.deepEqual(splitAddress("a.b:80"), { host: "a.b", port: 80 });
  assert.deepEqual(splitAddress("[::1]:65535"), { host: "[::1]", port: 65535 });
  for (const bad of ["", "a", ":80", "a:", "a:x", "a:65536", "a:-1", "a:1e3", "a: 1"]) {
    assert.equal(splitAddress(bad), null, bad);
    assert.throws(() => tcpNode(bad));
  }
  assert.equal(nodeId(tcpNode("a:1")), "a:1");
  assert.equal(nodeId(null), null);
});

test("a command may be as large as a text, and takes no more than that", () => {
  for (const value of ["x".repeat(8_000_000), "ж".repeat(4_000_000), new Uint8Array(8_000_000)]) {
    const decoded = decodeCommand(regular(new PyTuple([2, new PyTuple(["/key", value])])));
    assert.ok(decoded.kind === "regular");
    assert.deepEqual(decoded.call.args[1], value);
  }
  // One byte each, and 200 in memory; the same, each held twice by the memo; a text many times over.
  for (const pickle of [
    Buffer.alloc(8_000_000, "}"),
    Buffer.alloc(8_000_000, "]\x94"),
    Buffer.concat([Buffer.from("]X\0\0\x01\0"), Buffer.alloc(65_536, "k"), Buffer.from("q\x01(")]),
  ]) {
    const references = Buffer.alloc(100_000, Buffer.from("h\x01"));
    const before = process.memoryUsage().heapUsed;
    refuses(Buffer.concat([Buffer.of(commandType.regular), pickle, references]));
    assert.ok(process.memoryUsage().heapUsed - before < 64 * 1024 * 1024);
  }
});
