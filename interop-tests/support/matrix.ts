import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { assertEqualData } from "./compare.js";
import { eventually } from "./eventually.js";
import { freeAddresses } from "./free-ports.js";
import { Load } from "./load.js";
import { MixedCluster, type Place } from "./mixed-cluster.js";
import { openScene, type Scene } from "./scene.js";
import { type Kind, watch } from "./seats.js";
import type { SetOptions, VanillaNode } from "./vanilla-client.js";
import type { WritingClient } from "./writing-client.js";

/** Acknowledged writes per case, those of every client together. */
const writesMin = 1000;
/** Writes while a leader of each side leads, and after it was killed. */
const writesBetween = 60;
/** Leases that outlive the test. */
const ttlSec = 3600;

const mixes: readonly (readonly Kind[])[] = [
  ["vanilla", "quorate", "vanilla"],
  ["quorate", "vanilla", "quorate"],
];

interface Case {
  readonly scene: Scene;
  readonly cluster: MixedCluster;
  readonly observer: VanillaNode;
  /** Keys that must be there at the end, with their values. */
  readonly expected: Map<string, string>;
}

/** The tests of one PySyncObj version: both mixes, with and without password. */
export function matrixTests(version: string): void {
  for (const kinds of mixes) {
    for (const password of [undefined, "Paßwort"]) {
      const links = password === undefined ? "plain" : "password";
      const name = `${version}, ${kinds.join(" + ")}, ${links}`;
      test(`elections and writes: ${name}`, async (t) => {
        const scene = openScene(t);
        const cluster = await MixedCluster.start(scene, { version, kinds, password });
        t.after(() => cluster.stopWatching());
        const { addresses } = cluster;
        const observer = await watch(scene, { version, password, addresses });
        await runCase(t, { scene, cluster, observer, expected: new Map() });
      });
    }
  }
}

async function runCase(t: TestContext, c: Case): Promise<void> {
  const started = performance.now();
  const { cluster, observer } = c;
  const load = new Load(() => [observer, ...cluster.clients()]);
  t.after(() => load.stop());
  const first = (await cluster.settled()).kind;
  for (const side of [first, otherKind(first)]) {
    await writeThroughEach(c, side);
    await load.more(writesBetween);
    const killed = await cluster.killLeader(side);
    await cluster.anotherLeader(killed);
    await load.more(writesBetween);
    await cluster.restart(killed);
    // One at a time: two members of PySyncObj <= 0.3.15 that restart around each other forget
    // their terms together and can lose writes without any fault of ours.
    await cluster.settled();
  }
  await load.finish(writesMin);
  const sources = [...cluster.places, observer];
  const data = await assertEqualData(sources, { timeoutMs: 45_000 });
  const lost = load.lost(data);
  for (const [key, value] of c.expected) {
    if (data.entries[key]?.value !== value)
      lost.push(`${key}: ${String(data.entries[key]?.value)}`);
  }
  const won = (kind: Kind) => cluster.wonBy(kind);
  const { killed } = cluster;
  const acked = load.acked.size + c.expected.size;
  t.diagnostic(
    `elections won: vanilla ${won("vanilla")}, quorate ${won("quorate")}; leaders killed: vanilla ` +
      `${killed.vanilla}, quorate ${killed.quorate}; writes acknowledged: ${acked} (${load.retries} tried again); lost: ` +
      `${lost.length}; ${Math.round((performance.now() - started) / 1000)} s`,
  );
  assert.ok(load.acked.size >= writesMin, `${load.acked.size} writes`);
  assert.deepEqual(lost, [], explain(cluster));
  assert.ok(won("vanilla") > 0 && won("quorate") > 0, cluster.elections.join("\n"));
  assert.equal(data.entries["/gone"], undefined);
}

/** What tells a loss of ours from one that vanilla members bring upon themselves. */
function explain(cluster: MixedCluster): string {
  const said = cluster.ofKind("quorate").map((place) => {
    const lines = place.node.child.log().split("\n");
    return lines.filter((line) => /truncat|conflict|degraded|inquest/i.test(line)).join("\n");
  });
  return (
    "acknowledged writes were lost. Leaders by the members' own word:\n" +
    `${cluster.elections.join("\n")}\nOf truncation Quorate said:\n${said.join("\n")}`
  );
}

/** Every way in, an observer's and each member's, while a member of this side leads. */
async function writeThroughEach(c: Case, side: Kind): Promise<void> {
  await c.cluster.makeLead(side);
  const clients = [c.observer, ...c.cluster.clients()];
  for (const [number, client] of clients.entries()) {
    await writeThrough(c, client, `/${side} leads/${number}`);
  }
  for (const place of c.cluster.ofKind("quorate")) await changeThrough(c.cluster, place);
}

/**
 * Set and delete with conditions: of KVStoreTTL, whose conditions need what the client itself has
 * applied, and of a Quorate member. A call that is given up may have been applied all the same: what
 * the client then holds says so.
 */
async function writeThrough(c: Case, client: WritingClient, key: string): Promise<void> {
  const set = (name: string, value: string, options: SetOptions = {}) =>
    eventually(
      `${name} set through ${client.name}`,
      async () => {
        const stored = await client.set(name, value, options);
        if (stored !== false) return stored;
        const held = await client.get(name);
        return held?.value === value && held;
      },
      { timeoutMs: 45_000 },
    );
  // Its own word at least once, and not only what it holds when another's word had to do.
  const own = `${key}/own`;
  const isAcknowledged = async () => (await client.set(own, "mine")) !== false;
  await eventually(`${client.name} acknowledges a write`, isAcknowledged, { timeoutMs: 45_000 });
  c.expected.set(own, "mine");
  await set(key, "один");
  const record = await set(key, "два", { prevValue: "один" });
  await set(`${key}/ttl`, "lease", { ttl: ttlSec });
  assert.equal(await client.set(key, "три", { prevIndex: record.index + 1 }), false);
  assert.equal(await client.set(key, "три", { prevExist: false }), false);
  c.expected.set(key, "два").set(`${key}/ttl`, "lease");
  await set("/gone", "soon");
  const deleted = async () =>
    // Without the condition, a delete that is made again would stop every vanilla member.
    (await client.delete("/gone", { prevExist: true })) || (await client.get("/gone")) === null;
  await eventually("/gone deleted", deleted, { timeoutMs: 45_000 });
}

/** A member's own submit path: a member that never comes is added and removed again. */
async function changeThrough(cluster: MixedCluster, place: Place): Promise<void> {
  const [address = ""] = await freeAddresses(1);
  for (const command of ["add", "remove"] as const) {
    const wanted = `SUCCESS ${command.toUpperCase()} ${address}`;
    await eventually(
      wanted,
      async () => {
        const reply = await cluster.ask(place, { command, address });
        if (reply !== wanted) throw new Error(reply);
        return true;
      },
      { timeoutMs: 30_000, everyMs: 300 },
    );
  }
  await cluster.settled();
}

function otherKind(kind: Kind): Kind {
  return kind === "vanilla" ? "quorate" : "vanilla";
}
