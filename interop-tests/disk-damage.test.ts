import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  assertSetAside,
  damage,
  damageBytes,
  holdWithRecords,
  mends,
  type Place,
  recordsIn,
} from "./disk/damage.js";
import { caughtUp } from "./disk/full-disk.js";
import { DiskStage } from "./disk/stage.js";
import { startCluster } from "./support/cluster.js";
import { assertEqualData } from "./support/compare.js";
import { eventually } from "./support/eventually.js";
import { fill } from "./support/fill.js";
import { freeAddresses } from "./support/free-ports.js";
import { quorateCli } from "./support/quorate-cli.js";
import { startQuorate } from "./support/quorate-member.js";
import { openScene } from "./support/scene.js";
import { startSeat, writerOf } from "./support/seats.js";

/* Bytes that a disk has changed, in the files of real members: found, set aside, taken from the others. */

/** Longer than any election. */
const aloneMs = 2_500;

test("a byte of a value, of a term, of the dump, in a stopped member's files", {
  timeout: 180_000,
}, async (t) => {
  const scene = openScene(t);
  const stage = await DiskStage.start(scene);
  t.after(() => stage.close());
  await eventually("there is a dump", () => existsSync(stage.file("dump")));
  for (const place of ["value", "term", "dump"] as const) {
    await holdWithRecords(stage);
    await stage.victim.stop("SIGTERM");
    const { path, bytes } = damage(stage, place);
    for (const other of stage.others) other.child.pause();
    const victim = await stage.startVictim();
    assertSetAside(stage, path, bytes);
    // Alone it neither leads nor tells what it holds.
    await sleep(aloneMs);
    assert.deepEqual(await stage.reasons(), ["files-damaged", "refetching"], place);
    const told = await quorateCli(["status", "--addr", victim.selfAddr, "--json"]);
    assert.deepEqual(JSON.parse(told.out).degraded, ["files-damaged", "refetching"], place);
    for (const path of ["/health", "/v1/kv"]) {
      assert.equal((await fetch(`http://${victim.http}${path}`)).status, 503, `${place} ${path}`);
    }
    const { role, term } = await victim.httpStatus();
    assert.equal(role, "follower", place);
    assert.ok(Number(term) < 2 ** 31, `term ${term}`);
    for (const other of stage.others) other.child.resume();
    stage.goOnWriting();
    await mends(stage);
  }
  await stage.judge();
});

test("a journal that changes under a running member is not sealed anew", {
  timeout: 120_000,
}, async (t) => {
  const scene = openScene(t);
  const stage = await DiskStage.start(scene);
  t.after(() => stage.close());
  await holdWithRecords(stage);
  damage(stage, "value");
  stage.goOnWriting();
  // At the latest the next compaction reads it.
  assert.deepEqual(await stage.victim.child.exited, { code: 1, signal: null });
  assert.match(
    stage.lastError(),
    /\.journal: its records are not what was written .* start the member again/,
  );
  const bytes = readFileSync(stage.file("journal"));
  await stage.startVictim();
  assertSetAside(stage, stage.file("journal"), bytes);
  await mends(stage);
  await stage.judge();
});

test("a leader does not send a damaged dump, but writes it anew", {
  timeout: 120_000,
}, async (t) => {
  const scene = openScene(t);
  const stage = await DiskStage.start(scene);
  t.after(() => stage.close());
  await stage.more(100);
  await stage.makeVictimLead();
  await holdWithRecords(stage);
  const { path, bytes } = damage(stage, "dump");
  await stage.restartEmpty(0);
  await assertEqualData(stage.all, { timeoutMs: 60_000 });
  assertSetAside(stage, path, bytes);
  assert.match(stage.victim.child.log(), /cannot send a dump .*\.dump: the dump is damaged/);
  await eventually("its health is good", async () => (await stage.reasons()).length === 0);
  stage.goOnWriting();
  await caughtUp(stage);
  await stage.judge();
});

