import assert from "node:assert/strict";
import { test } from "node:test";
import { startCluster } from "./support/cluster.js";
import { assertEqualData } from "./support/compare.js";
import { eventually } from "./support/eventually.js";
import { fill } from "./support/fill.js";
import { Intruder } from "./support/intruder.js";
import { spawnQuorate } from "./support/quorate-member.js";
import { openScene } from "./support/scene.js";
import { startSeat, wipe } from "./support/seats.js";

/*
 * Members of PySyncObj take a forged term whatever it names, and their journals hold it from the next election on. On
 * such a journal a start of ours refuses to go on, since nothing vouches for it. It says how the cluster is taken over.
 */

const driven = 2 ** 40;
const keys = 10;

test("a cluster whose terms were driven up is taken over by members that start empty", {
  timeout: 180_000,
}, async (t) => {
  const scene = openScene(t);
  const kinds = ["vanilla", "vanilla", "vanilla"] as const;
  const cluster = await startCluster(scene, { version: "0.3.17" }, kinds);
  const [first = "", , last = ""] = cluster.addresses;
  const observer = await cluster.observer();
  await fill(observer, { prefix: "/before/", count: keys });
  const intruder = await Intruder.connect({
    ...{ target: first, guise: { kind: "member", address: last } },
  });
  intruder.say({ type: "request_vote", term: driven, lastLogIndex: 1, lastLogTerm: 0 });
  await eventually("the term is theirs", async () => {
    return (await cluster.at(first).state()).term >= driven;
  });
  intruder.leave();
  await eventually("they have a leader of it", async () => {
    return (await (await cluster.leader()).state()).term > driven;
  });
  await fill(observer, { prefix: "/driven/", count: keys });
  await observer.stop();

  const leader = await cluster.makeLead(({ selfAddr }) => selfAddr !== last);
  const seat = cluster.at(last);
  const partners = cluster.addresses.filter((address) => address !== last);
  assert.equal(await leader.change({ command: "remove", address: last }), `SUCCESS REMOVE ${last}`);
  await seat.stop("SIGTERM");
  const refused = spawnQuorate(scene, { selfAddr: last, partners, http: null });
  assert.deepEqual(await refused.child.exited, { code: 1, signal: null });
  const said = refused.child.log();
  assert.match(said, /behind entry \d+ of term \d that no cluster can have reached by itself/);
  assert.match(said, /somebody has driven the cluster there.*replace one after the other so/);

  wipe(seat);
  cluster.seats.splice(cluster.seats.indexOf(seat), 1);
  cluster.seats.push(await startSeat(scene, cluster.options, "quorate", last));
  await cluster.leader();
  const { entries } = await assertEqualData(cluster.seats);
  assert.equal(Object.keys(entries).length, 2 * keys);
  const joined = cluster.at(last);
  assert.ok((await joined.state()).term > driven);
  // With our checksums the journal is believed.
  await joined.stop("SIGKILL");
  await cluster.restart(joined);
  await cluster.leader();
  await assertEqualData(cluster.seats);
});
