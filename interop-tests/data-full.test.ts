import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "./support/eventually.js";
import { freeAddresses } from "./support/free-ports.js";
import { type QuorateMember, startQuorate } from "./support/quorate-member.js";
import { openScene } from "./support/scene.js";

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
