import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeCommand, type RegularCall } from "../../../protocol/log/commands.js";
import {
  encodeDelete,
  encodeExpire,
  encodeSet,
  kvFunction,
} from "../../../protocol/log/kv-calls.js";
import { type PyDict, PyFloat, type PyValue } from "../../../protocol/pickle/values.js";

function callOf(command: Uint8Array): RegularCall {
  const decoded = decodeCommand(command);
  assert.equal(decoded.kind, "regular");
  return decoded.kind === "regular" ? decoded.call : assert.fail();
}

function dict(...items: [string, PyValue][]): PyDict {
  return new Map<PyValue, PyValue>(items);
}

test("a set carries key, value and conditions, and times are floats even where they are whole", () => {
  const value = { value: "x", updated: 5, created: 4.5, expire: 35 };
  const conditions = { prevExist: false, prevValue: "y", prevIndex: null };
  assert.deepEqual(callOf(encodeSet("/k", value, conditions)), {
    funcId: kvFunction.set,
    args: [
      "/k",
      dict(
        ["value", "x"],
        ["updated", new PyFloat(5)],
        ["created", new PyFloat(4.5)],
        ["expire", new PyFloat(35)],
      ),
    ],
    kwargs: dict(["prevExist", false], ["prevValue", "y"], ["prevIndex", null]),
  });
  const plain = callOf(encodeSet("/k", { value: "x", updated: 5, created: 4.5 }));
  assert.equal(plain.kwargs.size, 0);
  assert.deepEqual(
    plain.args[1],
    dict(["value", "x"], ["updated", new PyFloat(5)], ["created", new PyFloat(4.5)]),
  );
});

test("a delete always says whether it is recursive", () => {
  assert.deepEqual(callOf(encodeDelete("/k")), {
    funcId: kvFunction.delete,
    args: ["/k"],
    kwargs: dict(["recursive", false]),
  });
  const call = callOf(encodeDelete("/", { recursive: true, prevValue: "v", prevIndex: 7 }));
  assert.deepEqual(call.kwargs, dict(["recursive", true], ["prevValue", "v"], ["prevIndex", 7]));
});

test("an expire carries the stored value as it is", () => {
  const stored = dict(["value", null], ["updated", 5], ["created", new PyFloat(1)], ["index", 9]);
  assert.deepEqual(callOf(encodeExpire("/k", stored)), {
    funcId: kvFunction.expire,
    args: ["/k", stored],
    kwargs: dict(),
  });
});
