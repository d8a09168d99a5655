import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import { decodeMeta } from "../protocol/files/meta-format.js";
import { differences } from "./support/compare.js";
import { eventually } from "./support/eventually.js";
import { fill } from "./support/fill.js";
import { freeAddresses } from "./support/free-ports.js";
import type { KvData } from "./support/kv-data.js";
import { quorateCli } from "./support/quorate-cli.js";
import { openScene, type Scene } from "./support/scene.js";
import { type Kind, type Seat, type SeatsOptions, startSeat, writerOf } from "./support/seats.js";

/**
 * One member alone, whose files are converted between two programs by `migrate import` and `export`:
 * nothing but the files can tell the next one what was.
 */

/** Keys that each one adds; dump and journal both hold a part. */
const filled = 25;
const compactAbove = 15;

function metaOf({ dataDir, selfAddr }: Seat) {
  return decodeMeta(readFileSync(join(dataDir, `${selfAddr}.journal.meta`)), crc32);
}

/** All that lies in the folder, byte by byte. */
function pictureOf(folder: string): ReadonlyMap<string, string> {
  const names = readdirSync(folder, { withFileTypes: true });
  const files = names.filter((each) => each.isFile()).map(({ name }) => name);
  return new Map(files.sort().map((name) => [name, readFileSync(join(folder, name), "hex")]));
}

/** Starts the next program on the files, and compares what it has applied; then it adds keys. */
async function goOn(
  scene: Scene,
  options: SeatsOptions,
  kind: Kind,
  before: KvData,
): Promise<{ readonly seat: Seat; readonly data: KvData; readonly term: number }> {
  const [address = ""] = options.addresses;
  const seat = await startSeat(scene, options, kind, address);
  const who = `${kind} ${kind === "vanilla" ? options.version : ""}`;
  const { term } = await eventually(`${who} leads and has applied its log`, async () => {
    const now = await seat.state();
    return now.leader === address && now.appliedIndex > before.appliedIndex && now;
  });
  assert.deepEqual(differences(before, await seat.data()), [], who);
  const writer = await writerOf(scene, options, seat);
  await fill(writer, { prefix: `/${who} after ${before.appliedIndex}/`, count: filled });
  if (writer.child !== seat.child) await writer.stop();
  const data = await eventually("all is stored", async () => {
    const { commitIndex } = await seat.state();
    return metaOf(seat).meta.commitIndex === commitIndex && (await seat.data());
  });
  return { seat, data, term };
}

/** Dry run, then for real, then once more; and not at all while the member runs. */
async function convert(seat: Seat, args: readonly string[], signal: NodeJS.Signals) {
  const run = (...flags: string[]) => quorateCli(["migrate", ...args, seat.dataDir, ...flags]);
  const running = await run("--yes");
  assert.equal(running.code, 1, running.out);
  assert.match(running.err, /in use by process \d+: stop it first/);
  await seat.stop(signal);
  const before = pictureOf(seat.dataDir);
  const dry = await run("--dry-run");
  assert.equal(dry.code, 4, dry.err);
  assert.deepEqual(pictureOf(seat.dataDir), before);
  const { code, out, err } = await run("--yes", "--json");
  assert.deepEqual([code, err], [0, ""]);
  const done = JSON.parse(out);
  const kept = pictureOf(done.setAsideTo);
  for (const [name, bytes] of kept) assert.equal(bytes, before.get(name), name);
  assert.ok(kept.size >= 2);
  const after = pictureOf(seat.dataDir);
  assert.equal((await run("--yes")).code, 0);
  assert.deepEqual(pictureOf(seat.dataDir), after, "a second time nothing is due");
  const verified = await quorateCli(["verify", seat.dataDir]);
  assert.equal(verified.code, 0, verified.out);
  return done;
}

for (const [from, to] of [
  ["0.3.11", "0.3.11"],
  ["0.3.15", "0.3.17"],
  ["0.3.17", "0.3.15"],
] as const) {
  test(`files of ${from} are imported, and exported to ${to}`, async (t) => {
    const scene = openScene(t);
    const addresses = await freeAddresses(1);
    const old: SeatsOptions = { version: from, addresses, compactAbove };
    const next: SeatsOptions = { ...old, version: to };
    const nothing: KvData = { appliedIndex: 0, entries: {} };

    const first = await goOn(scene, old, "vanilla", nothing);
    const imported = await convert(first.seat, ["import"], "SIGKILL");
    assert.equal(imported.term, first.term);
    const forgets = from !== "0.3.17";
    assert.equal(imported.warnings.length, forgets ? 1 : 0);

    const second = await goOn(scene, next, "quorate", first.data);
    assert.equal(second.seat.logged('"level":"warn"'), 0, second.seat.child.log());
    assert.ok(second.term > imported.term, `${second.term} after ${imported.term}`);
    const exported = await convert(second.seat, ["export", "--to", to], "SIGKILL");
    assert.equal(exported.term, second.term);
    const { isSealed, meta } = metaOf(second.seat);
    assert.deepEqual([isSealed, meta.owner, meta.term], [false, null, second.term]);

    const third = await goOn(scene, next, "vanilla", second.data);
    // What that version does with the term that it is given; in the file it stays.
    if (to === "0.3.17") assert.ok(third.term > second.term);
    else assert.equal(third.term, 1);
    assert.ok(metaOf(third.seat).meta.term >= second.term);
    await third.seat.stop("SIGTERM");
    const { out } = await quorateCli([
      ...["migrate", "import", third.seat.dataDir, "--yes", "--json"],
    ]);
    const again = JSON.parse(out);
    assert.ok(again.term >= Math.max(second.term, third.term));

    const last = await goOn(scene, next, "quorate", third.data);
    assert.ok(last.term > again.term);
    assert.equal(Object.keys(last.data.entries).length, 4 * filled);
    t.diagnostic(`terms ${first.term}, ${second.term}, ${third.term}, ${last.term}`);
  });
}
