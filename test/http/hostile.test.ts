import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { after, before, beforeEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connectionsMax, headerBytesMax } from "../../src/http/limits.js";
import { type HttpServer, startHttpServer } from "../../src/http/server.js";
import { silentLogger } from "../../src/logger.js";
import { FakeMember, healthyStatus } from "./fake-member.js";

/*
 * Clients that keep to no rule, on real sockets. What a real member's memory and loop are put to by them:
 * interop-tests/hostile-http.test.ts.
 */

let member = new FakeMember();
let server: HttpServer;
const sockets = new Set<Socket>();

before(async () => {
  server = await startHttpServer(handleOf(), { host: "127.0.0.1", port: 0 }, silentLogger);
});
beforeEach(() => {
  member = new FakeMember();
});
after(async () => {
  for (const socket of sockets) socket.destroy();
  await server.close();
});

function handleOf() {
  return {
    stop: () => member.stop(),
    status: () => member.status(),
    kv: (prefix: string) => member.kv(prefix),
    stopped: member.stopped,
  };
}

interface Talk {
  readonly socket: Socket;
  readonly heard: () => string;
  readonly closed: Promise<unknown>;
}

async function talk(to = server): Promise<Talk> {
  const socket = connect(to.address.port, to.address.host);
  sockets.add(socket);
  let text = "";
  socket.on("error", () => {});
  socket.on("data", (chunk) => {
    text += String(chunk);
  });
  const closed = once(socket, "close");
  await once(socket, "connect");
  return { socket, heard: () => text, closed };
}

/** Sends raw bytes and returns what comes back until the server closes. */
async function raw(bytes: string): Promise<string> {
  const { socket, heard, closed } = await talk();
  socket.write(bytes);
  await closed;
  return heard();
}

async function answers(what: () => string, count: number): Promise<string[]> {
  for (let tries = 0; tries < 500; tries++) {
    const found = [...what().matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status ?? "");
    if (found.length >= count) return found;
    await sleep(10);
  }
  throw new Error(`not ${count} answers: ${what().slice(0, 500)}`);
}

const get = (path: string, more = "") => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`;

describe("HTTP: one request at a time", () => {
  it("answers requests that come all at once in their order", async () => {
    const { socket, heard } = await talk();
    socket.write(get("/health") + get("/nowhere") + get("/v1/status") + get("/v1/kv"));
    assert.deepEqual(await answers(heard, 4), ["200", "404", "200", "200"]);
    socket.write(get("/nowhere"));
    assert.deepEqual((await answers(heard, 5)).at(-1), "404");
  });

  it("looks at the next one in a later turn, and not before the last is answered", async () => {
    let asked = 0;
    let turn = 0;
    const turns: number[] = [];
    const ticking = setInterval(() => {}, 1);
    const tick = (): void => {
      turn += 1;
      if (asked < 50) setImmediate(tick);
    };
    setImmediate(tick);
    member.status = () => {
      asked += 1;
      turns.push(turn);
      return healthyStatus;
    };
    const { socket, heard } = await talk();
    socket.write(get("/v1/status").repeat(50));
    await answers(heard, 50);
    clearInterval(ticking);
    assert.equal(new Set(turns).size, 50, `${turns}`);
  });

  it("takes no more of requests than it answers: the sender waits", async () => {
    member.size = 1_000_000;
    const { socket } = await talk();
    socket.pause();
    let asked = 0;
    member.status = () => {
      asked += 1;
      return healthyStatus;
    };
    const flood = Buffer.from(get("/v1/kv") + get("/v1/status").repeat(200_000));
    assert.equal(socket.write(flood), false);
    await sleep(300);
    const taken = socket.bytesWritten - socket.writableLength;
    assert.ok(socket.writableLength > flood.length / 2, `${taken} of ${flood.length} are taken`);
    assert.equal(asked, 1, "of the data's reader, who does not read");
    socket.destroy();
  });

  for (const pieces of [1, 2, 3, 7]) {
    it(`finds a request's end in pieces of ${pieces} bytes, behind empty lines`, async () => {
      const { socket, heard } = await talk();
      socket.setNoDelay(true);
      const bytes = `\r\n\r\n${get("/health")}\r\n${get("/nowhere")}`;
      for (let at = 0; at < bytes.length; at += pieces) {
        socket.write(bytes.slice(at, at + pieces));
        await sleep(1);
      }
      assert.deepEqual(await answers(heard, 2), ["200", "404"]);
      socket.end();
    });
  }

  it("a client that says all and closes its half hears all", async () => {
    const { socket, heard, closed } = await talk();
    socket.end(get("/health") + get("/nowhere"));
    await closed;
    assert.deepEqual(await answers(heard, 2), ["200", "404"]);
  });
});

