import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { deflateSync } from "node:zlib";
import { encodePickle } from "../../protocol/pickle/encoder.js";
import { encodeFrame } from "../../protocol/wire/frame.js";
import {
  freeAddress,
  type RawSocket,
  rawConnect,
  startNetwork,
  until,
} from "./support/networks.js";
import { type BarePeer, barePeer } from "./support/peers.js";

function header(length: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(length);
  return bytes;
}

/** A pickle that calls `os.system('true')` in whoever loads it. */
const osSystem = Buffer.from("cos\nsystem\n(S'true'\ntR.", "latin1");

const attacks: readonly (readonly [string, Uint8Array, string])[] = [
  ["garbage", Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "fault_frame-length"],
  ["a length of 2^31 - 1", header(2 ** 31 - 1), "fault_frame-length"],
  ["a negative length", header(-1), "fault_frame-length"],
  ["what does not inflate", encodeFrame(Buffer.from("no zlib stream")), "fault_frame-inflate"],
  ["a pickle of os.system", encodeFrame(deflateSync(osSystem)), "fault_pickle-global"],
  ["an inflate bomb", encodeFrame(deflateSync(Buffer.alloc(3_000_000))), "fault_frame-inflate"],
  ["an empty frame", header(0), "fault_frame-inflate"],
  ["a number for a name", encodeFrame(deflateSync(encodePickle(5))), "fault_handshake-identity"],
  ["an unknown command", encodeFrame(deflateSync(encodePickle(["x"]))), "fault_handshake-identity"],
];

for (const [what, bytes, counter] of attacks) {
  test(`${what} is cut, counted, and logged once`, async (t) => {
    const node = await startNetwork(t, { address: await freeAddress("127.0.0.41") });
    for (let i = 0; i < 3; i += 1) {
      const raw = await rawConnect(t, node.address);
      raw.socket.write(bytes);
      await until(() => raw.closed, "cut");
    }
    assert.equal(node.network.counters()[counter], 3);
    assert.equal(node.network.counters()["closed_protocol"], 3);
    assert.equal(node.logged.length, 1);
    assert.deepEqual([...node.happened, ...node.messages], []);
  });
}

test("a member that sends a bomb loses its link and nothing else", async (t) => {
  const node = await startNetwork(t, { address: await freeAddress("127.0.0.41") });
  node.network.setPeers(["z.example:1"]);
  const peer = await barePeer(t, node.address, "z.example:1");
  await until(() => node.network.isConnected("z.example:1"), "up");
  peer.raw.socket.write(encodeFrame(deflateSync(Buffer.alloc(80 * 1024 * 1024))));
  await until(() => peer.raw.closed, "cut");
  assert.match(node.happened.at(-1) ?? "", /^down z.example:1 protocol: frame-inflate/);
});

test("a connection that sends one byte at a time is cut in time", async (t) => {
  const node = await startNetwork(t, {
    address: await freeAddress("127.0.0.41"),
    limits: { handshakeTimeoutMs: 200 },
  });
  const raw = await rawConnect(t, node.address);
  const began = performance.now();
  const frame = encodeFrame(randomBytes(1_000));
  for (let i = 0; !raw.closed; i += 1) {
    raw.socket.write(frame.subarray(i, i + 1));
    await sleep(20);
    assert.ok(performance.now() - began < 2_000, "it is still connected");
  }
  assert.equal(node.network.counters()["closed_handshake-timeout"], 1);
});

test("an observer that sends one byte at a time is cut in time, and an operator is told", async (t) => {
  const node = await startNetwork(t, {
    address: await freeAddress("127.0.0.41"),
    limits: { unfinishedMsMax: 200 },
  });
  const idle = await barePeer(t, node.address, "readonly");
  const slow = await barePeer(t, node.address, "readonly");
  await until(() => node.network.counters()["observers"] === 2, "both are in");
  const ping = encodeFrame(deflateSync(encodePickle(new Map([["type", "quorate_ping"]]))));
  // Each of these is whole in time, however long they go on together.
  for (let i = 0; i < 30; i += 1) {
    slow.raw.socket.write(ping.subarray(i % 2 === 0 ? 0 : 9, i % 2 === 0 ? 9 : ping.length));
    await sleep(20);
  }
  assert.ok(!slow.raw.closed, "slow, and in order");
  const began = performance.now();
  slow.raw.socket.write(header(1_000_000));
  while (!slow.raw.closed) {
    slow.raw.socket.write(Buffer.of(0));
    await sleep(20);
    assert.ok(performance.now() - began < 5_000, "it is still connected");
  }
  assert.equal(node.network.counters()["closed_unfinished"], 1);
  const told = node.logged.filter(({ fields }) => fields?.["code"] === "unfinished");
  assert.match(told[0]?.message ?? "", /^connection cut: \d+ bytes of a message in \d+ ms/);
  assert.equal(told.length, 1);
  assert.ok(!idle.raw.closed, "who says nothing stays");
});

