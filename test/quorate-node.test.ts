import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { freeAddresses } from "../interop-tests/support/free-ports.js";
import * as api from "../src/index.js";
import { ConfigError, NotReadyError, ObserverClient, QuorateNode } from "../src/index.js";

/** The public API: what it exports, and a member of a cluster of one inside the program. */

test("exports what is documented, and nothing else", () => {
  assert.deepEqual(Object.keys(api).sort(), [
    "ConfigError",
    "NotReadyError",
    "ObserverClient",
    "QuorateNode",
    "StorageError",
    "Watch",
    "WatchOverflowError",
    "quorateVersion",
    "silentLogger",
  ]);
});

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "quorate-node-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function startAlone(
  t: TestContext,
  more: Partial<api.NodeOptions> = {},
): Promise<QuorateNode> {
  const [free = ""] = await freeAddresses(1);
  const selfAddr = more.selfAddr ?? free;
  const dataDir = join(folder(t), "made");
  const node = await QuorateNode.start({ bindAddr: selfAddr, dataDir, ...more, selfAddr });
  t.after(() => node.stop());
  return node;
}

test("a member reads, writes, is observed, and finds its data again", async (t) => {
  const dataDir = folder(t);
  const [selfAddr = ""] = await freeAddresses(1);
  const node = await startAlone(t, { selfAddr, dataDir, password: "secret", http: "127.0.0.1:0" });
  await node.ready();
  const observer = await ObserverClient.connect({ addresses: [selfAddr], password: "secret" });
  t.after(() => observer.close());
  const watch = observer.watch("/a");

  const set = await node.set("/a/2", "two", { prevExist: false });
  assert.ok(set.ok && set.result !== false);
  assert.equal(set.result.index, set.index);
  assert.deepEqual((await node.set("/a/1", "one")).ok, true);
  const refused = await node.set("/a/1", "other", { prevValue: "two" });
  assert.ok(refused.ok && refused.result === false);
  assert.equal((await watch.next()).value?.key, "/a/2");
  assert.equal(node.get("/a/2")?.value, "two");
  assert.equal(node.get("/b"), null);
  assert.deepEqual(
    node.list("/a").map(([key, { value }]) => [key, value]),
    [
      ["/a/1", "one"],
      ["/a/2", "two"],
    ],
  );
  const gone = await node.delete("/a/2");
  assert.ok(gone.ok && gone.result);
  const http = await fetch(`http://127.0.0.1:${node.http?.port}/health`);
  assert.equal(http.status, 200);
  await node.stop();
  assert.deepEqual(await node.stopped, { kind: "stopped" });
  await assert.rejects(fetch(`http://127.0.0.1:${node.http?.port}/health`));
  const late = await node.set("/a/3", "three");
  assert.ok(!late.ok && late.reason === "CLOSED" && !late.mayBeDone);

  const again = await startAlone(t, { selfAddr, dataDir, password: "secret" });
  await again.ready();
  assert.deepEqual(
    again.list().map(([key]) => key),
    ["/a/1"],
  );
  assert.equal(again.http, null);
});

test("a member without a majority is not ready, and says so", async (t) => {
  const [other = ""] = await freeAddresses(1);
  const node = await startAlone(t, { partnerAddrs: [other] });
  await assert.rejects(node.ready(100), (error) => {
    assert.ok(error instanceof NotReadyError);
    assert.match(error.message, /not ready after 100 ms: no leader is known/);
    return true;
  });
  const waiting = node.ready(60_000);
  await Promise.all([assert.rejects(waiting, /the member runs no more/), node.stop()]);
});

test("a second member on the same folder is refused", async (t) => {
  const [selfAddr = "", bindAddr = ""] = await freeAddresses(2);
  const dataDir = folder(t);
  await startAlone(t, { selfAddr, dataDir });
  await assert.rejects(
    QuorateNode.start({ selfAddr, bindAddr, dataDir }),
    (error) => error instanceof api.StorageError && error.code === "locked",
  );
});

test("a port that is taken is an error, and the folder is free again", async (t) => {
  const [selfAddr = "", http = ""] = await freeAddresses(2);
  const dataDir = folder(t);
  const taken = createServer();
  const [host = "", port = ""] = http.split(":");
  await new Promise<void>((resolve) => {
    taken.listen(Number(port), host, resolve);
  });
  t.after(() => taken.close());
  for (const options of [{ bindAddr: http }, { bindAddr: selfAddr, http }]) {
    await assert.rejects(QuorateNode.start({ selfAddr, dataDir, ...options }), {
      code: "EADDRINUSE",
    });
  }
  const node = await startAlone(t, { selfAddr, dataDir });
  await node.ready();
});

test("settings that cannot be used are named as the option that they came in", async () => {
  const good = { selfAddr: "127.0.0.1:2222", dataDir: "/nowhere" };
  const cases: readonly [api.NodeOptions, RegExp][] = [
    [{ ...good, selfAddr: "nonsense" }, /^selfAddr is "nonsense" but must be /],
    [{ ...good, bindAddr: ":" }, /^bindAddr is ":" but must be /],
    [{ ...good, partnerAddrs: ["10.0.0.1:2222", "x"] }, /^partnerAddrs holds "x"/],
    [{ ...good, http: "8008" }, /^http is "8008" but must be /],
    [
      { ...good, timeouts: { electionTimeoutMinMs: 100 } },
      /^timeouts\.electionTimeoutMinMs is 0\.1 s but must be more than three times/,
    ],
    [{ ...good, timeouts: { leaderFallbackMs: Number.NaN } }, /^timeouts\.leaderFallbackMs is /],
    [{ ...good, compaction: { minEntries: 1.5 } }, /^compaction\.minEntries is "1\.5" but must/],
  ];
  for (const [options, message] of cases) {
    await assert.rejects(QuorateNode.start(options), (error) => {
      assert.ok(error instanceof ConfigError, String(error));
      assert.match(error.message, message);
      return true;
    });
  }
});

test("a program without types is told what it forgot", async () => {
  const untyped: (options: object) => Promise<QuorateNode> = (options) =>
    Reflect.apply(QuorateNode.start, QuorateNode, [options]);
  await assert.rejects(untyped({}), /dataDir is missing/);
  await assert.rejects(untyped({ dataDir: "/nowhere" }), /this member has no address/);
  await assert.rejects(untyped({ dataDir: 5, selfAddr: "127.0.0.1:1" }), /dataDir must be text/);
});

test("Patroni's file describes a member; options win over variables, which win over it", async (t) => {
  const [fromFile = "", fromEnv = "", given = ""] = await freeAddresses(3);
  const dataDir = folder(t);
  const patroniFile = join(dataDir, "patroni.yml");
  const text = `raft:\n  self_addr: ${fromFile}\n  data_dir: ${dataDir}\n  bind_addr: 127.0.0.1:2222\n`;
  writeFileSync(patroniFile, text);
  const env = { PATRONI_RAFT_SELF_ADDR: fromEnv };
  const choices = [{}, { env }, { env, selfAddr: given }];
  for (const [at, options] of choices.entries()) {
    const bindAddr = [fromFile, fromEnv, given][at] ?? "";
    const node = await QuorateNode.start({ patroniFile, bindAddr, ...options });
    assert.equal(node.status().self, bindAddr);
    await node.stop();
  }
});
