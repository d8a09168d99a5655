import assert from "node:assert/strict";
import { test } from "node:test";
import type { PyValue } from "../../protocol/pickle/values.js";
import { encodeMembers } from "../../protocol/wire/utility.js";
import { systemClock } from "../../src/clock.js";
import { silentLogger } from "../../src/logger.js";
import { type DiscoveryHost, discover, join } from "../../src/node/discovery.js";

const self = "10.0.0.3:1";

/** Partners that answer what is listed, one answer after the other; then, and else, nothing. */
function hostOf(answers: Readonly<Record<string, PyValue[]>>) {
  const asked: string[] = [];
  const host: DiscoveryHost = {
    clock: systemClock,
    logger: silentLogger,
    ask: (address, request) => {
      asked.push(`${address} ${request.join(" ")}`);
      const answer = answers[address]?.shift();
      return answer === undefined ? Promise.reject(new Error("refused")) : Promise.resolve(answer);
    },
  };
  return { host, asked };
}

function membersOf(...addresses: readonly string[]): PyValue {
  return encodeMembers(addresses.map((address) => ({ address, leader: false, connected: true })));
}

test("the first partner that counts us among the members is believed, and nobody else is asked", async () => {
  const { host, asked } = hostOf({
    "b:1": [membersOf("b:1", "c:1", self)],
    "c:1": [membersOf("c:1", self)],
  });
  const found = await discover(host, { self, partners: ["a:1", "b:1", "c:1"] }, 1_000);
  assert.equal(found?.from, "b:1");
  assert.deepEqual(
    found.members.map(({ address }) => address),
    ["b:1", "c:1", self],
  );
  assert.deepEqual(asked, ["a:1 members", "b:1 members"]);
});

test("who does not know us may be behind: the next one is asked, and where nobody knows us the first counts", async () => {
  const behind = hostOf({
    "a:1": [membersOf("a:1", "b:1")],
    "b:1": [membersOf("b:1", "a:1", self)],
  });
  const partners = ["a:1", "b:1"];
  assert.equal((await discover(behind.host, { self, partners }, 1_000))?.from, "b:1");
  const anew = hostOf({ "a:1": [membersOf("a:1", "b:1")], "b:1": [membersOf("b:1", "a:1")] });
  assert.equal((await discover(anew.host, { self, partners }, 1_000))?.from, "a:1");
});

test("where nobody answers, or with what is no list of members, nothing is found", async () => {
  const { host, asked } = hostOf({ "b:1": ["FAIL MEMBERS"], "c:1": [membersOf()] });
  assert.equal(await discover(host, { self, partners: ["a:1", "b:1", "c:1"] }, 1_000), null);
  assert.equal(asked.length, 3);
});

test("who is not added asks again, until it is", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const fail: PyValue[] = [`FAIL ADD ${self}`, membersOf("a:1")];
  const { host, asked } = hostOf({ "a:1": [...fail, ...fail, `SUCCESS ADD ${self}`] });
  const done = join(host, self, ["a:1"], new AbortController().signal);
  let isDone = false;
  void done.then(() => {
    isDone = true;
  });
  const adds = () => asked.filter((line) => line === `a:1 add ${self}`).length;
  for (const count of [1, 2, 3]) {
    await turns();
    assert.equal(adds(), count);
    assert.equal(isDone, count === 3);
    t.mock.timers.tick(2_000);
  }
  await done;
});

test("a FAIL because it is a member already ends the asking", async () => {
  const { host, asked } = hostOf({ "a:1": [`FAIL ADD ${self}`, membersOf("a:1", self)] });
  await join(host, self, ["a:1"], new AbortController().signal);
  assert.deepEqual(asked, [`a:1 add ${self}`, "a:1 members"]);
});

test("a member that stops asks no more", async () => {
  const { host, asked } = hostOf({});
  const stop = new AbortController();
  const done = join(host, self, ["a:1"], stop.signal);
  await turns();
  stop.abort();
  await done;
  assert.deepEqual(asked, [`a:1 add ${self}`]);
});

/** Lets what was answered already be read. */
function turns(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
