import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { AppendEntries, PeerMessage } from "../../protocol/wire/messages.js";
import { silentLogger } from "../../src/logger.js";
import { Resolver } from "../../src/net/resolver.js";
import {
  freeAddress,
  type Recorded,
  rawConnect,
  startNetwork,
  startPair,
  until,
} from "./support/networks.js";

const vote: PeerMessage = { type: "request_vote", term: 3, lastLogIndex: 9, lastLogTerm: 2 };

function entriesOf(command: Uint8Array): AppendEntries {
  const entry = { index: 2, term: 1, command };
  return {
    type: "append_entries",
    term: 1,
    commitIndex: 1,
    prevLogIdx: 1,
    prevLogTerm: 1,
    entries: [entry],
  };
}

for (const password of [undefined, "geheim ü"]) {
  const how = password === undefined ? "without a password" : "with a password";
  const given = password === undefined ? {} : { password };

  test(`two members talk in both directions ${how}`, async (t) => {
    const { small, large } = await startPair(t, given);
    assert.deepEqual(large.happened, [`up ${small.address}`, `hello ${small.address}`]);
    assert.deepEqual(small.happened, [`up ${large.address}`, `hello ${large.address}`]);
    assert.equal(large.network.counters()["dialed"], 1);
    assert.equal(small.network.counters()["dialed"], undefined, "the smaller one only listens");
    assert.equal(large.network.send(small.address, vote), true);
    assert.equal(small.network.send(large.address, { type: "response_vote", term: 3 }), true);
    await until(() => small.messages.length + large.messages.length === 2, "both messages");
    assert.deepEqual(small.messages, [{ from: large.address, message: vote }]);
    assert.deepEqual(large.messages, [
      { from: small.address, message: { type: "response_vote", term: 3 } },
    ]);
    assert.equal(large.network.send("10.0.0.1:1", vote), false, "nobody we know");
  });

  test(`5 MB go both ways, in order and among small messages, ${how}`, async (t) => {
    const { small, large } = await startPair(t, given);
    const big = entriesOf(randomBytes(5_000_000));
    const pairs = [
      { from: large, to: small },
      { from: small, to: large },
    ];
    for (const { from, to } of pairs) {
      from.network.send(to.address, vote);
      from.network.send(to.address, big);
      from.network.send(to.address, vote);
    }
    await until(
      () => pairs.every(({ to }) => to.messages.length === 3),
      "three messages each",
      30_000,
    );
    for (const { from, to } of pairs) {
      assert.deepEqual(
        to.messages.map(({ message }) => message.type),
        ["request_vote", "append_entries", "request_vote"],
      );
      const arrived = to.messages[1]?.message;
      assert.ok(arrived?.type === "append_entries");
      assert.deepEqual(Buffer.from(arrived.entries[0]?.command ?? []), big.entries[0]?.command);
      await until(() => from.happened.includes(`drained ${to.address}`), "the sender is told");
      assert.equal(from.network.buffered(to.address), 0);
    }
  });
}

test("what waits behind a turn's many small messages is sent as soon as these are", async (t) => {
  const { small, large } = await startPair(t, {});
  const one: PeerMessage = { type: "apply_command_response", requestId: 1, logIdx: 2, logTerm: 1 };
  const count = 1_500;
  for (let i = 0; i < count; i++) large.network.send(small.address, one);
  large.network.send(small.address, entriesOf(randomBytes(60_000)));
  await until(() => small.messages.length === count + 1, "all of them");
  assert.equal(large.network.buffered(small.address), 0);
});

test("one message to many reaches each, and is counted where it did not", async (t) => {
  const hosts = ["127.0.0.21", "127.0.0.22", "127.0.0.23"];
  const nodes: Recorded[] = [];
  for (const host of hosts) {
    nodes.push(await startNetwork(t, { address: await freeAddress(host), password: "p" }));
  }
  const addresses = nodes.map((node) => node.address);
  for (const node of nodes) {
    node.network.setPeers(addresses);
  }
  const [first, second, third] = nodes;
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  await until(() => addresses.slice(1).every((a) => first.network.isConnected(a)), "connected");
  assert.equal(first.network.sendMany([...addresses, "127.0.0.99:1"], vote), 2);
  await until(() => second.messages.length === 1 && third.messages.length === 1, "arrived");
  assert.deepEqual(third.messages[0], { from: first.address, message: vote });
});

