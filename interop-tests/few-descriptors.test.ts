import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeSet } from "../protocol/log/kv-calls.js";
import { eventually } from "./support/eventually.js";
import { freeAddresses } from "./support/free-ports.js";
import { Intruder } from "./support/intruder.js";
import { startQuorate } from "./support/quorate-member.js";
import { openScene } from "./support/scene.js";

/** Open files that the member may have; `prlimit` is util-linux's. */
const openFilesMax = 80;
const crowd = 150;

/**
 * A crowd that takes all descriptors would take the one that the next write of a term or a commit
 * index needs, and end the member.
 */
test("a crowd of connections does not take the descriptors that a member's files need", {
  timeout: 120_000,
}, async (t) => {
  const scene = openScene(t);
  const [selfAddr = ""] = await freeAddresses(1);
  const under = ["prlimit", `--nofile=${openFilesMax}:${openFilesMax}`];
  const member = await startQuorate(scene, { selfAddr, partners: [], under });
  const isLeader = async () => (await member.httpStatus())["role"] === "leader";
  await eventually("it leads", isLeader, { timeoutMs: 60_000 });
  const target = selfAddr;
  const observer = await Intruder.connect({ target, guise: { kind: "observer" } });
  const http = Number(member.http?.split(":").at(-1));
  const come = async (n: number) => {
    const kinds = [{ kind: "observer" }, { kind: "stranger" }] as const;
    const guise = kinds[n % 3];
    if (guise !== undefined) return Intruder.connect({ target, guise });
    return Intruder.connect({ target: `127.0.0.1:${http}`, guise: { kind: "stranger" } });
  };
  const all = await Promise.allSettled(Array.from({ length: crowd }, (_, n) => come(n)));
  // The commit index is stored a second after each.
  for (let requestId = 1; requestId <= 3; requestId += 1) {
    const command = encodeSet("/key", { value: `${requestId}`, updated: 1, created: 1 });
    observer.say({ type: "apply_command", command, requestId });
    await observer.untilAnswered(requestId);
    await new Promise((resolve) => setTimeout(resolve, 1_200));
  }
  assert.ok(member.child.isRunning);
  for (const one of all) if (one.status === "fulfilled") one.value.leave();
  await eventually("HTTP answers again", isLeader, { timeoutMs: 30_000 });
  assert.equal((await member.get("/key"))?.value, "3");
  const said = member.child.log().split("few open files are allowed").length - 1;
  assert.equal(said, 1);
  assert.ok(member.child.log().split("too many connections").length - 1 <= 3, "told once a minute");
});
