import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { deriveFernetKey } from "../../protocol/wire/fernet.js";
import { commandBytesMax, frameBytesMax } from "../../protocol/wire/limits.js";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import { strangersScratch } from "../../protocol/wire/scratch.js";
import { freeAddress, startNetwork, startPair, until } from "./support/networks.js";
import { barePeer } from "./support/peers.js";

const vote: PeerMessage = { type: "request_vote", term: 3, lastLogIndex: 9, lastLogTerm: 2 };
/** Larger than every address here, so that it is the one to dial. */
const dialler = "z.example:1";

test("a vanilla peer is pinged, answers nothing, and stays", async (t) => {
  const node = await startNetwork(t, {
    address: await freeAddress("127.0.0.31"),
    timeouts: { connectionTimeoutMs: 120 },
  });
  node.network.setPeers([dialler]);
  const peer = await barePeer(t, node.address, dialler);
  await until(() => peer.types().filter((type) => type === "quorate_ping").length > 8, "pings");
  assert.equal(peer.types()[0], "quorate_hello");
  assert.deepEqual(node.happened, [`up ${dialler}`]);
});

for (const passesOver of [true, false]) {
  const what = passesOver ? "goes on where it is to be passed over" : "ends else";
  test(`the link over which a message came that is too large ${what}`, async (t) => {
    const address = await freeAddress("127.0.0.31");
    const node = await startNetwork(t, { address, passesOver });
    node.network.setPeers([dialler]);
    const peer = await barePeer(t, address, dialler);
    const observer = await barePeer(t, address, "readonly");
    const tooLong = Buffer.alloc(4 + frameBytesMax + 1);
    tooLong.writeInt32LE(frameBytesMax + 1);
    // Where they cut it off they have not read all of it.
    observer.raw.socket.write(tooLong);
    await until(() => observer.raw.closed, "an observer's link ends in any case");
    peer.raw.socket.write(tooLong);
    if (passesOver) peer.send(vote);
    await until(() => (passesOver ? node.messages.length === 1 : peer.raw.closed), "the next one");
    const happened = node.happened.filter((line) => !/^(drained|observer)/.test(line));
    assert.deepEqual(happened.slice(0, 2), [`up ${dialler}`, `large ${dialler}`]);
    const { messages_passed_over: passed, "fault_frame-length": faults } = node.network.counters();
    if (passesOver) {
      assert.deepEqual(happened.slice(2), []);
      assert.deepEqual([passed, faults], [1, 1]);
      assert.equal(node.logged.length, 1, "of the observer");
    } else {
      assert.match(happened[2] ?? "", new RegExp(`^down ${dialler} protocol: frame-length`));
      assert.deepEqual([passed, faults], [undefined, 2]);
    }
  });
}

test("a member's messages may be as large as the largest entry makes them", async (t) => {
  const address = await freeAddress("127.0.0.31");
  const entryBytesMax = 2 * commandBytesMax;
  const node = await startNetwork(t, { address, entryBytesMax });
  node.network.setPeers([dialler]);
  const peer = await barePeer(t, address, dialler);
  const entry = { index: 2, term: 1, command: Buffer.alloc(entryBytesMax, "x") };
  const message = { type: "append_entries", term: 1, commitIndex: 1, prevLogIdx: 1 } as const;
  peer.send({ ...message, prevLogTerm: 1, entries: [entry] });
  await until(() => node.messages.length === 1, "it is taken", 30_000);
});

test("an observer is pinged as well, gets a hello only for its own, and its messages arrive", async (t) => {
  const node = await startNetwork(t, {
    address: await freeAddress("127.0.0.31"),
    timeouts: { connectionTimeoutMs: 200 },
  });
  const observer = await barePeer(t, node.address, "readonly");
  await until(() => observer.types().includes("quorate_ping"), "a ping");
  assert.equal(observer.types().includes("quorate_hello"), false);
  observer.send({ type: "apply_command", command: Buffer.from([1]), requestId: 7 });
  await until(() => node.messages.length === 1, "the command");
  assert.equal(node.messages[0]?.from, "observer:1");
  assert.equal(node.network.send("observer:1", vote), true);
  await until(() => observer.types().includes("request_vote"), "ours");
  observer.send({ type: "quorate_hello", protocol: 1, version: "9" });
  await until(() => observer.types().includes("quorate_hello"), "the hello");
  const second = await barePeer(t, node.address, "readonly");
  await until(() => node.happened.includes("observer observer:2"), "the second");
  second.raw.socket.destroy();
  await until(() => node.happened.includes("observer-gone observer:2"), "its end");
  assert.equal(node.network.send("observer:2", vote), false);
});

