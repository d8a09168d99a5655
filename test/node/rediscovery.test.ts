import assert from "node:assert/strict";
import { beforeEach, suite, test } from "node:test";
import type { PyValue } from "../../protocol/pickle/values.js";
import { encodeMembers } from "../../protocol/wire/utility.js";
import type { Clock } from "../../src/clock.js";
import { systemClock } from "../../src/clock.js";
import { silentLogger } from "../../src/logger.js";
import { Rediscovery } from "../../src/node/rediscovery.js";
import { Solo } from "../raft/solo.js";

function membersOf(...addresses: readonly string[]): PyValue {
  return encodeMembers(addresses.map((address) => ({ address, leader: false, connected: true })));
}

suite("a member without a leader", () => {
  let asked: string[];
  let found: (readonly string[])[];
  let answers: Record<string, PyValue>;
  let solo: Solo;
  let rediscovery: Rediscovery;
  let lookAgain: () => Promise<void>;

  beforeEach(() => {
    [asked, found, answers, solo] = [[], [], {}, new Solo()];
    let tick = () => {};
    const clock: Clock = {
      ...systemClock,
      every: (_, run) => {
        tick = run;
        const timer = { cancel: () => {}, unref: () => timer };
        return timer;
      },
    };
    rediscovery = new Rediscovery({
      ...{ clock, logger: silentLogger, selfAddr: "a:1", partnerAddrs: ["a:1", "b:1", "d:1"] },
      state: () => solo.state,
      found: (members) => found.push(members),
      ask: (address) => {
        asked.push(address);
        const answer = answers[address];
        return answer === undefined
          ? Promise.reject(new Error("refused"))
          : Promise.resolve(answer);
      },
    });
    rediscovery.start();
    lookAgain = async () => {
      tick();
      for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    };
  });

  test("asks its members and its partners, from the second look on", async () => {
    await lookAgain();
    assert.deepEqual(asked, []);
    await lookAgain();
    assert.deepEqual(asked.sort(), ["b:1", "c:1", "d:1"]);
  });

  test("hears of members that came while it was away, from whoever counts it in", async () => {
    answers = { "b:1": membersOf("c:1", "b:1"), "d:1": membersOf("a:1", "c:1", "d:1") };
    await lookAgain();
    await lookAgain();
    assert.deepEqual(found, [["a:1", "c:1", "d:1"]]);
    solo.step({ kind: "told-members", members: found[0] ?? [] });
    assert.deepEqual([...solo.state.guests], ["d:1"]);
  });

  test("asks nobody where there is a leader", async () => {
    solo.lead();
    await lookAgain();
    await lookAgain();
    assert.deepEqual(asked, []);
  });

  test("finds nobody any more after the stop", async () => {
    answers = { "b:1": membersOf("a:1", "b:1", "d:1") };
    await lookAgain();
    const last = lookAgain();
    rediscovery.stop();
    await last;
    assert.deepEqual(found, []);
  });
});

test("whoever names members names a few: no list makes us call a crowd", () => {
  const solo = new Solo();
  const members = Array.from({ length: 1_000 }, (_, n) => `x${n}:1`);
  solo.step({ kind: "told-members", members });
  assert.equal(solo.state.guests.size, 16);
});
