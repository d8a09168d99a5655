import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeMembership } from "../../protocol/log/commands.js";
import { silentLogger } from "../../src/logger.js";
import { Notes } from "../../src/node/notes.js";
import { statusReport, wireStatus } from "../../src/node/reports.js";
import { appendFrom, entry, logOf, Solo } from "../raft/solo.js";

const data = { dataBytes: 0, dataBytesMax: 1_600, heldBack: null };

test("the status of all members says where the data come to their bound", () => {
  const { state } = new Solo();
  const notes = new Notes(silentLogger, () => 0);
  const network = { counters: () => ({}), isConnected: () => true };
  const others = { state, notes, network, uptimeMs: 1, wallSec: 1, codeVersion: 0, ...data };
  const codesAt = (dataBytes: number) =>
    statusReport({ ...others, dataBytes }).degraded.map(({ code }) => code);
  assert.deepEqual(codesAt(1_500), []);
  assert.deepEqual(codesAt(1_501), ["data-full"]);
  const { extra } = wireStatus({ ...others, dataBytes: 1_501 });
  assert.deepEqual(extra.get("quorate_degraded"), ["data-full"]);
});

test("the status says that the log is full, of a leader and of a follower that refuses entries", () => {
  const solo = new Solo({ logBytesMax: 3_000 });
  const notes = new Notes(silentLogger, () => 0);
  const network = { counters: () => ({}), isConnected: () => true };
  const { state } = solo;
  const sources = { state, notes, network, uptimeMs: 1, wallSec: 1, codeVersion: 0, ...data };
  const added = (index: number) => ({ index, term: 1, command: new Uint8Array(1_000) });
  const reasons = () => statusReport(sources).degraded;
  solo.receive("b:1", appendFrom(1, [1, 0], [added(2)], 2));
  assert.deepEqual(reasons(), []);
  solo.receive("b:1", appendFrom(1, [2, 1], [{ ...added(3), command: new Uint8Array(1_100) }], 3));
  const [full] = reasons();
  assert.equal(full?.code, "log-too-large");
  assert.match(
    full.message,
    /has come to 2869 bytes, at most 3000 are held: nothing more is taken/,
  );
  solo.receive("b:1", appendFrom(1, [3, 1], [added(4)], 4));
  const [refusing] = reasons();
  assert.equal(refusing?.code, "log-too-large");
  assert.match(refusing.message, /no more of the entries of b:1, from 4 on.*\(dump-failed\)/);
  const { extra } = wireStatus(sources);
  assert.deepEqual(extra.get("quorate_degraded"), ["log-too-large"]);
});

test("the status says of a dump and of an entry that are too large, where both are", () => {
  const solo = new Solo();
  const notes = new Notes(silentLogger, () => 0);
  const network = { counters: () => ({}), isConnected: () => true };
  const { state } = solo;
  const sources = { state, notes, network, uptimeMs: 1, wallSec: 1, codeVersion: 0, ...data };
  solo.receive("b:1", appendFrom(1, [1, 0]));
  solo.step({ kind: "snapshot-refused", from: "b:1", term: 1, bytesMax: 1_000, fixed: null });
  solo.step({ kind: "message-too-large", from: "b:1" });
  const { extra } = wireStatus(sources);
  assert.deepEqual(extra.get("quorate_degraded"), ["entry-too-large", "dump-too-large"]);
  const [, dump] = statusReport(sources).degraded;
  assert.match(dump?.message ?? "", /dump of b:1 holds more than the 1000 bytes/);
});

test("a member that waits for a dump in the place of committed entries says so while it waits", () => {
  const solo = new Solo({ entries: logOf([2, 2, 2, 2], 8), term: 2, commit: 10, applied: 9 });
  const notes = new Notes(silentLogger, () => 0);
  const network = { counters: () => ({}), isConnected: () => true };
  const { state } = solo;
  const sources = { state, notes, network, uptimeMs: 1, wallSec: 1, codeVersion: 0, ...data };
  const message = () => statusReport(sources).degraded.at(0)?.message ?? "";
  notes.degrade("dump-failed", "no room");
  solo.receive("b:1", appendFrom(3, [8, 2], [entry(9, 3)]));
  assert.equal(message(), "no room", "of that alone");
  notes.clear("dump-failed");
  notes.degrade("committed-entries-conflict", "kept in a file");
  assert.match(message(), /^kept in a file\. Now it waits for the dump of b:1 .* holds all that/);
  solo.receive("c:1", appendFrom(4, [11, 2]));
  assert.equal(message(), "kept in a file", "another leader demands nothing");
});

