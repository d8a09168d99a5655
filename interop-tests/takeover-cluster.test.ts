import assert from "node:assert/strict";
import { test } from "node:test";
import { assertEqualData } from "./support/compare.js";
import { eventually } from "./support/eventually.js";
import { fill, keepWriting } from "./support/fill.js";
import { freeAddresses } from "./support/free-ports.js";
import { pysyncobjVersions } from "./support/python.js";
import { openScene } from "./support/scene.js";
import {
  type Kind,
  leaderAmong,
  type Seat,
  type SeatsOptions,
  startSeat,
  watch,
} from "./support/seats.js";

/** Three members, of whom one after the other changes its kind on its own files. */

const filled = 60;
/** Several dumps are made on the way, at other times on each member. */
const compactAbove = 50;

function highestTerm(seats: readonly Seat[]): Promise<number> {
  return eventually("all are of one term", async () => {
    const states = await Promise.all(seats.map((seat) => seat.state()));
    const terms = new Set(states.map((state) => state.term));
    return terms.size === 1 && [...terms][0];
  });
}

for (const [order, version] of pysyncobjVersions.entries()) {
  const password = ["0.3.14", "0.3.16"].includes(version) ? "Paßwort" : undefined;
  const links = password === undefined ? "plain" : "password";
  test(`three members of ${version} become Quorate's and go back, ${links}`, async (t) => {
    const scene = openScene(t);
    const addresses = await freeAddresses(3);
    const options: SeatsOptions = { version, addresses, password, compactAbove };
    const seats = await Promise.all(
      addresses.map((address) => startSeat(scene, options, "vanilla", address)),
    );
    const observer = await watch(scene, options);
    const keys = new Set(await fill(observer, { prefix: "/first/", count: filled }));
    const [leader, ghost = ""] = [await leaderAmong(seats), "127.0.0.1:19999"];
    // Their traces in the logs are what matters; four members could not spare one of three.
    assert.equal(await leader.change({ command: "add", address: ghost }), `SUCCESS ADD ${ghost}`);
    assert.equal(
      await leader.change({ command: "remove", address: ghost }),
      `SUCCESS REMOVE ${ghost}`,
    );
    let term = await highestTerm(seats);
    for (const kind of ["quorate", "vanilla"] as const satisfies Kind[]) {
      for (const number of [0, 1, 2]) {
        // Each seat and each kind gets both signals, over the versions.
        const signal = (order + number) % 2 === 0 ? "SIGKILL" : "SIGTERM";
        const seat = seats[number];
        assert.ok(seat !== undefined);
        const writing = keepWriting(observer, `/${kind} ${number}/`);
        await eventually("the first writes", () => writing.acked.length >= 5);
        await seat.stop(signal);
        seats[number] = await startSeat(scene, options, kind, seat.selfAddr);
        const soFar = writing.acked.length;
        await eventually("further writes", () => writing.acked.length >= soFar + 5);
        for (const key of await writing.stop()) keys.add(key);
        const data = await assertEqualData([...seats, observer]);
        for (const key of keys) assert.ok(key in data.entries, `${key} was acknowledged`);
        const now = await highestTerm(seats);
        assert.ok(now >= term, `term ${term}, then ${now} with ${kind} ${number}`);
        term = now;
        for (const each of seats) assert.deepEqual((await each.state()).members, addresses);
      }
    }
    t.diagnostic(`term ${term}, ${keys.size} keys`);
  });
}
