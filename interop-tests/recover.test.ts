import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import { decodeMeta } from "../protocol/files/meta-format.js";
import { assertEqualData } from "./support/compare.js";
import { eventually } from "./support/eventually.js";
import { fill } from "./support/fill.js";
import { freeAddresses } from "./support/free-ports.js";
import { quorateCli } from "./support/quorate-cli.js";
import { openScene } from "./support/scene.js";
import {
  type Kind,
  leaderAmong,
  type Seat,
  type SeatsOptions,
  startSeat,
  watch,
  writerOf,
} from "./support/seats.js";

/** Dumps and journals both hold a part. */
const compactAbove = 40;
const filled = 70;
const version = "0.3.17";

/** Journal, meta and dump. */
function filesIn(folder: string): Map<string, string> {
  const names = readdirSync(folder).filter((name) => /\.(journal|meta|dump)$/.test(name));
  return new Map(
    names.sort().map((name) => [name, readFileSync(join(folder, name)).toString("hex")]),
  );
}

/** Also a vanilla member, on the survivor's new files. */
for (const [before, after] of [
  ["quorate", "quorate"],
  ["vanilla", "quorate"],
  ["vanilla", "vanilla"],
] as const satisfies (readonly [Kind, Kind])[]) {
  test(`one ${before} survivor of three becomes a cluster, ${after} members join it`, async (t) => {
    const scene = openScene(t);
    const addresses = await freeAddresses(3);
    const [survivor = "", ...lost] = addresses;
    const options: SeatsOptions = { version, addresses, compactAbove };
    const seats = await Promise.all(
      addresses.map((address) => startSeat(scene, options, before, address)),
    );
    const observer = await watch(scene, options);
    const keys = await fill(observer, { prefix: "/before/", count: filled });
    const old = await assertEqualData([...seats, observer]);
    const { term } = await (await leaderAmong(seats)).state();
    await observer.stop();
    const [first, ...others] = seats;
    assert.ok(first !== undefined);
    const recover = (...flags: string[]) =>
      quorateCli(["recover", first.dataDir, "--force-new-cluster", ...flags]);

    const running = await recover("--yes");
    assert.deepEqual([running.code, running.out], [1, ""]);
    await first.stop("SIGKILL");
    const stillReached = await recover("--yes", "--json");
    // A journal without a dump does not name the members of the first start: then the option does.
    assert.equal(stillReached.code, 1, stillReached.out);
    assert.match(stillReached.err, /still be reached.*split brain/s);
    for (const seat of others) await seat.stop("SIGKILL");
    const files = filesIn(first.dataDir);
    assert.equal((await recover()).code, 2);
    assert.equal((await recover("--dry-run")).code, 0);
    assert.deepEqual(filesIn(first.dataDir), files, "without --yes nothing may change");

    const { code, out, err } = await recover("--yes", "--json");
    assert.deepEqual([code, err], [0, ""]);
    const made = JSON.parse(out);
    assert.ok(made.newTerm > term);
    assert.deepEqual(made.formerMembers, [...lost].sort());
    const kept = filesIn(made.setAsideTo);
    const record = JSON.parse(readFileSync(join(made.setAsideTo, "recovery.json"), "utf8"));
    assert.deepEqual({ changed: true, ...record }, made);
    for (const [name, content] of files) assert.equal(kept.get(name), content, name);

    const alone = await startSeat(scene, { ...options, addresses: [survivor] }, after, survivor);
    await eventually("the survivor leads alone", async () => {
      const state = await alone.state();
      return state.leader === survivor && state.members.length === 1;
    });
    const joined: Seat[] = [alone];
    for (const seat of others) {
      rmSync(seat.dataDir, { recursive: true });
      joined.push(await startSeat(scene, options, after, seat.selfAddr));
      await eventually(`${seat.selfAddr} is a member`, async () => {
        const { members } = await alone.state();
        return members.includes(seat.selfAddr);
      });
      // A vanilla member asks the first of the others that answers, once, to be added: who follows nobody yet refuses.
      await eventually(`${seat.selfAddr} follows`, async () => {
        const { leader, appliedIndex } = (await joined.at(-1)?.state()) ?? {};
        return leader !== null && appliedIndex === (await alone.state()).appliedIndex;
      });
    }
    const again = await watch(scene, options);
    keys.push(...(await fill(again, { prefix: "/after/", count: filled })));
    const data = await assertEqualData([...joined, again]);
    for (const key of keys) assert.ok(key in data.entries, `${key} was acknowledged`);
    for (const [key, entry] of Object.entries(old.entries)) {
      assert.deepEqual(data.entries[key], entry);
    }
    for (const seat of joined) {
      const state = await seat.state();
      assert.deepEqual(state.members, addresses);
      assert.ok(state.term >= made.newTerm);
    }
  });
}

