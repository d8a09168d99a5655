import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { encodeStoredSet } from "../protocol/log/kv-calls.js";
import { PyFloat, type PyValue } from "../protocol/pickle/values.js";
import { connectionsMax, headerBytesMax, kvResponsesMax } from "../src/http/limits.js";
import { eventually } from "./support/eventually.js";
import { freeAddresses } from "./support/free-ports.js";
import { assertHeldBriefly } from "./support/held-bounds.js";
import { LoopHolds } from "./support/loop-holds.js";
import { type QuorateMember, startQuorate } from "./support/quorate-member.js";
import { openScene } from "./support/scene.js";
import { residentMib } from "./support/vital-signs.js";

/*
 * What somebody who reaches a real member's HTTP port can do to its memory, to its loop and to its
 * cluster. Single requests: test/http/hostile.test.ts.
 */

/**
 * Beyond what the member had before: half a MiB for each of 32 connections, with one request and answer,
 * and garbage that is not collected yet, of which V8 lets up to 88 MiB gather (see hostile.test.ts).
 */
const attackedMibMax = 128;
const attackMs = 2_000;
const times = { created: 1_700_000_000.5, updated: 1_700_000_000.5 };
const values = 400;
const valueBytes = 8_000;

interface Attack {
  readonly name: string;
  /** What each connection sends, again and again while it is taken. */
  readonly bytes: string;
  readonly connections: number;
  readonly reads: boolean;
}

const get = (path: string, more = "") => `GET ${path} HTTP/1.1\r\nHost:1.1.1.1\r\n${more}\r\n`;
const large = `X-A: ${"x".repeat(headerBytesMax - 200)}\r\n`;
const crowd = connectionsMax;

const attacks: readonly Attack[] = [
  { name: "requests without waiting", bytes: get("/v1/status"), connections: crowd, reads: true },
  {
    name: "… whose answers are not read",
    bytes: get("/v1/status"),
    connections: crowd,
    reads: false,
  },
  { name: "… to nowhere", bytes: get("/"), connections: crowd, reads: true },
  { name: "… on one connection", bytes: get("/health"), connections: 1, reads: true },
  { name: "all data, not read", bytes: get("/v1/kv"), connections: crowd, reads: false },
  { name: "all data, read", bytes: get("/v1/kv"), connections: crowd, reads: true },
  { name: "large headers", bytes: get("/health", large), connections: crowd, reads: true },
  { name: "headers without end", bytes: `X: ${"y".repeat(1000)}`, connections: crowd, reads: true },
  { name: "connections that come and go", bytes: "G", connections: 20 * crowd, reads: true },
];

/** As large as a value can be; in JSON six times, or twice, as long. */
const largeValueBytes = 8 * 1024 * 1024 - 64 * 1024;
const largeValues: readonly (readonly [name: string, value: PyValue])[] = [
  ["control characters", "\u0001".repeat(largeValueBytes)],
  ["bytes", new Uint8Array(largeValueBytes)],
];

async function openVictim(t: TestContext) {
  const scene = openScene(t);
  const addresses = await freeAddresses(2);
  const start = async (selfAddr: string) => {
    const holds = new LoopHolds(scene, selfAddr);
    const partners = addresses.filter((address) => address !== selfAddr);
    const options = { selfAddr, partners, env: holds.env, isWriter: true };
    return { member: await startQuorate(scene, options), holds };
  };
  const both = await Promise.all(addresses.map(start));
  const [first] = both;
  assert.ok(first !== undefined);
  for (let n = 0; n < values; n++) {
    await eventually(`value ${n} is written`, async () => {
      const value = String(n).padEnd(valueBytes, "x");
      return (await first.member.setOnce(`/http/${n}`, { value, ...times })) !== null;
    });
  }
  const leaders = await Promise.all(both.map(({ member }) => leads(member)));
  const leader = both[leaders.indexOf(true)];
  assert.ok(leader !== undefined);
  return leader;
}

async function leads(member: QuorateMember): Promise<boolean> {
  return (await member.httpStatus())["role"] === "leader";
}

async function flood(http: string, attack: Attack): Promise<Socket[]> {
  const colon = http.lastIndexOf(":");
  const [host, port] = [http.slice(0, colon), Number(http.slice(colon + 1))];
  const bytes = Buffer.from(attack.bytes.repeat(Math.ceil((64 * 1024) / attack.bytes.length)));
  const sockets: Socket[] = [];
  for (let n = 0; n < attack.connections; n++) {
    const socket = connect({ host, port });
    sockets.push(socket);
    const send = (): void => {
      while (socket.writable && socket.write(bytes));
    };
    socket
      .on("error", () => {})
      .on("drain", send)
      .on("connect", send);
    if (attack.reads) socket.resume();
    else socket.pause();
    if (n % crowd === crowd - 1) await sleep(10);
  }
  return sockets;
}

test("nobody on the HTTP port holds the loop, fills the memory or unseats the leader", {
  timeout: 300_000,
}, async (t) => {
  const { member, holds } = await openVictim(t);
  const { term } = await member.httpStatus();
  const { http } = member;
  assert.ok(http !== null);
  const before = residentMib(member.child.pid);
  let peak = before;
  const watch = setInterval(() => {
    try {
      peak = Math.max(peak, residentMib(member.child.pid));
    } catch {
      // It has ended, with the test.
      clearInterval(watch);
    }
  }, 20);
  t.after(() => clearInterval(watch));
  const suffer = async (attack: Attack, before: number): Promise<void> => {
    peak = 0;
    const best = await assertHeldBriefly(attack.name, async () => {
      holds.take();
      const sockets = await flood(http, attack);
      await sleep(attackMs);
      for (const socket of sockets) socket.destroy();
      // A step that is still under way is told of when it ends.
      await eventually("the member answers", async () => (await member.httpStatus()) !== null);
      return Math.max(0, ...holds.take().map(({ workedMs }) => workedMs));
    });
    const more = peak - before;
    t.diagnostic(`${attack.name}: ${best.toFixed(0)} ms, ${more.toFixed(0)} MiB more`);
    assert.ok(more <= attackedMibMax, `${attack.name} took ${more} MiB`);
  };
  for (const attack of attacks) await suffer(attack, before);
  for (const [name, value] of largeValues) {
    const key = `/large/${name}`;
    const record = new Map<string, PyValue>([
      ["value", value],
      ["created", new PyFloat(times.created)],
      ["updated", new PyFloat(times.updated)],
    ]);
    const command = encodeStoredSet(key, record);
    const written = await member.write("submit", { command: Buffer.from(command).toString("hex") });
    assert.ok(written.ok, `${name} are written`);
    const bytes = get(`/v1/kv?prefix=${encodeURIComponent(key)}`);
    const attack = { name: `a large value of ${name}, not read`, bytes, reads: false };
    await suffer({ ...attack, connections: kvResponsesMax }, residentMib(member.child.pid));
  }
  const status = await member.httpStatus();
  assert.deepEqual([status["role"], status["term"]], ["leader", term], "it has led all the time");
});
