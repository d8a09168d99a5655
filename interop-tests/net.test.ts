import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { PeerMessage } from "../protocol/wire/messages.js";
import { encodeMembers, parseStatus } from "../protocol/wire/utility.js";
import { silentLogger } from "../src/logger.js";
import { Network } from "../src/net/network.js";
import { askUtility } from "../src/net/utility-client.js";
import { eventually } from "./support/eventually.js";
import { freeAddresses } from "./support/free-ports.js";
import { openScene } from "./support/scene.js";
import { startObserver } from "./support/vanilla-client.js";
import { startVanillaMemberWithControl } from "./support/vanilla-member.js";

/** The network alone, without a raft, on links to real PySyncObj processes. */

/** Upstream's default, and more than that: what vanilla calls silent. */
const connectionTimeoutMs = 3_500;
const idleMs = 5_200;
/** A lonely vanilla member campaigns all the time, and looks at its timeout whenever it does. */
const conf = { connectionRetryTime: 0.5 };
/** Beyond what it reaches by that. */
const highTerm = 1_000;

const voteRequest: PeerMessage = {
  type: "request_vote",
  term: highTerm,
  lastLogIndex: 100,
  lastLogTerm: 4,
};
/** Every new vanilla log begins with entry 1 of term 0. */
const heartbeat: PeerMessage = {
  type: "append_entries",
  term: highTerm + 1,
  commitIndex: 1,
  prevLogIdx: 1,
  prevLogTerm: 0,
  entries: [],
};

interface Ours {
  readonly network: Network;
  readonly happened: string[];
  readonly answers: string[];
}

async function startOurs(
  t: TestContext,
  address: string,
  given: {
    readonly password?: string | undefined;
    readonly pingPeriodMs?: number;
    /** What Patroni's class is told when it asks who is a member, besides us. */
    readonly other?: string;
  },
): Promise<Ours> {
  const happened: string[] = [];
  const answers: string[] = [];
  const members = [address, given.other]
    .filter((member) => member !== undefined)
    .map((member) => ({ address: member, leader: false, connected: true }));
  const network = new Network({
    selfAddr: address,
    bindAddr: address,
    password: given.password ?? null,
    timeouts: { connectionTimeoutMs, connectionRetryMs: 500, dnsCacheMs: 0, dnsFailCacheMs: 0 },
    limits: given.pingPeriodMs === undefined ? {} : { pingPeriodMs: given.pingPeriodMs },
    logger: silentLogger,
    events: {
      peerConnected: (peer) => void happened.push(`up ${peer}`),
      peerDisconnected: (peer, reason) => void happened.push(`down ${peer} ${reason}`),
      peerHello: () => assert.fail("PySyncObj says no hello"),
      observerConnected: (id) => void happened.push(`up ${id}`),
      observerDisconnected: (id) => void happened.push(`down ${id}`),
      message: (from, message) => void answers.push(`${message.type} from ${from}`),
      utility: (_request, reply) => reply(encodeMembers(members)),
      drained() {},
    },
  });
  t.after(() => network.close());
  await network.listen();
  return { network, happened, answers };
}

const cases = [
  { version: "0.3.17", password: undefined, weDial: true },
  { version: "0.3.17", password: "Paßwort", weDial: false },
  { version: "0.3.8", password: "Paßwort", weDial: true },
  { version: "0.3.8", password: undefined, weDial: false },
];

