import assert from "node:assert/strict";
import { test } from "node:test";
import { assertEqualData } from "./support/compare.js";
import { eventually } from "./support/eventually.js";
import { freeAddresses } from "./support/free-ports.js";
import { type QuorateMember, startQuorate } from "./support/quorate-member.js";
import { openScene } from "./support/scene.js";
import { startVanillaMemberWithControl } from "./support/vanilla-member.js";

/** A cluster whose data come to their bound: it goes on, with what adds nothing, and says what to do. */

const mib = 1024 * 1024;
const bytesMax = 64 * mib;
const large = "x".repeat(5 * mib);

test("a cluster with all the data that it may hold refuses more, and nothing else", {
  timeout: 240_000,
}, async (t) => {
  const scene = openScene(t);
  const addresses = await freeAddresses(2);
  const start = (selfAddr: string, most = bytesMax): Promise<QuorateMember> => {
    const partners = addresses.filter((address) => address !== selfAddr);
    const extraArgs = ["--max-data-bytes", `${most}`];
    return startQuorate(scene, { selfAddr, partners, extraArgs, isWriter: true });
  };
  let members = await Promise.all(addresses.map((address) => start(address)));
  const writer = members[0] ?? assert.fail("no member");
  const isTaken = async (key: string, value: string) => {
    const outcome = await writer.write("set", { key, value, options: {} });
    if (outcome.ok) return true;
    assert.equal(outcome.reason, "REQUEST_DENIED");
    return false;
  };
  await eventually("the first write is taken", () => writer.set("/leader", "one"), {
    timeoutMs: 20_000,
  });
  let count = 0;
  while (count < 20 && (await isTaken(`/large/${count}`, large))) count += 1;
  assert.equal(count, 12, "so many of 5 MiB fit into 64");
  assert.ok(await isTaken("/leader", "two"), "what is no larger is taken");
  assert.ok(await isTaken("/status", "small"), "and what is small");
  const saysSo = async (member: QuorateMember) => (await member.reasons()).includes("data-full");
  for (const member of members) {
    await eventually("it says that the data is nearly full", () => saysSo(member));
    await assert.rejects(member.getJson("/health"), /503 .*data-full.*max_data_bytes/s);
  }
  const lines = members.flatMap((member) => member.logLines());
  assert.ok(lines.some((line) => line["code"] === "data-full"));
  assert.ok(await writer.delete("/large/0"));
  assert.ok(await isTaken("/large/0", large), "there is room again");

  // With all of it a start goes well, and deletes are taken.
  for (const member of members) await member.stop();
  members = await Promise.all(addresses.map((address) => start(address)));
  const again = members[0] ?? assert.fail("no member");
  const deleted = () => again.delete("/large/", { recursive: true });
  await eventually("a delete is taken", deleted, { timeoutMs: 30_000 });
  for (const member of members) {
    const isEmpty = async () => Object.keys((await member.kv("/large")).entries).length === 0;
    await eventually("all have applied it", isEmpty, { timeoutMs: 30_000 });
    assert.equal(await saysSo(member), false);
  }
});

test("a follower of a PySyncObj leader with more data than it holds stands still, until the setting is raised", {
  timeout: 240_000,
}, async (t) => {
  const scene = openScene(t);
  const addresses = await freeAddresses(3);
  const [one = "", two = "", three = ""] = addresses;
  const partnersOf = (selfAddr: string) => addresses.filter((address) => address !== selfAddr);
  const vanilla = (selfAddr: string) =>
    startVanillaMemberWithControl(scene, {
      ...{ version: "0.3.17", selfAddr, partners: partnersOf(selfAddr) },
    });
  const quorate = (most: number) => {
    const extraArgs = ["--max-data-bytes", `${most}`];
    return startQuorate(scene, { selfAddr: three, partners: partnersOf(three), extraArgs });
  };
  const [writer, other] = await Promise.all([vanilla(one), vanilla(two)]);
  await eventually("the PySyncObj members have a leader", async () => {
    return (await writer.status())["leader"] !== null;
  });
  const member = await quorate(bytesMax);
  const value = "x".repeat(4 * mib);
  for (let n = 0; n < 24; n += 1) assert.notEqual(await writer.set(`/large/${n}`, value), false);
  const saysSo = async () => (await member.reasons()).includes("data-too-large");
  await eventually("it says that it holds no more", saysSo, { timeoutMs: 60_000 });
  const keys = Object.keys((await member.kv("/large")).entries).length;
  assert.equal(keys, 19, "so many of 4 MiB fit into 80");
  assert.equal((await member.httpStatus())["role"], "follower");
  assert.notEqual(await writer.set("/large/0", "smaller"), false);
  await member.stop();

  const raised = await quorate(4 * bytesMax);
  const hasAll = async () => Object.keys((await raised.kv("/large")).entries).length === 24;
  await eventually("it holds all of it", hasAll, { timeoutMs: 60_000 });
  await assertEqualData([raised, writer, other]);
  assert.deepEqual(await raised.reasons(), []);
});
