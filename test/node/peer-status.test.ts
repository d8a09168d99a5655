import assert from "node:assert/strict";
import { test } from "node:test";
import type { PyValue } from "../../protocol/pickle/values.js";
import { encodeStatus, type MemberStatus } from "../../protocol/wire/utility.js";
import { askPeerStatus } from "../../src/node/peer-status.js";

const self = "127.0.0.9:2222";
const peer = "127.0.0.1:2222";

const told: MemberStatus = {
  version: "0.3.17",
  revision: "deprecated",
  self: peer,
  state: 0,
  leader: null,
  hasQuorum: false,
  partners: [
    { address: self, connected: true },
    { address: "127.0.0.5:2222", connected: false },
  ],
  observers: [],
  logLen: 7,
  lastApplied: 5,
  commitIdx: 6,
  raftTerm: 3,
  nextNodeIdx: new Map(),
  matchIdx: new Map(),
  leaderCommitIdx: null,
  uptimeSec: 1,
  selfCodeVersion: 0,
  enabledCodeVersion: 0,
  extra: new Map(),
};

const withoutUs = [{ address: self, connected: false }];

/** Asks over links that are silent, or not, before the answer and behind it. */
async function ask(
  [before, behind]: readonly [boolean, boolean],
  partners: MemberStatus["partners"],
  reply: PyValue = encodeStatus({ ...told, partners }),
) {
  const closed: string[] = [];
  const looks = [before, behind];
  const network = {
    ask: async () => reply,
    isSilent: () => looks.shift() === true,
    closeLink: (to: string) => void closed.push(to),
  };
  const status = await askPeerStatus(network, self, peer).catch(() => null);
  return { status, closed };
}

test("a peer's status is what a campaign needs to know", async () => {
  assert.deepEqual((await ask([false, false], told.partners)).status, {
    version: "0.3.17",
    term: 3,
    commitIndex: 6,
    lastApplied: 5,
    logLength: 7,
    leader: null,
    partners: [self, "127.0.0.5:2222"],
    mayLack: false,
  });
});

test("a Quorate member also tells where its log ends, and whether it may lack something", async () => {
  const extra = new Map<string, PyValue>([
    ["quorate_last_index", 9],
    ["quorate_last_term", 2],
    ["quorate_degraded", ["no-leader", "refetching"]],
    ["quorate_leaving", ["127.0.0.7:2222"]],
  ]);
  const reply = encodeStatus({ ...told, extra });
  const { status } = await ask([false, false], told.partners, reply);
  assert.deepEqual([status?.lastIndex, status?.lastTerm, status?.mayLack], [9, 2, true]);
  assert.equal(status?.partners?.includes("127.0.0.7:2222"), true);
});

test("a silent link of which its peer knows nothing is closed, and its answer counts", async () => {
  const { status, closed } = await ask([true, true], withoutUs);
  assert.deepEqual(closed, [peer]);
  assert.equal(status?.term, 3);
});

test("a silent link that the peer has is left alone, however long it says nothing", async () => {
  for (let n = 0; n < 3; n++) assert.deepEqual((await ask([true, true], told.partners)).closed, []);
});

test("a link that was not silent when the peer was asked, or is not any more, is left alone", async () => {
  // It may be so new that the peer has not seen it, or have been made meanwhile.
  assert.deepEqual((await ask([false, true], withoutUs)).closed, []);
  assert.deepEqual((await ask([true, false], withoutUs)).closed, []);
});

test("a peer that does not name us at all, or cannot be understood, says nothing about a link", async () => {
  assert.deepEqual((await ask([true, true], told.partners.slice(1))).closed, []);
  assert.deepEqual(await ask([true, true], withoutUs, "FAIL STATUS"), { status: null, closed: [] });
});