test("unidentified connections are bounded, and do not keep an honest one out", async (t) => {
  const node = await startNetwork(t, {
    address: await freeAddress("127.0.0.41"),
    limits: { unidentifiedConnectionsMax: 5 },
  });
  node.network.setPeers(["z.example:1"]);
  const idlers: RawSocket[] = [];
  for (let i = 0; i < 12; i += 1) {
    idlers.push(await rawConnect(t, node.address));
  }
  await until(() => idlers.filter((raw) => raw.closed).length === 7, "the oldest are cut");
  assert.deepEqual(
    idlers.map((raw) => raw.closed),
    idlers.map((_, i) => i < 7),
  );
  assert.equal(node.network.counters()["unidentified_connections"], 5);
  await barePeer(t, node.address, "z.example:1");
  await until(() => node.network.isConnected("z.example:1"), "a member gets in");
});

test("those who come on and on from one address do not cut the handshake of another one", async (t) => {
  const node = await startNetwork(t, {
    address: await freeAddress("127.0.0.41"),
    limits: { unidentifiedConnectionsMax: 5 },
  });
  const slow = await rawConnect(t, node.address, "127.0.0.42");
  const crowd: RawSocket[] = [];
  for (let i = 0; i < 12; i += 1) crowd.push(await rawConnect(t, node.address));
  await until(() => crowd.filter((raw) => raw.closed).length === 8, "all but four are cut");
  assert.ok(!slow.closed);
});

test("observers and utility clients are bounded, and do not keep a member out", async (t) => {
  const node = await startNetwork(t, {
    address: await freeAddress("127.0.0.41"),
    limits: { connectionsMax: 3 },
  });
  node.network.setPeers(["z.example:1"]);
  const asked = await rawConnect(t, node.address);
  asked.socket.write(encodeFrame(deflateSync(encodePickle(["status"]))));
  await until(() => asked.received.length > 0, "answered");
  for (let i = 0; i < 2; i += 1) {
    await barePeer(t, node.address, "readonly");
  }
  await until(() => node.network.counters()["observers"] === 2, "two observers");
  const third = await barePeer(t, node.address, "readonly");
  await until(() => third.raw.closed, "the third is cut");
  await barePeer(t, node.address, "z.example:1");
  await until(() => node.network.isConnected("z.example:1"), "a member gets in");
});

test("a crowd of one host gives way to an observer of another, one for one", async (t) => {
  const node = await startNetwork(t, {
    address: await freeAddress("127.0.0.41"),
    limits: { connectionsMax: 4 },
  });
  const crowd: BarePeer[] = [];
  for (let count = 1; count <= 4; count += 1) {
    crowd.push(await barePeer(t, node.address, "readonly"));
    await until(() => node.network.counters()["observers"] === count, "one more");
  }
  const closed = () => crowd.map(({ raw }) => raw.closed);
  for (const [n, expected] of [
    [0, [false, false, false, true]],
    [1, [false, false, true, true]],
  ] as const) {
    const other = await barePeer(t, node.address, "readonly", { from: "127.0.0.42" });
    await until(() => other.types().length > 0 || closed()[3 - n] === true, "somebody is cut");
    assert.deepEqual(closed(), expected);
    await until(() => node.network.counters()["observers"] === 4, "in its place");
    assert.equal(other.raw.closed, false);
  }
  const third = await barePeer(t, node.address, "readonly", { from: "127.0.0.42" });
  await until(() => third.raw.closed, "two of four is all that one host of two gets");
  assert.deepEqual(closed(), [false, false, true, true]);
  assert.equal(node.logged.filter(({ message }) => message.includes("too many")).length, 2);
});

