import assert from "node:assert/strict";
import { once } from "node:events";
import { type IncomingHttpHeaders, request } from "node:http";
import { connect } from "node:net";
import { after, before, beforeEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isHostAllowed } from "../../src/http/host-guard.js";
import { connectionsMax, kvResponsesMax } from "../../src/http/limits.js";
import { type HttpServer, startHttpServer } from "../../src/http/server.js";
import { silentLogger } from "../../src/logger.js";
import { FakeMember, healthyStatus } from "./fake-member.js";

let member = new FakeMember();
let server: HttpServer;

before(async () => {
  const handle = {
    stop: () => member.stop(),
    status: () => member.status(),
    kv: (prefix: string) => member.kv(prefix),
    stopped: member.stopped,
  };
  server = await startHttpServer(handle, { host: "127.0.0.1", port: 0 }, silentLogger);
});
beforeEach(() => {
  member = new FakeMember();
});
after(() => server.close());

interface Reply {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

interface Ask {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

function ask(path: string, { method = "GET", headers = {}, body }: Ask = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const { host, port } = server.address;
    const asked = request({ host, port, path, method, headers, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk) => {
        text += String(chunk);
      });
      response.on("end", () =>
        resolve({ status: response.statusCode, headers: response.headers, text }),
      );
    });
    asked.on("error", reject);
    asked.end(body);
  });
}

/** Sends raw bytes and returns what comes back until the server closes. */
async function raw(bytes: string): Promise<string> {
  const socket = connect(server.address.port, server.address.host);
  let text = "";
  socket.on("data", (chunk) => {
    text += String(chunk);
  });
  socket.write(bytes);
  await once(socket, "close");
  return text;
}

