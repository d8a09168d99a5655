import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtocolError } from "../../../protocol/errors.js";
import { tcpNode } from "../../../protocol/log/tcp-node.js";
import { type PyDict, PyFloat, type PyValue } from "../../../protocol/pickle/values.js";
import {
  encodeMembers,
  encodeStatus,
  encodeUtility,
  type MemberStatus,
  parseMembers,
  parseStatus,
  parseUtility,
  utilityOutcome,
} from "../../../protocol/wire/utility.js";

const status: MemberStatus = {
  version: "0.3.17",
  revision: "deprecated",
  self: "10.0.0.1:2222",
  state: 2,
  leader: "10.0.0.1:2222",
  hasQuorum: true,
  partners: [
    { address: "10.0.0.2:2222", connected: true },
    { address: "[fe80::1]:2222", connected: false },
  ],
  observers: [{ address: "0", connected: true }],
  logLen: 12,
  lastApplied: 11,
  commitIdx: 11,
  raftTerm: 4,
  nextNodeIdx: new Map([
    ["10.0.0.2:2222", 13],
    ["0", 12],
  ]),
  matchIdx: new Map([["10.0.0.2:2222", 12]]),
  leaderCommitIdx: 11,
  uptimeSec: 99,
  selfCodeVersion: 0,
  enabledCodeVersion: 0,
  extra: new Map<string, PyValue>([["quorate_version", "0.1.0"]]),
};

function statusDict(change: (dict: PyDict) => void): PyDict {
  const dict = encodeStatus(status);
  change(dict);
  return dict;
}

function refuses(dict: PyDict, code = "message-shape"): void {
  assert.throws(
    () => parseStatus(dict),
    (error) => error instanceof ProtocolError && error.code === code,
  );
}

test("every known list is taken apart, and put together again", () => {
  const known: [PyValue[], unknown][] = [
    [["status"], { command: "status" }],
    [["members"], { command: "members" }],
    [["add", "a:1"], { command: "add", address: "a:1" }],
    [["remove", "a:1"], { command: "remove", address: "a:1" }],
    [["set_version", 3], { command: "set_version", version: 3 }],
    [["transfer", "a:1"], { command: "transfer", address: "a:1" }],
    [["transfer", ""], { command: "transfer", address: null }],
  ];
  for (const [list, request] of known) {
    assert.deepEqual(parseUtility(list), request);
    assert.deepEqual(encodeUtility(parseUtility(list)), list);
  }
  assert.deepEqual(parseUtility(["transfer"]), { command: "transfer", address: null });
  assert.deepEqual(parseUtility(["transfer", null]), { command: "transfer", address: null });
  assert.deepEqual(parseUtility(["status", 1, 2]), { command: "status" });
});

test("other lists are unknown", () => {
  const strange: PyValue[][] = [
    [],
    ["nonsense"],
    [5],
    [["status"]],
    ["STATUS"],
    [Uint8Array.of(1)],
  ];
  for (const list of strange) assert.equal(parseUtility(list).command, "unknown");
  assert.deepEqual(parseUtility(["n".repeat(100)]), { command: "unknown", name: "n".repeat(64) });
});

test("a known command with an argument that makes no sense gets FAIL", () => {
  const malformed: [PyValue[], string][] = [
    [["add", null], "FAIL ADD None"],
    [["add"], "FAIL ADD None"],
    [["add", 5], "FAIL ADD 5"],
    [["remove", "nowhere"], "FAIL REMOVE nowhere"],
    [["add", "x".repeat(1000)], `FAIL ADD ${"x".repeat(64)}`],
    [["set_version", "3"], "FAIL SET_VERSION 3"],
    [["transfer", [1]], "FAIL TRANSFER ?"],
  ];
  for (const [list, reply] of malformed) {
    const request = parseUtility(list);
    assert.equal(request.command, "malformed");
    assert.equal(utilityOutcome(request, false), reply);
  }
});

test("outcomes read as upstream's", () => {
  assert.equal(utilityOutcome({ command: "add", address: "a:1" }, true), "SUCCESS ADD a:1");
  assert.equal(utilityOutcome({ command: "remove", address: "a:1" }, false), "FAIL REMOVE a:1");
  assert.equal(
    utilityOutcome({ command: "set_version", version: 2 }, true),
    "SUCCESS SET_VERSION 2",
  );
  assert.equal(utilityOutcome({ command: "transfer", address: null }, true), "SUCCESS TRANSFER ");
});

