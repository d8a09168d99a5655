import assert from "node:assert/strict";
import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { assertEqualData } from "./support/compare.js";
import { eventually } from "./support/eventually.js";
import { fill, keepWriting } from "./support/fill.js";
import { freeAddresses } from "./support/free-ports.js";
import { startQuorate } from "./support/quorate-member.js";
import { openScene, type Scene } from "./support/scene.js";
import {
  type Kind,
  leaderAmong,
  Seat,
  type SeatsOptions,
  startSeat,
  watch,
  wipe,
} from "./support/seats.js";

/** Dumps that are large, that come while writes go on, that break off, that know the members. */

interface Cluster {
  readonly scene: Scene;
  readonly options: SeatsOptions;
  readonly pair: Seat[];
  /** The address of the third. */
  readonly third: string;
}

/** Two members of one kind, and a seat for a third that is free. */
async function openPair(
  t: TestContext,
  kind: Kind,
  options: Omit<SeatsOptions, "addresses">,
): Promise<Cluster> {
  const scene = openScene(t);
  const addresses = await freeAddresses(3);
  const [first = "", third = "", last = ""] = addresses;
  const all = { ...options, addresses };
  const pair = await Promise.all(
    [first, last].map((address) => startSeat(scene, all, kind, address)),
  );
  return { scene, options: all, pair, third };
}

function other(kind: Kind): Kind {
  return kind === "vanilla" ? "quorate" : "vanilla";
}

async function hasDump(seat: Seat): Promise<void> {
  const { appliedIndex, logLength } = await seat.state();
  assert.ok(logLength < appliedIndex, `${seat.name}: ${logLength} of ${appliedIndex} entries`);
}

for (const [leads, version] of [
  ["vanilla", "0.3.17"],
  ["quorate", "0.3.17"],
  ["vanilla", "0.3.11"],
  ["quorate", "0.3.11"],
] as const) {
  test(`a ${leads} leader sends dumps while writes go on, ${version}`, async (t) => {
    const cluster = await openPair(t, leads, { version, compactAbove: 150 });
    const { scene, options, pair, third } = cluster;
    const observer = await watch(scene, options);
    const keys = await fill(observer, { prefix: "/first/", count: 200 });
    // PySyncObj's new journal has 1 KiB and doubles once for an entry: a larger one cannot be the
    // first that an old vanilla member gets, whoever sends it ("mmap slice assignment").
    const writing = keepWriting(observer, "/go on/", { valueBytes: 500, pauseMs: 100 });
    for (const round of [1, 2, 3]) {
      const before = writing.acked.length;
      // Compacted again and again meanwhile, on both sides.
      const joined = await startSeat(scene, options, other(leads), third);
      const { appliedIndex } = (await pair[0]?.state()) ?? assert.fail();
      await eventually(`round ${round}: caught up, and further writes`, async () => {
        const isBehind = (await joined.state()).appliedIndex < appliedIndex;
        return !isBehind && writing.acked.length > before + 60;
      });
      if (round === 3) {
        keys.push(...(await writing.stop()));
        const data = await assertEqualData([...pair, joined, observer]);
        for (const key of keys) assert.ok(key in data.entries, `${key} was acknowledged`);
        await hasDump(joined);
      } else {
        await joined.stop("SIGKILL");
        wipe(joined);
      }
    }
  });
}

/** Some 9 MB, in about 140 pieces. */
const large = { prefix: "/large/", count: 4500, valueBytes: 2000 };
/** Of two thirds of them: the rest may be in the log. */
const largeBytesMin = 4_000_000;

function sizeOf(path: string): number {
  return existsSync(path) ? statSync(path).size : 0;
}

/** Bytes of a dump that is on its way to a member; 0 where none is. */
function incomingBytes(dataDir: string): number {
  if (!existsSync(dataDir)) return 0;
  const name = readdirSync(dataDir).find((each) => /\.dump\.(1\.tmp|quorate-tmp-\d+)$/.test(each));
  return name === undefined ? 0 : statSync(join(dataDir, name)).size;
}

for (const leads of ["vanilla", "quorate"] as const satisfies Kind[]) {
  test(`a ${leads} leader's large dump, whole, and cut off by SIGKILL`, async (t) => {
    const password = leads === "vanilla" ? "Paßwort" : undefined;
    const options = { version: "0.3.17", password, compactAbove: 1500 };
    const { scene, options: all, pair, third } = await openPair(t, leads, options);
    const observer = await watch(scene, all);
    const keys = await fill(observer, large);
    await assertEqualData([...pair, observer], { timeoutMs: 60_000 });
    // Of what comes quickly a Quorate member keeps more in its log, for a while.
    await eventually("large dumps", () =>
      pair.every(({ dataDir, selfAddr }) => sizeOf(`${dataDir}/${selfAddr}.dump`) > largeBytesMin),
    );
    // One that does not compact: what its log lacks came by the dump.
    const join3 = () => startSeat(scene, { ...all, compactAbove: undefined }, other(leads), third);
    let joined = await join3();
    const whole = await assertEqualData([...pair, joined], { timeoutMs: 60_000 });
    assert.equal(Object.keys(whole.entries).length, keys.length);
    await hasDump(joined);
    const dumpBytes = statSync(join(joined.dataDir, `${third}.dump`)).size;
    assert.ok(dumpBytes > largeBytesMin, `${dumpBytes} bytes`);

    await joined.stop("SIGKILL");
    wipe(joined);
    const leader = await leaderAmong(pair);
    const starting = join3();
    await eventually("a part of the dump", () => incomingBytes(joined.dataDir) > 0, { everyMs: 1 });
    await leader.stop("SIGKILL");
    const cutAt = incomingBytes(joined.dataDir);
    assert.ok(cutAt < dumpBytes, "the leader was killed before all had come");
    assert.equal(existsSync(join(joined.dataDir, `${third}.dump`)), false);
    joined = await starting;
    const again = await startSeat(scene, all, leads, leader.selfAddr);
    const now = [...pair.filter((seat) => seat !== leader), again, joined, observer];
    await fill(observer, { prefix: "/after/", count: 3 });
    const data = await assertEqualData(now, { timeoutMs: 60_000 });
    assert.equal(Object.keys(data.entries).length, keys.length + 3);
    await hasDump(joined);
    t.diagnostic(`cut off at ${cutAt} of ${dumpBytes} bytes`);
  });
}

