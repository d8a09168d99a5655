import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeUtility } from "../protocol/wire/utility.js";
import { askUtility } from "../src/net/utility-client.js";
import { eventually } from "./support/eventually.js";
import { forward } from "./support/forwarder.js";
import { freePorts } from "./support/free-ports.js";
import { type QuorateMember, startQuorate } from "./support/quorate-member.js";
import { openScene } from "./support/scene.js";
import { startVanilla } from "./support/vanilla-member.js";

/**
 * A container with a PySyncObj member is started elsewhere under its name, and its old machine is gone
 * without a word. The member waits to be dialled by ours, for which the old link stands until TCP gives
 * up: a quarter of an hour. It is silent, as a follower of PySyncObj always is.
 */

const version = "0.3.17";

async function follows(member: QuorateMember, leader: string): Promise<boolean> {
  const status = await member.httpStatus();
  return status["leader"] === leader && status["role"] === "follower";
}

test("a PySyncObj peer that has moved is dialled anew, and there is a leader again", {
  timeout: 90_000,
}, async (t) => {
  const scene = openScene(t);
  const [theirs = 0, ours = 0, here = 0, there = 0] = await freePorts(4);
  const selfAddr = `127.0.0.2:${theirs}`;
  const partner = `127.0.0.3:${ours}`;
  const [oldPlace, newPlace] = [`127.0.0.1:${here}`, `127.0.0.1:${there}`];
  const router = await forward(t, selfAddr, oldPlace);
  const options = { version, selfAddr, partners: [partner] };
  const peer = await startVanilla(scene, { ...options, bindAddr: oldPlace });
  const member = await startQuorate(scene, { selfAddr: partner, partners: [selfAddr] });
  await eventually(
    "the PySyncObj member leads",
    async () => {
      if (await follows(member, selfAddr)) return true;
      const request = encodeUtility({ command: "transfer", address: selfAddr });
      await askUtility(partner, request, { timeoutMs: 1_000 });
      return false;
    },
    { everyMs: 500 },
  );
  router.moveTo(newPlace);
  await peer.stop("SIGKILL");
  await startVanilla(scene, { ...options, bindAddr: newPlace });
  await eventually("our member has dialled it anew", () =>
    member.child.log().includes("says that we are not connected"),
  );
  await eventually("there is a leader", async () => {
    const { leader } = await member.httpStatus();
    return leader !== null;
  });
  assert.equal(member.child.log().split("says that we are not connected").length, 2, "once");
});