test("members with different passwords never connect, and the dialler says what to look at", async (t) => {
  const small = await startNetwork(t, {
    address: await freeAddress("127.0.0.21"),
    password: "one",
  });
  const large = await startNetwork(t, {
    address: await freeAddress("127.0.0.22"),
    password: "another",
  });
  small.network.setPeers([large.address]);
  large.network.setPeers([small.address]);
  await until(() => (small.network.counters()["fault_fernet-token"] ?? 0) > 1, "refused twice");
  assert.deepEqual([...small.happened, ...large.happened], []);
  const warnings = large.logged.map((line) => String(line.fields?.["error"]));
  assert.equal(warnings.length, 1, "the second failure is not logged again");
  assert.match(warnings[0] ?? "", /same password/);
  assert.equal(small.logged.length, 1, "one line for each fault and host");
});

test("a link is made again after the other side went away and came back", async (t) => {
  const { small, large } = await startPair(t);
  await small.network.close();
  await until(() => !large.network.isConnected(small.address), "the loss is seen");
  await until(() => large.happened.some((line) => line.startsWith("down")), "and reported");
  assert.match(large.happened.at(-1) ?? "", /^down \S+ ended: /);
  await sleep(120);
  const again = await startNetwork(t, { address: small.address });
  again.network.setPeers([large.address]);
  await until(() => again.network.isConnected(large.address), "connected again");
  await until(() => large.happened.at(-1) === `hello ${small.address}`, "reported");
  const kinds = large.happened.map((line) => line.split(" ")[0]);
  assert.deepEqual(kinds, ["up", "hello", "down", "up", "hello"]);
});

test("a link that we close ourselves is reported after the call, and made again", async (t) => {
  const { small, large } = await startPair(t);
  large.network.closeLink(small.address, "does not answer");
  assert.equal(large.network.isConnected(small.address), false);
  assert.equal(large.network.send(small.address, vote), false);
  assert.equal(large.happened.length, 2, "not from within the call");
  await until(() => large.happened.length === 5, "down, up and hello");
  assert.equal(large.happened[2], `down ${small.address} requested: does not answer`);
});

test("a member that is removed is disconnected, one that is added is dialled", async (t) => {
  const { small, large } = await startPair(t);
  large.network.setPeers([]);
  await until(() => large.happened.length === 3, "down");
  assert.equal(large.happened[2], `down ${small.address} removed: no longer a member`);
  await sleep(150);
  assert.equal(large.network.isConnected(small.address), false, "it is not dialled any more");
  large.network.setPeers([small.address]);
  await until(() => large.network.isConnected(small.address), "connected again");
});

test("a slow receiver is cut before too much waits for it", async (t) => {
  const sendBufferBytesMax = 8_000_000;
  const { small, large } = await startPair(t, { limits: { sendBufferBytesMax } });
  const big = entriesOf(randomBytes(1_000_000));
  let most = 0;
  let sent = 0;
  // All in one turn: the receiver, in this process, cannot read in between.
  while (sent < 1_000 && large.network.send(small.address, big)) {
    sent += 1;
    most = Math.max(most, large.network.buffered(small.address));
  }
  assert.ok(sent > 3 && sent < 20, `${sent} messages were taken`);
  assert.ok(most <= sendBufferBytesMax, `${most} bytes waited`);
  assert.equal(large.network.isConnected(small.address), false);
  await until(() => large.happened.some((line) => line.includes("send-buffer-full")), "reported");
});

test("from whom we hold nothing more is read, and all of it afterwards", async (t) => {
  const { small, large } = await startPair(t);
  small.network.setHeld(large.address, true);
  const big = entriesOf(randomBytes(1_000_000));
  for (let n = 0; n < 3; n += 1) large.network.send(small.address, big);
  large.network.send(small.address, vote);
  await sleep(200);
  assert.equal(small.messages.length, 0);
  assert.equal(small.network.send(large.address, vote), true, "the other direction goes on");
  await until(() => large.messages.length === 1, "it arrives");
  small.network.setHeld(large.address, false);
  await until(() => small.messages.length === 4, "all of it", 30_000);
  assert.deepEqual(small.messages.at(-1)?.message, vote);
  assert.equal(small.network.isConnected(large.address), true);
});

