import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "./support/eventually.js";
import { freeAddresses } from "./support/free-ports.js";
import { leaseOf, raftView, transferTo } from "./support/patroni-raft.js";
import { openPatroniStage } from "./support/patroni-stage.js";
import {
  bootstrap,
  checkKeys,
  failover,
  keepRow,
  raftFailover,
  rejoin,
  switchover,
  untilListed,
  untilRows,
} from "./support/patroni-steps.js";
import { type QuorateMember, startQuorate } from "./support/quorate-member.js";
import { startObserver } from "./support/vanilla-client.js";

test("Patroni and PostgreSQL: two raft members of Patroni's own and a Quorate member", async (t) => {
  const stage = await openPatroniStage(t);
  const { scene } = stage;
  const addresses = await freeAddresses(3);
  const [low, middle, high] = addresses;
  assert.ok(low !== undefined && middle !== undefined && high !== undefined);
  const others = (self: string) => addresses.filter((each) => each !== self);
  // Quorate is in the middle: it opens one of its connections and accepts the other.
  const quorateOptions = { selfAddr: middle, partners: others(middle) };
  let quorate = await startQuorate(scene, quorateOptions);
  const pg1 = await stage.node({ name: "pg1", selfAddr: high, partners: others(high) });
  const pg2 = await stage.node({ name: "pg2", selfAddr: low, partners: others(low) });

  await bootstrap(stage, pg1, pg2);
  await untilListed(stage, pg1, pg2);
  await checkKeys(stage, quorate, pg1, pg2);
  stage.note(await raftView(quorate));

  await keepRow(pg1, pg2, "before the switchover");
  await switchover(stage, pg1, pg2);
  await untilRows(pg2, ["before the switchover"]);
  await untilListed(stage, pg2, pg1);
  await checkKeys(stage, quorate, pg2, pg1);

  await transferTo(middle, quorate);
  stage.note(`syncobj_admin -transfer: ${await raftView(quorate)}`);
  const termBefore = Number((await quorate.httpStatus())["term"]);
  const observer = await startObserver(scene, { version: "0.3.17", partners: addresses });
  await raftFailover({
    stage,
    primary: pg2,
    kill: () => quorate.stop("SIGKILL"),
    lease: async () => (await observer.data()).entries["/service/quorate/leader"],
    what: "SIGKILL of Quorate as raft leader",
  });
  quorate = await startQuorate(scene, quorateOptions);
  // Before it has met their leader it is of the term that it knew.
  const back = quorate;
  await eventually("others have elected", async () => {
    return Number((await back.httpStatus())["term"]) > termBefore;
  });
  await untilCaughtUp(quorate);
  await checkKeys(stage, quorate, pg2, pg1);
  stage.note(`back: ${await raftView(quorate)}`);

  await transferTo(low, quorate);
  stage.note(`pg2's Patroni leads the raft cluster as well: ${await raftView(quorate)}`);
  await keepRow(pg2, pg1, "before the failover");
  await failover(stage, pg2, pg1);
  const rows = ["before the switchover", "before the failover"];
  await untilRows(pg1, rows);
  stage.note(await raftView(quorate));
  await pg1.sql("insert into kept values ('after the failover')");
  await rejoin(stage, pg1, pg2);
  await untilRows(pg2, [...rows, "after the failover"]);
  await untilListed(stage, pg1, pg2);
  await checkKeys(stage, quorate, pg1, pg2);
  stage.note(await raftView(quorate));
});

/** A member that was away has all that its cluster has when it sees the lease being renewed. */
async function untilCaughtUp(member: QuorateMember): Promise<void> {
  const started = Date.now() / 1000;
  await eventually(`${member.name} has caught up`, async () => {
    const lease = await leaseOf(member);
    return lease !== undefined && lease.updated > started;
  });
}
