import assert from "node:assert/strict";
import { test } from "node:test";
import { assertEqualData } from "./support/compare.js";
import { eventually } from "./support/eventually.js";
import { fill } from "./support/fill.js";
import { freeAddresses } from "./support/free-ports.js";
import { readJournal } from "./support/journal-reading.js";
import { pysyncobjVersions } from "./support/python.js";
import { openScene } from "./support/scene.js";
import { type Kind, type Seat, type SeatsOptions, startSeat, watch } from "./support/seats.js";
import type { VanillaNode } from "./support/vanilla-client.js";

/**
 * A member with an empty folder joins a compacted log: it can only get what it has as a dump. The
 * two members that run before it have the other kind.
 */

/** Compactions come while the log is filled, none in the rest of the test. */
const compactAbove = 100;
const filled = 150;
/** Written while the joined member is away. */
const fewMore = 5;

/** Waits until both have compacted, and says who leads. */
async function compacted(seats: readonly Seat[]): Promise<Seat> {
  return await eventually("a leader and compacted logs", async () => {
    const states = await Promise.all(seats.map((seat) => seat.state()));
    const short = states.every((s) => s.appliedIndex >= filled && s.logLength <= compactAbove);
    const leaders = new Set(states.map((state) => state.leader));
    return short && leaders.size === 1 && seats.find((seat) => leaders.has(seat.selfAddr));
  });
}

/** Writes on until the logs have room for what the test still writes: no other compaction comes. */
async function makeRoom(seats: readonly Seat[], writer: VanillaNode): Promise<void> {
  const roomy = async () => {
    const states = await Promise.all(seats.map((seat) => seat.state()));
    return states.every(({ logLength }) => logLength <= compactAbove / 2);
  };
  for (let key = 0; !(await roomy()); key += 1) {
    assert.ok(key < 5 * compactAbove, "the logs are compacted in the end");
    await writer.set(`/more/${key}`, "x");
  }
}

/** What only a dump explains: the log begins far behind the first entry. */
async function hasDump(seat: Seat): Promise<void> {
  const { appliedIndex, logLength } = await seat.state();
  assert.ok(appliedIndex - logLength > 20, `${seat.name}: ${logLength} of ${appliedIndex} entries`);
}

/** The last entry that a Quorate member found in its files. */
function lastIndexAtStart(seat: Seat): number {
  const found = /"message":"started".*"last_index":(\d+)/.exec(seat.child.log());
  return Number(found?.[1]);
}

/** A follower applies what a majority holds, also while its own disk still has to take it. */
async function inItsJournal({ dataDir, selfAddr }: Seat, index: number): Promise<void> {
  await eventually(`entry ${index} is in its journal`, () => {
    return (readJournal(dataDir, selfAddr).at(-1)?.index ?? 0) >= index;
  });
}

for (const [number, version] of pysyncobjVersions.entries()) {
  for (const leads of ["vanilla", "quorate"] as const satisfies Kind[]) {
    const password = ["0.3.11", "0.3.17"].includes(version) ? "Paßwort" : undefined;
    const links = password === undefined ? "plain" : "password";
    const joins: Kind = leads === "vanilla" ? "quorate" : "vanilla";
    test(`a ${leads} leader's dump makes a ${joins} member, ${version}, ${links}`, async (t) => {
      const scene = openScene(t);
      const addresses = await freeAddresses(3);
      // The smallest address is connected to, the largest one connects: each in its turn.
      const joining = addresses[number % 2 === 0 ? 0 : 2] ?? "";
      const options: SeatsOptions = { version, addresses, password, compactAbove };
      const pair = await Promise.all(
        addresses
          .filter((address) => address !== joining)
          .map((address) => startSeat(scene, options, leads, address)),
      );
      const writer = await watch(scene, options);
      await fill(writer, { prefix: "/a/", count: filled });
      assert.notEqual(await writer.delete("/a/1"), false);
      const leader = await compacted(pair);
      if (leads === "quorate") await makeRoom(pair, writer);
      await fill(writer, { prefix: "/after the dump/", count: fewMore });
      // The joining one must not compact on its own: what it lacks then came by the dump.
      const joinOptions = { ...options, compactAbove: undefined };
      const join = () => startSeat(scene, joinOptions, joins, joining);
      let joined = await join();
      const late = leads === "quorate" ? [await watch(scene, options)] : [];
      const everyone = () => [...pair, joined, writer, ...late];
      await assertEqualData(everyone());
      await hasDump(joined);
      for (const signal of ["SIGTERM", "SIGKILL"] as const) {
        const before = await joined.state();
        if (joins === "quorate") await inItsJournal(joined, before.appliedIndex);
        await joined.stop(signal);
        await fill(writer, { prefix: `/after ${signal}/`, count: fewMore });
        joined = await join();
        const data = await assertEqualData(everyone());
        assert.equal("/a/1" in data.entries, false);
        assert.ok(Object.keys(data.entries).length >= filled);
        await hasDump(joined);
        const after = await joined.state();
        if (joins === "quorate") {
          const found = lastIndexAtStart(joined);
          assert.ok(found >= before.appliedIndex, `started at ${found}: not on what it had`);
        }
        assert.ok(after.term >= before.term, `term ${before.term}, then ${after.term}`);
        assert.deepEqual(after.members, addresses);
      }
      if (leads === "quorate") {
        const sent = leader.logged("sending a dump");
        assert.equal(leader.logged(`to ${joining}`), 1, "restarted on the dump that it had got");
        assert.ok(sent >= 2, "the late observer got a dump as well");
      }
    });
  }
}
