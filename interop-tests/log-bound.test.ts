import assert from "node:assert/strict";
import { mkdirSync, rmdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "./support/eventually.js";
import { freeAddresses } from "./support/free-ports.js";
import { type QuorateMember, startQuorate } from "./support/quorate-member.js";
import { openScene, type Scene } from "./support/scene.js";

/*
 * A leader that can write no dump, under large overwrites: its log comes to its bound, and no further. It says
 * why, another member leads and goes on, and it comes after by itself when dumps can be written.
 */

const mib = 1024 * 1024;
const logBytesMax = 24 * mib;
/** A journal grows by so much at a time. */
const growthBytes = 8 * mib;
const writes = 40;
const keys = 3;
/** An attempt to hand over that finds nobody ready is made again a minute later. */
const patience = { timeoutMs: 100_000 };
/** As many dumps as are tried within the test, and more. */
const blockedDumps = 200;

async function start(scene: Scene): Promise<readonly QuorateMember[]> {
  const addresses = await freeAddresses(3);
  return await Promise.all(
    addresses.map((selfAddr) =>
      startQuorate(scene, {
        ...{ selfAddr, isWriter: true, env: { QUORATE_TEST_LOG_BYTES: String(logBytesMax) } },
        partners: addresses.filter((address) => address !== selfAddr),
        extraArgs: ["--log-compaction-min-entries", "10"],
      }),
    ),
  );
}

async function leaderOf(members: readonly QuorateMember[]): Promise<QuorateMember> {
  let leader: QuorateMember | undefined;
  await eventually(
    "all follow one leader",
    async () => {
      const said = await Promise.all(members.map((member) => member.httpStatus()));
      leader = members.find(({ selfAddr }) =>
        said.every((status) => status["leader"] === selfAddr),
      );
      return leader !== undefined;
    },
    patience,
  );
  return leader ?? assert.fail("no leader");
}

/** A directory stands where each of its dumps would be written. */
function blockDumps({ dataDir, selfAddr }: QuorateMember): () => void {
  const paths = Array.from({ length: blockedDumps }, (_, n) =>
    join(dataDir, `${selfAddr}.dump.quorate-tmp-${n + 1}`),
  );
  for (const path of paths) mkdirSync(path);
  return () => {
    for (const path of paths) rmdirSync(path);
  };
}

test("a leader that can write no dump fills its log, and gives the lead away", {
  timeout: 240_000,
}, async (t) => {
  const members = await start(openScene(t));
  const victim = await leaderOf(members);
  const others = members.filter((member) => member !== victim);
  const unblock = blockDumps(victim);
  const refusals: string[] = [];
  // Whoever writes through a follower is answered when that has applied it: the victim will not.
  let writer = victim;
  const acked = new Map<string, string>();
  for (let n = 0; n < writes; n += 1) {
    const key = `/large/${n % keys}`;
    const value = `${n} ${"x".repeat(mib)}`;
    const isTaken = async () => {
      const outcome = await writer.write("set", { key, value, options: {} });
      if (outcome.ok) return true;
      if (outcome.reason === "QUEUE_FULL" && writer === victim) refusals.push(outcome.message);
      await sleep(100);
      if ((await victim.httpStatus())["role"] !== "leader") writer = others[0] ?? victim;
      return false;
    };
    await eventually(`write ${n} is taken`, isTaken, patience);
    acked.set(key, value);
  }
  const why =
    /log has come to \d+ bytes, at most \d+ are held.*dump could not be written.*quorate-tmp/;
  // On a slow machine it may give the lead away before it has to refuse anything.
  for (const reason of refusals) assert.match(reason, why);
  assert.notEqual(await leaderOf(others), victim);
  const reasons = async () => await victim.reasons();
  const isFull = async () => (await reasons()).includes("log-too-large");
  await eventually("the victim takes no more", isFull, patience);
  assert.ok((await reasons()).includes("dump-failed"));
  const { size } = statSync(join(victim.dataDir, `${victim.selfAddr}.journal`));
  assert.ok(size <= logBytesMax + growthBytes, `${size} bytes`);

  unblock();
  await eventually("it takes entries again", async () => !(await isFull()), patience);
  const values = async (member: QuorateMember) => {
    const { entries } = await member.kv("/large/");
    return [...acked].every(([key, value]) => entries[key]?.value === value);
  };
  for (const member of members) {
    await eventually(`${member.name} holds all`, () => values(member), patience);
  }
  assert.ok(victim.child.isRunning);
});
