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
import { barePeer } from "./support/peers.js";

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