describe("HTTP routes", () => {
  it("GET /v1/status is the member's report", async () => {
    const reply = await ask("/v1/status");
    assert.equal(reply.status, 200);
    assert.deepEqual(JSON.parse(reply.text), healthyStatus);
  });

  it("GET /v1/kv holds the entries with the prefix", async () => {
    member.size = 12;
    const reply = await ask("/v1/kv?prefix=%2Fservice%2Fdemo%2Fkey-1");
    assert.deepEqual(member.prefixes, ["/service/demo/key-1"]);
    const entry = (n: number) => ({ value: `value ${n}`, created: 1.5, updated: 2.5, index: n });
    assert.deepEqual(JSON.parse(reply.text), {
      appliedIndex: 42,
      entries: {
        "/service/demo/key-1": { ...entry(1), expire: 9 },
        "/service/demo/key-10": entry(10),
        "/service/demo/key-11": { ...entry(11), expire: 9 },
      },
    });
    assert.equal(member.ended, 1);
  });

  it("GET /v1/kv of nothing is an empty object", async () => {
    assert.deepEqual(JSON.parse((await ask("/v1/kv")).text), { appliedIndex: 42, entries: {} });
    member.size = 500;
    const reply = await ask("/v1/kv?prefix=zzz");
    assert.deepEqual(JSON.parse(reply.text).entries, {});
  });

  it("keeps odd keys and values", async () => {
    const keys = ["__proto__", "ключ\u2028", "a\ud800b", '"quoted"\n', "😀"];
    member.size = keys.length;
    member.keyAt = (n) => keys[n] ?? "";
    member.valueAt = (n) => (n === 0 ? null : { nested: [n] });
    const { entries } = JSON.parse((await ask("/v1/kv?prefix=")).text);
    assert.deepEqual(Object.keys(entries), keys);
    assert.deepEqual(entries["😀"].value, { nested: [4] });
  });

  it("decodes the prefix as UTF-8", async () => {
    await ask(`/v1/kv?prefix=${encodeURIComponent("ключ 😀&x=1")}`);
    assert.deepEqual(member.prefixes, ["ключ 😀&x=1"]);
  });

  for (const query of ["prefix=%FF", "prefix=%zz", "prefix=a&prefix=b", "other=1", "prefix=a&x"]) {
    it(`refuses the query ${query}`, async () => {
      const reply = await ask(`/v1/kv?${query}`);
      assert.equal(reply.status, 400);
      assert.equal(JSON.parse(reply.text).error, "query");
      assert.deepEqual(member.prefixes, []);
    });
  }

  it("GET /v1/kv: 503 while acknowledged values may be missing", async () => {
    const message = "waits for a leader to bring it up to date: no vote";
    member.report = { ...healthyStatus, degraded: [{ code: "refetching", message }] };
    for (const method of ["GET", "HEAD"]) {
      const reply = await ask("/v1/kv", { method });
      assert.deepEqual([reply.status, reply.headers["retry-after"]], [503, "1"]);
      if (method === "GET") assert.equal(JSON.parse(reply.text).message, `this member ${message}`);
    }
    assert.deepEqual(member.prefixes, []);
  });

  it("GET /health: 200, or 503 with all reasons", async () => {
    const healthy = await ask("/health");
    assert.equal(healthy.status, 200);
    assert.deepEqual(JSON.parse(healthy.text), {
      healthy: true,
      self: "a:1",
      role: "follower",
      leader: "b:2",
      appliedIndex: 42,
      commitIndex: 42,
      reasons: [],
    });
    member.report = {
      ...healthyStatus,
      leader: null,
      commitIndex: 5000,
      degraded: [{ code: "no-space", message: "the disk is full" }],
    };
    const sick = await ask("/health");
    assert.equal(sick.status, 503);
    const { reasons } = JSON.parse(sick.text);
    assert.deepEqual(
      reasons.map((reason: { code: string }) => reason.code),
      ["no-space", "no-leader", "applying"],
    );
    assert.match(reasons[1].message, /no leader.*what was stays.*start the members that are away/);
  });

  it("a leader that reaches no majority is not healthy, whatever it believes", async () => {
    const others = (connected: number, count: number) =>
      Array.from({ length: count }, (_, n) => ({
        ...{ address: `m:${n}`, self: n === 0, connected: n < connected, kind: "quorate" as const },
        ...{ matchIndex: null, nextIndex: null, version: null },
      }));
    for (const [connected, count, status] of [
      [1, 1, 200],
      [1, 2, 503],
      [1, 3, 503],
      [2, 3, 200],
      [2, 4, 503],
      [3, 5, 200],
    ] as const) {
      const leads = { role: "leader", leader: "a:1" } as const;
      member.report = { ...healthyStatus, ...leads, members: others(connected, count) };
      const reply = await ask("/health");
      assert.equal(reply.status, status, `${connected} of ${count}`);
      const { reasons } = JSON.parse(reply.text);
      const codes = reasons.map((reason: { code: string }) => reason.code);
      if (status === 503) assert.match(reasons[0].message, /what was stays\. Start the others/);
      assert.deepEqual(codes, status === 200 ? [] : ["no-majority"]);
    }
  });

  it("a member a little behind is healthy: its disk is being written", async () => {
    member.report = { ...healthyStatus, commitIndex: 142 };
    assert.equal((await ask("/health")).status, 200);
  });

  it("HEAD has headers and no body", async () => {
    for (const path of ["/v1/status", "/health", "/v1/kv", "/nothing"]) {
      const reply = await ask(path, { method: "HEAD" });
      assert.equal(reply.text, "");
      assert.equal(reply.status, path === "/nothing" ? 404 : 200);
      assert.match(reply.headers["content-type"] ?? "", /^application\/json/);
    }
    assert.deepEqual(member.prefixes, []);
  });

  it("404, 405, 413 and 500 are JSON", async () => {
    const missing = await ask("/v1/statuses");
    assert.deepEqual([missing.status, JSON.parse(missing.text).error], [404, "not-found"]);
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
      const reply = await ask("/v1/status", { method });
      assert.deepEqual([reply.status, reply.headers.allow], [405, "GET, HEAD"]);
      assert.equal(JSON.parse(reply.text).error, "method");
    }
    const body = await ask("/v1/status", { headers: { "Content-Length": "1" }, body: "x" });
    assert.deepEqual([body.status, JSON.parse(body.text).error], [413, "body"]);
    member.status = () => {
      throw new Error("secret detail");
    };
    const failed = await ask("/v1/status");
    assert.deepEqual([failed.status, JSON.parse(failed.text).error], [500, "failed"]);
    assert.doesNotMatch(failed.text, /secret/);
  });

  it("sends security headers with every answer", async () => {
    for (const path of ["/v1/status", "/v1/kv", "/health", "/nothing", "/v1/kv?x"]) {
      const { headers } = await ask(path);
      assert.equal(headers["x-content-type-options"], "nosniff");
      assert.equal(headers["cache-control"], "no-store");
      assert.match(String(headers["content-security-policy"]), /default-src 'none'/);
      assert.equal(headers["access-control-allow-origin"], undefined);
    }
  });
});

describe("HTTP: who may ask", () => {
  it("refuses the name of another site (DNS rebinding)", async () => {
    for (const host of ["evil.example", "evil.example:8008", "127.0.0.1.evil.example"]) {
      const reply = await ask("/v1/kv", { headers: { Host: host } });
      assert.equal(reply.status, 421, host);
    }
    for (const host of ["localhost:1", "127.0.0.1", "[::1]:8008", "10.1.2.3:80"]) {
      assert.equal((await ask("/health", { headers: { Host: host } })).status, 200, host);
    }
  });

  it("decides by host", () => {
    assert.equal(isHostAllowed("Node1.Example:8008", "node1.example"), true);
    for (const host of [
      undefined,
      "",
      "node2",
      "[evil]",
      "localhost.evil",
      "a b",
      "127.0.0.1@evil",
    ]) {
      assert.equal(isHostAllowed(host, "node1.example"), false, String(host));
    }
  });

  it("listens on the given host only", async () => {
    const socket = connect(server.address.port, "127.0.0.2");
    const [error] = await once(socket, "error");
    assert.equal(error.code, "ECONNREFUSED");
  });

  it("rejects when the port is taken", async () => {
    await assert.rejects(startHttpServer(member, server.address, silentLogger), {
      code: "EADDRINUSE",
    });
  });
});

