import assert from "node:assert/strict";
import { test } from "node:test";
import { Cluster } from "./support/cluster.js";
import { assertEqualData } from "./support/compare.js";
import { eventually } from "./support/eventually.js";
import { freeAddresses } from "./support/free-ports.js";
import { nodeBinary, nodeMajors } from "./support/node-versions.js";
import { startQuorate } from "./support/quorate-member.js";
import { openScene } from "./support/scene.js";
import { Seat, startSeat } from "./support/seats.js";

/** The program on the newer lines of Node.js, all of them and a vanilla member in one cluster. */

const password = "Paßwort";

test(`members on Node.js ${nodeMajors.join(", ")} beside a vanilla one`, {
  timeout: 300_000,
}, async (t) => {
  const scene = openScene(t);
  const binaries = await Promise.all(nodeMajors.map((major) => nodeBinary(major)));
  const addresses = await freeAddresses(binaries.length + 1);
  const options = { version: "0.3.17", addresses, password };
  const start = async (selfAddr: string, node: string) => {
    const partners = addresses.filter((address) => address !== selfAddr);
    const extraArgs = ["--connection-retry-time", "0.5"];
    const given = { selfAddr, partners, password, extraArgs, node };
    return new Seat("quorate", await startQuorate(scene, given), password);
  };
  const [vanillaAddr = "", ...ours] = addresses;
  const seats = [
    await startSeat(scene, options, "vanilla", vanillaAddr),
    ...(await Promise.all(ours.map((address, n) => start(address, binaries[n] ?? "")))),
  ];
  const cluster = new Cluster(scene, options, seats);
  const observer = await cluster.observer();
  for (const [n, selfAddr] of ours.entries()) {
    const leader = await cluster.makeLead((seat) => seat.selfAddr === selfAddr);
    const write = async (what: string) =>
      eventually(`/${n}/${what}`, async () => (await observer.set(`/${n}/${what}`, "é")) !== false);
    await write("led");
    await leader.stop(n % 2 === 0 ? "SIGKILL" : "SIGTERM");
    await cluster.leader();
    await write("without");
    // On its own files.
    seats[seats.indexOf(leader)] = await start(selfAddr, binaries[n] ?? "");
    await cluster.leader();
  }
  const { entries } = await assertEqualData([...seats, observer]);
  assert.equal(Object.keys(entries).length, 2 * ours.length);
});
