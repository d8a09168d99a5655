import assert from "node:assert/strict";
import { test } from "node:test";
import { Cluster, startCluster } from "./support/cluster.js";
import { assertEqualData } from "./support/compare.js";
import { eventually } from "./support/eventually.js";
import { forward } from "./support/forwarder.js";
import { freeAddresses, freePorts } from "./support/free-ports.js";
import { startQuorate } from "./support/quorate-member.js";
import { openScene } from "./support/scene.js";
import { type Kind, Seat, startSeat, wipe } from "./support/seats.js";
import { startVanillaMemberWithControl } from "./support/vanilla-member.js";

/** Members that come to a running cluster and leave it again, and every way to write an address. */

const retryFlags = ["--connection-retry-time", "0.5"];
const retryConf = { connectionRetryTime: 0.5 };

/** Starts a member that knows one address of the cluster only, and waits until all know it. */
async function join(cluster: Cluster, kind: Kind, selfAddr: string): Promise<Seat> {
  const partner = (await cluster.leader()).selfAddr;
  const options = { ...cluster.options, addresses: [partner, selfAddr] };
  const seat = await startSeat(cluster.scene, options, kind, selfAddr);
  cluster.seats.push(seat);
  await sameMembers(cluster);
  return seat;
}

/** All that run agree that the cluster consists of exactly those that are in it. */
async function sameMembers(cluster: Cluster): Promise<void> {
  const expected = cluster.seats.map(({ selfAddr }) => selfAddr).sort();
  await eventually(
    `the members are ${expected.join(", ")}`,
    async () => {
      const states = await Promise.all(cluster.seats.map((seat) => seat.state()));
      for (const { members } of states) assert.deepEqual(members, expected);
      return true;
    },
    { timeoutMs: 40_000 },
  );
}

/** Takes a member out by a request to another one, ends it, and empties its folder. */
async function leave(cluster: Cluster, selfAddr: string): Promise<void> {
  const leader = await cluster.makeLead((seat) => seat.selfAddr !== selfAddr);
  const reply = await leader.change({ command: "remove", address: selfAddr });
  assert.equal(reply, `SUCCESS REMOVE ${selfAddr}`);
  const seat = cluster.at(selfAddr);
  cluster.seats.splice(cluster.seats.indexOf(seat), 1);
  await seat.stop("SIGTERM");
  await sameMembers(cluster);
  wipe(seat);
}

async function write(cluster: Cluster, prefix: string): Promise<void> {
  const observer = await cluster.observer();
  for (const n of [1, 2, 3, 4, 5]) {
    assert.notEqual(await observer.set(`${prefix}${n}`, `v${n}`), false);
  }
  await observer.stop();
}

const running: readonly (readonly [string, string, readonly Kind[], string | undefined])[] = [
  ["two vanilla members", "0.3.17", ["vanilla", "vanilla"], "s3cret"],
  ["two vanilla members", "0.3.15", ["vanilla", "vanilla"], undefined],
  ["a vanilla and a Quorate member", "0.3.17", ["vanilla", "quorate"], undefined],
  ["two Quorate members", "0.3.17", ["quorate", "quorate"], "s3cret"],
];

for (const [name, version, kinds, password] of running) {
  test(`a Quorate member joins ${name} (${version}), leaves, and comes back empty`, {
    timeout: 180_000,
  }, async (t) => {
    const scene = openScene(t);
    const cluster = await startCluster(scene, { version, password }, kinds);
    const [selfAddr = ""] = await freeAddresses(1);
    await write(cluster, "/before/");
    const joined = await join(cluster, "quorate", selfAddr);
    assert.equal(joined.logged("asking to be added"), 1);
    await write(cluster, "/during/");
    await assertEqualData(cluster.seats);
    // It counts: two of three go on without the third.
    const [first] = cluster.seats;
    assert.ok(first !== undefined);
    await first.stop("SIGKILL");
    await cluster.leader();
    await write(cluster, "/without/");
    await cluster.restart(first);
    await cluster.leader();

    await leave(cluster, selfAddr);
    await write(cluster, "/gone/");
    await join(cluster, "quorate", selfAddr);
    const { entries } = await assertEqualData(cluster.seats);
    assert.equal(Object.keys(entries).length, 20);
  });
}

test("vanilla members join a single Quorate one, leave, and come back empty", {
  timeout: 180_000,
}, async (t) => {
  const scene = openScene(t);
  const cluster = await startCluster(scene, { version: "0.3.17", password: "s3cret" }, ["quorate"]);
  await write(cluster, "/alone/");
  const addresses = await freeAddresses(3);
  for (const [i, kind] of (["vanilla", "vanilla", "quorate"] as const).entries()) {
    await join(cluster, kind, addresses[i] ?? "");
    await write(cluster, `/with ${i + 2}/`);
    await assertEqualData(cluster.seats);
  }
  const [, left] = cluster.seats;
  assert.ok(left?.kind === "vanilla");
  await leave(cluster, left.selfAddr);
  await write(cluster, "/gone/");
  await join(cluster, "vanilla", left.selfAddr);
  const { entries } = await assertEqualData(cluster.seats);
  assert.equal(Object.keys(entries).length, 25);
});

