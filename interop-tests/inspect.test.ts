import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { membersIn } from "../src/files/data-path.js";
import { pictureOf } from "../src/files/store-diff.js";
import { StoreFold } from "../src/files/store-fold.js";
import { nodeFileSystem } from "../src/storage/node-file-system.js";
import { eventually } from "./support/eventually.js";
import { fill } from "./support/fill.js";
import { freeAddresses } from "./support/free-ports.js";
import { projectRoot } from "./support/project.js";
import { quorateCli } from "./support/quorate-cli.js";
import { openScene } from "./support/scene.js";
import { type Kind, startSeat, writerOf } from "./support/seats.js";

/** A member that runs is looked at from outside while it writes and compacts. */

/** One write at a time, so that none is compacted away before it is seen; several compactions in all. */
const writes = 25;
const compactAbove = 8;
const verdicts = 6;

for (const [kind, version] of [
  ["vanilla", "0.3.15"],
  ["vanilla", "0.3.17"],
  ["quorate", "0.3.17"],
] as const satisfies readonly (readonly [Kind, string])[]) {
  test(`${kind} ${version}: --follow shows each entry once, across compactions, and the files tell its store`, async (t) => {
    const scene = openScene(t);
    const addresses = await freeAddresses(1);
    const [address = ""] = addresses;
    const options = { version, addresses, compactAbove };
    const seat = await startSeat(scene, options, kind, address);
    const writer = await writerOf(scene, options, seat);
    const journal = join(seat.dataDir, `${address}.journal`);
    const follower = scene.start({
      name: "inspect --follow",
      program: process.execPath,
      args: [join(projectRoot(), "bin", "quorate.js"), "inspect", journal, "--follow", "--json"],
      env: {},
    });
    const shown = () =>
      follower
        .log()
        .split("\n")
        .filter((line) => line.startsWith("{") && line.endsWith("}"))
        .map((line) => JSON.parse(line));
    const keys: string[] = [];
    for (let write = 0; write < writes; write++) {
      keys.push(...(await fill(writer, { prefix: `/${write}/`, count: 1 })));
      await eventually("the follower has seen it", () => {
        const sets = shown().filter(({ operation }) => operation === "set");
        return sets.length >= keys.length;
      });
    }
    const lines = shown();
    assert.deepEqual(
      lines.filter(({ event }) => event !== undefined),
      [],
      "nothing was missed",
    );
    assert.deepEqual(
      lines.map(({ index }) => index),
      lines.map((_, at) => at + 1),
    );
    const sets = lines.filter(({ operation }) => operation === "set").map(({ key }) => key);
    assert.deepEqual(sets.toSorted(), keys.toSorted());
    const log = (await seat.state()).logLength;
    assert.ok(log < lines.length, `${log} of ${lines.length} entries: nothing was compacted`);

    // What its memory holds is what its files tell from outside.
    await eventually("the store of the files is that of its memory", async () => {
      const names = ["journal", "journal.meta", "dump"].map((ending) => `${address}.${ending}`);
      const [member] = membersIn(seat.dataDir, names);
      assert.ok(member !== undefined);
      const held = await seat.data();
      const fold = await StoreFold.open(nodeFileSystem, member, held.appliedIndex);
      try {
        await fold.advance(held.appliedIndex);
        const picture = Object.fromEntries(pictureOf(fold.store));
        const { entries } = held;
        assert.deepEqual(Object.keys(picture).toSorted(), Object.keys(entries).toSorted());
        for (const [key, entry] of Object.entries(picture)) {
          assert.equal(entry.value, entries[key]?.value, key);
        }
        return true;
      } finally {
        await fold.close();
      }
    });
    assert.equal((await follower.stop("SIGINT")).code, 0);
    assert.equal((await seat.stop("SIGTERM")).code, 0);
  });

  test(`${kind} ${version}: verify takes the files of a running member for no damaged ones`, async (t) => {
    const scene = openScene(t);
    const addresses = await freeAddresses(1);
    const [address = ""] = addresses;
    const options = { version, addresses, compactAbove };
    const seat = await startSeat(scene, options, kind, address);
    const writer = await writerOf(scene, options, seat);
    for (let round = 0; round < verdicts; round++) {
      // Compactions go on meanwhile.
      const [verdict] = await Promise.all([
        quorateCli(["verify", join(seat.dataDir, address)]),
        fill(writer, { prefix: `/${round}/`, count: 40 }),
      ]);
      assert.equal(verdict.code, 0, verdict.out);
      assert.match(verdict.out, /^note {2}in-use/m);
    }
    await seat.stop("SIGTERM");
  });
}
