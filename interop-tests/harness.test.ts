import assert from "node:assert/strict";
import { test } from "node:test";
import { adminStatus, syncobjAdmin } from "./support/admin.js";
import { assertEqualData, differences } from "./support/compare.js";
import { eventually } from "./support/eventually.js";
import { freeAddresses } from "./support/free-ports.js";
import { mismatches } from "./support/log-matching.js";
import { pysyncobjVersions } from "./support/python.js";
import { openScene, type Scene } from "./support/scene.js";
import { startObserver, type VanillaNode } from "./support/vanilla-client.js";
import {
  type ControlledMember,
  startVanilla,
  startVanillaMemberWithControl,
} from "./support/vanilla-member.js";

/** The harness against vanilla clusters alone: what fails here is no fault of Quorate. */

const newest = "0.3.17";
/** PySyncObj up to 0.3.11 sends entries with its heartbeats only: ten writes a second. */
const writesPerVersion = 40;
/** Seconds; upstream's five make each restart of a member take as long. */
const connectionRetryTime = 0.5;

interface ClusterOptions {
  readonly version: string;
  readonly addresses: readonly string[];
  readonly password?: string | undefined;
  readonly conf?: Readonly<Record<string, unknown>>;
}

function startMember(scene: Scene, options: ClusterOptions, selfAddr: string) {
  const partners = options.addresses.filter((address) => address !== selfAddr);
  const { version, password, conf = {} } = options;
  return startVanillaMemberWithControl(scene, { version, password, conf, selfAddr, partners });
}

function startMembers(scene: Scene, options: ClusterOptions): Promise<ControlledMember[]> {
  return Promise.all(options.addresses.map((address) => startMember(scene, options, address)));
}

async function leaderOf(members: readonly ControlledMember[]): Promise<ControlledMember> {
  const address = await eventually("one leader for all", async () => {
    const statuses = await Promise.all(members.map((member) => member.status()));
    const leaders = new Set(statuses.map((status) => status["leader"]));
    return leaders.size === 1 && [...leaders][0];
  });
  const leader = members.find((member) => member.selfAddr === address);
  assert.ok(leader !== undefined, `the leader ${address} is a member`);
  return leader;
}

test("three real patroni_raft_controllers serve an observer and syncobj_admin", async (t) => {
  const scene = openScene(t);
  const addresses = await freeAddresses(3);
  const members = await Promise.all(
    addresses.map(async (selfAddr) => {
      const started = performance.now();
      const partners = addresses.filter((address) => address !== selfAddr);
      const member = await startVanilla(scene, { version: newest, selfAddr, partners });
      t.diagnostic(`listens after ${Math.round(performance.now() - started)} ms`);
      return member;
    }),
  );
  const observer = await startObserver(scene, { version: newest, partners: addresses });
  assert.notEqual(await observer.set("/a", "Größe", { ttl: 30 }), false);
  assert.equal(await observer.set("/a", "b", { prevExist: false }), false);
  const [first] = members;
  assert.ok(first !== undefined);
  const target = { version: newest, address: first.selfAddr };
  // The two others may have elected a leader before this one was connected.
  const status = await eventually("it has a quorum", async () => {
    const told = await adminStatus(target);
    return told["has_quorum"] === "True" && told;
  });
  assert.equal(status["version"], newest);
  const refused = await syncobjAdmin(target, ["-remove", first.selfAddr]);
  assert.equal(refused, `FAIL REMOVE ${first.selfAddr}`);
  const exit = await first.stop();
  assert.equal(exit.code, 0, "patroni_raft_controller stops cleanly on SIGTERM");
});

test("writes go on through a killed leader and data is equal on all members", async (t) => {
  const scene = openScene(t);
  const options = { version: newest, addresses: await freeAddresses(3) };
  const members = await startMembers(scene, options);
  const observer = await startObserver(scene, { version: newest, partners: options.addresses });
  const writer = observer.startWriter({ prefix: "/w/", count: 150 });
  await eventually("50 acknowledged writes", () => writer.acked.length >= 50);
  const leader = await leaderOf(members);
  assert.equal((await leader.stop("SIGKILL")).signal, "SIGKILL");
  const again = await startMember(scene, options, leader.selfAddr);
  const result = await writer.done;
  assert.equal(result.acked, 150);
  t.diagnostic(`${result.failed} attempts failed, ${result.seconds.toFixed(1)} s`);
  const survivors = members.filter((member) => member !== leader);
  const data = await assertEqualData([...survivors, again, observer]);
  for (const key of writer.acked) assert.ok(key in data.entries, `${key} was acknowledged`);
});

test("settings over Patroni's make a member compact early and send its dump", async (t) => {
  const scene = openScene(t);
  const conf = { logCompactionMinEntries: 20, logCompactionBatchSize: 512 };
  const options = { version: newest, addresses: await freeAddresses(3), conf };
  const [first, second, third] = options.addresses;
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  const members = [
    await startMember(scene, options, first),
    await startMember(scene, options, second),
  ];
  const leader = await leaderOf(members);
  const writer = leader.startWriter({ prefix: "/w/", count: 60 });
  await writer.done;
  await eventually("a compacted log", async () => {
    return Number((await leader.status())["log_len"]) < 30;
  });
  const late = await startMember(scene, options, third);
  await assertEqualData([...members, late]);
});