test("observers that never read are cut where all together have too much waiting", async (t) => {
  const mib = 1024 * 1024;
  const node = await startNetwork(t, {
    address: await freeAddress("127.0.0.41"),
    limits: { observersSendBytesMax: 8 * mib },
  });
  node.network.setPeers(["z.example:1"]);
  const member = await barePeer(t, node.address, "z.example:1");
  member.raw.socket.pause();
  await until(() => node.network.isConnected("z.example:1"), "up");
  for (let count = 1; count <= 4; count += 1) {
    const observer = await barePeer(t, node.address, "readonly");
    observer.raw.socket.pause();
    await until(() => node.network.counters()["observers"] === count, "one more");
  }
  const ids = ["z.example:1", ...[1, 2, 3, 4].map((n) => `observer:${n}`)];
  const data = randomBytes(64 * 1024);
  for (let sent = 0; sent < 16 * mib; sent += data.length) {
    node.network.sendMany(ids, {
      ...{ type: "append_chunk", transmission: "process", data, term: 1, commitIndex: 1 },
      ...{ prevLogIdx: 1, prevLogTerm: 1 },
    });
    const waiting = ids.slice(1).reduce((sum, id) => sum + node.network.buffered(id), 0);
    assert.ok(waiting <= 8 * mib, `${waiting} bytes wait`);
  }
  await until(() => node.network.counters()["closed_send-buffer-full"] === 4, "all four");
  assert.ok(node.network.isConnected("z.example:1"), "a member has a bound of its own");
});

test("an observer that never reads is cut for answers that carry nothing as well", async (t) => {
  const node = await startNetwork(t, {
    address: await freeAddress("127.0.0.41"),
    limits: { sendBufferBytesMax: 1024 * 1024 },
  });
  const observer = await barePeer(t, node.address, "readonly");
  observer.raw.socket.pause();
  await until(() => node.network.counters()["observers"] === 1, "up");
  const isCut = () => node.network.counters()["closed_send-buffer-full"] === 1;
  // A few megabytes are the kernel's.
  for (let requestId = 0; requestId < 1_000_000 && !isCut(); requestId += 1) {
    const answer = { type: "apply_command_response", requestId, error: 1 } as const;
    node.network.sendMany(["observer:1"], answer);
    if (requestId % 1_000 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(isCut(), "a million answers wait");
});

test("a utility client that asks and never reads is closed", async (t) => {
  const node = await startNetwork(t, { address: await freeAddress("127.0.0.41") });
  const asked = await rawConnect(t, node.address);
  asked.socket.pause();
  const requests = Array.from({ length: 600 }, () =>
    encodeFrame(deflateSync(encodePickle(["status"]))),
  );
  // Random letters: a reply of one letter alone is small when it is compressed.
  node.onUtility = (_request, reply) => reply(randomBytes(40_000).toString("hex"));
  asked.socket.write(Buffer.concat(requests));
  await until(() => node.network.counters()["closed_send-buffer-full"] === 1, "closed", 30_000);
});

test("a utility client that sends its next request a byte at a time", async (t) => {
  const node = await startNetwork(t, {
    address: await freeAddress("127.0.0.41"),
    limits: { unfinishedMsMax: 200 },
  });
  const asked = await rawConnect(t, node.address);
  const request = encodeFrame(deflateSync(encodePickle(["status"])));
  asked.socket.write(request);
  await until(() => asked.received.length > 0, "answered");
  asked.socket.write(request.subarray(0, 5));
  await until(() => asked.closed, "closed", 5_000);
  assert.equal(node.network.counters()["closed_unfinished"], 1);
  assert.deepEqual(
    node.logged.map(({ fields }) => fields?.["code"]),
    ["unfinished"],
  );
});

test("an idle utility connection is closed", async (t) => {
  const node = await startNetwork(t, {
    address: await freeAddress("127.0.0.41"),
    limits: { utilityIdleTimeoutMs: 100 },
  });
  const asked = await rawConnect(t, node.address);
  asked.socket.write(encodeFrame(deflateSync(encodePickle(["status"]))));
  await until(() => asked.received.length > 0, "answered");
  await until(() => asked.closed, "closed");
});

test("an identity after a utility request is refused, before or after the reply", async (t) => {
  const node = await startNetwork(t, { address: await freeAddress("127.0.0.41") });
  const request = encodeFrame(deflateSync(encodePickle(["status"])));
  const identity = encodeFrame(deflateSync(encodePickle("readonly")));
  const together = await rawConnect(t, node.address);
  together.socket.write(Buffer.concat([request, identity]));
  await until(() => together.closed, "refused");
  node.onUtility = (_request, reply) => void setTimeout(() => reply("late"), 50);
  const between = await rawConnect(t, node.address);
  between.socket.write(request);
  await sleep(20);
  between.socket.write(identity);
  await until(() => between.closed, "refused");
  await sleep(60);
  assert.deepEqual(node.happened, []);
});
