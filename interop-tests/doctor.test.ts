import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeDelete } from "../protocol/log/kv-calls.js";
import { eventually } from "./support/eventually.js";
import { fill, keepWriting } from "./support/fill.js";
import { freeAddresses } from "./support/free-ports.js";
import { type CliOutcome, quorateCli } from "./support/quorate-cli.js";
import { openScene, type Scene } from "./support/scene.js";
import {
  type Kind,
  leaderAmong,
  type Seat,
  type SeatsOptions,
  startSeat,
  watch,
} from "./support/seats.js";

/** `quorate doctor` against live clusters, well and ill. */

interface Report {
  readonly verdict: string;
  readonly findings: readonly { readonly code: string; readonly members: readonly string[] }[];
}

async function startAll(
  scene: Scene,
  options: SeatsOptions,
  kinds: readonly Kind[],
): Promise<Seat[]> {
  return await Promise.all(
    options.addresses.map((address, at) =>
      startSeat(scene, options, kinds[at] ?? "vanilla", address),
    ),
  );
}

function doctor(
  password: string | undefined,
  address: string,
  ...more: string[]
): Promise<CliOutcome> {
  const access = password === undefined ? [] : ["--password", password];
  const at = ["--addr", address, "--timeout", "2", "--interval", "1"];
  return quorateCli(["doctor", ...at, ...access, ...more]);
}

/** Asks until the findings are these: an election, a cut link and a timeout take their time. */
async function finds(
  { password, askAt }: { readonly password?: string | undefined; readonly askAt: string },
  expected: Readonly<Record<string, readonly string[]>>,
  code: number,
): Promise<void> {
  const isAsExpected = async () => {
    const { out, err, code: ended } = await doctor(password, askAt, "--json");
    if (out === "") throw new Error(err);
    const { findings }: Report = JSON.parse(out);
    const found = Object.fromEntries(findings.map((each) => [each.code, each.members]));
    assert.deepEqual(found, expected);
    assert.equal(ended, code);
    return true;
  };
  await eventually(Object.keys(expected).join(", "), isAsExpected, { timeoutMs: 60_000 });
}

for (const [version, password, defect] of [
  ["0.3.15", undefined, "forgets-term-and-vote"],
  ["0.3.17", "Paßwort", "syncs-nothing"],
] as const) {
  test(`a cluster of ${version}: its defect, a member that stands still, a stopped one`, async (t) => {
    const scene = openScene(t);
    const addresses = await freeAddresses(3);
    const options: SeatsOptions = { version, addresses, password };
    const seats = await startAll(scene, options, []);
    await fill(await watch(scene, options), { prefix: "/doctor/", count: 200 });
    await finds({ password, askAt: addresses[1] ?? "" }, { [defect]: addresses }, 4);

    const leader = await leaderAmong(seats);
    const [one, other] = seats.filter((seat) => seat !== leader);
    assert.ok(one !== undefined && other !== undefined);
    const at = { password, askAt: leader.selfAddr };
    const without = (seat: Seat) => addresses.filter((address) => address !== seat.selfAddr);
    one.child.pause();
    const silent = { "takes-connections-says-nothing": [one.selfAddr], "no-reserve": [] };
    await finds(at, { ...silent, [defect]: without(one) }, 5);
    one.child.resume();
    await finds(at, { [defect]: addresses }, 4);
    await other.stop("SIGTERM");
    const gone = { "no-answer": [other.selfAddr], "no-reserve": [] };
    await finds(at, { ...gone, [defect]: without(other) }, 4);
    await one.stop("SIGKILL");
    const { code, out } = await doctor(password, leader.selfAddr);
    assert.equal(code, 5);
    assert.match(out, /^ILL: no-majority-answers/);
  });
}

test("three Quorate members are well, under writes as well", async (t) => {
  const scene = openScene(t);
  const addresses = await freeAddresses(3);
  const options: SeatsOptions = { version: "0.3.17", addresses };
  await startAll(scene, options, ["quorate", "quorate", "quorate"]);
  const observer = await watch(scene, options);
  await finds({ askAt: addresses[0] ?? "" }, {}, 0);
  const writing = keepWriting(observer, "/doctor/");
  await finds({ askAt: addresses[0] ?? "" }, {}, 0);
  assert.ok((await writing.stop()).length > 0);
});

test("an entry that raises in PySyncObj: its members say nothing, Quorate's passes it over", async (t) => {
  const scene = openScene(t);
  const addresses = await freeAddresses(3);
  const options: SeatsOptions = { version: "0.3.17", addresses };
  const seats = await startAll(scene, options, ["vanilla", "vanilla", "quorate"]);
  const [one, two, quorate] = addresses;
  assert.ok(one !== undefined && two !== undefined && quorate !== undefined);
  const observer = await watch(scene, options);
  await eventually("a leader that appends it", async () => {
    const leader = await leaderAmong(seats);
    if (leader.vanilla !== null) return true;
    await leader.change({ command: "transfer", address: one });
    return false;
  });
  await observer.submit(encodeDelete("/no/such/key"));
  const findings = {
    "takes-connections-says-nothing": [two],
    "no-majority-answers": [],
    "no-leader": [],
  };
  await eventually(
    "two members that say nothing",
    async () => {
      const { out, code } = await doctor(undefined, quorate, "--json");
      const report: Report = JSON.parse(out);
      const silent = report.findings.filter(({ code: each }) => each.startsWith("takes-"));
      assert.deepEqual(
        silent.flatMap(({ members }) => members),
        [one, two],
      );
      for (const each of Object.keys(findings)) {
        assert.ok(
          report.findings.some((found) => found.code === each),
          each,
        );
      }
      return code === 5;
    },
    { timeoutMs: 60_000 },
  );
});