test("a status survives encoding and parsing", () => {
  assert.deepEqual(parseStatus(encodeStatus(status)), status);
  const fresh: MemberStatus = {
    ...status,
    self: null,
    leader: null,
    leaderCommitIdx: null,
    partners: [],
    observers: [],
    nextNodeIdx: new Map(),
    matchIdx: new Map(),
    extra: new Map(),
  };
  assert.deepEqual(parseStatus(encodeStatus(fresh)), fresh);
});

test("a status without has_quorum is PySyncObj 0.3.8's", () => {
  const parsed = parseStatus(statusDict((dict) => dict.delete("has_quorum")));
  assert.equal(parsed.hasQuorum, null);
  assert.deepEqual(parseStatus(encodeStatus(parsed)), parsed);
});

test("a code version that a command has made a bool or a float is the int that it equals", () => {
  for (const version of [false, new PyFloat(0)]) {
    const dict = statusDict((dict) => dict.set("enabled_code_version", version));
    assert.equal(parseStatus(dict).enabledCodeVersion, 0);
  }
  refuses(statusDict((dict) => dict.set("enabled_code_version", new PyFloat(0.5))));
});

test("self and leader are instances of TCPNode", () => {
  const dict = encodeStatus(status);
  assert.deepEqual(dict.get("self"), tcpNode("10.0.0.1:2222"));
  assert.deepEqual(dict.get("leader"), tcpNode("10.0.0.1:2222"));
});

test("what nobody decides on may be missing or odd", () => {
  const parsed = parseStatus(
    statusDict((dict) => {
      for (const key of ["version", "revision", "self", "leader", "leader_commit_idx"]) {
        dict.delete(key);
      }
      for (const key of ["uptime", "self_code_version", "enabled_code_version"]) dict.delete(key);
      dict.set(5, "a key that is no str");
    }),
  );
  assert.equal(parsed.version, "");
  assert.equal(parsed.leader, null);
  assert.equal(parsed.leaderCommitIdx, null);
  assert.equal(parsed.uptimeSec, 0);
});

test("an index that is none is left out, and the rest of the status stands", () => {
  for (const odd of [2n ** 60n, -1, new PyFloat(1.5), new PyFloat(2), null, true, "7", []]) {
    const parsed = parseStatus(
      statusDict((dict) => {
        dict.set("next_node_idx_server_x:1", odd);
        dict.set("match_idx_server_x:1", odd);
      }),
    );
    assert.deepEqual(parsed, status);
  }
});

test("what a peer says of its software is cut", () => {
  const parsed = parseStatus(
    statusDict((dict) => {
      dict.set("version", "1".repeat(1_000));
      dict.set("revision", "2".repeat(1_000));
    }),
  );
  assert.deepEqual([parsed.version, parsed.revision], ["1".repeat(64), "2".repeat(64)]);
});

test("a status without what decisions rest on is refused", () => {
  for (const key of ["state", "log_len", "last_applied", "commit_idx", "raft_term"]) {
    refuses(statusDict((dict) => dict.delete(key)));
    refuses(statusDict((dict) => dict.set(key, "7")));
    refuses(statusDict((dict) => dict.set(key, -1)));
    refuses(
      statusDict((dict) => dict.set(key, 2n ** 60n)),
      "number-range",
    );
  }
  assert.throws(() => parseStatus("FAIL STATUS"), ProtocolError);
});

test("members survive encoding and parsing", () => {
  const members = [
    { address: "a:1", leader: false, connected: true },
    { address: "b:1", leader: true, connected: false },
  ];
  const list = encodeMembers(members);
  assert.deepEqual(parseMembers(list), members);
  assert.deepEqual(
    list[0],
    new Map<PyValue, PyValue>([
      ["addr", "a:1"],
      ["leader", false],
      ["status", 2],
    ]),
  );
  assert.throws(() => parseMembers("FAIL MEMBERS"), ProtocolError);
  assert.throws(() => parseMembers([new Map([["addr", "a:1"]])]), ProtocolError);
});
