import assert from "node:assert/strict";
import { test } from "node:test";
import { adminStatus, syncobjAdmin } from "./support/admin.js";
import { type Cluster, startCluster } from "./support/cluster.js";
import { eventually } from "./support/eventually.js";
import { freeAddresses } from "./support/free-ports.js";
import { quorateCli } from "./support/quorate-cli.js";
import { openScene } from "./support/scene.js";
import { type Kind, type Seat, startSeat } from "./support/seats.js";

/**
 * The real `syncobj_admin` against Quorate members, its output beside that of vanilla members in
 * the same situation; then our own commands against clusters with Quorate members.
 */

const trio = (kind: Kind): readonly Kind[] => [kind, kind, kind];

/** Which member is asked, and the names that stand for addresses in what is compared. */
interface Cast {
  readonly asked: string;
  readonly leader: string;
  readonly other: string;
  readonly third: string;
  /** An address that belongs to nobody. */
  readonly stranger: string;
}

/** Names instead of addresses, so that the outputs of two clusters can be compared. */
function withNames(text: string, cast: Cast): string {
  return Object.entries(cast).reduce((named, [name, address]) => {
    return address === "" ? named : named.replaceAll(address, `<${name}>`);
  }, text);
}

type Step = readonly [flag: string, argument: keyof Cast | number];

const changes: readonly Step[] = [
  ["-add", "stranger"],
  ["-add", "stranger"],
  ["-remove", "stranger"],
  ["-remove", "stranger"],
  ["-add", "asked"],
  ["-remove", "asked"],
  ["-remove", "leader"],
  ["-set_version", 0],
  ["-set_version", 9],
  ["-set_version", -1],
];

/** What syncobj_admin prints for each step, one after the other. */
async function replies(cluster: Cluster, cast: Cast, steps: readonly Step[]): Promise<string[]> {
  const { version, password } = cluster.options;
  const printed: string[] = [];
  for (const [flag, argument] of steps) {
    const text = typeof argument === "number" ? String(argument) : cast[argument];
    const reply = await syncobjAdmin({ version, password, address: cast.asked }, [flag, text]);
    printed.push(`${flag} ${argument}: ${withNames(reply, cast)}`);
  }
  return printed;
}

async function castOf(cluster: Cluster, role: "leader" | "follower"): Promise<Cast> {
  const leader = (await cluster.leader()).selfAddr;
  const [first = "", second = ""] = cluster.addresses.filter((address) => address !== leader);
  const [stranger = ""] = await freeAddresses(1);
  if (role === "leader") return { asked: leader, leader, other: first, third: second, stranger };
  return { asked: first, leader, other: second, third: "", stranger };
}

/** Keys of `-status`, with those that carry an address or a number taken together. */
async function statusKeys(cluster: Cluster, cast: Cast): Promise<Record<string, string>> {
  const { version, password } = cluster.options;
  const status = await adminStatus({ version, password, address: cast.asked });
  assert.equal(status["self"], cast.asked);
  assert.equal(status["leader"], cast.leader);
  const kept = Object.entries(status).map(([key, value]) => {
    const steady = ["state", "has_quorum", "partner_nodes_count", "self_code_version"];
    return [withNames(key, cast), steady.includes(key) ? value : ""] as const;
  });
  return Object.fromEntries(kept.filter(([key]) => !key.startsWith("quorate_")));
}

const versions = [
  ["0.3.8", "s3cret"],
  ["0.3.15", undefined],
  ["0.3.17", undefined],
  ["0.3.17", "s3cret"],
] as const;

