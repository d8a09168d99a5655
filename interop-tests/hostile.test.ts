import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { failReason } from "../protocol/wire/messages.js";
import { faultLogLinesMax } from "../src/net/limits.js";
import { attackedMibMax, plateauMibMax } from "./support/attack-bounds.js";
import { type Attack, attacks, shellCommand, shellPickle } from "./support/attacks.js";
import { Cluster, startCluster } from "./support/cluster.js";
import { assertEqualData } from "./support/compare.js";
import { eventually } from "./support/eventually.js";
import { fill } from "./support/fill.js";
import { freeAddresses } from "./support/free-ports.js";
import { assertHeldBriefly } from "./support/held-bounds.js";
import { type Guise, Intruder } from "./support/intruder.js";
import { LoopHolds } from "./support/loop-holds.js";
import { type QuorateMember, startQuorate } from "./support/quorate-member.js";
import { openScene, type Scene } from "./support/scene.js";
import { Seat } from "./support/seats.js";
import { storm, Trickle, wrongMax } from "./support/storm.js";
import { startVanillaMemberWithControl } from "./support/vanilla-member.js";
import { mainThreadMs, mostResidentMib, residentMib, VitalSigns } from "./support/vital-signs.js";

/** What strangers, observers and forged members can do to a Quorate member: nothing but be refused. */

const mib = 1024 * 1024;

/** Processor time of a member's main thread for one attack, all steps together. */
const attackMsMax = 500;

/**
 * Nobody else campaigns because a busy machine keeps a leader waiting: below upstream's connectionTimeout
 * of 3.5 s. How long an attack holds the loop is measured, and does not show in who leads.
 */
const electionSec = { min: 2.9, max: 3.4 };

interface Victims {
  readonly scene: Scene;
  readonly cluster: Cluster;
  readonly members: readonly QuorateMember[];
  /** How long the loops of the members are held; empty where nobody asked for it. */
  readonly holds: readonly LoopHolds[];
  /** A member's address at which nobody sits: an intruder may take it. */
  readonly ghost: string;
}

/** Two Quorate members and a vanilla one that expect a fourth, and go on without it. */
async function openVictims(t: TestContext, password?: string, isWatched = false): Promise<Victims> {
  const scene = openScene(t);
  const addresses = await freeAddresses(4);
  const [one = "", two = "", three = "", ghost = ""] = addresses;
  const options = { version: "0.3.17", addresses, password };
  const others = (address: string) => addresses.filter((each) => each !== address);
  const holds = isWatched ? [one, two].map((address) => new LoopHolds(scene, address)) : [];
  const start = (selfAddr: string, env: Readonly<Record<string, string>> = {}) => {
    const times = ["--max-timeout", `${electionSec.max}`, "--min-timeout", `${electionSec.min}`];
    const extraArgs = ["--connection-retry-time", "0.5", ...times];
    const partners = others(selfAddr);
    return startQuorate(scene, { selfAddr, partners, password, extraArgs, env });
  };
  const conf = {
    ...{ connectionRetryTime: 0.5, raftMinTimeout: electionSec.min },
    raftMaxTimeout: electionSec.max,
  };
  const members = await Promise.all([start(one, holds[0]?.env), start(two, holds[1]?.env)]);
  const partners = others(three);
  const vanilla = await startVanillaMemberWithControl(scene, {
    ...{ version: options.version, password, selfAddr: three, partners, conf },
  });
  const seats = [
    ...members.map((member) => new Seat("quorate", member, password)),
    new Seat("vanilla", vanilla, password),
  ];
  const cluster = new Cluster(scene, options, seats);
  await cluster.makeLead(({ kind }) => kind === "quorate");
  return { scene, cluster, members, holds, ghost };
}

async function counterOf(member: QuorateMember, name: string): Promise<number> {
  const { counters } = await member.httpStatus();
  return Number((counters as Record<string, unknown>)[name] ?? 0);
}

