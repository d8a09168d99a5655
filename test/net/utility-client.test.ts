import assert from "node:assert/strict";
import { createServer, type Server } from "node:net";
import { type TestContext, test } from "node:test";
import { silentLogger } from "../../src/logger.js";
import { Resolver } from "../../src/net/resolver.js";
import { askUtility, UtilityError } from "../../src/net/utility-client.js";
import { freeAddress, startNetwork } from "./support/networks.js";

async function serve(t: TestContext, make: () => Server): Promise<string> {
  const address = await freeAddress("127.0.0.51");
  const [host = "", port = ""] = address.split(":");
  const server = make();
  t.after(() => server.close());
  await new Promise<void>((resolve) => server.listen({ host, port: Number(port) }, resolve));
  return address;
}

function failsWith(code: string, message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof UtilityError);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

for (const password of [null, "geheim"]) {
  test(`a request is answered, password ${password}`, async (t) => {
    const node = await startNetwork(t, {
      address: await freeAddress("127.0.0.51"),
      ...(password === null ? {} : { password }),
    });
    node.onUtility = (request, reply) => reply(`asked for ${request.command}`);
    const options = { timeoutMs: 2_000, password };
    assert.equal(await askUtility(node.address, ["status"], options), "asked for status");
    assert.equal(await node.network.ask(node.address, ["members"], 2_000), "asked for members");
  });
}

test("a long answer comes whole", async (t) => {
  const node = await startNetwork(t, { address: await freeAddress("127.0.0.51") });
  const long = Array.from({ length: 20_000 }, (_, i) => `member ${i * 7919}`);
  node.onUtility = (_request, reply) => reply(long);
  assert.deepEqual(await askUtility(node.address, ["status"], { timeoutMs: 2_000 }), long);
});

test("a wrong password, and a missing or superfluous one, are named as the likely cause", async (t) => {
  const guarded = await startNetwork(t, {
    address: await freeAddress("127.0.0.51"),
    password: "geheim",
  });
  const open = await startNetwork(t, { address: await freeAddress("127.0.0.51") });
  const ask = (address: string, password: string | null) =>
    askUtility(address, ["status"], { timeoutMs: 2_000, password });
  const suspected = failsWith("wrong-password", /password/);
  await assert.rejects(ask(guarded.address, "other"), suspected);
  await assert.rejects(ask(guarded.address, null), suspected);
  await assert.rejects(ask(open.address, "geheim"), suspected);
});

test("nobody there, no such name, no address", async () => {
  const free = await freeAddress("127.0.0.51");
  const options = { timeoutMs: 2_000 };
  await assert.rejects(askUtility(free, ["status"], options), failsWith("refused", /refuses/));
  await assert.rejects(
    askUtility("nobody.invalid:1", ["status"], options),
    failsWith("dns", /does not resolve/),
  );
  await assert.rejects(
    askUtility("nowhere", ["status"], options),
    failsWith("address", /host:port/),
  );
});

test("a port that speaks something else", async (t) => {
  const address = await serve(t, () => createServer((socket) => void socket.end("SSH-2.0-x\r\n")));
  await assert.rejects(
    askUtility(address, ["status"], { timeoutMs: 2_000 }),
    failsWith("protocol", /does not speak/),
  );
});

test("a name behind which nothing answers is looked up again before its time", async () => {
  const suspected: string[] = [];
  class Watched extends Resolver {
    // An address that is silent takes no connection, as a name server that is silent gives no address.
    override resolve = () => new Promise<never>(() => {});
    override suspect(host: string): void {
      suspected.push(host);
    }
  }
  const resolver = new Watched({ dnsCacheMs: 1_000, dnsFailCacheMs: 1_000, logger: silentLogger });
  const ask = (signal?: AbortSignal) => {
    const timeoutMs = signal === undefined ? 50 : 5_000;
    const options = { timeoutMs, resolver, ...(signal === undefined ? {} : { signal }) };
    return askUtility("db.example:2222", ["status"], options);
  };
  await assert.rejects(ask(), failsWith("timeout", /no answer in 50 ms/));
  assert.deepEqual(suspected, ["db.example"]);
  const patience = new AbortController();
  setTimeout(() => patience.abort(), 10);
  await assert.rejects(ask(patience.signal), failsWith("aborted", /no longer wanted/));
  assert.deepEqual(suspected, ["db.example"], "nobody waited for it");
});

test("a port that says nothing, and a caller who no longer wants to know", async (t) => {
  const address = await serve(t, () =>
    createServer((socket) => {
      socket.on("error", () => {});
      t.after(() => socket.destroy());
    }),
  );
  await assert.rejects(
    askUtility(address, ["status"], { timeoutMs: 100 }),
    failsWith("silent", /no answer in 100 ms/),
  );
  const patience = new AbortController();
  setTimeout(() => patience.abort(), 50);
  await assert.rejects(
    askUtility(address, ["status"], { timeoutMs: 5_000, signal: patience.signal }),
    failsWith("aborted", /no longer wanted/),
  );
});
