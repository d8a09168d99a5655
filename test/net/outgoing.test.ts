import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "../../src/logger.js";
import { Link, type LinkOwner } from "../../src/net/link.js";
import { Outgoing, type OutgoingOwner } from "../../src/net/outgoing.js";
import { Resolver } from "../../src/net/resolver.js";
import { SharedMessage } from "../../src/net/shared-message.js";
import { TurnQueue } from "../../src/net/turn-queue.js";

function unexpected(): never {
  throw new Error("no connection comes about");
}

const noLinks: LinkOwner = {
  linkMessage: unexpected,
  linkHello: unexpected,
  linkUnknownMessage: unexpected,
  linkTooLarge: unexpected,
  linkDrained: unexpected,
  linkUp: unexpected,
  linkDown: unexpected,
  fault: unexpected,
  membersSendTurns: new TurnQueue(1),
};
const nothing = new SharedMessage({ type: "quorate_ping" });
const resolver = new Resolver({ dnsCacheMs: 0, dnsFailCacheMs: 0, logger: silentLogger });

/** Times at which a member whom nobody can reach is dialled, on a clock of 50 ms. */
async function attemptsUntil(endMs: number, connectionRetryMs: number): Promise<number[]> {
  const attempts: number[] = [];
  let now = 0;
  const owner: OutgoingOwner = {
    connected: unexpected,
    fault: unexpected,
    handshakeFailed: unexpected,
    dialFailed: () => attempts.push(now),
  };
  const messages = { hello: nothing, ping: nothing, pong: nothing };
  // What is no address fails without a socket.
  const link = new Link({ kind: "member", id: "nowhere" }, noLinks, messages);
  const outgoing = new Outgoing(link, owner, {
    ...{ connectionRetryMs, connectTimeoutMs: 1_000, handshakeTimeoutMs: 1_000 },
    ...{ hasPassword: false, resolver, logger: silentLogger },
  });
  for (; now <= endMs; now += 50) {
    outgoing.tick(now);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return attempts;
}

test("attempts come often for half a minute, then every connectionRetryTime", async () => {
  const attempts = await attemptsUntil(40_000, 5_000);
  assert.deepEqual(attempts.slice(0, 6), [0, 250, 750, 1_750, 2_750, 3_750]);
  assert.deepEqual(attempts.slice(-4), [27_750, 28_750, 33_750, 38_750]);
});

test("a shorter connectionRetryTime is kept from the first attempt on", async () => {
  assert.deepEqual(await attemptsUntil(500, 100), [0, 100, 200, 300, 400, 500]);
});