for (const [leads, version] of [
  ["vanilla", "0.3.17"],
  ["quorate", "0.3.17"],
  ["vanilla", "0.3.11"],
  ["quorate", "0.3.11"],
] as const) {
  test(`members added before and after a ${leads} leader's dump, ${version}`, async (t) => {
    const scene = openScene(t);
    const [first = "", second = "", third = "", ...ghosts] = await freeAddresses(5);
    const [early = "", late = ""] = ghosts;
    const two = { version, addresses: [first, second], compactAbove: 40 };
    const three = { version, addresses: [first, second, third] };
    const pair = await Promise.all(
      two.addresses.map((address) => startSeat(scene, two, leads, address)),
    );
    const leader = await leaderAmong(pair);
    const knows = (seat: Seat, members: readonly string[]) =>
      eventually(`${seat.name} knows of ${members.join()}`, async () => {
        const known = (await seat.state()).members;
        if (known.join() === [...members].sort().join()) return true;
        throw new Error(known.join());
      });
    // It has itself added, as Patroni's members do.
    let joined = await startSeat(scene, three, other(leads), third);
    for (const seat of [...pair, joined]) await knows(seat, three.addresses);
    const added = await eventually("an addition", async () => {
      const said = await leader.change({ command: "add", address: early });
      if (said !== `SUCCESS ADD ${early}`) throw new Error(said);
      return said;
    });
    assert.equal(added, `SUCCESS ADD ${early}`);
    const observer = await watch(scene, three);
    await fill(observer, { prefix: "/k/", count: 60 });
    await eventually("compacted logs", async () => {
      const states = await Promise.all(pair.map((seat) => seat.state()));
      return states.every((state) => state.appliedIndex > 60 && state.logLength <= 40);
    });
    await joined.stop("SIGKILL");
    wipe(joined);
    joined = await startSeat(scene, three, other(leads), third);
    await assertEqualData([...pair, joined, observer]);
    await hasDump(joined);
    await knows(joined, [...three.addresses, early]);
    await eventually("a further addition", async () => {
      const said = await leader.change({ command: "add", address: late });
      if (said !== `SUCCESS ADD ${late}`) throw new Error(said);
      return true;
    });
    await assertEqualData([...pair, joined, observer]);
    await knows(joined, [...three.addresses, early, late]);
    // A vanilla member stores once a second how far its log is committed, and applies no further.
    await fill(observer, { prefix: "/l/", count: 1 });
    await new Promise((resolve) => setTimeout(resolve, 2500));
    for (const seat of [...pair, joined]) await seat.stop("SIGKILL");
    // Alone, and told of one other only: the files are all that it can know it from.
    joined = await startSeat(scene, { ...three, addresses: [first, third] }, other(leads), third);
    await knows(joined, [...three.addresses, early, late]);
  });
}

test("a dump is written after so many entries or so long, as patroni.yml says", async (t) => {
  const scene = openScene(t);
  const [byCount = "", byTime = ""] = await freeAddresses(2);
  const settings = {
    [byCount]: "log_compaction_min_entries: 30",
    [byTime]: "log_compaction_min_time: 1",
  };
  for (const [selfAddr, setting] of Object.entries(settings)) {
    const file = join(scene.folder, `${selfAddr}.yml`);
    writeFileSync(file, `quorate:\n  ${setting}\n`);
    const member = await startQuorate(scene, { selfAddr, partners: [], extraArgs: [file] });
    const seat = new Seat("quorate", member, undefined);
    const logLength = async () => (await seat.state()).logLength;
    const observer = await watch(scene, { version: "0.3.17", addresses: [selfAddr] });
    await fill(observer, { prefix: "/k/", count: 20 });
    if (selfAddr === byCount) {
      assert.equal(await logLength(), (await member.data()).appliedIndex);
      await fill(observer, { prefix: "/l/", count: 20 });
    }
    await eventually(`${setting}: a compacted log`, async () => {
      await observer.set("/m", "v");
      const { appliedIndex } = await member.data();
      return appliedIndex - (await logLength()) >= 15;
    });
    await eventually("the dump", () => existsSync(join(member.dataDir, `${selfAddr}.dump`)));
  }
});
