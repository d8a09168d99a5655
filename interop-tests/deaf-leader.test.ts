import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { encodeUtility } from "../protocol/wire/utility.js";
import { askUtility } from "../src/net/utility-client.js";
import { dialerOf } from "./support/dialer.js";
import { eventually } from "./support/eventually.js";
import { freeAddresses } from "./support/free-ports.js";
import { type QuorateMember, startQuorate } from "./support/quorate-member.js";
import { openScene } from "./support/scene.js";

const leaderFallbackSec = 6;
/** The machine is busy, and members look at their times in steps. */
const lateMsMax = 10_000;

/**
 * Connections between members, ended and begun anew on the way as by a proxy or a tunnel: unlike in TCP
 * itself one direction can go on without the other.
 */
class Middlebox {
  /** Whatever members send to this one vanishes. */
  deaf: QuorateMember | null = null;
  members: readonly QuorateMember[] = [];

  async listen(t: TestContext, address: string, bindAddr: string): Promise<void> {
    const server = createServer((inner) => this.#join(inner, address, bindAddr));
    server.listen(endpoint(address));
    await once(server, "listening");
    t.after(() => server.close());
  }

  #join(inner: Socket, address: string, bindAddr: string): void {
    const { localPort = 0, remotePort = 0 } = inner;
    const outer = connect(endpoint(bindAddr));
    let dialer: QuorateMember | undefined;
    const isLost = (receiver: () => string | undefined) => {
      if (this.deaf === null) return false;
      const pids = this.members.map(({ child }) => child.pid);
      dialer ??= this.members[pids.indexOf(dialerOf({ localPort, remotePort }, pids) ?? -1)];
      return dialer !== undefined && receiver() === this.deaf.selfAddr;
    };
    for (const [socket, other] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      socket.on("error", () => {});
      socket.on("close", () => other.destroy());
    }
    inner.on("data", (data) => isLost(() => address) || outer.write(data));
    outer.on("data", (data) => isLost(() => dialer?.selfAddr) || inner.write(data));
  }
}

function endpoint(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(":");
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
}

async function leaderOf(member: QuorateMember): Promise<unknown> {
  return (await member.httpStatus())["leader"];
}

function untilAllFollow(members: readonly QuorateMember[]): Promise<string> {
  return eventually("one leader for all", async () => {
    const said = await Promise.all(members.map(leaderOf));
    const [first] = said;
    return said.every((leader) => leader === first) && typeof first === "string" ? first : null;
  });
}

test("a leader that can send, and hears nothing, through a proxy", async (t) => {
  const scene = openScene(t);
  const box = new Middlebox();
  const addresses = await freeAddresses(3);
  const places = await freeAddresses(3);
  const members = await Promise.all(
    addresses.map(async (selfAddr, n) => {
      const bindAddr = places[n] ?? "";
      await box.listen(t, selfAddr, bindAddr);
      const partners = addresses.filter((address) => address !== selfAddr);
      const extraArgs = ["--leader-fallback-timeout", String(leaderFallbackSec)];
      return startQuorate(scene, { selfAddr, bindAddr, partners, extraArgs });
    }),
  );
  box.members = members;

  // The largest address connects to all others: it goes on to do so when it hears nothing.
  const deaf = members.at(-1);
  assert.ok(deaf !== undefined);
  await eventually("it leads", async () => {
    const leader = await untilAllFollow(members);
    if (leader === deaf.selfAddr) return true;
    const request = encodeUtility({ command: "transfer", address: deaf.selfAddr });
    await askUtility(leader, request, { timeoutMs: 5_000, password: null });
    return false;
  });
  // A member that is new to a cluster votes when a leader has brought it up to date.
  await eventually("all can vote", async () => {
    const statuses = await Promise.all(members.map((member) => member.httpStatus()));
    return statuses.every(({ degraded }) => Array.isArray(degraded) && degraded.length === 0);
  });
  const before = Number((await deaf.httpStatus())["term"]);

  const others = members.filter((member) => member !== deaf);
  box.deaf = deaf;
  const began = performance.now();
  const next = await eventually(
    "another leader",
    async () => {
      const leader = await untilAllFollow(others);
      return leader !== deaf.selfAddr && leader;
    },
    { timeoutMs: lateMsMax + 5_000 },
  );
  console.log(`another leader after ${((performance.now() - began) / 1000).toFixed(1)} s`);
  await eventually("it no longer leads", async () => (await leaderOf(deaf)) !== deaf.selfAddr, {
    timeoutMs: 1_000 * leaderFallbackSec + lateMsMax,
  });
  console.log(`stepped down after ${((performance.now() - began) / 1000).toFixed(1)} s`);
  assert.equal((await deaf.httpStatus())["term"], before, "by itself: it heard of no other term");

  box.deaf = null;
  assert.equal(await untilAllFollow(members), next, "and comes back without another election");
});
