import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry } from "../../protocol/log/entry.js";
import { loadConfig } from "../../src/node/config.js";
import type { Discovered } from "../../src/node/discovery.js";
import { initialState, mayHaveVoted } from "../../src/node/start-state.js";
import type { Recovered } from "../../src/storage/storage.js";

const config = loadConfig({ env: {}, flags: { selfAddr: "a:1", partnerAddrs: ["b:1"] } });
const entry = (index: number): Entry => ({ index, term: 0, command: Uint8Array.of(1) });
const fresh: Recovered = {
  ...{ term: 0, votedFor: null, commitIndex: 1, entries: [entry(1)], dump: null },
  ...{
    isNew: true,
    mustRefetch: false,
    forgotTerm: false,
    secondTerm: 3,
    termFloor: 0,
    findings: [],
    lossText: null,
  },
};
const withDump: Recovered = {
  ...fresh,
  isNew: false,
  entries: [entry(8), entry(9)],
  dump: {
    ...{ data: new Map(), codeVersion: 0, previous: entry(8), last: entry(9) },
    members: ["a:1", "d:1"],
  },
};

function told(...members: readonly { address: string; leader: boolean }[]): Discovered {
  return { from: "c:1", members: members.map((each) => ({ ...each, connected: true })) };
}

test("who is in the cluster: the dump's word, else a running member's, else the configuration's", () => {
  const discovered = told({ address: "c:1", leader: true });
  assert.deepEqual(initialState(config, discovered, withDump).members, ["a:1", "d:1"]);
  assert.deepEqual(initialState(config, discovered, fresh).members, ["c:1"]);
  assert.deepEqual(initialState(config, null, fresh).members, ["b:1"]);
  const areTold = [discovered, null].map((it) => initialState(config, it, fresh).areMembersTold);
  assert.deepEqual(areTold, [true, false]);
  assert.equal(initialState(config, discovered, withDump).areMembersTold, false);
});

test("who is heard besides them: all that anybody names, where the files are gone", () => {
  const discovered = told({ address: "c:1", leader: true });
  assert.deepEqual(initialState(config, discovered, fresh).guests, ["b:1"]);
  const lost = { ...withDump, mustRefetch: true, forgotTerm: true };
  assert.deepEqual(initialState(config, discovered, lost).guests, ["b:1", "a:1", "d:1"]);
});

test("so it is where only the journal is damaged: whoever counts us in may not know of another one yet", () => {
  const damaged = { ...withDump, mustRefetch: true };
  const self = { address: "a:1", leader: false };
  const discovered = told(self, { address: "d:1", leader: false });
  const { guests } = initialState(config, discovered, damaged);
  assert.deepEqual(new Set(guests), new Set(["a:1", "b:1", "d:1"]));
  const other = told(self, { address: "e:1", leader: true });
  assert.ok(initialState(config, other, damaged).guests?.includes("e:1"), "or whom it may follow");
});

test("who is heard besides them: those of a running member that counts us in, where our dump is older", () => {
  const self = { address: "a:1", leader: false };
  const others = [{ address: "c:1", leader: true }];
  assert.deepEqual(initialState(config, told(self, ...others), withDump).guests, ["a:1", "c:1"]);
  assert.deepEqual(initialState(config, told(...others), withDump).guests, []);
  assert.deepEqual(initialState(config, null, withDump).guests, []);
});

test("what a dump holds is applied", () => {
  assert.equal(initialState(config, null, withDump).appliedIndex, 9);
  assert.equal(initialState(config, null, fresh).appliedIndex, 1);
});

test("an empty member that comes to a cluster with a leader may have voted there", () => {
  const led = told({ address: "b:1", leader: false }, { address: "c:1", leader: true });
  assert.equal(mayHaveVoted(config, fresh, led), true);
  assert.equal(mayHaveVoted(config, fresh, told({ address: "b:1", leader: false })), false);
  assert.equal(mayHaveVoted(config, fresh, null), false);
  assert.equal(mayHaveVoted(config, withDump, led), false);
});

test("of two the other one holds everything: the empty one may vote for it", () => {
  const self = { address: "a:1", leader: false };
  assert.equal(mayHaveVoted(config, fresh, told(self, { address: "b:1", leader: true })), false);
  const third = { address: "c:1", leader: false };
  assert.equal(
    mayHaveVoted(config, fresh, told(self, { address: "b:1", leader: true }, third)),
    true,
  );
});

test("whose files are not whole asks the members first who they are, and joins where they do not know it", () => {
  const discovered = told({ address: "c:1", leader: true });
  const lossy = { ...withDump, mustRefetch: true, forgotTerm: true };
  assert.deepEqual(initialState(config, discovered, lossy).members, ["c:1"]);
  assert.deepEqual(initialState(config, null, lossy).members, ["a:1", "d:1"]);
  assert.equal(initialState(config, discovered, lossy).isJoining, true);
  assert.equal(initialState(config, null, lossy).isJoining, false);
  const knows = told({ address: "c:1", leader: true }, { address: "a:1", leader: false });
  assert.equal(initialState(config, knows, lossy).isJoining, false);
});
