import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeMembership } from "../protocol/log/commands.js";
import { nodeLimits } from "../src/node/limits.js";
import { eventually } from "./support/eventually.js";
import { freeAddresses } from "./support/free-ports.js";
import { Intruder } from "./support/intruder.js";
import { startQuorate } from "./support/quorate-member.js";
import { openScene } from "./support/scene.js";

const rounds = 200;

test("whoever passes for a member fills no log by changing who leads, and who the members are", {
  timeout: 120_000,
}, async (t) => {
  const scene = openScene(t);
  const addresses = await freeAddresses(3);
  const [selfAddr = "", other = "", address = ""] = addresses;
  const start = (self: string) =>
    startQuorate(scene, { selfAddr: self, partners: addresses.filter((each) => each !== self) });
  const [member, real] = await Promise.all([start(selfAddr), start(other)]);
  // A member that has never followed anybody believes nobody.
  const isLed = async () => {
    const { leader, commitIndex, lastIndex } = await member.httpStatus();
    return leader !== null && Number(lastIndex) > 1 && commitIndex === lastIndex;
  };
  await eventually("there is a leader", isLed, { timeoutMs: 30_000 });
  await real.stop();
  const guise = { kind: "member" as const, address };
  const intruder = await Intruder.connect({ target: selfAddr, guise });
  await intruder.untilOpen();
  const { term: before, lastIndex, lastLogTerm } = await member.httpStatus();
  const place = { commitIndex: 1, prevLogIdx: Number(lastIndex), prevLogTerm: Number(lastLogTerm) };
  const command = encodeMembership("add", "127.0.0.1:1");
  for (let n = 1; n <= rounds; n += 1) {
    const term = Number(before) + n;
    intruder.say({ type: "request_vote", term, lastLogIndex: 0, lastLogTerm: 0 });
    const added = { index: place.prevLogIdx + 1, term, command };
    const entries = n % 2 === 0 ? [added] : [{ ...added, command: Uint8Array.of(1) }];
    intruder.say({ type: "append_entries", term, ...place, entries });
    await intruder.drained();
    const isTaken = async () => Number((await member.httpStatus())["term"]) >= term;
    if (n % 10 === 0) await eventually("the term is taken", isTaken, { everyMs: 10 });
  }
  intruder.leave();
  for (const kind of ["role", "members"]) {
    const { length } = member.logLines().filter(({ message }) => message === kind);
    // More than a minute may have gone by.
    assert.ok(length >= nodeLimits.linesOfAKindMax, `${length} lines: ${kind}`);
    assert.ok(length <= 2 * nodeLimits.linesOfAKindMax, `${length} lines: ${kind}`);
  }
});