function warnings(member: QuorateMember, code: string): number {
  const lines = member.logLines();
  return lines.filter((line) => line["level"] === "warn" && line["code"] === code).length;
}

interface Standing {
  readonly role: unknown;
  readonly leader: unknown;
  readonly term: unknown;
}

async function standing(member: QuorateMember): Promise<Standing> {
  const { role, leader, term } = await member.httpStatus();
  return { role, leader, term };
}

/** Each attack on each member, in each guise; the connection goes and the counter goes up by one. */
async function attackAll({ members, holds, ghost }: Victims, list: readonly Attack[]) {
  for (const attack of list) {
    for (const kind of attack.guises) {
      const guise: Guise = kind === "member" ? { kind, address: ghost } : { kind };
      for (const [n, member] of members.entries()) {
        const what = `${attack.name} as ${kind}`;
        await assertHeldBriefly(what, async () => {
          holds[n]?.take();
          await attackOnce(member, guise, attack);
          return Math.max(0, ...(holds[n]?.take() ?? []).map(({ workedMs }) => workedMs));
        });
      }
    }
  }
}

async function attackOnce(member: QuorateMember, guise: Guise, { name, bytes, counter }: Attack) {
  const before = await counterOf(member, counter);
  const intruder = await Intruder.connect({ target: member.selfAddr, guise });
  const what = `${name} as ${guise.kind}`;
  const began = mainThreadMs(member.child.pid);
  intruder.send(bytes);
  await intruder.untilClosed(what);
  const spent = mainThreadMs(member.child.pid) - began;
  assert.ok(spent < attackMsMax, `${what} took ${spent} ms`);
  // A step that is still under way is told of when it ends.
  assert.equal(await counterOf(member, counter), before + 1, what);
}

/** The code under which an attack is logged. */
function faultOf({ counter }: Attack): string {
  return counter.replace("fault_", "");
}

/** A connection that sends one byte a second of a frame that would be in order. */
async function trickle(member: QuorateMember): Promise<void> {
  const intruder = await Intruder.connect({
    target: member.selfAddr,
    guise: { kind: "stranger" },
  });
  for (let sent = 0; !intruder.closed; sent += 1) {
    assert.ok(sent < 30, "it is cut long before its frame is complete");
    intruder.send(Buffer.of(sent === 0 ? 200 : 0));
    await sleep(1_000);
  }
}

test("hostile bytes are refused, and the members go on as if nothing had been", {
  timeout: 180_000,
}, async (t) => {
  const victims = await openVictims(t, undefined, true);
  const { cluster, members, scene } = victims;
  const ran = join(scene.folder, "ran");
  // Made beforehand: compressing what they hold keeps this process from looking at the others.
  const list = attacks(`touch ${ran}`);
  const observer = await cluster.observer();
  assert.notEqual(await observer.set("/before", "x"), false);

  const before = await Promise.all(members.map(standing));
  assert.ok(before.some(({ role }) => role === "leader"));
  const trickles = members.map(trickle);
  await attackAll(victims, list);
  await Promise.all(trickles);
  for (const member of members) {
    const stranger = await Intruder.connect({
      target: member.selfAddr,
      guise: { kind: "member", address: "127.0.0.1:1" },
    });
    await stranger.untilClosed("an unknown address");
    assert.equal(await counterOf(member, "refused_unknown-address"), 1);
    assert.ok((await counterOf(member, "closed_handshake-timeout")) >= 1);
  }
  assert.deepEqual(await Promise.all(members.map(standing)), before, "no change of term or role");
  for (const member of members) {
    for (const code of [...new Set(list.map(faultOf)), "handshake-timeout"]) {
      // Once a minute for each kind and origin.
      const count = warnings(member, code);
      assert.ok(count >= 1 && count <= 3, `${count} lines for ${code}`);
    }
    assert.match(member.child.log(), /who it says it is, is not a member/);
  }
  assert.notEqual(await observer.set("/after", "x"), false);
  const { entries } = await assertEqualData([...cluster.seats, observer]);
  assert.deepEqual(Object.keys(entries).sort(), ["/after", "/before"]);
  assert.ok(!existsSync(ran), "nothing was run");
});