test("a member that nobody was told of joins through its partners", async (t) => {
  const scene = openScene(t);
  const [first, second, third] = await freeAddresses(3);
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  const options = { version: newest, conf: { connectionRetryTime } };
  const members = await startMembers(scene, { ...options, addresses: [first, second] });
  const leader = await leaderOf(members);
  const [other] = members.filter((member) => member !== leader);
  assert.ok(other !== undefined);
  const joining = { ...options, addresses: [first, second, third] };
  members.push(await startMember(scene, joining, third));
  await eventually("all know of two partners", async () => {
    const statuses = await Promise.all(members.map((member) => member.status()));
    return statuses.every((status) => status["partner_nodes_count"] === 2);
  });
  other.child.pause();
  assert.notEqual(await leader.set("/k", "v"), false, "the joined member counts");
  other.child.resume();
  await assertEqualData(members);
});

test("replicated calls and bare commands reach the log", async (t) => {
  const scene = openScene(t);
  const options = { version: newest, addresses: await freeAddresses(1) };
  const [member] = await startMembers(scene, options);
  assert.ok(member !== undefined);
  await member.waitReady();
  const record = { value: "v", created: 1.5, updated: 2.5 };
  const stored = await member.raw("_set", ["/raw", record]);
  assert.equal(stored.error, 0);
  assert.equal((await member.raw("_set", ["/raw", record], { prevExist: false })).result, false);
  const before = Number((await member.status())["last_applied"]);
  await member.submit(Uint8Array.of(1));
  await eventually("the no-op is applied", async () => {
    return Number((await member.status())["last_applied"]) > before;
  });
  const typed = JSON.stringify((await member.typedData()).entries);
  assert.match(typed, /\["created",\{"\$float":"1.5"\}\]/);
  assert.equal(await member.delete("/raw"), true);
  const kept = await member.data();
  assert.deepEqual(kept.entries, {});
});

test("a difference between members is found and named", () => {
  const record = { value: "v", created: 1, updated: 1, index: 5 };
  const a = { appliedIndex: 5, entries: { "/k": record } };
  const b = { appliedIndex: 5, entries: { "/k": { ...record, index: 6 } } };
  assert.deepEqual(differences(a, a), []);
  assert.equal(differences(a, b).length, 1);
  assert.match(differences(a, { appliedIndex: 5, entries: {} })[0] ?? "", /^\/k: .* undefined$/);
});

async function roundTrip(members: ControlledMember[], observer: VanillaNode): Promise<string> {
  const writer = observer.startWriter({ prefix: "/w/", count: writesPerVersion });
  const { acked, seconds } = await writer.done;
  assert.equal(acked, writesPerVersion);
  const data = await assertEqualData([...members, observer]);
  assert.equal(Object.keys(data.entries).length, writesPerVersion);
  return `${Math.round(acked / seconds)} writes/s`;
}

for (const version of pysyncobjVersions) {
  for (const password of [undefined, "Paßwort"]) {
    const links = password === undefined ? "plain" : "password";
    test(`a vanilla ${version} cluster works in the harness, ${links} links`, async (t) => {
      const scene = openScene(t);
      const conf = { connectionRetryTime };
      const options = { version, addresses: await freeAddresses(3), password, conf };
      const members = await startMembers(scene, options);
      const partners = options.addresses;
      const observer = await startObserver(scene, { version, partners, password, conf });
      t.diagnostic(await roundTrip(members, observer));
      const killed = members.pop();
      await killed?.stop("SIGKILL");
      assert.notEqual(await observer.set("/after", "v"), false);
      const last = options.addresses.at(-1);
      assert.ok(last !== undefined);
      await assertEqualData([...members, await startMember(scene, options, last), observer]);
    });
  }
}

test("logs that do not match are found", () => {
  const log = (name: string, ...entries: readonly (readonly [number, number, string])[]) => ({
    name,
    entries: entries.map(([index, term, text]) => ({ index, term, command: Buffer.from(text) })),
  });
  const one = log("one", [2, 1, "a"], [3, 1, "b"], [4, 2, "c"]);
  const cases: readonly (readonly [number, ReturnType<typeof log>])[] = [
    [0, log("compacted, and shorter", [3, 1, "b"])],
    [0, log("another end", [3, 1, "b"], [4, 1, "x"], [5, 1, "y"])],
    [1, log("another command", [2, 1, "a"], [3, 1, "x"])],
    [1, log("another term before one that is alike", [2, 1, "a"], [3, 2, "b"], [4, 2, "c"])],
  ];
  for (const [count, other] of cases) {
    assert.equal(mismatches([one, other]).length, count, other.name);
  }
});