for (const [version, password] of versions) {
  const how = `${version}${password === undefined ? "" : " with a password"}`;
  test(`syncobj_admin ${how} sees no difference`, { timeout: 180_000 }, async (t) => {
    const scene = openScene(t);
    const given = { version, password };
    const vanilla = await startCluster(scene, given, trio("vanilla"));
    const quorate = await startCluster(scene, given, trio("quorate"));
    for (const role of ["follower", "leader"] as const) {
      const cast = await castOf(quorate, role);
      const twin = await castOf(vanilla, role);
      const [ours, theirs] = [await statusKeys(quorate, cast), await statusKeys(vanilla, twin)];
      for (const [key, value] of Object.entries(theirs)) {
        assert.equal(ours[key], value, `${key} of the ${role}'s status`);
      }
      const [mine, wanted] = await Promise.all([
        replies(quorate, cast, changes),
        replies(vanilla, twin, changes),
      ]);
      assert.deepEqual(mine, wanted, `replies of the ${role}`);
      assert.equal(wanted[0], "-add stranger: SUCCESS ADD <stranger>");
      assert.match(wanted[8] ?? "", /wrong version, current version is 0, requested version is 9/);
    }
    for (const cluster of [quorate, vanilla]) {
      const { leader } = await castOf(cluster, "leader");
      const state = await cluster.at(leader).state();
      assert.deepEqual(state.members, cluster.addresses, "the strangers are gone again");
    }
  });
}

test("syncobj_admin transfers leadership as among vanilla members", {
  timeout: 120_000,
}, async (t) => {
  const scene = openScene(t);
  const given = { version: "0.3.17" };
  const vanilla = await startCluster(scene, given, trio("vanilla"));
  const quorate = await startCluster(scene, given, trio("quorate"));
  const refused: readonly Step[] = [
    ["-transfer", "stranger"],
    ["-transfer", "asked"],
  ];
  const ask = async (cluster: Cluster, role: "leader" | "follower", steps: readonly Step[]) =>
    replies(cluster, await castOf(cluster, role), steps);
  for (const cluster of [quorate, vanilla]) {
    assert.deepEqual(await ask(cluster, "follower", [["-transfer", "other"]]), [
      "-transfer other: FAIL TRANSFER <other>",
    ]);
    assert.deepEqual(await ask(cluster, "leader", refused), [
      "-transfer stranger: FAIL TRANSFER <stranger>",
      "-transfer asked: FAIL TRANSFER <asked>",
    ]);
    const named = await castOf(cluster, "leader");
    const reply = await replies(cluster, named, [["-transfer", "other"]]);
    assert.deepEqual(reply, ["-transfer other: SUCCESS TRANSFER <other>"]);
    await eventually("the named one leads", async () => {
      return (await cluster.leader()).selfAddr === named.other;
    });
    const before = await castOf(cluster, "leader");
    const { version, password } = cluster.options;
    const open = await syncobjAdmin({ version, password, address: before.asked }, ["-transfer"]);
    assert.equal(open, "SUCCESS TRANSFER ");
    await eventually("somebody else leads", async () => {
      return (await cluster.leader()).selfAddr !== before.asked;
    });
  }
});

test("syncobj_admin at a member that knows no leader", { timeout: 120_000 }, async (t) => {
  const scene = openScene(t);
  const version = "0.3.17";
  const printed = await Promise.all(
    (["quorate", "vanilla"] as const).map(async (kind) => {
      const addresses = await freeAddresses(3);
      const [alone = "", other = "", stranger = ""] = addresses;
      const options = { version, addresses };
      const seat = await startSeat(scene, options, kind, alone);
      assert.equal((await seat.state()).leader, null);
      const cast: Cast = { asked: alone, leader: "", other, third: "", stranger };
      const answers: string[] = [];
      for (const [flag, argument] of [
        ["-add", `${stranger}1`],
        ["-remove", other],
        ["-set_version", "0"],
        ["-set_version", "9"],
        ["-transfer", other],
      ] as const) {
        answers.push(await syncobjAdmin({ version, address: alone }, [flag, argument]));
      }
      const status = await adminStatus({ version, address: alone });
      answers.push(`${status["leader"]} ${status["has_quorum"]}`);
      return answers.map((answer) => withNames(answer, cast));
    }),
  );
  const [ours, theirs] = printed;
  assert.deepEqual(ours, theirs);
  assert.deepEqual(theirs?.slice(2), [
    "FAIL SET_VERSION 0",
    "wrong version, current version is 0, requested version is 9",
    "FAIL TRANSFER <other>",
    "None False",
  ]);
});

