import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { type TestContext, test } from "node:test";
import { EtcdApi } from "../../src/tools/backup/etcd-api.js";
import { EtcdTarget } from "../../src/tools/backup/etcd-target.js";
import type { ReadyEntry } from "../../src/tools/backup/ready-entry.js";

/** What etcd's gateway answers when nothing is wrong. */
const answers: Readonly<Record<string, unknown>> = {
  "/version": { etcdserver: "3.5.9" },
  "/v3/kv/range": {},
  "/v3/lease/grant": { ID: "77" },
  "/v3/lease/revoke": {},
  "/v3/kv/txn": { succeeded: true },
};

/** An etcd that fails one kind of request: a status, or no answer before the connection ends. */
async function faultyEtcd(t: TestContext, failing: string, how: number | "cut") {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    asked.push(path);
    if (path !== failing) response.end(JSON.stringify(answers[path]));
    else if (how === "cut") request.socket.destroy();
    else response.writeHead(how).end(JSON.stringify({ message: "etcdserver: request timed out" }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const options = { timeoutMs: 10_000, user: null };
  const api = await EtcdApi.connect([`http://127.0.0.1:${address.port}`], options);
  return { target: new EtcdTarget(api), asked };
}

const entry: ReadyEntry = {
  ...{ key: "/a/leader", storedKey: "/a/leader", dict: new Map(), text: "one" },
  ...{ leftSec: 20, fate: null },
};

for (const how of [503, "cut"] as const) {
  test(`a question that etcd does not answer has set nothing: ${how}`, async (t) => {
    const { target } = await faultyEtcd(t, "/v3/kv/range", how);
    const expected = { name: "EtcdError", mayBeDone: false };
    await assert.rejects(target.holdsAny("/a/"), expected);
    await assert.rejects(target.wouldSet(entry, { prevExist: false }), expected);
  });

  test(`without a lease nothing is set: ${how}`, async (t) => {
    const { target, asked } = await faultyEtcd(t, "/v3/lease/grant", how);
    await assert.rejects(target.set(entry, {}), { mayBeDone: false, message: /: it is not set$/ });
    assert.deepEqual(asked, ["/version", "/v3/lease/grant"]);
  });

  test(`a key that may be set keeps its lease: ${how}`, async (t) => {
    const { target, asked } = await faultyEtcd(t, "/v3/kv/txn", how);
    const expected = { mayBeDone: true, message: /: it may be set or not$/ };
    await assert.rejects(target.set(entry, {}), expected);
    assert.ok(!asked.includes("/v3/lease/revoke"));
  });
}

test("a lease whose key is refused is given back", async (t) => {
  const { target, asked } = await faultyEtcd(t, "/v3/kv/txn", 400);
  await assert.rejects(target.set(entry, {}), { mayBeDone: false, message: /: it is not set$/ });
  assert.equal(asked.at(-1), "/v3/lease/revoke");
});
