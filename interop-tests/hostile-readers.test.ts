import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { unreadMibMax } from "./support/attack-bounds.js";
import { eventually } from "./support/eventually.js";
import { freeAddresses } from "./support/free-ports.js";
import { type QuorateMember, startQuorate } from "./support/quorate-member.js";
import { openScene } from "./support/scene.js";
import { type Known, type Overwritten, overwrite, Unread } from "./support/unread.js";
import { mostResidentMib, residentMib } from "./support/vital-signs.js";

/** What those cost who never read what they ask for, while others write what is valid and large. */

/** Each may have 64 MiB waiting, and all together much less than that. */
const unreadCount = 20;
const keys: readonly Overwritten[] = [
  { key: "/large/1", mib: 7.5 },
  { key: "/large/2", mib: 7.5 },
  { key: "/large/3", mib: 4 },
  { key: "/large/4", mib: 4 },
];
/** Nobody campaigns because a busy machine keeps a leader waiting for a moment. */
const electionSec = { min: 4.9, max: 5.4 };

interface Standing {
  readonly role: unknown;
  readonly term: unknown;
}

async function standing(member: QuorateMember): Promise<Standing> {
  const { role, term } = await member.httpStatus();
  return { role, term };
}

async function cutsBy(member: QuorateMember): Promise<number> {
  const { counters } = await member.httpStatus();
  return Number((counters as Record<string, unknown>)["closed_send-buffer-full"] ?? 0);
}

/** Two members of three: each write needs both. */
async function openPair(t: TestContext): Promise<{ leader: QuorateMember; other: QuorateMember }> {
  const scene = openScene(t);
  const addresses = await freeAddresses(3);
  const times = [
    "--connection-timeout",
    "10",
    "--max-timeout",
    `${electionSec.max}`,
    "--min-timeout",
    `${electionSec.min}`,
  ];
  const start = (selfAddr: string) => {
    const partners = addresses.filter((address) => address !== selfAddr);
    return startQuorate(scene, { selfAddr, partners, extraArgs: times });
  };
  const [one, two] = await Promise.all([start(addresses[0] ?? ""), start(addresses[1] ?? "")]);
  const hasLeader = async () => {
    const roles = await Promise.all([standing(one), standing(two)]);
    const leads = roles.findIndex(({ role }) => role === "leader");
    return leads >= 0 && (leads === 0 ? { leader: one, other: two } : { leader: two, other: one });
  };
  return eventually("one of them leads", hasLeader, { timeoutMs: 60_000 });
}

test("observers that never read are cut before they fill a member's memory, whatever is written meanwhile", {
  timeout: 500_000,
}, async (t) => {
  const { leader, other } = await openPair(t);
  const members = [leader, other];
  const known: Known = { lastIndex: 1 };
  const smaller = keys.map(({ key }) => ({ key, mib: 0.25 }));
  await overwrite(leader.selfAddr, smaller, 4, known);
  const warmMib = members.map(({ child }) => residentMib(child.pid));
  const before = await Promise.all(members.map(standing));

  // Entries for them to ask for. A follower sends nobody any: there it is the answers alone.
  await overwrite(leader.selfAddr, keys, 1, known);
  const unread = Array.from({ length: unreadCount }, (_, n) => {
    return new Unread(n % 10 === 0 ? other.selfAddr : leader.selfAddr, known);
  });
  const stopAll = () => Promise.all(unread.map((one) => one.stop()));
  t.after(() => void stopAll().catch(() => {}));
  await overwrite(leader.selfAddr, keys, 1, known);
  const haveAsked = () => unread.every(({ isDone }) => isDone);
  await eventually("all have asked as often as they will", haveAsked, { timeoutMs: 120_000 });
  await overwrite(leader.selfAddr, keys, 1, known);
  await stopAll();

  const more = members.map(({ child }, n) => mostResidentMib(child.pid) - (warmMib[n] ?? 0));
  const shown = more.map((mib) => mib.toFixed(0)).join(" and ");
  const cuts = await Promise.all(members.map(cutsBy));
  console.log(`${shown} MiB more than before, ${cuts.join(" and ")} cut`);
  for (const mib of more) assert.ok(mib <= unreadMibMax, `${mib} MiB: more than the limits say`);
  assert.ok((cuts[0] ?? 0) >= 3, "some have been cut");
  const lines = leader.logLines().filter(({ code }) => code === "send-buffer-full");
  assert.ok(lines.length >= 1, "an operator is told");
  assert.deepEqual(await Promise.all(members.map(standing)), before, "no change of term or role");
  await overwrite(leader.selfAddr, smaller, 1, known);
  const isEven = async () => {
    const applied = await Promise.all(members.map((member) => member.httpStatus()));
    return applied.every(({ appliedIndex }) => Number(appliedIndex) >= known.lastIndex);
  };
  await eventually("both have applied what was written last", isEven, { timeoutMs: 120_000 });
});