test("a Quorate peer that falls silent is dropped", async (t) => {
  const node = await startNetwork(t, {
    address: await freeAddress("127.0.0.31"),
    timeouts: { connectionTimeoutMs: 120 },
  });
  node.network.setPeers([dialler]);
  const peer = await barePeer(t, node.address, dialler);
  peer.send({ type: "quorate_hello", protocol: 1, version: "9" });
  await until(() => peer.raw.closed, "dropped");
  assert.match(node.happened.at(-1) ?? "", /silent/);
});

test("a Quorate peer answers pings", async (t) => {
  const node = await startNetwork(t, { address: await freeAddress("127.0.0.31") });
  node.network.setPeers([dialler]);
  const peer = await barePeer(t, node.address, dialler);
  peer.send({ type: "quorate_ping" });
  await until(() => peer.types().includes("quorate_pong"), "the pong");
  assert.deepEqual(node.messages, []);
});

test("a vanilla peer that owes an answer is dropped, unless anything comes from it", async (t) => {
  const node = await startNetwork(t, {
    address: await freeAddress("127.0.0.31"),
    timeouts: { connectionTimeoutMs: 150 },
  });
  node.network.setPeers([dialler]);
  const peer = await barePeer(t, node.address, dialler);
  await until(() => node.network.isConnected(dialler), "up");
  node.network.noteAwaitingAnswer(dialler);
  peer.send(vote);
  await until(() => node.messages.length === 1, "its message");
  await sleep(300);
  assert.equal(peer.raw.closed, false);
  node.network.noteAwaitingAnswer(dialler);
  await until(() => peer.raw.closed, "dropped");
  assert.match(node.happened.at(-1) ?? "", /unanswered/);
});

test("a vanilla peer may be silent, and the network knows that it is", async (t) => {
  const node = await startNetwork(t, {
    address: await freeAddress("127.0.0.31"),
    timeouts: { connectionTimeoutMs: 150 },
  });
  node.network.setPeers([dialler]);
  assert.equal(node.network.isSilent(dialler), false, "not connected");
  const peer = await barePeer(t, node.address, dialler);
  await until(() => node.network.isSilent(dialler), "silent");
  assert.equal(peer.raw.closed, false);
  peer.send(vote);
  await until(() => !node.network.isSilent(dialler), "heard of");
});

test("a new connection of a member replaces the old one, its end reported first", async (t) => {
  const node = await startNetwork(t, { address: await freeAddress("127.0.0.31") });
  node.network.setPeers([dialler]);
  const old = await barePeer(t, node.address, dialler);
  await until(() => node.network.isConnected(dialler), "up");
  const fresh = await barePeer(t, node.address, dialler);
  await until(() => old.raw.closed, "the old one is closed");
  await until(() => fresh.types().includes("quorate_hello"), "the new one is greeted");
  node.network.send(dialler, vote);
  await until(() => fresh.types().includes("request_vote"), "the new one is used");
  await sleep(20);
  assert.deepEqual(
    node.happened.map((line) => line.split(" ")[0]),
    ["up", "down", "up"],
  );
  assert.match(node.happened[1] ?? "", /replaced/);
});

test("an unknown address is refused, logged once, and counted", async (t) => {
  const node = await startNetwork(t, { address: await freeAddress("127.0.0.31") });
  for (let i = 0; i < 5; i += 1) {
    const peer = await barePeer(t, node.address, "stranger.example:1");
    peer.send({ ...vote, term: 1_000_000 });
    await until(() => peer.raw.closed, "refused");
  }
  const own = await barePeer(t, node.address, node.address);
  await until(() => own.raw.closed, "our own address is no member either");
  assert.equal(node.network.counters()["refused_unknown-address"], 6);
  assert.equal(node.logged.length, 2, "one line for each address");
  assert.deepEqual([...node.happened, ...node.messages], []);
});

test("who claims an address that we dial does not displace our own link", async (t) => {
  const { small, large } = await startPair(t);
  const forger = await barePeer(t, large.address, small.address);
  forger.send({ ...vote, term: 1_000_000 });
  await until(() => forger.raw.closed, "refused");
  assert.deepEqual(large.messages, []);
  assert.equal(large.network.counters()["refused_wrong-direction"], 1);
  assert.equal(large.network.isConnected(small.address), true);
});