/** What a member had before the storms, and the most in each of them, in MiB. */
interface Course {
  readonly member: QuorateMember;
  readonly warmMib: number;
  readonly peaks: number[];
}

/** Later rounds reach no more than the first ones, and no round more than what the limits add up to. */
function assertFlat({ member, warmMib, peaks }: Course, earlyRounds: number): void {
  const most = mostResidentMib(member.child.pid);
  const early = Math.max(...peaks.slice(0, earlyRounds));
  const late = Math.max(...peaks.slice(-earlyRounds));
  const shown = peaks.map((peak) => peak.toFixed(0)).join(" ");
  console.log(`warm ${warmMib.toFixed(0)} MiB, rounds ${shown}, most ever ${most.toFixed(0)}`);
  assert.ok(most - warmMib <= attackedMibMax, `${most - warmMib} MiB: more than the limits say`);
  assert.ok(late - early <= plateauMibMax, `the last rounds reached ${late - early} MiB more`);
}

/** Who did what was refused, counted and told; and the log is no place to fill either. */
async function assertCut(member: QuorateMember, unknown: number, minutes: number): Promise<void> {
  const isCut = async () => (await counterOf(member, "closed_unfinished")) > 0;
  await eventually("who sends a byte a second is cut", isCut, { timeoutMs: 60_000 });
  for (const code of ["unfinished", "crowded", "receive-buffer-full"]) {
    assert.ok(warnings(member, code) >= 1, `${code} is logged`);
  }
  assert.equal(await counterOf(member, "refused_unknown-address"), unknown);
  const told = member.child.log().split("who it says it is, is not a member").length - 1;
  assert.ok(told >= 1 && told <= faultLogLinesMax * (minutes + 1), `${told} lines of ${unknown}`);
}

for (const { password, rounds, earlyRounds } of [
  { password: undefined, rounds: 16, earlyRounds: 5 },
  { password: "s3cret", rounds: 8, earlyRounds: 3 },
]) {
  const how = password === undefined ? "without a password" : "from some who know the password";
  test(`memory stays where it is, however often everything comes at once, ${how}`, {
    timeout: 400_000,
  }, async (t) => {
    const { cluster, members, ghost, scene } = await openVictims(t, password);
    const ran = join(scene.folder, "ran");
    const list = attacks(`touch ${ran}`);
    const observer = await cluster.observer();
    await fill(observer, { prefix: "/warm/", count: 300, valueBytes: 2_000 });
    assert.notEqual(await observer.set("/large", "x".repeat(4 * mib)), false);
    await sleep(500);
    const before = await Promise.all(members.map(standing));
    const courses = members.map((member): Course => {
      return { member, warmMib: residentMib(member.child.pid), peaks: [] };
    });
    const began = performance.now();
    const targetOf = ({ selfAddr }: QuorateMember) => ({ target: selfAddr, ghost, password });
    const trickles = members.flatMap((member) =>
      (["stranger", "observer"] as const).map((kind) => new Trickle(targetOf(member), { kind })),
    );
    for (let round = 0; round < rounds; round += 1) {
      await Promise.all(
        courses.map(async ({ member, peaks }) => {
          const signs = new VitalSigns(member);
          await storm(targetOf(member), list, round);
          await signs.stop();
          peaks.push(signs.peakMib);
        }),
      );
      assert.notEqual(await observer.set("/during", `${round}`), false, "writes go on");
    }
    const minutes = Math.ceil((performance.now() - began) / 60_000);
    for (const member of members) await assertCut(member, rounds * wrongMax, minutes);
    await Promise.all(trickles.map((trickle) => trickle.stop()));
    for (const course of courses) assertFlat(course, earlyRounds);
    assert.deepEqual(await Promise.all(members.map(standing)), before, "no change of term or role");
    const { entries } = await assertEqualData([...cluster.seats, observer]);
    assert.equal(Object.keys(entries).length, 302);
    assert.ok(!existsSync(ran), "nothing was run");
  });
}

