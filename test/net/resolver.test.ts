import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "../../src/logger.js";
import { type FoundAddress, Resolver } from "../../src/net/resolver.js";

interface Answers {
  now: number;
  asked: string[];
  find: (host: string) => Promise<readonly FoundAddress[]>;
}

function setUp(): { resolver: Resolver; world: Answers } {
  const world: Answers = { now: 0, asked: [], find: async () => [] };
  const resolver = new Resolver({
    dnsCacheMs: 600_000,
    dnsFailCacheMs: 30_000,
    logger: silentLogger,
    monotonicMs: () => world.now,
    find: (host) => {
      world.asked.push(host);
      return world.find(host);
    },
  });
  return { resolver, world };
}

const v4 = (address: string) => ({ address, family: 4 });
const v6 = (address: string) => ({ address, family: 6 });

test("an IP address is not looked up", async () => {
  const { resolver, world } = setUp();
  assert.deepEqual(await resolver.resolve("10.0.0.1"), ["10.0.0.1"]);
  assert.deepEqual(await resolver.resolve("fe80::1"), ["fe80::1"]);
  assert.deepEqual(world.asked, []);
});

test("IPv4 is preferred, IPv6 taken where there is nothing else, each address once", async () => {
  const { resolver, world } = setUp();
  world.find = async () => [v6("::1"), v4("10.0.0.1"), v4("10.0.0.1"), v4("10.0.0.2")];
  assert.deepEqual(await resolver.resolve("both"), ["10.0.0.1", "10.0.0.2"]);
  world.find = async () => [v6("::1")];
  assert.deepEqual(await resolver.resolve("six"), ["::1"]);
});

test("a good answer is used for its time, a failed one for a shorter", async () => {
  const { resolver, world } = setUp();
  world.find = async () => [v4("10.0.0.1")];
  await resolver.resolve("db");
  world.now = 600_000;
  await resolver.resolve("db");
  assert.equal(world.asked.length, 1);
  world.now = 600_001;
  world.find = () => Promise.reject(new Error("no such host"));
  assert.deepEqual(await resolver.resolve("db"), ["10.0.0.1"], "the earlier answer is kept");
  world.now += 30_001;
  world.find = async () => [v4("10.0.0.9")];
  assert.deepEqual(await resolver.resolve("db"), ["10.0.0.9"]);
  assert.equal(world.asked.length, 3);
});

test("an unknown name is asked for again only after the time for failures", async () => {
  const { resolver, world } = setUp();
  world.find = () => Promise.reject(new Error("no such host"));
  assert.deepEqual(await resolver.resolve("db"), []);
  world.now = 30_000;
  assert.deepEqual(await resolver.resolve("db"), []);
  assert.equal(world.asked.length, 1);
  world.now = 30_001;
  await resolver.resolve("db");
  assert.equal(world.asked.length, 2);
});

test("a name whose addresses are all dead is asked for again after the short time", async () => {
  const { resolver, world } = setUp();
  world.find = async () => [v4("10.0.0.1")];
  await resolver.resolve("db");
  resolver.suspect("db");
  world.now = 30_001;
  world.find = async () => [v4("10.0.0.2")];
  assert.deepEqual(await resolver.resolve("db"), ["10.0.0.2"]);
});

test("who asks at the same time shares a lookup, and two at most are under way", async () => {
  const { resolver, world } = setUp();
  let underWay = 0;
  let most = 0;
  world.find = async () => {
    underWay += 1;
    most = Math.max(most, underWay);
    await new Promise((resume) => setTimeout(resume, 5));
    underWay -= 1;
    return [v4("10.0.0.1")];
  };
  await Promise.all(["a", "b", "c", "d", "a", "b"].map((host) => resolver.resolve(host)));
  assert.equal(world.asked.length, 4);
  assert.equal(most, 2);
});