/** Of 0.3.17 see above; of these, two of three members ever ran. */
for (const older of ["0.3.8", "0.3.11", "0.3.14", "0.3.15", "0.3.16"]) {
  test(`files of a killed ${older} member become a cluster on which ${older} and Quorate start`, async (t) => {
    const scene = openScene(t);
    const addresses = await freeAddresses(3);
    const [survivor = "", second = "", third = ""] = addresses;
    const options: SeatsOptions = { version: older, addresses, compactAbove };
    const first = await startSeat(scene, options, "vanilla", survivor);
    const other = await startSeat(scene, options, "vanilla", second);
    const keys = await fill(await writerOf(scene, options, other), {
      ...{ prefix: "/before/", count: filled },
    });
    const old = await assertEqualData([first, other]);
    await eventually("a dump holds a part", () => filesIn(first.dataDir).size === 3);
    for (const seat of [first, other]) await seat.stop("SIGKILL");
    const files = filesIn(first.dataDir);
    const { code, out, err } = await quorateCli([
      ...["recover", first.dataDir, "--force-new-cluster", "--yes", "--json"],
    ]);
    assert.deepEqual([code, err], [0, ""]);
    const made = JSON.parse(out);
    assert.deepEqual(made.formerMembers, [second, third].sort());
    const kept = filesIn(made.setAsideTo);
    for (const [name, content] of files) assert.equal(kept.get(name), content, name);

    for (const kind of ["vanilla", "quorate"] as const) {
      const alone = await startSeat(scene, { ...options, addresses: [survivor] }, kind, survivor);
      await eventually(`${kind} leads alone`, async () => {
        const { leader, members, appliedIndex } = await alone.state();
        return leader === survivor && members.length === 1 && appliedIndex > made.lastIndex;
      });
      const { entries } = await alone.data();
      assert.deepEqual(Object.keys(entries).sort(), keys.toSorted());
      assert.deepEqual(entries, old.entries, kind);
      await alone.stop("SIGKILL");
    }
  });
}

for (const kind of ["vanilla", "quorate"] as const satisfies Kind[]) {
  test(`a member is emptied beside two ${kind} members and takes everything from them`, async (t) => {
    const scene = openScene(t);
    const addresses = await freeAddresses(3);
    const [address = ""] = addresses;
    const options: SeatsOptions = { version, addresses, compactAbove };
    const seats = await Promise.all(
      addresses.map((each) => startSeat(scene, options, each === address ? "quorate" : kind, each)),
    );
    const observer = await watch(scene, options);
    await fill(observer, { prefix: "/before/", count: filled });
    const [first, second, third] = seats;
    assert.ok(first !== undefined && second !== undefined && third !== undefined);
    const reset = (...flags: string[]) =>
      quorateCli(["reset-member", first.dataDir, "--addr", addresses.join(","), ...flags]);
    const running = await reset("--yes");
    assert.equal(running.code, 1, running.out);
    await first.stop("SIGKILL");
    await eventually("the others have a leader", async () => {
      const { leader } = await second.state();
      return leader !== null && leader !== address;
    });
    const { term } = await second.state();
    const files = filesIn(first.dataDir);
    assert.equal((await reset()).code, 2);
    assert.equal((await reset("--dry-run")).code, 0);
    assert.deepEqual(filesIn(first.dataDir), files);
    const { code, out, err } = await reset("--yes", "--json");
    assert.deepEqual([code, err], [0, ""]);
    const done = JSON.parse(out);
    assert.ok(done.kept.term <= term && done.kept.term > 0);
    for (const [name, content] of files) assert.equal(filesIn(done.setAsideTo).get(name), content);
    assert.deepEqual([...filesIn(first.dataDir).keys()], [`${address}.journal.meta`]);
    const back = await startSeat(scene, options, "quorate", address);
    await fill(observer, { prefix: "/after/", count: filled });
    await assertEqualData([back, second, third, observer]);
    await eventually("it may vote again", () => !filesSayRefetch(first.dataDir, address));
    // Without its vote there would be no leader now.
    await third.stop("SIGKILL");
    await fill(observer, { prefix: "/two/", count: 5 });
    await assertEqualData([back, second, observer]);
    assert.ok((await back.state()).term >= done.kept.term);
  });
}

function filesSayRefetch(dataDir: string, address: string): boolean {
  const path = join(dataDir, `${address}.journal.meta`);
  return decodeMeta(readFileSync(path), crc32).meta.mustRefetch;
}

test("a member's files are not thrown away where the rest has no leader", async (t) => {
  const scene = openScene(t);
  const addresses = await freeAddresses(3);
  const options: SeatsOptions = { version, addresses };
  const seats = await Promise.all(
    addresses.map((address) => startSeat(scene, options, "quorate", address)),
  );
  const observer = await watch(scene, options);
  await fill(observer, { prefix: "/k/", count: 5 });
  const [first, second, third] = seats;
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  await first.stop("SIGKILL");
  await third.stop("SIGKILL");
  await eventually("no leader", async () => (await second.state()).leader === null, {
    timeoutMs: 60_000,
  });
  const files = filesIn(first.dataDir);
  const { code, err } = await quorateCli([
    ...["reset-member", first.dataDir, "--addr", second.selfAddr, "--yes"],
  ]);
  assert.equal(code, 1);
  assert.match(err, /no leader/);
  assert.deepEqual(filesIn(first.dataDir), files);
});
