import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { EtcdApi } from "../src/tools/backup/etcd-api.js";
import { startEtcd } from "./support/etcd.js";
import { openScene } from "./support/scene.js";

/** etcd forgets a token that was not used for so long; by default 300 s. */
const tokenSec = 1;

test("a token whose time is over is replaced, and what was asked for is done once", async (t) => {
  const scene = openScene(t);
  const etcd = await startEtcd(scene, { "auth-token-ttl": String(tokenSec) });
  const user = { name: "root", password: "secret" };
  await etcd.enableAuthentication(user.name, user.password);
  const api = await EtcdApi.connect([etcd.url], { timeoutMs: 10_000, user });
  const absent = { key: key("/a"), target: "CREATE", create_revision: "0", result: "EQUAL" };
  const put = { key: key("/a"), value: key("1") };
  // It looks each second for those that are over.
  const untilStale = () => sleep(tokenSec * 2500);

  await untilStale();
  const lease = await api.grantLease(600);
  await untilStale();
  assert.equal(await api.putWhere([absent], { ...put, lease }), true);
  await untilStale();
  // As a restore does, with many keys under way.
  const found = await Promise.all(Array.from({ length: 32 }, () => api.get("/a")));
  assert.deepEqual(new Set(found.map((each) => each?.value)), new Set(["1"]));
  assert.equal(await api.putWhere([absent], put), false);

  // A password that holds no more ends it, with etcd's reason.
  await untilStale();
  await etcd.changePassword(user, "another");
  await assert.rejects(api.get("/a"), /authentication failed, invalid user ID or password/);
});

test("signed tokens that rights have changed since are replaced as well", async (t) => {
  const scene = openScene(t);
  const { publicKey, privateKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  const [pub, priv] = [join(scene.folder, "public.pem"), join(scene.folder, "private.pem")];
  writeFileSync(pub, publicKey);
  writeFileSync(priv, privateKey);
  const signed = `jwt,pub-key=${pub},priv-key=${priv},sign-method=RS256,ttl=10m`;
  const etcd = await startEtcd(scene, { "auth-token": signed });
  const user = { name: "root", password: "secret" };
  await etcd.enableAuthentication(user.name, user.password);
  const api = await EtcdApi.connect([etcd.url], { timeoutMs: 10_000, user });
  const put = (value: string) => api.putWhere([], { key: key("/a"), value: key(value) });
  assert.equal(await put("1"), true);
  await etcd.addRole(user, "somebody");
  assert.equal(await put("2"), true);
  await etcd.addRole(user, "somebody else");
  assert.equal((await api.get("/a"))?.value, "2");
});

function key(text: string): string {
  return Buffer.from(text).toString("base64");
}
