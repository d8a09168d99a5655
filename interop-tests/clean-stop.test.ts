import assert from "node:assert/strict";
import { test } from "node:test";
import { startCluster } from "./support/cluster.js";
import { assertEqualData } from "./support/compare.js";
import { eventually } from "./support/eventually.js";
import { isRecord } from "./support/line-channel.js";
import { openScene } from "./support/scene.js";
import type { Kind, Seat } from "./support/seats.js";

/**
 * Leadership that is handed over, on request and by a Quorate leader that is told to stop, and what
 * our members write of roles and leaders on the way.
 */

interface RoleLine {
  readonly role: unknown;
  readonly leader: unknown;
  readonly term: number;
}

function roleLines(seat: Seat): RoleLine[] {
  const lines = seat.child.log().split("\n");
  return lines.flatMap((text) => {
    if (!text.startsWith("{")) return [];
    const line: unknown = JSON.parse(text);
    if (!isRecord(line) || line["message"] !== "role") return [];
    return [{ role: line["role"], leader: line["leader"], term: Number(line["term"]) }];
  });
}

/** Each change of role or leader is one line, and there is a line for nothing else. */
function checkRoleLines(seat: Seat): void {
  const lines = roleLines(seat);
  assert.ok(lines.some(({ role, leader }) => role === "leader" && leader === seat.selfAddr));
  for (const [n, line] of lines.entries()) {
    assert.notDeepEqual(line, lines[n + 1], `${seat.name} says the same twice`);
  }
}

const handedOver: readonly (readonly [string, NodeJS.Signals, readonly Kind[]])[] = [
  ["two vanilla members", "SIGTERM", ["vanilla", "quorate", "vanilla"]],
  ["two Quorate members", "SIGINT", ["quorate", "quorate", "quorate"]],
];

for (const [whom, signal, kinds] of handedOver) {
  test(`a leader hands over to one of ${whom} at ${signal}`, { timeout: 90_000 }, async (t) => {
    const scene = openScene(t);
    const cluster = await startCluster(scene, { version: "0.3.17" }, kinds);
    const observer = await cluster.observer();
    const leader = await cluster.makeLead(({ kind }) => kind === "quorate");
    assert.notEqual(await observer.set("/before", "x"), false);
    const { term } = await (await cluster.leader()).state();
    assert.deepEqual(await leader.stop(signal), { code: 0, signal: null });
    // Who hears a leader does not campaign: only a successor that was asked to could raise the term
    // that the leader itself has seen before it ended.
    const last = roleLines(leader).at(-1);
    assert.ok(last !== undefined && last.role !== "leader", JSON.stringify(last));
    assert.ok(last.term > term, `its last term is ${last.term}, it led in ${term}`);
    checkRoleLines(leader);

    assert.notEqual((await cluster.leader()).selfAddr, leader.selfAddr);
    await eventually("writes go on", async () => (await observer.set("/after", "x")) !== false);
    await cluster.restart(leader);
    await cluster.leader();
    const { entries } = await assertEqualData([...cluster.seats, observer]);
    assert.deepEqual(Object.keys(entries).sort(), ["/after", "/before"]);
  });
}

test("members that do not understand it are not asked: they elect somebody by themselves", {
  timeout: 90_000,
}, async (t) => {
  const scene = openScene(t);
  const kinds: Kind[] = ["vanilla", "quorate", "vanilla"];
  const cluster = await startCluster(scene, { version: "0.3.15" }, kinds);
  const leader = await cluster.makeLead(({ kind }) => kind === "quorate");
  const { term } = await leader.state();
  assert.deepEqual(await leader.stop("SIGTERM"), { code: 0, signal: null });
  assert.deepEqual(roleLines(leader).at(-1), { role: "leader", leader: leader.selfAddr, term });
  const next = await cluster.leader();
  assert.equal(next.kind, "vanilla");
});

for (const version of ["0.3.16", "0.3.17"]) {
  test(`leadership passes between both kinds on request, ${version}`, {
    timeout: 90_000,
  }, async (t) => {
    const scene = openScene(t);
    const kinds: Kind[] = ["vanilla", "quorate", "vanilla"];
    const cluster = await startCluster(scene, { version, password: "s3cret" }, kinds);
    const observer = await cluster.observer();
    const isVanilla = ({ kind }: Seat) => kind === "vanilla";
    let leader = await cluster.makeLead(isVanilla);
    for (const wanted of ["quorate", "vanilla"] as const) {
      const target = cluster.seats.find(({ kind }) => kind === wanted);
      assert.ok(target !== undefined);
      const address = target.selfAddr;
      const reply = await leader.change({ command: "transfer", address });
      assert.equal(reply, `SUCCESS TRANSFER ${address}`);
      await eventually(`the ${wanted} member leads`, async () => {
        leader = await cluster.leader();
        return leader === target;
      });
      const write = async () => (await observer.set(`/${wanted}`, "x")) !== false;
      await eventually("writes go on", write);
    }
    const { entries } = await assertEqualData([...cluster.seats, observer]);
    assert.deepEqual(Object.keys(entries).sort(), ["/quorate", "/vanilla"]);
  });
}
