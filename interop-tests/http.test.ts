import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "./support/eventually.js";
import { MixedCluster, type Place } from "./support/mixed-cluster.js";
import { QuorateMember } from "./support/quorate-member.js";
import { openScene } from "./support/scene.js";
import type { Kind } from "./support/seats.js";
import { watch } from "./support/seats.js";

/** What a member beside real PySyncObj members tells over HTTP, as follower and as leader. */

const kinds: readonly Kind[] = ["vanilla", "quorate", "vanilla"];
const ownVersion = /^\d+\.\d+\.\d+/;

function ours(cluster: MixedCluster): { place: Place; node: QuorateMember } {
  const [place] = cluster.ofKind("quorate");
  assert.ok(place?.node instanceof QuorateMember);
  return { place, node: place.node };
}

type Json = Readonly<Record<string, unknown>>;

/** Each member in the order of the addresses, ourselves first. */
function checkMembers(status: Json, cluster: MixedCluster, version: string, leads: boolean): void {
  const members = status["members"] as readonly Json[];
  const others = cluster.ofKind("vanilla").map(({ selfAddr }) => selfAddr);
  const { selfAddr } = ours(cluster).place;
  assert.deepEqual(
    members.map(({ address }) => address),
    [selfAddr, ...others.sort()],
  );
  for (const member of members) {
    const isSelf = member["address"] === selfAddr;
    const { self, connected, kind, matchIndex, nextIndex } = member;
    assert.deepEqual([self, connected, kind], [isSelf, true, isSelf ? "quorate" : "vanilla"]);
    if (isSelf) assert.match(String(member["version"]), ownVersion);
    else assert.equal(member["version"], version);
    const last = Number(status["lastIndex"]);
    const expected = leads ? [last, last + 1] : [null, null];
    assert.deepEqual([matchIndex, nextIndex], expected, `${member["address"]}`);
  }
}

for (const [version, password] of [
  ["0.3.8", undefined],
  ["0.3.17", "Paßwort"],
] as const) {
  test(`status, health and data beside two members of ${version}`, {
    timeout: 120_000,
  }, async (t) => {
    const scene = openScene(t);
    const cluster = await MixedCluster.start(scene, { version, kinds, password });
    t.after(() => cluster.stopWatching());
    const { addresses } = cluster;
    const observer = await watch(scene, { version, password, addresses });
    for (const leads of [false, true]) {
      const leader = await cluster.makeLead(leads ? "quorate" : "vanilla");
      const { place, node } = ours(cluster);
      const key = `/ключ/${leads}`;
      const set = async () => (await observer.set(key, "ü", { ttl: 3_600 })) !== false;
      await eventually("a write", set);
      const held = await observer.get(key);
      const { term } = await leader.view();
      await eventually("the whole status", async () => {
        const status = await node.httpStatus();
        const { self, role, leader: known, vote, commitIndex, appliedIndex } = status;
        assert.deepEqual([self, known], [place.selfAddr, leader.selfAddr]);
        assert.deepEqual([role, status["term"]], [leads ? "leader" : "follower", term]);
        if (leads) assert.equal(vote, self, "a leader has voted for itself");
        else assert.ok(vote === null || (vote !== self && addresses.includes(String(vote))));
        assert.deepEqual([commitIndex, appliedIndex], Array(2).fill(status["lastIndex"]));
        assert.deepEqual(status["degraded"], []);
        assert.ok(Number(status["uptimeMs"]) > 0);
        checkMembers(status, cluster, version, leads);
        const { entries, appliedIndex: readAt } = await node.kv("/ключ/");
        assert.equal(readAt, appliedIndex);
        assert.deepEqual(entries[key], held);
        assert.deepEqual((await node.kv("/else")).entries, {});
        return true;
      });
      const health = await node.getJson("/health");
      assert.deepEqual((health as Json)["reasons"], []);
    }
    // A member that dies is told of at once, and with both gone the rest is not healthy.
    for (const vanilla of cluster.ofKind("vanilla")) await vanilla.node.stop("SIGKILL");
    const { node } = ours(cluster);
    await eventually("it knows that it is alone", async () => {
      const members = (await node.httpStatus())["members"] as readonly Json[];
      return members.every(({ self, connected }) => connected === self);
    });
    await assert.rejects(node.getJson("/health"), /503 .*"healthy":false/);
  });
}