test("a member of an older version joins Quorate members", { timeout: 120_000 }, async (t) => {
  const scene = openScene(t);
  const cluster = await startCluster(scene, { version: "0.3.8" }, ["quorate", "quorate"]);
  const [selfAddr = ""] = await freeAddresses(1);
  await write(cluster, "/before/");
  await join(cluster, "vanilla", selfAddr);
  await write(cluster, "/after/");
  const { entries } = await assertEqualData(cluster.seats);
  assert.equal(Object.keys(entries).length, 10);
});

test("every member is given all addresses, its own among them", { timeout: 90_000 }, async (t) => {
  const scene = openScene(t);
  const addresses = await freeAddresses(3);
  const seats = await Promise.all(
    addresses.map(async (selfAddr) => {
      const given = { selfAddr, partners: addresses, extraArgs: retryFlags };
      return new Seat("quorate", await startQuorate(scene, given), undefined);
    }),
  );
  const cluster = new Cluster(scene, { version: "0.3.17", addresses }, seats);
  await sameMembers(cluster);
  await write(cluster, "/key/");
  await assertEqualData(seats);
});

test("members behind a router listen elsewhere than they are known", {
  timeout: 90_000,
}, async (t) => {
  const scene = openScene(t);
  const version = "0.3.17";
  const ports = await freePorts(6);
  // Known by the addresses of one machine, listening on another's.
  const known = ports.slice(0, 3).map((port) => `127.0.0.2:${port}`);
  const bound = ports.slice(3).map((port) => `127.0.0.1:${port}`);
  for (const [i, address] of known.entries()) await forward(t, address, bound[i] ?? "");
  const seats = await Promise.all(
    known.map(async (selfAddr, i) => {
      const partners = known.filter((address) => address !== selfAddr);
      const bindAddr = bound[i] ?? "";
      if (i === 1) {
        const given = { version, selfAddr, partners, bindAddr, conf: retryConf };
        return new Seat("vanilla", await startVanillaMemberWithControl(scene, given), undefined);
      }
      const given = { selfAddr, partners, bindAddr, extraArgs: retryFlags };
      return new Seat("quorate", await startQuorate(scene, given), undefined);
    }),
  );
  const cluster = new Cluster(scene, { version, addresses: known }, seats);
  await sameMembers(cluster);
  const first = await cluster.leader();
  await write(cluster, "/key/");
  await assertEqualData(seats);
  await first.stop("SIGKILL");
  assert.notEqual((await cluster.leader()).selfAddr, first.selfAddr);
});

/** Three members of these kinds at addresses written in one form. */
async function checkForm(
  t: Parameters<typeof openScene>[0],
  kinds: readonly Kind[],
  addressAt: (port: number) => string,
): Promise<void> {
  const scene = openScene(t);
  const ports = await freePorts(3);
  const options = { version: "0.3.17", password: "s3cret", addresses: ports.map(addressAt) };
  const seats = await Promise.all(
    options.addresses.map((address, i) =>
      startSeat(scene, options, kinds[i] ?? "quorate", address),
    ),
  );
  const cluster = new Cluster(scene, options, seats);
  await sameMembers(cluster);
  await write(cluster, "/key/");
  const leader = await cluster.leader();
  await leader.stop("SIGKILL");
  await cluster.leader();
  await write(cluster, "/more/");
  await cluster.restart(leader);
  await cluster.leader();
  const { entries } = await assertEqualData(cluster.seats);
  assert.equal(Object.keys(entries).length, 10);
}

test("members at names", { timeout: 90_000 }, async (t) => {
  await checkForm(t, ["quorate", "vanilla", "quorate"], (port) => `localhost:${port}`);
});

test("members at IPv6 addresses in brackets", { timeout: 90_000 }, async (t) => {
  // Vanilla members do not resolve what has brackets, observers neither.
  const scene = openScene(t);
  const ports = await freePorts(3);
  const addresses = ports.map((port) => `[::1]:${port}`);
  const members = await Promise.all(
    addresses.map((selfAddr) => {
      const partners = addresses.filter((address) => address !== selfAddr);
      return startQuorate(scene, { selfAddr, partners, extraArgs: retryFlags });
    }),
  );
  const seats = members.map((member) => new Seat("quorate", member, undefined));
  const cluster = new Cluster(scene, { version: "0.3.17", addresses }, seats);
  await sameMembers(cluster);
  const leader = await cluster.leader();
  await leader.stop("SIGKILL");
  assert.notEqual((await cluster.leader()).selfAddr, leader.selfAddr);
});

test("members at IPv6 addresses as vanilla members write them", {
  timeout: 90_000,
}, async (t) => {
  await checkForm(t, ["quorate", "vanilla", "quorate"], (port) => `::1:${port}`);
});
