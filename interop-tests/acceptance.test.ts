import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { parseStatus } from "../protocol/wire/utility.js";
import { askUtility } from "../src/net/utility-client.js";
import { type StageOptions, startController, startPatroniDcs } from "./support/acceptance-stage.js";
import { eventually } from "./support/eventually.js";
import { freePorts } from "./support/free-ports.js";
import { openScene } from "./support/scene.js";
import { startObserver } from "./support/vanilla-client.js";

/**
 * `quorate run` in the place of `patroni_raft_controller` in Patroni's own acceptance features: what
 * their environment starts, stops, empties and suspends, and nothing that it does not know of.
 */

/** A leader that has lost everybody has nobody to hand over to, and stops at once. */
const stopMsMax = 5_000;

async function statusOf({ controllerAddr, password }: StageOptions) {
  const answer = await askUtility(controllerAddr, ["status"], { password, timeoutMs: 10_000 });
  return parseStatus(answer);
}

for (const [version, rounds] of [
  ["0.3.17", 3],
  ["0.3.15", 2],
] as const) {
  test(`features with nodes that are members (${version})`, { timeout: 240_000 }, async (t) => {
    const scene = openScene(t);
    const [port = 0, ...nodePorts] = await freePorts(1 + 2 * rounds);
    const stage = { version, controllerAddr: `localhost:${port}`, password: "12345" };
    const { controllerAddr, password } = stage;
    const workDir = join(scene.folder, "dcs");
    const outputDir = scene.makeFolder("output");

    for (let round = 0; round < rounds; round += 1) {
      if (round === 0) assert.ok(!existsSync(workDir), "the first time there is no folder");
      const controller = await startController(scene, stage, workDir);
      const observer = await startObserver(scene, {
        version,
        password,
        partners: [controllerAddr],
      });
      assert.deepEqual((await observer.data()).entries, {}, "nothing is left of the last round");
      assert.notEqual(await observer.set("/service/batman/config", `{"round":${round}}`), false);

      const node = (n: number) => ({
        name: `postgres-${n}`,
        selfAddr: `localhost:${nodePorts[2 * round + n]}`,
        dataDir: outputDir,
      });
      const first = await startPatroniDcs(scene, stage, node(0));
      assert.ok(await first.acquire(), "the first node takes the leader key");
      assert.ok(await first.touch("running"));
      const second = await startPatroniDcs(scene, stage, node(1));
      assert.equal(await second.acquire(), false, "the key is taken");
      assert.ok(await second.touch("running"));
      for (const patroni of [first, second]) {
        await eventually(`${patroni.name} sees both`, async () => {
          const seen = await patroni.cluster();
          assert.deepEqual(seen, { leader: "postgres-0", members: ["postgres-0", "postgres-1"] });
          return true;
        });
      }
      const members = (await statusOf(stage)).partners.map(({ address }) => address);
      assert.deepEqual(members.sort(), [node(0).selfAddr, node(1).selfAddr].sort());

      // A node is stopped and started again; the cluster has a majority without it.
      await second.stop(round % 2 === 0 ? "SIGTERM" : "SIGKILL");
      assert.ok(await first.touch("alone"));
      assert.ok(await first.renew());
      const again = await startPatroniDcs(scene, stage, node(1));
      await eventually("the node is back", () => again.touch("back"));

      // The controller hangs: two Patroni members are a majority. Afterwards it catches up.
      controller.pause();
      await eventually("the nodes go on", () => again.touch("without the controller"), {
        timeoutMs: 30_000,
      });
      controller.resume();
      await eventually("the controller has what was written meanwhile", async () => {
        const own = await statusOf(stage);
        const other = { ...stage, controllerAddr: node(1).selfAddr };
        return own.commitIdx > 0 && own.commitIdx === (await statusOf(other)).commitIdx;
      });
      await eventually("the observer has it", async () => {
        const member = await observer.get("/service/batman/members/postgres-1");
        return String(member?.value).includes("without the controller");
      });
      assert.notEqual(await observer.set("/service/batman/failover", "postgres-1"), false);

      // The feature is over: nodes end without being removed, then the DCS and its folder.
      await first.stop("SIGTERM");
      await again.stop("SIGKILL");
      await observer.stop();
      const began = performance.now();
      const exit = await controller.stop();
      assert.deepEqual(exit, { code: 0, signal: null });
      assert.ok(performance.now() - began < stopMsMax, "it stops without a majority");
      assert.ok(readdirSync(workDir).includes(`${controllerAddr}.journal`));
      rmSync(workDir, { recursive: true });
      mkdirSync(workDir);
    }
  });
}

test("the feature that suspends the controller: nodes are observers", {
  timeout: 180_000,
}, async (t) => {
  const scene = openScene(t);
  const [port = 0] = await freePorts(1);
  const stage = { version: "0.3.17", controllerAddr: `localhost:${port}`, password: "12345" };
  const { version, controllerAddr, password } = stage;
  const controller = await startController(scene, stage, scene.makeFolder("dcs"));
  const observer = await startObserver(scene, { version, password, partners: [controllerAddr] });
  const dataDir = scene.makeFolder("dcs_failsafe_mode");
  const node = (name: string) => ({ name, selfAddr: null, dataDir });
  const first = await startPatroniDcs(scene, stage, node("postgres-0"));
  const second = await startPatroniDcs(scene, stage, node("postgres-1"));
  assert.ok(await first.acquire());
  for (const patroni of [first, second]) assert.ok(await patroni.touch("running"));
  const { raftTerm } = await statusOf(stage);

  for (const pauseMs of [1_500, 6_000]) {
    assert.notEqual(await observer.set("/lease", "x", { ttl: 1 }), false);
    controller.pause();
    // Longer than Patroni's two seconds for this write, and past the links' timeout the second time.
    const during = first.touch("while the DCS is down");
    await sleep(pauseMs);
    if (pauseMs > 3_000) assert.equal(await during, false, "nothing is acknowledged meanwhile");
    controller.resume();
    await during;
    for (const patroni of [first, second]) {
      await eventually(`${patroni.name} writes again`, () => patroni.touch(`after ${pauseMs}`), {
        timeoutMs: 40_000,
      });
    }
    await eventually("the observer writes again", async () => {
      return (await observer.set("/service/batman/status", `after ${pauseMs}`)) !== false;
    });
    await eventually("what ran out meanwhile goes", async () => {
      return (await observer.get("/lease")) === null;
    });
  }
  assert.ok(await first.renew(), "it still holds the leader key");
  const cluster = { leader: "postgres-0", members: ["postgres-0", "postgres-1"] };
  await eventually("the other sees it", async () => {
    assert.deepEqual(await second.cluster(), cluster);
    return true;
  });
  assert.equal((await statusOf(stage)).raftTerm, raftTerm, "a single member needs no election");
  assert.deepEqual(await controller.stop(), { code: 0, signal: null });
});