describe("HTTP: bytes that are no good request", () => {
  const huge = "x".repeat(headerBytesMax + 1024);
  const chunked = "Transfer-Encoding: chunked\r\n";
  const cases: readonly (readonly [name: string, bytes: string, status: number])[] = [
    ["a header too large", get("/health", `X-A: ${huge}\r\n`), 431],
    ["thousands of headers", get("/health", "X: y\r\n".repeat(5_000)), 431],
    ["a path too long", get(`/${huge}`), 431],
    ["a header that never ends", `GET / HTTP/1.1\r\nX-A: ${huge.repeat(10)}`, 431],
    ["chunks", `${get("/health", chunked)}5\r\nhello\r\n0\r\n\r\n`, 413],
    ["a chunk of no size", `${get("/health", chunked)}zz\r\nhello\r\n`, 413],
    ["a chunk of 2^64 bytes", `${get("/health", chunked)}ffffffffffffffff1\r\n`, 413],
    ["a chunk extension without end", `${get("/health", chunked)}5;${huge}`, 413],
    ["two lengths", get("/health", "Content-Length: 5\r\nContent-Length: 6\r\n"), 400],
    ["a length and chunks", get("/health", `Content-Length: 5\r\n${chunked}`), 400],
    ["a negative length", get("/health", "Content-Length: -1\r\n"), 400],
    ["a body of 1 GiB", get("/health", "Content-Length: 1073741824\r\n") + huge, 413],
    ["a body of 1 GiB, posted", `POST${get("/", "Content-Length: 1073741824\r\n").slice(3)}`, 405],
    ["lines without CR", "GET /health HTTP/1.1\nHost: localhost\n\n", 400],
    ["a folded header", get("/health", "X-A: b\r\n c\r\n"), 400],
    ["a NUL in a header", get("/health", "X-A: \0\r\n"), 400],
    ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 408],
    ["no HTTP at all", `${"\x16\x03\x01"}${"\0".repeat(200)}`, 400],
  ];
  for (const [name, bytes, status] of cases) {
    it(`${name}: ${status}, and the connection is closed`, { timeout: 15_000 }, async () => {
      const heard = await raw(bytes);
      assert.match(heard, new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.equal(heard.match(/HTTP\/1\.1 /g)?.length, 1, "what follows is no second request");
    });
  }

  for (const [name, bytes, status] of [
    ["a foreign name", get("/health").replace("localhost", "evil.example"), "421"],
    ["another method", get("/health").replace("GET", "POST"), "405"],
    ["an unknown expectation", get("/health", "Expect: tea\r\n"), "417"],
    ["100-continue", get("/health", "Expect: 100-continue\r\n"), "100, 413"],
  ] as const) {
    it(`${name}, a body with an empty line in it and a request behind: ${status}`, {
      timeout: 5_000,
    }, async () => {
      const body = "ab\r\n\r\ncd";
      const length = `\r\nContent-Length: ${body.length}\r\n\r\n`;
      const heard = await raw(bytes.replace("\r\n\r\n", length) + body + get("/v1/status"));
      const statuses = [...heard.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, found]) => found);
      assert.equal(statuses.join(", "), status, "and the connection is closed");
    });
  }

  it("an unknown expectation without a body is refused, and the connection is closed", {
    timeout: 5_000,
  }, async () => {
    assert.match(await raw(get("/health", "Expect: tea\r\n")), /^HTTP\/1\.1 417 /);
  });

  it("a request that is smuggled in a body is not answered", async () => {
    const inner = get("/v1/status");
    const heard = await raw(get("/health", `Content-Length: ${inner.length}\r\n`) + inner);
    assert.deepEqual(await answers(() => heard, 1), ["413"]);
  });

  it("CONNECT and an upgrade open nothing", async () => {
    assert.equal(await raw("CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n"), "");
    const upgrade = "Connection: Upgrade, close\r\nUpgrade: websocket\r\n";
    assert.match(await raw(get("/health", upgrade)), /^HTTP\/1\.1 200 /);
  });
});

