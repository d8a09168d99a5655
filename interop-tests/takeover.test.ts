import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { differences } from "./support/compare.js";
import { eventually } from "./support/eventually.js";
import { fill } from "./support/fill.js";
import { freeAddresses } from "./support/free-ports.js";
import { readJournal } from "./support/journal-reading.js";
import type { KvData } from "./support/kv-data.js";
import { pysyncobjVersions } from "./support/python.js";
import { openScene } from "./support/scene.js";
import { type Kind, type Seat, type SeatsOptions, startSeat, writerOf } from "./support/seats.js";

/**
 * One member alone, whose address and files pass from PySyncObj to Quorate and back: nothing but
 * the files can tell the next one what was.
 */

interface Step {
  readonly kind: Kind;
  /** How its time ends. */
  readonly signal: NodeJS.Signals;
}

/** Each kind after each kind, after SIGTERM and after SIGKILL. */
const steps: readonly Step[] = [
  { kind: "vanilla", signal: "SIGTERM" },
  { kind: "quorate", signal: "SIGKILL" },
  { kind: "quorate", signal: "SIGTERM" },
  { kind: "vanilla", signal: "SIGKILL" },
  { kind: "quorate", signal: "SIGKILL" },
  { kind: "vanilla", signal: "SIGTERM" },
  { kind: "quorate", signal: "SIGTERM" },
];
/** Keys that each one adds. */
const filled = 25;
/** Each member makes a dump and goes on beyond it, where there shall be dumps. */
const compactAbove = 15;

/** PySyncObj up to 0.3.15 keeps neither term nor vote: after a start it counts from 0 again. */
function forgetsTerm(version: string): boolean {
  return ["0.3.8", "0.3.11", "0.3.14", "0.3.15"].includes(version);
}

/**
 * A kill between the rename of the dump and that of the journal leaves files of which 0.3.16 and newer
 * take the dump and clear the journal: docs/crashes.md has the count.
 */
function isAtRest(seat: Seat): boolean {
  const log = readJournal(seat.dataDir, seat.selfAddr);
  const dumps = [...seat.child.log().matchAll(/"dump written","index":(\d+)/g)];
  const last = Number(dumps.at(-1)?.[1]);
  return log[0]?.index === last - 1 && log.length <= compactAbove;
}

for (const version of pysyncobjVersions) {
  for (const withDump of [false, true]) {
    const what = withDump ? "dump and journal" : "journal";
    test(`${what} pass from ${version} to Quorate and back, with state and term`, async (t) => {
      const scene = openScene(t);
      const addresses = await freeAddresses(1);
      const [address = ""] = addresses;
      const options: SeatsOptions = {
        ...{ version, addresses },
        compactAbove: withDump ? compactAbove : undefined,
      };
      let before: KvData = { appliedIndex: 0, entries: {} };
      let term = 0;
      let quorateTerm = 0;
      for (const [number, { kind, signal }] of steps.entries()) {
        const startedMs = Date.now();
        const seat = await startSeat(scene, options, kind, address);
        const who = `${kind}, step ${number}`;
        const state = await eventually(`${who} leads and has applied its log`, async () => {
          const now = await seat.state();
          return now.leader === address && now.appliedIndex > before.appliedIndex && now;
        });
        assert.deepEqual(differences(before, await seat.data()), [], who);
        if (kind === "vanilla" && forgetsTerm(version)) assert.equal(state.term, 1, who);
        else if (kind === "vanilla") assert.ok(state.term > term, `${who}: ${term}, ${state.term}`);
        else assert.ok(state.term > Math.max(term, quorateTerm), `${who}: ${term}, ${state.term}`);
        const writer = await writerOf(scene, options, seat);
        const keys = await fill(writer, { prefix: `/${number}/`, count: filled });
        assert.equal(await writer.delete(keys[3] ?? ""), true, who);
        before = await seat.data();
        assert.equal(Object.keys(before.entries).length, (number + 1) * (filled - 1), who);
        const last = await seat.state();
        if (withDump) {
          assert.ok(last.logLength < last.appliedIndex, `${who}: nothing was compacted`);
        } else {
          assert.equal(last.logLength, last.appliedIndex, `${who}: something was compacted`);
        }
        term = last.term;
        if (kind === "quorate") quorateTerm = last.term;
        if (seat.vanilla === null) await writer.stop();
        else {
          // Up to 0.3.15 the meta follows the journal within a second. One killed before that leaves
          // a journal under our meta; where it has our length as well, it can only look damaged.
          const meta = join(seat.dataDir, `${address}.journal.meta`);
          await eventually("its own meta", () => statSync(meta).mtimeMs > startedMs);
        }
        if (kind === "quorate" && withDump) {
          await eventually("no compaction is under way", () => isAtRest(seat));
        }
        const exit = await seat.stop(signal);
        if (signal === "SIGTERM") assert.equal(exit.code, 0, `${who}: ${JSON.stringify(exit)}`);
      }
    });
  }
}

for (const version of pysyncobjVersions.filter(forgetsTerm)) {
  test(`${version} has room for a large entry in the journal that Quorate leaves`, async (t) => {
    const scene = openScene(t);
    const addresses = await freeAddresses(1);
    const [address = ""] = addresses;
    const options: SeatsOptions = { version, addresses, compactAbove };
    const first = await startSeat(scene, options, "quorate", address);
    const writer = await writerOf(scene, options, first);
    await fill(writer, { prefix: "/small/", count: filled });
    await eventually("compacted, and at rest", () => isAtRest(first));
    await writer.stop();
    await first.stop("SIGTERM");
    const second = await startSeat(scene, options, "vanilla", address);
    const large = { prefix: "/large/", count: 1, valueBytes: 60_000 };
    await fill(await writerOf(scene, options, second), large);
    const before = await second.data();
    await second.stop("SIGTERM");
    const third = await startSeat(scene, options, "vanilla", address);
    await writerOf(scene, options, third);
    assert.deepEqual(differences(before, await third.data()), []);
  });
}