test("a member that dials us though we should is taken while we have no link", async (t) => {
  const node = await startNetwork(t, { address: await freeAddress("127.0.0.31") });
  const elsewhere = "127.0.0.30:1";
  node.network.setPeers([elsewhere]);
  const peer = await barePeer(t, node.address, elsewhere);
  await until(() => node.network.isConnected(elsewhere), "up");
  peer.send(vote);
  await until(() => node.messages.length === 1, "its message");
});

test("with a password a bare peer that knows it is taken", async (t) => {
  const node = await startNetwork(t, {
    address: await freeAddress("127.0.0.31"),
    password: "geheim",
  });
  node.network.setPeers([dialler]);
  const peer = await barePeer(t, node.address, dialler, { key: deriveFernetKey("geheim") });
  await until(() => peer.types().includes("quorate_hello"), "greeted");
  peer.send(vote);
  await until(() => node.messages.length === 1, "its message");
});

test("an observer network dials every member and is an observer to them", async (t) => {
  const member = await startNetwork(t, { address: await freeAddress("127.0.0.31") });
  const observer = await startNetwork(t, { address: null });
  observer.network.setPeers([member.address]);
  await until(() => member.happened.includes("observer observer:1"), "seen as an observer");
  await until(() => observer.happened.includes(`hello ${member.address}`), "greeted");
});

test("a member's large message does not wait behind strangers', whose waiting is no silence", async (t) => {
  const node = await startNetwork(t, {
    address: await freeAddress("127.0.0.31"),
    timeouts: { connectionTimeoutMs: 150 },
  });
  node.network.setPeers([dialler]);
  const member = await barePeer(t, node.address, dialler);
  const observer = await barePeer(t, node.address, "readonly");
  await until(() => node.network.counters()["observers"] === 1, "both are there");
  const command = new Uint8Array(300 * 1024);
  // As somebody has it whose bomb is being opened.
  assert.ok(strangersScratch.claim() !== null);
  try {
    observer.send({ type: "apply_command", command, requestId: 1 });
    node.network.noteAwaitingAnswer("observer:1");
    member.send({ type: "apply_command", command, requestId: 2 });
    await until(() => node.messages.length === 1, "the member's");
    assert.equal(node.messages[0]?.from, dialler);
    await sleep(500);
    assert.equal(observer.raw.closed, false, "it is we who let its bytes wait");
  } finally {
    strangersScratch.release();
  }
  await until(() => node.messages.length === 2, "the observer's");
});

test("a flood of one peer leaves the others their turn", async (t) => {
  const node = await startNetwork(t, { address: await freeAddress("127.0.0.31") });
  const quiet = "z.example:2";
  node.network.setPeers([dialler, quiet]);
  const loud = await barePeer(t, node.address, dialler);
  const other = await barePeer(t, node.address, quiet);
  await until(() => node.network.links().every((link) => link.connected), "both up");
  const total = 60_000;
  const flood = Buffer.concat(Array.from({ length: total }, () => loud.session.encode(vote)));
  // Left alone, libuv hands over two megabytes of one socket in one turn of the loop.
  let most = 0;
  let before = 0;
  const countTurn = () => {
    most = Math.max(most, node.messages.length - before);
    before = node.messages.length;
    if (before < total + 1) {
      setImmediate(countTurn);
    }
  };
  countTurn();
  loud.raw.socket.write(flood);
  other.send({ ...vote, term: 77 });
  await until(() => node.messages.length === total + 1, "nothing is lost", 9_000);
  const place = node.messages.findIndex(({ from }) => from === quiet);
  assert.ok(place < 5_000, `the other's message came after ${place} of the flood`);
  assert.ok(most < 6_000, `${most} messages in one turn`);
});

test("strangers' unfinished frames are bounded together", async (t) => {
  const node = await startNetwork(t, { address: await freeAddress("127.0.0.31") });
  const unfinished = Buffer.alloc(10 * 1024 * 1024);
  unfinished.writeInt32LE(15 * 1024 * 1024);
  randomBytes(1024).copy(unfinished, 4);
  for (let i = 0; i < 3; i += 1) {
    const observer = await barePeer(t, node.address, "readonly");
    await until(() => node.network.counters()["observers"] === i + 1, "in");
    observer.raw.socket.write(unfinished);
  }
  await until(
    () => (node.network.counters()["closed_receive-buffer-full"] ?? 0) === 1,
    "one is cut",
  );
});
