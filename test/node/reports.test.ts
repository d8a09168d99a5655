import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "../../src/logger.js";
import { Notes } from "../../src/node/notes.js";
import { statusReport } from "../../src/node/reports.js";
import { Solo } from "../raft/solo.js";

test("the status says whose log keeps the member from leading, and what to do", () => {
  const { state } = new Solo();
  const notes = new Notes(silentLogger, () => 0);
  const network = { counters: () => ({}), isConnected: () => true };
  const sources = { state, notes, network, uptimeMs: 1, wallSec: 1, codeVersion: 0 };
  assert.deepEqual(statusReport(sources).degraded, []);
  state.unprovenLog = { peer: "b:1", lastTerm: 2 };
  const [reason] = statusReport(sources).degraded;
  assert.equal(reason?.code, "forgetful-voter");
  assert.match(reason.message, /b:1.* ends in term 2, which was led twice.*quorate doctor DIR DIR/);
});
