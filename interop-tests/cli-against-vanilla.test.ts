import assert from "node:assert/strict";
import { test } from "node:test";
import type { CliContext } from "../src/cli/context.js";
import { processContext, runCommandLine } from "../src/cli/main.js";
import { eventually } from "./support/eventually.js";
import { freeAddresses } from "./support/free-ports.js";
import { openScene } from "./support/scene.js";
import { startVanilla } from "./support/vanilla-member.js";

/** Our commands against clusters of real, unmodified members. */

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function quorate(...args: readonly string[]): Promise<Outcome> {
  const text = { out: "", err: "" };
  const context: CliContext = {
    ...processContext(),
    env: {},
    out: (more) => {
      text.out += more;
    },
    err: (more) => {
      text.err += more;
    },
  };
  const code = await runCommandLine(context, ["node", "quorate", ...args]);
  return { code, ...text };
}

for (const [version, password] of [
  ["0.3.15", undefined],
  ["0.3.17", undefined],
  ["0.3.17", "s3cret"],
  ["0.3.8", "s3cret"],
] as const) {
  const name = `PySyncObj ${version}${password === undefined ? "" : " with a password"}`;
  test(`every command against ${name}`, { timeout: 120_000 }, async (t) => {
    const scene = openScene(t);
    const [spare = "", ...addresses] = await freeAddresses(4);
    for (const selfAddr of addresses) {
      const partners = addresses.filter((address) => address !== selfAddr);
      await startVanilla(scene, { version, selfAddr, partners, password });
    }
    const access = password === undefined ? [] : ["--password", password];
    const at = (address: string) => ["--addr", address, "--timeout", "15", ...access];

    const leader = await eventually("a leader that all follow", async () => {
      const seen = await Promise.all(
        addresses.map(async (address) => {
          const { code, out } = await quorate("status", ...at(address), "--json");
          return code === 0 ? JSON.parse(out) : null;
        }),
      );
      const leaders = new Set(seen.map((status) => status?.leader));
      const connected = seen.every((status) =>
        status?.members.every((member: { connected: boolean }) => member.connected),
      );
      return leaders.size === 1 && connected && seen[0]?.leader;
    });
    const [follower = "", other = ""] = addresses.filter((address) => address !== leader);

    const table = await quorate("status", ...at(`127.0.0.1:1,${follower}`));
    assert.equal(table.code, 0, table.err);
    assert.match(table.out, new RegExp(`^software +PySyncObj ${version}$`, "m"));
    const members = await quorate("members", ...at(follower));
    assert.match(members.out, new RegExp(`^${leader} +leader +yes$`, "m"));
    assert.equal(members.out.trim().split("\n").length, 4);

    const added = await quorate("add", spare, ...at(follower));
    assert.deepEqual([added.code, added.err], [0, ""]);
    assert.match(added.out, new RegExp(`${spare} is a member now .*SUCCESS ADD ${spare}`));
    const again = await quorate("add", spare, ...at(follower));
    assert.equal(again.code, 1);
    assert.match(
      again.err,
      new RegExp(`FAIL ADD.*\n  ${spare} is a member of the cluster already`),
    );
    const removed = await quorate("remove", spare, ...at(follower), "--json");
    assert.equal(JSON.parse(removed.out).ok, true);
    const gone = await quorate("remove", spare, ...at(leader));
    assert.match(gone.err, /is not a member of the cluster/);
    const own = await quorate("remove", leader, ...at(leader));
    assert.equal(own.code, 1);
    assert.match(own.err, /is the leader, which cannot be removed/);

    const versionSet = await quorate("set-version", "0", ...at(follower));
    assert.equal(versionSet.code, 0, versionSet.err);
    const tooNew = await quorate("set-version", "9", ...at(leader));
    assert.equal(tooNew.code, 1);
    assert.match(tooNew.err, /wrong version, current version is 0, requested version is 9/);

    const transfer = await quorate("transfer", other, ...at(follower));
    if (version === "0.3.17") {
      assert.deepEqual([transfer.code, transfer.err], [0, ""]);
      assert.match(transfer.out, new RegExp(`^${other} leads now`));
      const stranger = await quorate("transfer", spare, ...at(follower));
      assert.match(stranger.err, /FAIL TRANSFER.*\n {2}.* is not a member of the cluster/);
    } else {
      assert.equal(transfer.code, 1);
      assert.match(
        transfer.err,
        /which cannot hand leadership over: that came with PySyncObj 0\.3\.16/,
      );
    }

    const wrong = password === undefined ? "guess" : "other";
    const refused = await quorate(
      "status",
      "--addr",
      leader,
      "--password",
      wrong,
      "--timeout",
      "5",
    );
    assert.equal(refused.code, 1);
    assert.match(refused.err, /no member answered: .*password/);
    assert.doesNotMatch(refused.err, /guess|other/);
    const after = await quorate("members", ...at(follower));
    assert.equal(after.code, 0, "the members are unharmed");
  });
}
