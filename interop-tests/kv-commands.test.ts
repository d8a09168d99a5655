import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { startCluster } from "./support/cluster.js";
import { assertEqualData } from "./support/compare.js";
import { eventually } from "./support/eventually.js";
import { projectRoot } from "./support/project.js";
import { openScene, type Scene } from "./support/scene.js";
import type { Kind } from "./support/seats.js";

/** `quorate kv`, as a user starts it, against real clusters. */

interface Ended {
  readonly code: number | null;
  readonly out: string;
}

interface Shell {
  readonly scene: Scene;
  readonly addr: string;
  readonly password: string | undefined;
}

/** Starts `quorate kv …`; what it prints is gathered while it runs. */
function start({ scene, addr, password }: Shell, args: readonly string[]) {
  const child = scene.start({
    name: `kv ${args[0]}`,
    program: process.execPath,
    args: [join(projectRoot(), "bin", "quorate.js"), "kv", ...args, "--addr", addr],
    env: password === undefined ? {} : { PATRONI_RAFT_PASSWORD: password },
    pipes: true,
  });
  const printed = { text: "" };
  child.stdout.on("data", (chunk: Buffer) => {
    printed.text += chunk.toString("utf8");
  });
  return { child, printed };
}

async function kv(shell: Shell, args: readonly string[], input?: string): Promise<Ended> {
  const { child, printed } = start(shell, args);
  if (input !== undefined) child.stdin.write(input);
  child.stdin.end();
  const { code } = await child.exited;
  return { code, out: printed.text };
}

for (const [version, kinds, password] of [
  ["0.3.8", ["vanilla", "vanilla", "vanilla"], undefined],
  ["0.3.17", ["vanilla", "quorate", "quorate"], "Paß wort"],
] as const) {
  test(`the data from the shell: ${kinds.join(" + ")}, ${version}`, {
    timeout: 120_000,
  }, async (t) => {
    const scene = openScene(t);
    const given: readonly Kind[] = kinds;
    const cluster = await startCluster(scene, { version, password }, given);
    const { addresses } = cluster;
    // Through each member in turn: whoever is asked tells of the others.
    const shells = addresses.map((addr) => ({ scene, addr, password }));
    const at = (number: number): Shell =>
      shells[number % shells.length] ?? { scene, addr: "", password };

    const watching = start(at(0), ["watch", "/service/", "--current", "--json"]);
    const config = '{"ttl": 30,\n "größe": "ja"}\n';
    assert.equal((await kv(at(1), ["put", "/service/demo/config", "-"], config)).code, 0);
    assert.equal((await kv(at(2), ["get", "/service/demo/config"])).out, `${config}\n`);
    const first = await kv(at(0), [
      ...["put", "/service/demo/leader", "node1", "--prev-exist", "false", "--ttl", "60"],
    ]);
    assert.equal(first.code, 0, first.out);
    const second = ["put", "/service/demo/leader", "node2", "--prev-exist", "false"];
    assert.equal((await kv(at(1), second)).code, 1);
    // Patroni's own class sees the same, and the other way round.
    const observer = await cluster.observer();
    await eventually("Patroni's class has it", async () => {
      const held = await observer.get("/service/demo/leader");
      return held?.value === "node1" && held.expire === held.updated + 60;
    });
    assert.notEqual(await observer.set("/service/demo/sync", "x"), false);
    await eventually("and we have Patroni's", async () => {
      const listed = await kv(at(2), ["ls", "/service/demo/s"]);
      return listed.out === "/service/demo/sync\n";
    });
    assert.equal((await kv(at(0), ["delete", "/service/demo/missing"])).code, 1);
    assert.equal((await kv(at(1), ["delete", "/service/", "--recursive"])).code, 0);
    const { entries } = await assertEqualData([...cluster.seats, observer]);
    assert.deepEqual(entries, {});

    await eventually("all was told", () => watching.printed.text.split("\n").length > 6);
    await watching.child.stop("SIGINT");
    assert.deepEqual(await watching.child.exited, { code: 0, signal: null });
    const told = watching.printed.text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      told.map(({ kind, key }) => `${kind} ${key}`),
      ["config", "leader", "sync"]
        .map((name) => `set /service/demo/${name}`)
        .concat(["config", "leader", "sync"].map((name) => `delete /service/demo/${name}`)),
    );
  });
}

test("an end of the pipe ends a watch", { timeout: 60_000 }, async (t) => {
  const scene = openScene(t);
  const cluster = await startCluster(scene, { version: "0.3.17" }, ["quorate"]);
  const shell = { scene, addr: cluster.addresses[0] ?? "", password: undefined };
  const { child, printed } = start(shell, ["watch"]);
  await eventually("a line", async () => {
    await kv(shell, ["put", "/a", "x"]);
    return printed.text !== "";
  });
  child.stdout.destroy();
  await eventually("the watch ends", async () => {
    await kv(shell, ["put", "/a", "y"]);
    return !child.isRunning;
  });
  assert.deepEqual(await child.exited, { code: 0, signal: null });
});
