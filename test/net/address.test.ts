import assert from "node:assert/strict";
import { test } from "node:test";
import { bindPoint, compareAsPython, parseAddress, shouldDial } from "../../src/net/address.js";

test("an address is split at its last colon, brackets are taken off", () => {
  assert.deepEqual(parseAddress("10.0.0.1:2222"), { host: "10.0.0.1", port: 2222 });
  assert.deepEqual(parseAddress("db-1.example:1"), { host: "db-1.example", port: 1 });
  assert.deepEqual(parseAddress("::1:2222"), { host: "::1", port: 2222 });
  assert.deepEqual(parseAddress("[fe80::1]:2222"), { host: "fe80::1", port: 2222 });
});

test("what is no address is null", () => {
  for (const text of [
    "",
    "host",
    ":1",
    "[]:1",
    "host:",
    "host:x",
    "host:0",
    "host:65536",
    "h:-1",
  ]) {
    assert.equal(parseAddress(text), null, text);
  }
});

test("addresses are ordered by code point, as Python does", () => {
  assert.ok(compareAsPython("127.0.0.1:10", "127.0.0.1:9") < 0);
  assert.ok(compareAsPython("a:1", "a:11") < 0);
  assert.equal(compareAsPython("a:1", "a:1"), 0);
  // U+1F600 is beyond U+FF5E, but its first UTF-16 unit is not.
  assert.ok(compareAsPython("\u{1f600}:1", "\uff5e:1") > 0);
});

test("the larger address dials, an observer always does", () => {
  assert.equal(shouldDial("b:1", "a:1"), true);
  assert.equal(shouldDial("a:1", "b:1"), false);
  assert.equal(shouldDial("a:1", "a:1"), false);
  assert.equal(shouldDial(null, "z:1"), true);
});

test("a member listens on every address of its family unless it is told otherwise", () => {
  assert.deepEqual(bindPoint("10.0.0.1:7", null), { host: "0.0.0.0", port: 7 });
  assert.deepEqual(bindPoint("db-1:7", null), { host: "0.0.0.0", port: 7 });
  assert.deepEqual(bindPoint("[fe80::1]:7", null), { host: "::", port: 7 });
  assert.deepEqual(bindPoint("::1:7", null), { host: "::", port: 7 });
  assert.deepEqual(bindPoint("10.0.0.1:7", "127.0.0.9:8"), { host: "127.0.0.9", port: 8 });
  assert.throws(() => bindPoint("10.0.0.1:7", "nowhere"), /expected host:port/);
});