test("a command with os.system in it is never appended by a Quorate leader", {
  timeout: 90_000,
}, async (t) => {
  const { cluster, members, scene } = await openVictims(t);
  const ran = join(scene.folder, "ran");
  const observer = await cluster.observer();
  assert.notEqual(await observer.set("/before", "x"), false);
  const { selfAddr } = await cluster.leader();
  const commands = [
    shellCommand("/evil", `touch ${ran}`),
    Buffer.concat([Buffer.of(0), shellPickle(`touch ${ran}`)]),
    Buffer.concat([Buffer.of(2), shellPickle(`touch ${ran}`)]),
    Buffer.concat([Buffer.of(3), shellPickle(`touch ${ran}`)]),
  ];
  for (const member of members) {
    const leads = member.selfAddr === selfAddr;
    const { lastIndex } = await member.httpStatus();
    const intruder = await Intruder.connect({
      target: member.selfAddr,
      guise: { kind: "observer" },
    });
    for (const [requestId, command] of commands.entries()) {
      intruder.say({ type: "apply_command", command, requestId });
    }
    const answers = await eventually("an answer to each", () => {
      const found = intruder.events.flatMap((event) => {
        const isAnswer =
          event.kind === "message" && event.message.type === "apply_command_response";
        return isAnswer && "error" in event.message ? [event.message.error] : [];
      });
      return found.length === commands.length && found;
    });
    const error = leads ? failReason.requestDenied : failReason.notLeader;
    assert.deepEqual(
      answers,
      commands.map(() => error),
    );
    assert.equal((await member.httpStatus())["lastIndex"], lastIndex, "nothing was appended");
    if (leads) {
      assert.ok((await counterOf(member, "refused_command")) >= 2);
      assert.ok(warnings(member, "refused-command") >= 1);
    }
    intruder.leave();
  }
  assert.notEqual(await observer.set("/after", "x"), false);
  await assertEqualData([...cluster.seats, observer]);
  assert.ok(!existsSync(ran), "nothing was run");
});

test("an entry with os.system from a vanilla leader runs on vanilla members only", {
  timeout: 90_000,
}, async (t) => {
  const scene = openScene(t);
  const cluster = await startCluster(scene, { version: "0.3.17" }, [
    "vanilla",
    "quorate",
    "vanilla",
  ]);
  const observer = await cluster.observer();
  await cluster.makeLead(({ kind }) => kind === "vanilla");
  const ran = join(scene.folder, "ran");
  await observer.submit(shellCommand("/evil", `echo $PPID >> ${ran}`));
  const quorate = cluster.seats.find(({ kind }) => kind === "quorate");
  assert.ok(quorate !== undefined);
  await eventually("our member has passed over it and says so", () => {
    return quorate.logged("raising-entry") === 1;
  });
  const vanilla = [...cluster.seats.filter((seat) => seat !== quorate), observer];
  const expected = vanilla.map(({ child }) => child.pid).sort((a, b) => a - b);
  const pids = await eventually("each vanilla process has run it", () => {
    const lines = readFileSync(ran, "utf8").trim().split("\n");
    return lines.length === expected.length && lines.map(Number).sort((a, b) => a - b);
  });
  assert.deepEqual(pids, expected, "and ours has not");

  // Its key is where they differ now; all else goes on alike, after a restart of ours as well.
  assert.notEqual(await observer.set("/after", "x"), false);
  await quorate.stop("SIGKILL");
  const again = await cluster.restart(quorate);
  await cluster.leader();
  assert.notEqual(await observer.set("/later", "x"), false);
  const same = async () => {
    const [theirs, ours] = await Promise.all([observer.data(), again.data()]);
    assert.equal(ours.appliedIndex, theirs.appliedIndex);
    const { "/evil": evil, ...rest } = theirs.entries;
    assert.equal(evil?.value, 0);
    assert.deepEqual(ours.entries, rest);
    return true;
  };
  await eventually("the rest is equal", same);
  assert.equal(readFileSync(ran, "utf8").trim().split("\n").length, expected.length);
});

