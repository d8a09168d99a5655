import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { journalHeaderBytes } from "../protocol/files/journal-format.js";
import { eventually } from "./support/eventually.js";
import { fill } from "./support/fill.js";
import { freeAddresses } from "./support/free-ports.js";
import type { KvData } from "./support/kv-data.js";
import { pysyncobjVersions } from "./support/python.js";
import { quorateCli } from "./support/quorate-cli.js";
import { openScene, type Scene } from "./support/scene.js";
import { type Kind, leaderAmong, type SeatsOptions, startSeat, writerOf } from "./support/seats.js";

/**
 * A member that was killed, whose files are then damaged, verified and mended: a real member of either
 * kind starts on them and has every entry.
 */

const keysWritten = 25;

interface Damage {
  readonly name: string;
  readonly change: (base: string) => void;
  /** Codes that verify must find. */
  readonly finds: readonly string[];
  /** The member is its whole cluster, and no leader can say what its vote was. */
  readonly isAlone?: true;
}

function rewrite(path: string, change: (bytes: Buffer) => Uint8Array): void {
  writeFileSync(path, change(readFileSync(path)));
}

const damages: readonly Damage[] = [
  {
    name: "the end offset is zero",
    change: (base) =>
      rewrite(`${base}.journal`, (bytes) =>
        bytes.fill(0, journalHeaderBytes - 4, journalHeaderBytes),
      ),
    finds: ["journal-end-offset"],
  },
  {
    name: "the end offset lies amid the last entry",
    change: (base) =>
      rewrite(`${base}.journal`, (bytes) => {
        bytes.writeUInt32LE(bytes.readUInt32LE(36) - 7, 36);
        return bytes;
      }),
    finds: ["journal-records"],
  },
  {
    name: "the meta file is empty",
    change: (base) => writeFileSync(`${base}.journal.meta`, ""),
    finds: ["meta-damaged"],
    isAlone: true,
  },
  {
    name: "a dump that is none",
    change: (base) => writeFileSync(`${base}.dump`, "no dump"),
    finds: ["dump-spare-damaged"],
  },
];

for (const version of pysyncobjVersions) {
  test(`${version}: killed, damaged, mended: both kinds start and have every entry`, async (t) => {
    const scene = openScene(t);
    await Promise.all(
      damages.map((damage, number) => {
        const order: readonly Kind[] = ["quorate", "vanilla"];
        return mendOne(scene, version, damage, number % 2 === 0 ? order : order.toReversed());
      }),
    );
  });
}

/** @param order The kinds of the members that start on the mended files, one after the other. */
async function mendOne(
  scene: Scene,
  version: string,
  damage: Damage,
  order: readonly Kind[],
): Promise<void> {
  const addresses = await freeAddresses(1);
  const [address = ""] = addresses;
  const options: SeatsOptions = { version, addresses };
  const seat = await startSeat(scene, options, "vanilla", address);
  const writer = await writerOf(scene, options, seat);
  await fill(writer, { prefix: "/mend/", count: keysWritten });
  const before = await seat.data();
  assert.equal(Object.keys(before.entries).length, keysWritten);
  const base = join(seat.dataDir, address);
  await seat.stop("SIGKILL");
  damage.change(base);

  const codes = await codesOf(base);
  for (const code of damage.finds) assert.ok(codes.includes(code), `${damage.name}: ${codes}`);
  await mend(base, damage.isAlone === true ? ["--alone", "--certainly-alone"] : []);
  const after = await quorateCli(["verify", base]);
  assert.equal(after.code, 0, `${damage.name}: ${after.out}`);
  for (const kind of order) {
    const started = await startSeat(scene, options, kind, address);
    await eventually(`${kind} has every key after: ${damage.name}`, async () =>
      hasAll(before, await started.data()),
    );
    await started.stop("SIGTERM");
  }
}

async function codesOf(base: string): Promise<readonly string[]> {
  const { out } = await quorateCli(["verify", base, "--json"]);
  const { findings } = JSON.parse(out).members[0];
  return findings.map(({ code }: { code: string }) => code);
}

async function mend(base: string, more: readonly string[]): Promise<void> {
  const { code, out, err } = await quorateCli(["repair", base, "--yes", "--json", ...more]);
  assert.equal(code, 0, `${out} ${err}`);
  const { isDone, kept } = JSON.parse(out);
  assert.ok(isDone === true && kept.length > 0);
}

function hasAll(before: KvData, { entries }: KvData): boolean {
  for (const [key, { value }] of Object.entries(before.entries)) {
    if (entries[key]?.value !== value) return false;
  }
  return true;
}

test("a journal that is cut: Quorate does not vote with it, and has every entry again from the leader", async (t) => {
  const scene = openScene(t);
  const addresses = await freeAddresses(3);
  const options: SeatsOptions = { version: "0.3.17", addresses };
  const seats = await Promise.all(
    addresses.map((address) => startSeat(scene, options, "vanilla", address)),
  );
  const leader = await leaderAmong(seats);
  const victim = seats.find((seat) => seat !== leader);
  assert.ok(victim !== undefined);
  const writer = await writerOf(scene, options, leader);
  await fill(writer, { prefix: "/cut/", count: keysWritten });
  const before = await leader.data();
  await eventually("the victim has them", async () => hasAll(before, await victim.data()));
  const base = join(victim.dataDir, victim.selfAddr);
  await victim.stop("SIGKILL");
  // The last write did not reach the disk whole, its end offset did: as after a loss of power.
  rewrite(`${base}.journal`, (bytes) => {
    const end = bytes.readUInt32LE(36);
    return bytes.fill(0, end - 60, end);
  });
  assert.ok((await codesOf(base)).includes("journal-records"));
  await mend(base, []);
  const marked = await codesOf(base);
  assert.ok(marked.includes("meta-must-refetch"), `${marked}`);
  const started = await startSeat(scene, options, "quorate", victim.selfAddr);
  await eventually("it has every key again", async () => hasAll(before, await started.data()));
  await eventually("it waits for nobody any more", async () => {
    await started.stop("SIGTERM");
    return !(await codesOf(base)).includes("meta-must-refetch");
  });
});