describe("links to real PySyncObj processes", { concurrency: true }, () => {
  for (const { version, password, weDial } of cases) {
    const how = `${password === undefined ? "plain" : "password"}, ${weDial ? "we" : "they"} dial`;

    test(`a link to a ${version} member to whom we say nothing lives on (${how})`, async (t) => {
      const scene = openScene(t);
      const [lower = "", upper = ""] = await freeAddresses(2);
      const [ourAddress, selfAddr] = weDial ? [upper, lower] : [lower, upper];
      const ours = await startOurs(t, ourAddress, { password, other: selfAddr });
      ours.network.setPeers([selfAddr]);
      await startVanillaMemberWithControl(scene, {
        version,
        password,
        conf,
        selfAddr,
        partners: [ourAddress],
      });
      await eventually("connected", () => ours.network.isConnected(selfAddr));
      const before = [...ours.happened];
      await sleep(idleMs);
      const options = { timeoutMs: 5_000, password: password ?? null };
      const status = parseStatus(await askUtility(selfAddr, ["status"], options));
      assert.equal(status.version, version);
      ours.network.send(selfAddr, voteRequest);
      await eventually("its vote", () => ours.answers.includes(`response_vote from ${selfAddr}`), {
        timeoutMs: 1_000,
      });
      ours.network.noteAwaitingAnswer(selfAddr);
      ours.network.send(selfAddr, heartbeat);
      await eventually("its answer", () => ours.answers.includes(`next_node_idx from ${selfAddr}`));
      assert.deepEqual(ours.happened, before, "the link was never lost");
    });
  }

  test("a link to an idle observer lives on and delivers", async (t) => {
    const scene = openScene(t);
    const [address = ""] = await freeAddresses(1);
    const ours = await startOurs(t, address, {});
    const started = startObserver(scene, { version: "0.3.17", partners: [address] });
    await eventually("connected", () => ours.network.isConnected("observer:1"));
    ours.network.send("observer:1", heartbeat);
    await started;
    await sleep(idleMs);
    assert.equal(ours.answers.length, 1);
    ours.network.send("observer:1", heartbeat);
    await eventually("its answer", () => ours.answers.length === 2, { timeoutMs: 1_000 });
    assert.equal(ours.answers[1], "next_node_idx from observer:1");
    assert.deepEqual(ours.happened, ["up observer:1"]);
  });

  test("without our pings vanilla drops such a link: it counts what it has read", async (t) => {
    const scene = openScene(t);
    const [selfAddr = "", ourAddress = ""] = await freeAddresses(2);
    const ours = await startOurs(t, ourAddress, { pingPeriodMs: 3_600_000, other: selfAddr });
    ours.network.setPeers([selfAddr]);
    const partners = [ourAddress];
    await startVanillaMemberWithControl(scene, { version: "0.3.17", conf, selfAddr, partners });
    await eventually("connected", () => ours.network.isConnected(selfAddr));
    await sleep(idleMs);
    assert.ok(
      ours.happened.includes(`down ${selfAddr} ended: the other side closed the connection`),
    );
  });

  test("without our pings an idle observer drops the link at our first message", async (t) => {
    const scene = openScene(t);
    const [address = ""] = await freeAddresses(1);
    const ours = await startOurs(t, address, { pingPeriodMs: 3_600_000 });
    const started = startObserver(scene, { version: "0.3.17", partners: [address] });
    await eventually("connected", () => ours.network.isConnected("observer:1"));
    ours.network.send("observer:1", heartbeat);
    await started;
    await sleep(idleMs);
    ours.network.send("observer:1", heartbeat);
    await eventually("the loss", () => ours.happened.includes("down observer:1"));
    assert.equal(ours.answers.length, 1, "the message was lost with it");
  });

  test("a wrong password against a real member is named as the likely cause", async (t) => {
    const scene = openScene(t);
    const [selfAddr = ""] = await freeAddresses(1);
    await startVanillaMemberWithControl(scene, {
      version: "0.3.17",
      password: "right",
      selfAddr,
      partners: [],
    });
    for (const password of ["wrong", null]) {
      await assert.rejects(askUtility(selfAddr, ["status"], { timeoutMs: 5_000, password }), {
        code: "wrong-password",
      });
    }
    const options = { timeoutMs: 5_000, password: "right" };
    const status = parseStatus(await askUtility(selfAddr, ["status"], options));
    assert.equal(status.self, selfAddr);
  });
});
