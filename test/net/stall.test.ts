import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { frameBytesMax } from "../../protocol/wire/limits.js";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import { stalledBytesMin } from "../../src/net/limits.js";
import { Stall } from "../../src/net/stall.js";
import { freeAddress, startNetwork, until } from "./support/networks.js";
import { barePeer } from "./support/peers.js";

const msMax = 1_000;
const dialler = "z.example:1";
const vote: PeerMessage = { type: "request_vote", term: 3, lastLogIndex: 9, lastLogTerm: 2 };

suite("a message that a member has begun", () => {
  test("may take as long as it likes while enough of it comes", () => {
    const stall = new Stall();
    for (let sec = 0; sec <= 600; sec += 1) {
      assert.equal(stall.look(sec * stalledBytesMin, sec * msMax, msMax), null, `after ${sec} s`);
    }
  });

  test("is given up where less comes, however much came before", () => {
    const stall = new Stall();
    const much = 100 * stalledBytesMin;
    assert.equal(stall.look(0, 0, msMax), null);
    assert.equal(stall.look(much, 1_001, msMax), null);
    assert.equal(stall.look(much + 5, 2_001, msMax), null, "its time is not over");
    const told = stall.look(much + 10, 2_002, msMax);
    assert.equal(told, "10 bytes of a message in 1001 ms, and not the rest");
  });

  test("has all of its time again behind another one, and where we were the ones who waited", () => {
    const stall = new Stall();
    assert.equal(stall.look(5, 0, msMax), null);
    stall.clear();
    assert.equal(stall.look(6, 900, msMax), null);
    assert.equal(stall.look(7, 1_900, msMax), null);
    assert.notEqual(stall.look(8, 1_901, msMax), null);
  });

  for (const [what, length] of [
    ["one that is passed over", frameBytesMax + 1],
    ["one that is kept", 1_000_000],
  ] as const) {
    test(`does not hold the link where it comes a byte at a time: ${what}`, async (t) => {
      const address = await freeAddress("127.0.0.42");
      const node = await startNetwork(t, {
        ...{ address, passesOver: true, limits: { unfinishedMsMax: 200 } },
      });
      node.network.setPeers([dialler]);
      const peer = await barePeer(t, address, dialler);
      await until(() => node.network.isConnected(dialler), "up");
      const header = Buffer.alloc(4);
      header.writeInt32LE(length);
      peer.raw.socket.write(header);
      const began = performance.now();
      while (!peer.raw.closed) {
        peer.raw.socket.write(Buffer.of(0));
        await sleep(20);
        assert.ok(performance.now() - began < 5_000, "it is still connected");
      }
      assert.match(node.happened.at(-1) ?? "", /^down z.example:1 unfinished: \d+ bytes of a mess/);
      assert.equal(node.network.counters()["closed_unfinished"], 1);
    });
  }

  test("is passed over to its end where a slow line brings it", async (t) => {
    const address = await freeAddress("127.0.0.42");
    const limits = { unfinishedMsMax: 100 };
    const node = await startNetwork(t, { address, passesOver: true, limits });
    node.network.setPeers([dialler]);
    const peer = await barePeer(t, address, dialler);
    const portion = Buffer.alloc(1024 * 1024);
    const portions = frameBytesMax / portion.length + 1;
    const header = Buffer.alloc(4);
    header.writeInt32LE(portions * portion.length);
    peer.raw.socket.write(header);
    // Many times as long as a byte at a time would have.
    for (let n = 0; n < portions; n += 1) {
      peer.raw.socket.write(portion);
      await sleep(40);
    }
    peer.send(vote);
    await until(() => node.messages.length === 1, "what comes behind it");
    const happened = node.happened.filter((line) => !line.startsWith("drained"));
    assert.deepEqual(happened, [`up ${dialler}`, `large ${dialler}`]);
  });
});