test("in files that PySyncObj has written, as far as they can tell", {
  timeout: 180_000,
}, async (t) => {
  const scene = openScene(t);
  const options = { version: "0.3.17", compactAbove: 30 };
  const cluster = await startCluster(scene, options, ["vanilla", "vanilla", "vanilla"]);
  const first = cluster.seats[0];
  assert.ok(first !== undefined);
  const writer = await writerOf(scene, cluster.options, cluster.seats[2] ?? first);
  const { selfAddr, dataDir } = first;
  let seat = first;
  const places: readonly (Place | "end")[] = ["term", "dump", "end"];
  for (const [round, place] of places.entries()) {
    await fill(writer, { prefix: `/round-${round}/`, count: 45 });
    const journal = join(dataDir, `${selfAddr}.journal`);
    // Compacted, with some records behind the dump's two, and no compaction that is due soon.
    await eventually("its journal holds some records", async () => {
      const records = recordsIn(journal);
      if (records > 5 && records < 20) return true;
      await fill(writer, { prefix: `/round-${round}/more/`, count: 8 });
      return false;
    });
    await cluster.leader();
    await seat.stop("SIGTERM");
    const path = join(dataDir, `${selfAddr}.${place === "dump" ? "dump" : "journal"}`);
    const bytes = damageBytes(readFileSync(path), place);
    writeFileSync(path, bytes, { flag: "r+" });
    seat = await startSeat(scene, cluster.options, "quorate", selfAddr);
    cluster.seats[0] = seat;
    const aside = readdirSync(dataDir).filter((name) => name.includes(".damaged-"));
    // Where no compaction of PySyncObj's has come between, our seal tells where the records end.
    const isPutRight = place === "end" && seat.logged("end offset was moved back; put right") === 1;
    assert.ok(
      isPutRight || aside.some((name) => readFileSync(join(dataDir, name)).equals(bytes)),
      `${place}: ${aside.join(", ")}`,
    );
    await assertEqualData(cluster.seats, { timeoutMs: 60_000 });
    await eventually("it votes again", () => seat.logged("voting again") > 0);
    // The next round damages what PySyncObj writes.
    await seat.stop("SIGTERM");
    seat = await startSeat(scene, cluster.options, "vanilla", selfAddr);
    cluster.seats[0] = seat;
  }
  await assertEqualData(cluster.seats, { timeoutMs: 60_000 });
});

test("a member alone whose dump is gone, cut or garbage waits, and says what to do", {
  timeout: 120_000,
}, async (t) => {
  const scene = openScene(t);
  const [selfAddr = ""] = await freeAddresses(1);
  const extraArgs = ["--log-compaction-min-entries", "20"];
  const given = { selfAddr, partners: [], extraArgs };
  const writer = await startQuorate(scene, { ...given, isWriter: true });
  await eventually("it leads", async () => (await writer.set("/first", "x")) !== false);
  for (let n = 0; n < 60; n++) await writer.set(`/key-${n}`, "x");
  const path = join(writer.dataDir, `${selfAddr}.dump`);
  await eventually("there is a dump", () => readFileSync(path).length > 0);
  await writer.stop("SIGTERM");
  const files = readdirSync(writer.dataDir).map(
    (name) => [join(writer.dataDir, name), readFileSync(join(writer.dataDir, name))] as const,
  );
  const whole = readFileSync(path);
  for (const [what, bytes] of [
    ["garbage", Buffer.alloc(500, "x")],
    ["cut", whole.subarray(0, -20)],
    ["empty", Buffer.alloc(0)],
    ["missing", null],
  ] as const) {
    if (bytes === null) rmSync(path);
    else writeFileSync(path, bytes);
    const member = await startQuorate(scene, given);
    await sleep(aloneMs);
    const { role, leader } = await member.httpStatus();
    assert.deepEqual([role, leader], ["follower", null], what);
    for (const asked of ["/health", "/v1/kv"]) {
      assert.equal((await fetch(`http://${member.http}${asked}`)).status, 503, what);
    }
    assert.match(member.child.log(), /no other member to take it from.*put the right files back/);
    assert.ok(member.child.log().includes(`quorate repair ${member.dataDir}/${selfAddr} --alone`));
    await member.stop("SIGTERM");
    // The operator puts a backup back.
    for (const [name, content] of files) writeFileSync(name, content);
  }
  // Without a backup: what the log names, and what helps where nothing was left to be repaired.
  const config = join(scene.makeFolder("config"), "patroni.yml");
  writeFileSync(config, `raft:\n  self_addr: "${selfAddr}"\n`);
  const recover = ["recover", writer.dataDir, "--force-new-cluster", "--accept-incomplete"];
  for (const command of [
    ["repair", join(writer.dataDir, selfAddr), "--alone", "--config", config, "--yes"],
    [...recover, "--config", config, "--yes"],
  ]) {
    writeFileSync(path, "x".repeat(500));
    writeFileSync(join(writer.dataDir, `${selfAddr}.journal`), "x".repeat(500));
    const isStarted = command[0] === "repair";
    if (isStarted) await (await startQuorate(scene, given)).stop("SIGTERM");
    const { code, err } = await quorateCli(command);
    assert.deepEqual([code, err], [0, ""], command[0]);
    const freed = await startQuorate(scene, given);
    await eventually(`it leads after ${command[0]}`, async () => {
      return (await freed.httpStatus())["role"] === "leader";
    });
    assert.equal((await fetch(`http://${freed.http}/health`)).status, 200, command[0]);
    await freed.stop("SIGTERM");
    for (const [name, content] of files) writeFileSync(name, content);
  }
  const member = await startQuorate(scene, given);
  await eventually("it leads again, with all of it", async () => {
    const { entries } = await member.kv();
    return Object.keys(entries).length === 61 && (await member.httpStatus())["role"] === "leader";
  });
});