test("with a password nobody gets in without it", { timeout: 120_000 }, async (t) => {
  const victims = await openVictims(t, "s3cret");
  const { cluster, members, ghost, scene } = victims;
  const ran = join(scene.folder, "ran");
  const observer = await cluster.observer();
  const before = await Promise.all(members.map(standing));
  const vote = { type: "request_vote", term: 1_000_000, lastLogIndex: 9, lastLogTerm: 9 } as const;
  for (const member of members) {
    const target = member.selfAddr;
    for (const { name, bytes } of attacks(`touch ${ran}`)) {
      const intruder = await Intruder.connect({ target, guise: { kind: "stranger" } });
      intruder.send(bytes);
      await intruder.untilClosed(name);
    }
    for (const password of [undefined, "wrong"]) {
      for (const guise of [{ kind: "observer" }, { kind: "member", address: ghost }] as const) {
        const intruder = await Intruder.connect({ target, guise, password });
        // Without a password a connector may talk at once.
        if (password === undefined) intruder.say(vote);
        await intruder.untilClosed(`${guise.kind} with ${password}`);
      }
    }
    assert.ok((await counterOf(member, "fault_fernet-token")) >= 4);
    const count = warnings(member, "fernet-token");
    assert.ok(count >= 1 && count <= 2, `${count} lines`);
  }
  assert.deepEqual(await Promise.all(members.map(standing)), before, "no change of term or role");
  assert.notEqual(await observer.set("/after", "x"), false);
  await assertEqualData([...cluster.seats, observer]);
  assert.ok(!existsSync(ran), "nothing was run");
});

/**
 * The protocol's own weakness: without a password an address is all that makes a member, and whoever
 * tells a higher term is believed, vanilla or not. The leader steps down, and the next one is elected
 * beyond that term. That costs an election, and nothing else.
 */
test("a forged member's request_vote of term 10^6 moves the term and nothing else", {
  timeout: 90_000,
}, async (t) => {
  const { cluster, members, ghost } = await openVictims(t);
  const observer = await cluster.observer();
  for (const n of [1, 2, 3]) assert.notEqual(await observer.set(`/key/${n}`, "x"), false);
  const { entries } = await assertEqualData(cluster.seats);
  const leader = await cluster.leader();
  const term = 1_000_000;
  // A log that ends below what is committed wins no vote, whatever its term.
  for (const [lastLogIndex, lastLogTerm] of [
    [1, 0],
    [1, term],
  ] as const) {
    const intruder = await Intruder.connect({
      target: leader.selfAddr,
      guise: { kind: "member", address: ghost },
    });
    intruder.say({ type: "request_vote", term: term + lastLogTerm, lastLogIndex, lastLogTerm });
    await eventually("the term goes up", async () => (await leader.state()).term >= term);
    await eventually("somebody leads again", async () => {
      await cluster.leader();
      return true;
    });
    assert.ok(!intruder.heard().includes("response_vote"), "it gets no vote");
    intruder.leave();
  }
  const next = await cluster.leader();
  assert.ok((await next.state()).term >= 2 * term);
  const after = await assertEqualData(cluster.seats);
  assert.deepEqual(after.entries, entries, "nothing is lost");
  await eventually("writes go on", async () => (await observer.set("/after", "x")) !== false);
  await assertEqualData([...cluster.seats, observer]);
  for (const member of members) {
    assert.deepEqual((await member.httpStatus())["degraded"], []);
  }
});
