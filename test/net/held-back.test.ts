import assert from "node:assert/strict";
import { test } from "node:test";
import { freeAddress, startNetwork, until } from "./support/networks.js";
import { barePeer } from "./support/peers.js";

/* What a member holds back until its disk has written something is in memory as well: it counts as if it waited in the socket. */

const mib = 1024 * 1024;

function piece(bytes: number) {
  return {
    ...({ type: "append_chunk", transmission: "process", term: 1, commitIndex: 1 } as const),
    ...{ data: new Uint8Array(bytes), prevLogIdx: 1, prevLogTerm: 1 },
  };
}

test("a receiver is cut where what is held back, and what waits in its socket, is too much", async (t) => {
  const node = await startNetwork(t, {
    address: await freeAddress("127.0.0.41"),
    limits: { sendBufferBytesMax: 8 * mib },
  });
  const ids = ["y.example:1", "z.example:1"];
  node.network.setPeers(ids);
  for (const id of ids) {
    await barePeer(t, node.address, id);
    await until(() => node.network.isConnected(id), `${id} is up`);
  }
  for (const id of ids) node.network.holdBack(id, 8 * mib);
  node.network.holdBack("y.example:1", 8 * mib + 1);
  node.network.holdBack("z.example:1", 0);
  node.network.sendMany(["z.example:1"], piece(64 * 1024));
  await until(() => !node.network.isConnected("y.example:1"), "cut");
  assert.ok(node.network.isConnected("z.example:1"), "it was let go of");
  node.network.holdBack("z.example:1", 8 * mib);
  node.network.sendMany(["z.example:1"], piece(64 * 1024));
  await until(() => !node.network.isConnected("z.example:1"), "cut as well");
  await until(() => node.network.counters()["closed_send-buffer-full"] === 2, "for that reason");
  node.network.holdBack("nobody:1", mib);
});

test("the observer for whom most is held back is cut where that is too much for all of them", async (t) => {
  const node = await startNetwork(t, {
    address: await freeAddress("127.0.0.41"),
    limits: { observersSendBytesMax: 8 * mib },
  });
  for (let count = 1; count <= 3; count += 1) {
    await barePeer(t, node.address, "readonly");
    await until(() => node.network.counters()["observers"] === count, "one more");
  }
  node.network.holdBack("observer:1", 2 * mib);
  node.network.holdBack("observer:2", 5 * mib);
  node.network.holdBack("observer:3", 2 * mib);
  await until(() => !node.network.isConnected("observer:2"), "cut");
  node.network.holdBack("observer:1", 0);
  node.network.holdBack("observer:3", 7 * mib);
  assert.ok(node.network.isConnected("observer:1"));
  assert.ok(node.network.isConnected("observer:3"));
});
