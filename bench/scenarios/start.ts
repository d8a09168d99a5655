import { cpSync } from "node:fs";
import { freeAddresses } from "../../interop-tests/support/free-ports.js";
import { startQuorate } from "../../interop-tests/support/quorate-member.js";
import type { Scene } from "../../interop-tests/support/scene.js";
import { startVanilla } from "../../interop-tests/support/vanilla-member.js";
import type { Options } from "../options.js";
import type { Outcome } from "../report/results.js";
import { type Spread, showSpread, spreadOf } from "../report/statistics.js";
import { table } from "../report/table.js";
import { chosenSystems } from "../systems/chosen.js";
import { type Place, writeDump, writeJournal } from "../systems/prepared-files.js";
import { pysyncobjVersion } from "../systems/raft-members.js";
import { peakResidentBytes, residentBytes } from "../systems/vital-signs.js";
import { inScene, type Say } from "./scenario.js";

const mib = 2 ** 20;

interface Figure {
  readonly system: string;
  readonly files: string;
  /** From the start of the process until it accepts connections, milliseconds. */
  readonly ms: Spread;
  readonly residentMib: Spread;
  readonly peakMib: Spread;
}

interface Start {
  readonly ms: number;
  readonly residentMib: number;
  readonly peakMib: number;
}

/** One member of three, alone, on the same files: until it listens. An empty folder for comparison. */
export async function start(options: Options, say: Say): Promise<Outcome> {
  const systems = await chosenSystems(
    options.systems.filter((name) => name !== "etcd"),
    say,
  );
  const figures = await inScene(async (scene) => {
    const [selfAddr = "", ...partners] = await freeAddresses(3);
    const found: Figure[] = [];
    for (const [files, fill] of preparations(options, [selfAddr, ...partners])) {
      say(`preparing: ${files}`);
      const template = { dataDir: scene.makeFolder(`template-${found.length}`), selfAddr };
      await fill(template);
      for (const { name } of systems) {
        const starts: Start[] = [];
        for (let round = 1; round <= options.repeats; round++) {
          starts.push(await startOnce(scene, name, template, partners));
          say(`${name}, ${files}: ${starts.at(-1)?.ms.toFixed(0)} ms`);
        }
        found.push(figure(name, files, starts));
      }
    }
    return found;
  });
  const rows = figures.map(({ system, files, ms, residentMib, peakMib }) => [
    ...[files, system, showSpread(ms), showSpread(residentMib), showSpread(peakMib)],
  ]);
  const head = ["files", "system", "ms to listening", "resident MiB", "peak MiB"];
  return { figures, text: table(head, rows) };
}

function preparations(
  { entries, dumpKeys }: Options,
  members: readonly string[],
): [string, (place: Place) => Promise<void>][] {
  return [
    ["none", async () => {}],
    [`a journal of ${entries} entries of 300 bytes`, (place) => writeJournal(place, entries)],
    [`a dump of ${dumpKeys} keys`, (place) => writeDump(place, dumpKeys, members)],
  ];
}

let starts = 0;

async function startOnce(
  scene: Scene,
  system: string,
  { dataDir: from, selfAddr }: Place,
  partners: readonly string[],
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
  const { pid } = child;
  const found = {
    ms,
    residentMib: residentBytes(pid) / mib,
    peakMib: peakResidentBytes(pid) / mib,
  };
  await child.stop("SIGKILL");
  return found;
}

function figure(system: string, files: string, all: readonly Start[]): Figure {
  return {
    ...{ system, files },
    ms: spreadOf(all.map(({ ms }) => ms)),
    residentMib: spreadOf(all.map(({ residentMib }) => residentMib)),
    peakMib: spreadOf(all.map(({ peakMib }) => peakMib)),
  };
}