test("the status says what is not applied, why, and what to do", () => {
  const { state } = new Solo();
  const notes = new Notes(silentLogger, () => 0);
  const network = { counters: () => ({}), isConnected: () => true };
  const sources = { state, notes, network, uptimeMs: 1, wallSec: 1, codeVersion: 0, ...data };
  const heldBack = { index: 7, dataBytes: 1_990, bytesMax: 2_000, isOfKeys: false };
  const [reason] = statusReport({ ...sources, heldBack }).degraded;
  assert.equal(reason?.code, "data-too-large");
  assert.match(
    reason.message,
    /1990 bytes.* 2000 .*entry 7 .*Nothing is lost.*Raise the setting on all/,
  );
  const { extra } = wireStatus({ ...sources, heldBack });
  assert.deepEqual(extra.get("quorate_degraded"), ["data-too-large"]);
  const [ofKeys] = statusReport({ ...sources, heldBack: { ...heldBack, isOfKeys: true } }).degraded;
  assert.match(ofKeys?.message ?? "", /16500000 keys.*Delete keys/);
});

test("the status says whose log keeps the member from leading, and what to do", () => {
  const { state } = new Solo();
  const notes = new Notes(silentLogger, () => 0);
  const network = { counters: () => ({}), isConnected: () => true };
  const sources = { state, notes, network, uptimeMs: 1, wallSec: 1, codeVersion: 0, ...data };
  assert.deepEqual(statusReport(sources).degraded, []);
  state.unprovenLog = { peer: "b:1", lastTerm: 2 };
  const [reason] = statusReport(sources).degraded;
  assert.equal(reason?.code, "forgetful-voter");
  assert.match(reason.message, /b:1.* ends in term 2, which was led twice.*quorate doctor DIR DIR/);
  state.unprovenLog = null;
  state.laterEnd = { peer: "c:1", lastIndex: 3, lastTerm: 7 };
  const [later] = statusReport(sources).degraded;
  assert.equal(later?.code, "later-end");
  assert.match(later.message, /c:1.* ends at 3 in term 7.*Start the members that are away/);
});

test("a member that may lack something says what is missing, who is away, and what to do", () => {
  const { state } = new Solo();
  const notes = new Notes(silentLogger, () => 0);
  const isConnected = (member: string) => member !== "c:1";
  const network = { counters: () => ({}), isConnected };
  const sources = { state, notes, network, uptimeMs: 1, wallSec: 1, codeVersion: 0, ...data };
  state.mustRefetch = true;
  const message = () => statusReport(sources).degraded[0]?.message ?? "";
  assert.match(message(), /acknowledged writes may be missing here.*neither votes nor leads/);
  assert.match(message(), /start the members that are away \(not connected: c:1\)/);
  assert.doesNotMatch(message(), /term-forgotten/);
  state.forgotTerm = true;
  assert.match(message(), /follows nobody before enough others have told their terms; `term-forg/);
});

test("who asks by wire is told all that stands against the member, as by HTTP", () => {
  const { state } = new Solo();
  const notes = new Notes(silentLogger, () => 0);
  const network = { counters: () => ({}), isConnected: () => true };
  const sources = { state, notes, network, uptimeMs: 1, wallSec: 1, codeVersion: 0, ...data };
  const told = () => wireStatus(sources).extra.get("quorate_degraded");
  assert.deepEqual(told(), []);
  state.mustRefetch = true;
  assert.deepEqual(told(), ["refetching"]);
  state.unprovenLog = { peer: "b:1", lastTerm: 2 };
  state.laterEnd = { peer: "c:1", lastIndex: 3, lastTerm: 7 };
  notes.degrade("dump-failed", "no room");
  const codes = statusReport(sources).degraded.map(({ code }) => code);
  assert.deepEqual(codes, ["dump-failed", "refetching", "forgetful-voter", "later-end"]);
  assert.deepEqual(told(), codes);
});

test("a member whose removal is not committed is named to those that ask, as one that leaves", () => {
  const solo = new Solo({ log: [0, 1], term: 1 });
  const network = { counters: () => ({}), isConnected: () => true };
  const notes = new Notes(silentLogger, () => 0);
  const leaving = () => {
    const { state } = solo;
    const status = wireStatus({
      state,
      notes,
      network,
      uptimeMs: 1,
      wallSec: 1,
      codeVersion: 0,
      ...data,
    });
    return status.extra.get("quorate_leaving");
  };
  const command = encodeMembership("rem", "c:1");
  solo.receive("b:1", appendFrom(1, [2, 1], [{ index: 3, term: 1, command }]));
  assert.deepEqual([[...solo.state.members], leaving()], [["b:1"], ["c:1"]]);
  solo.receive("b:1", appendFrom(1, [3, 1], [], 3));
  assert.deepEqual(leaving(), []);
});