describe("HTTP: bounds", () => {
  it("answers garbage, headers too large and targets that are no path", async () => {
    assert.match(await raw("\u0000\u0001garbage\r\n\r\n"), /^HTTP\/1\.1 400 /);
    assert.match(
      await raw(`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"a".repeat(9000)}\r\n\r\n`),
      /^HTTP\/1\.1 431 /,
    );
    const absolute = "GET http://localhost/v1/status HTTP/1.1\r\nHost: localhost\r\n";
    assert.match(await raw(`${absolute}Connection: close\r\n\r\n`), /^HTTP\/1\.1 400 /);
    assert.match(await raw("GET /health HTTP/1.1\r\n\r\n"), /^HTTP\/1\.1 400 /);
  });

  it("cuts off a client that does not finish its header", { timeout: 20_000 }, async () => {
    const start = performance.now();
    assert.match(await raw("GET /health HTTP/1.1\r\nHost:"), /^HTTP\/1\.1 408 /);
    assert.ok(performance.now() - start < 15_000);
  });

  it("takes no more than its share of connections", async () => {
    const sockets = Array.from({ length: connectionsMax + 5 }, () =>
      connect(server.address.port, server.address.host),
    );
    const closed = sockets.map((socket) =>
      once(
        socket.on("error", () => {}),
        "close",
      ),
    );
    await Promise.race(closed);
    await sleep(100);
    const open = sockets.filter((socket) => !socket.destroyed && socket.readyState === "open");
    assert.ok(open.length <= connectionsMax, `${open.length}`);
    for (const socket of sockets) socket.destroy();
    await Promise.all(closed);
    await sleep(50);
    assert.equal((await ask("/health")).status, 200);
  });
});

describe("HTTP: large data", () => {
  it("streams half a million keys without holding the loop", async () => {
    member.size = 500_000;
    let pulses = 0;
    const pulse = setInterval(() => {
      pulses += 1;
    }, 1);
    const { host, port } = server.address;
    const bytes = await new Promise<number>((resolve, reject) => {
      request({ host, port, path: "/v1/kv", agent: false }, (response) => {
        let length = 0;
        response.on("data", (chunk: Buffer) => {
          length += chunk.length;
        });
        response.on("end", () => resolve(length));
      })
        .on("error", reject)
        .end();
    });
    clearInterval(pulse);
    assert.ok(bytes > 30_000_000, `${bytes} bytes`);
    assert.equal(member.taken, 500_000);
    assert.equal(member.ended, 1);
    // Sent in one piece the loop would have turned a handful of times.
    assert.ok(pulses > 10, `the loop turned ${pulses} times`);
  });

  it("waits for a slow reader and gives the snapshot back when the reader leaves", async () => {
    member.size = 1_000_000;
    const socket = connect(server.address.port, server.address.host);
    socket.write("GET /v1/kv HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await once(socket, "readable");
    // The buffers on the way fill up, however long a busy machine takes over it.
    let waiting = -1;
    while (waiting !== member.taken) {
      waiting = member.taken;
      await sleep(300);
    }
    assert.ok(waiting < 200_000, `no more is made than the reader takes, not ${waiting}`);
    assert.equal(member.ended, 0);
    socket.destroy();
    for (let tries = 0; member.ended === 0 && tries < 100; tries += 1) await sleep(10);
    assert.equal(member.ended, 1);
  });

  it("lets only a few read at once", async () => {
    member.size = 1_000_000;
    const readers = Array.from({ length: kvResponsesMax }, () => {
      const socket = connect(server.address.port, server.address.host);
      socket.write("GET /v1/kv HTTP/1.1\r\nHost: localhost\r\n\r\n");
      return socket;
    });
    await Promise.all(readers.map((socket) => once(socket, "readable")));
    const reply = await ask("/v1/kv");
    assert.deepEqual([reply.status, reply.headers["retry-after"]], [503, "1"]);
    for (const socket of readers) socket.destroy();
    for (let tries = 0; member.ended < kvResponsesMax && tries < 100; tries += 1) await sleep(10);
    member.size = 1;
    assert.equal((await ask("/v1/kv")).status, 200);
  });

  it("closes although a reader does not read", { timeout: 5_000 }, async () => {
    const other = new FakeMember();
    other.size = 1_000_000;
    const second = await startHttpServer(other, { host: "127.0.0.1", port: 0 }, silentLogger);
    const socket = connect(second.address.port, second.address.host);
    socket.on("error", () => {});
    socket.write("GET /v1/kv HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await once(socket, "readable");
    await second.close();
    for (let tries = 0; other.ended === 0 && tries < 100; tries += 1) await sleep(10);
    assert.equal(other.ended, 1);
    socket.destroy();
  });
});