/** Runs our commands at one member. */
function commandsAt(seat: Seat, password: string | undefined) {
  const access = password === undefined ? [] : ["--password", password];
  return async (...args: readonly string[]) => {
    return quorateCli([...args, "--addr", seat.selfAddr, "--timeout", "20", ...access]);
  };
}

const clusters: readonly (readonly [string, readonly Kind[], string | undefined])[] = [
  ["three Quorate members", trio("quorate"), "s3cret"],
  ["a vanilla and two Quorate members", ["quorate", "vanilla", "quorate"], undefined],
  ["two vanilla members and a Quorate one", ["vanilla", "quorate", "vanilla"], undefined],
];

for (const [name, kinds, password] of clusters) {
  test(`our commands against ${name}`, { timeout: 180_000 }, async (t) => {
    const scene = openScene(t);
    const cluster = await startCluster(scene, { version: "0.3.17", password }, kinds);
    const leader = await cluster.leader();
    const [follower, third] = cluster.seats.filter((seat) => seat !== leader);
    assert.ok(follower !== undefined && third !== undefined);
    const [stranger = ""] = await freeAddresses(1);
    const run = commandsAt(follower, password);
    const software = (seat: Seat) =>
      seat.kind === "quorate" ? /^Quorate \d+\.\d+\.\d+$/ : /^PySyncObj 0\.3\.17$/;

    for (const seat of cluster.seats) {
      const answer = await commandsAt(seat, password)("status", "--json");
      assert.equal(answer.code, 0, answer.err);
      const status: Record<string, unknown> = JSON.parse(answer.out);
      assert.equal(status["leader"], leader.selfAddr);
      assert.equal(status["role"], seat === leader ? "leader" : "follower");
      assert.equal(status["hasQuorum"], true);
      assert.match(String(status["software"]), software(seat));
      assert.equal((status["members"] as unknown[]).length, 3);
    }
    const table = await run("status");
    assert.match(table.out, new RegExp(`^leader +${leader.selfAddr}$`, "m"));
    assert.match(table.out, /^MEMBER +CONNECTED +MATCH +NEXT$/m);
    const list = await run("members");
    assert.match(list.out, new RegExp(`^${leader.selfAddr} +leader +yes$`, "m"));

    const added = await run("add", stranger);
    assert.deepEqual([added.code, added.err], [0, ""]);
    const again = await run("add", stranger, "--json");
    assert.equal(again.code, 1);
    const said: { ok: boolean; reply: string; reasons: string[] } = JSON.parse(again.out);
    assert.deepEqual([said.ok, said.reply], [false, `FAIL ADD ${stranger}`]);
    assert.match(said.reasons.join("\n"), /is a member of the cluster already/);
    const members = await run("members", "--json");
    const listed: { members: { address: string }[] } = JSON.parse(members.out);
    assert.deepEqual(
      listed.members.map(({ address }) => address),
      [...cluster.addresses, stranger].sort(),
    );
    const removed = await run("remove", stranger);
    assert.deepEqual([removed.code, removed.err], [0, ""]);
    assert.match((await run("remove", stranger)).err, /is not a member of the cluster/);
    assert.match((await run("remove", leader.selfAddr)).err, /is the leader, which cannot be/);

    assert.equal((await run("set-version", "0")).code, 0);
    const tooNew = await run("set-version", "9");
    assert.equal(tooNew.code, 1);
    assert.match(tooNew.err, /wrong version, current version is 0, requested version is 9/);

    const transfer = await run("transfer", third.selfAddr);
    assert.deepEqual([transfer.code, transfer.err], [0, ""]);
    assert.match(transfer.out, new RegExp(`^${third.selfAddr} leads now`));
    const open = await run("transfer", "--json");
    assert.equal(open.code, 0, open.err);
    assert.notEqual((await cluster.leader()).selfAddr, third.selfAddr);
  });
}
