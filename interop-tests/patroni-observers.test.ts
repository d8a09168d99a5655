import assert from "node:assert/strict";
import { test } from "node:test";
import { assertEqualData } from "./support/compare.js";
import { freeAddresses } from "./support/free-ports.js";
import { leaseOf, raftLeader, raftView } from "./support/patroni-raft.js";
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

test("Patroni and PostgreSQL: three Quorate members are the DCS, Patroni observes", async (t) => {
  const stage = await openPatroniStage(t);
  const { scene } = stage;
  const partners = await freeAddresses(3);
  // Each link is encrypted: Patroni's and patronictl's, and those between the members.
  const password = "a raft password";
  const start = (selfAddr: string) => {
    const others = partners.filter((each) => each !== selfAddr);
    return startQuorate(scene, { selfAddr, partners: others, password });
  };
  const members = new Map<string, QuorateMember>();
  for (const address of partners) members.set(address, await start(address));
  const all = () => [...members.values()];
  const pg1 = await stage.node({ name: "pg1", partners, password });
  const pg2 = await stage.node({ name: "pg2", partners, password });
  const checkAll = async (primary: typeof pg1, replica: typeof pg1) => {
    for (const member of all()) await checkKeys(stage, member, primary, replica);
    await assertEqualData(all());
  };

  await bootstrap(stage, pg1, pg2);
  await untilListed(stage, pg1, pg2);
  await checkAll(pg1, pg2);

  await keepRow(pg1, pg2, "before the switchover");
  await switchover(stage, pg1, pg2);
  await untilRows(pg2, ["before the switchover"]);
  await untilListed(stage, pg2, pg1);
  await checkAll(pg2, pg1);

  const leader = await raftLeader(all());
  const leading = members.get(leader);
  const survivor = all().find((member) => member !== leading);
  assert.ok(leading !== undefined && survivor !== undefined);
  stage.note(await raftView(leading));
  await raftFailover({
    stage,
    primary: pg2,
    kill: () => leading.stop("SIGKILL"),
    lease: () => leaseOf(survivor),
    what: "SIGKILL of the leading Quorate member",
  });
  assert.notEqual(await raftLeader([survivor]), leader);
  stage.note(await raftView(survivor));
  members.set(leader, await start(leader));
  await checkAll(pg2, pg1);

  await keepRow(pg2, pg1, "before the failover");
  await failover(stage, pg2, pg1);
  const rows = ["before the switchover", "before the failover"];
  await untilRows(pg1, rows);
  await pg1.sql("insert into kept values ('after the failover')");
  await rejoin(stage, pg1, pg2);
  await untilRows(pg2, [...rows, "after the failover"]);
  await untilListed(stage, pg1, pg2);
  await checkAll(pg1, pg2);
  for (const member of all()) stage.note(await raftView(member));
});
