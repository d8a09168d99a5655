import { cpSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { freeAddresses } from "../../interop-tests/support/free-ports.js";
import { startQuorate } from "../../interop-tests/support/quorate-member.js";
import type { Scene } from "../../interop-tests/support/scene.js";
import { startVanilla } from "../../interop-tests/support/vanilla-member.js";
import type { Options } from "../options.js";
import type { Outcome } from "../report/results.js";
import { type Spread, showSpread, spreadOf } from "../report/statistics.js";
import { table } from "../report/table.js";
import { chosenSystems } from "../systems/chosen.js";
import { dumpIndex, type Place, writeDump, writeJournal } from "../systems/prepared-files.js";
import { pysyncobjVersion } from "../systems/raft-members.js";
import { statusAsker } from "../systems/status.js";
import { peakResidentBytes, residentBytes } from "../systems/vital-signs.js";
import { inScene, type Say } from "./scenario.js";

const mib = 2 ** 20;
const readyMsMax = 120_000;
const askAgainMs = 5;

interface Figure {
  readonly system: string;
  readonly files: string;
  /** From the start of the process until it accepts connections, milliseconds. */
  readonly ms: Spread;
  /** From there until it answers, with all applied that its files hold: PySyncObj listens first, and loads then. */
  readonly readyMs: Spread;
  readonly residentMib: Spread;
  readonly peakMib: Spread;
}

interface Start {
  readonly ms: number;
  readonly readyMs: number;
  readonly residentMib: number;
  readonly peakMib: number;
}

/** One member of three, alone, on the same files: until it is ready. An empty folder for comparison. */
export async function start(options: Options, say: Say): Promise<Outcome> {
  const systems = await chosenSystems(
    options.systems.filter((name) => name !== "etcd"),
    say,
  );
  const figures = await inScene(async (scene) => {
    const [selfAddr = "", ...partners] = await freeAddresses(3);
    const found: Figure[] = [];
    for (const { files, fill, applied } of preparations(options, [selfAddr, ...partners])) {
      say(`preparing: ${files}`);
      const template = { dataDir: scene.makeFolder(`template-${found.length}`), selfAddr };
      await fill(template);
      for (const { name } of systems) {
        const starts: Start[] = [];
        for (let round = 1; round <= options.repeats; round++) {
          const one = await startOnce(scene, name, template, { partners, applied });
          starts.push(one);
          say(`${name}, ${files}: ${one.ms.toFixed(0)} ms, ${one.readyMs.toFixed(0)} ms`);
        }
        found.push(figure(name, files, starts));
      }
    }
    return found;
  });
  const rows = figures.map(({ system, files, ms, readyMs, residentMib, peakMib }) => [
    ...[files, system, ...[ms, readyMs, residentMib, peakMib].map((spread) => showSpread(spread))],
  ]);
  const head = ["files", "system", "ms to listening", "ms to ready", "resident MiB", "peak MiB"];
  return { figures, text: table(head, rows) };
}

interface Preparation {
  readonly files: string;
  /** Log index up to which a member on them applies. */
  readonly applied: number;
  fill(place: Place): Promise<void>;
}

function preparations(
  { entries, dumpKeys }: Options,
  members: readonly string[],
): readonly Preparation[] {
  return [
    { files: "none", applied: 0, fill: async () => {} },
    {
      files: `a journal of ${entries} entries of 300 bytes`,
      applied: entries,
      fill: (place) => writeJournal(place, entries),
    },
    {
      files: `a dump of ${dumpKeys} keys`,
      applied: dumpIndex,
      fill: (place) => writeDump(place, dumpKeys, members),
    },
  ];
}

let starts = 0;

async function startOnce(
  scene: Scene,
  system: string,
  { dataDir: from, selfAddr }: Place,
  { partners, applied }: { readonly partners: readonly string[]; readonly applied: number },
): Promise<Start> {
  starts += 1;
  const dataDir = scene.makeFolder(`start-${starts}`);
  cpSync(from, dataDir, { recursive: true });
  const common = { selfAddr, partners, dataDir };
  const began = performance.now();
  const { child } =
    system === "quorate"
      ? await startQuorate(scene, { ...common, http: null })
      : await startVanilla(scene, { ...common, version: pysyncobjVersion });
  const ms = performance.now() - began;
  await untilApplied(selfAddr, applied);
  const readyMs = performance.now() - began;
  const { pid } = child;
  const found = {
    ...{ ms, readyMs },
    residentMib: residentBytes(pid) / mib,
    peakMib: peakResidentBytes(pid) / mib,
  };
  await child.stop("SIGKILL");
  // PySyncObj forks to write its dump: the fork would hold the port, and a core, in the next round.
  child.killGroup();
  await untilFree(selfAddr);
  return found;
}

function isListening(address: string): Promise<boolean> {
  const [host = "", port = ""] = address.split(":");
  return new Promise((resolve) => {
    const socket = connect(Number(port), host);
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

async function untilFree(address: string): Promise<void> {
  const deadline = performance.now() + readyMsMax;
  while (await isListening(address)) {
    if (performance.now() > deadline) throw new Error(`somebody still listens at ${address}`);
    await sleep(askAgainMs);
  }
}

async function untilApplied(address: string, index: number): Promise<void> {
  const ask = statusAsker(null);
  const deadline = performance.now() + readyMsMax;
  for (;;) {
    // Somebody may listen for it who does not answer yet.
    const status = await ask(address, readyMsMax).catch(() => null);
    if (status !== null && status.lastApplied >= index) return;
    if (performance.now() > deadline) {
      throw new Error(`${address} has applied ${status?.lastApplied} of ${index} entries`);
    }
    await sleep(askAgainMs);
  }
}

function figure(system: string, files: string, all: readonly Start[]): Figure {
  return {
    ...{ system, files },
    ms: spreadOf(all.map(({ ms }) => ms)),
    readyMs: spreadOf(all.map(({ readyMs }) => readyMs)),
    residentMib: spreadOf(all.map(({ residentMib }) => residentMib)),
    peakMib: spreadOf(all.map(({ peakMib }) => peakMib)),
  };
}