test("a sender that ends while it is held is taken for gone when it is let go of", async (t) => {
  const { small, large } = await startPair(t);
  small.network.setHeld(large.address, true);
  large.network.send(small.address, vote);
  await large.network.close();
  await sleep(50);
  assert.equal(small.messages.length, 0);
  small.network.setHeld(large.address, false);
  await until(() => small.happened.some((line) => line.startsWith("down")), "gone");
  assert.equal(small.messages.length, 1, "what it had said before");
});

test("many sends of one turn arrive in order", async (t) => {
  const { small, large } = await startPair(t);
  for (let i = 0; i < 500; i += 1) {
    large.network.send(small.address, { ...vote, term: i });
  }
  await until(() => small.messages.length === 500, "all arrived");
  assert.deepEqual(
    small.messages.map(({ message }) => (message.type === "request_vote" ? message.term : -1)),
    Array.from({ length: 500 }, (_, i) => i),
  );
});

test("idle members ping each other, so that neither is taken for silent", async (t) => {
  const { small, large } = await startPair(t, { timeouts: { connectionTimeoutMs: 200 } });
  const before = small.happened.length;
  await sleep(700);
  assert.equal(small.happened.length, before);
  assert.equal(large.happened.length, before);
  assert.deepEqual([...small.messages, ...large.messages], [], "pings stay inside");
});

test("closing sends what waits first", async (t) => {
  const { small, large } = await startPair(t);
  large.network.send(small.address, entriesOf(randomBytes(3_000_000)));
  large.network.send(small.address, vote);
  await large.network.close();
  await until(() => small.messages.length === 2, "both arrived");
  assert.equal(large.network.send(small.address, vote), false);
});

test("an address that is taken is an error of listen", async (t) => {
  const address = await freeAddress("127.0.0.21");
  await startNetwork(t, { address });
  await assert.rejects(startNetwork(t, { address }), { code: "EADDRINUSE" });
});

test("members meet over IPv6, with and without brackets", async (t) => {
  const port = (await freeAddress("127.0.0.1")).split(":")[1];
  const otherPort = (await freeAddress("127.0.0.1")).split(":")[1];
  const bare = await startNetwork(t, { address: `::1:${port}` });
  const bracketed = await startNetwork(t, { address: `[::1]:${otherPort}` });
  bare.network.setPeers([bracketed.address]);
  bracketed.network.setPeers([bare.address]);
  await until(() => bare.network.isConnected(bracketed.address), "connected");
});

test("members with names meet, and each address of a name is tried", async (t) => {
  const named = await startNetwork(t, { address: await freeAddress("localhost") });
  const [, port = ""] = (await freeAddress("127.0.0.22")).split(":");
  const elsewhere = await startNetwork(t, {
    address: `a-name.example:${port}`,
    bindAddr: `127.0.0.22:${port}`,
  });
  const resolver = new Resolver({
    dnsCacheMs: 1_000,
    dnsFailCacheMs: 1_000,
    logger: silentLogger,
    find: async (host) => {
      assert.equal(host, "a-name.example");
      // Nobody listens on the first.
      return [
        { address: "127.0.0.77", family: 4 },
        { address: "127.0.0.22", family: 4 },
      ];
    },
  });
  named.network.setPeers([elsewhere.address]);
  elsewhere.network.setPeers([named.address, "z.example:1"]);
  const far = await startNetwork(t, {
    address: "z.example:1",
    bindAddr: await freeAddress("127.0.0.23"),
    resolver,
  });
  far.network.setPeers([elsewhere.address]);
  await until(() => far.network.isConnected(elsewhere.address), "the second address answers");
  const local = await startNetwork(t, { address: null });
  local.network.setPeers([named.address]);
  await until(() => local.network.isConnected(named.address), "localhost");
});

test("a network that is closed leaves no socket and no timer behind", async (t) => {
  const count = () =>
    process
      .getActiveResourcesInfo()
      .filter((name) => /TCP|Timeout|Immediate|GetAddrInfo/.test(name)).length;
  const before = count();
  const { small, large } = await startPair(t);
  // Dialled for ever and in vain.
  large.network.setPeers([small.address, "127.0.0.20:1", "127.0.0.20:2"]);
  const raw = await rawConnect(t, large.address);
  await Promise.all([small.network.close(), large.network.close()]);
  await until(() => raw.closed, "a stranger is let go as well");
  assert.ok(count() <= before, process.getActiveResourcesInfo().join(" "));
  assert.deepEqual(
    large.happened.map((line) => line.split(" ")[0]),
    ["up", "hello"],
    "no event after close",
  );
});
