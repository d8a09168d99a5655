import assert from "node:assert/strict";
import { test } from "node:test";
import { isSilent, linkDuty } from "../../src/net/link-duty.js";

const times = { connectionTimeoutMs: 3_500, pingPeriodMs: 875 };
const quiet = { sentAt: 0, receivedAt: 0, speaksAlways: false, awaitingSince: null };

test("we ping when we have said nothing for a ping period", () => {
  assert.equal(linkDuty(quiet, 874, times), "none");
  assert.equal(linkDuty(quiet, 875, times), "ping");
  assert.equal(linkDuty({ ...quiet, sentAt: 500 }, 1_000, times), "none");
});

test("a vanilla peer may be silent for ever", () => {
  assert.equal(linkDuty({ ...quiet, sentAt: 1e9 }, 1e9, times), "none");
});

test("a Quorate peer may not", () => {
  const peer = { ...quiet, speaksAlways: true, sentAt: 4_000 };
  assert.equal(linkDuty(peer, 3_500, times), "none");
  assert.equal(linkDuty(peer, 3_501, times), "drop-silent");
});

test("who owes an answer is given connectionTimeoutMs after the question and after each byte", () => {
  const peer = { ...quiet, awaitingSince: 10_000, sentAt: 20_000 };
  assert.equal(linkDuty(peer, 13_500, times), "none");
  assert.equal(linkDuty(peer, 13_501, times), "drop-unanswered");
  assert.equal(linkDuty({ ...peer, receivedAt: 12_000 }, 13_501, times), "none");
  assert.equal(linkDuty({ ...peer, receivedAt: 12_000 }, 15_501, times), "drop-unanswered");
});

test("silence begins with connectionTimeoutMs behind the last byte", () => {
  assert.equal(isSilent({ receivedAt: 1_000 }, 4_500, times), false);
  assert.equal(isSilent({ receivedAt: 1_000 }, 4_501, times), true);
});