describe("HTTP: slow clients and crowds", () => {
  it("a header, a body and silence are cut after their time", { timeout: 20_000 }, async () => {
    const started = performance.now();
    const slow = await Promise.all([talk(), talk(), talk()]);
    const [header, body, silent] = slow;
    header?.socket.write("GET /health HTTP/1.1\r\nHost: local");
    body?.socket.write("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n");
    const trickle = setInterval(() => {
      header?.socket.write("h");
      body?.socket.write("b");
    }, 200);
    await Promise.all(slow.map(({ closed }) => closed));
    clearInterval(trickle);
    assert.ok(performance.now() - started < 15_000);
    assert.match(header?.heard() ?? "", /^HTTP\/1\.1 408 /);
    assert.match(body?.heard() ?? "", /^HTTP\/1\.1 405 /);
    assert.match(silent?.heard() ?? "", /^HTTP\/1\.1 408 /);
  });

  it("a crowd that holds all places keeps nobody out", async () => {
    const crowd = await Promise.all(Array.from({ length: connectionsMax * 2 }, () => talk()));
    for (const { socket } of crowd) socket.write("GET /health HTTP/1.1\r\n");
    let cut = 0;
    for (const { closed } of crowd) void closed.then(() => cut++);
    for (let n = 0; n < 20; n++) {
      const { socket, heard } = await talk();
      socket.write(get("/health"));
      assert.deepEqual(await answers(heard, 1), ["200"]);
      socket.destroy();
    }
    assert.ok(cut >= connectionsMax, `${cut} are cut`);
    for (const { socket } of crowd) socket.destroy();
  });

  it("a reader of all data keeps its place in a crowd", async () => {
    member.size = 100_000;
    const reader = await talk();
    reader.socket.pause();
    reader.socket.write(get("/v1/kv", "Connection: close\r\n"));
    await sleep(100);
    const crowd = await Promise.all(Array.from({ length: connectionsMax * 2 }, () => talk()));
    reader.socket.resume();
    await reader.closed;
    assert.match(reader.heard().slice(-20), /\}\}\n/);
    for (const { socket } of crowd) socket.destroy();
  });

  it("a stop ends what is under way", { timeout: 10_000 }, async () => {
    const second = await startHttpServer(handleOf(), { host: "127.0.0.1", port: 0 }, silentLogger);
    member.size = 200_000;
    const idle = await talk(second);
    const half = await talk(second);
    half.socket.write("GET /health HTT");
    const pipelined = await talk(second);
    pipelined.socket.write(get("/v1/kv") + get("/health").repeat(1_000));
    const reading = await talk(second);
    reading.socket.write(get("/v1/kv", "Connection: close\r\n"));
    await answers(reading.heard, 1);
    await second.close();
    await Promise.all([idle, half, pipelined, reading].map(({ closed }) => closed));
    for (let tries = 0; member.ended < 2 && tries < 100; tries += 1) await sleep(10);
    assert.equal(member.ended, 2, "the snapshots are given back");
  });
});
