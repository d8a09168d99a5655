import { mkdirSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { sweep, type Tally } from "../../test/storage/damage-sweep.js";
import {
  kinds,
  type MemberFileSet,
  quorateFiles,
  vanillaFiles,
} from "../../test/storage/damaged-files.js";
import { fullDiskRound, type GrowthPoint } from "../disk/full-disk.js";
import { injectedRound } from "../disk/injected.js";
import { DiskStage } from "../disk/stage.js";
import { SmallDisk } from "../disk/tmpfs.js";
import { Scene } from "../support/scene.js";
import { SoakArguments } from "../support/soak-arguments.js";

const help = `npm run soak -- disk-faults [options]

Faults of disk and files, one after the other, exhaustively. Without a choice: all three.

  --unit           every single bit flipped, every length cut, of the files of Quorate and of
                   PySyncObj 0.3.8 to 0.3.17, one at a time
  --full           three real members, one on a small tmpfs that is filled but for --from to --to
                   KiB, in steps of --step (needs root)
  --inject         three real members, system calls of one failing one at a time (strace): each
                   of --calls with each of --errors, the first to the --times'th, or to
                   where it makes no more such calls
  --from N --to N --step N       KiB left free (0, 600, 4)
  --calls LIST     fdatasync,fsync,rename,openat,pwrite64,pread64,ftruncate,unlink
  --errors LIST    EIO,ENOSPC,EDQUOT,EROFS
  --times N        (30)
  --others LIST    v: PySyncObj 0.3.17, q: Quorate (qq)
  --help`;

const options = {
  unit: { type: "boolean", default: false },
  full: { type: "boolean", default: false },
  inject: { type: "boolean", default: false },
  from: { type: "string", default: "0" },
  to: { type: "string", default: "600" },
  step: { type: "string", default: "4" },
  calls: {
    type: "string",
    default: "fdatasync,fsync,rename,openat,pwrite64,pread64,ftruncate,unlink",
  },
  errors: { type: "string", default: "EIO,ENOSPC,EDQUOT,EROFS" },
  times: { type: "string", default: "30" },
  others: { type: "string", default: "qq" },
  help: { type: "boolean", default: false },
} as const;

/** One life can be shorter than another in calls. */
const inVainMax = 2;

const given = new SoakArguments({ program: "npm run soak -- disk-faults", help, options });
const isAll = !given.isSet("unit") && !given.isSet("full") && !given.isSet("inject");
const others = given.kinds("others", { from: 2, to: 2 });
const fromKib = given.count("from", { from: 0 });
const toKib = given.count("to", { from: fromKib });
const stepKib = given.count("step");
const calls = given.list("calls", /^[a-z]\w*$/, "fsync,rename");
const errors = given.list("errors", /^E[A-Z\d]+$/, "EIO,ENOSPC");
for (const error of errors) {
  if (!(error in constants.errno)) given.refuse(`--errors: there is no error ${error}`);
}
const timesMax = given.count("times");
const started = performance.now();
const cleanUps: (() => unknown)[] = [];

process.once("SIGINT", () => {
  say("interrupted");
  void end(1);
});

try {
  if (isAll || given.isSet("unit")) await everyBit();
  if (isAll || given.isSet("full")) await everySize();
  if (isAll || given.isSet("inject")) await everyCall();
  say("done, no failure");
  await end(0);
} catch (error) {
  console.error(error);
  say("failed");
  await end(1);
}

async function end(code: number): Promise<void> {
  for (const clean of cleanUps.reverse()) await clean();
  process.exit(code);
}

function say(what: string): void {
  console.log(`${((performance.now() - started) / 60_000).toFixed(1)} min: ${what}`);
}

async function fileSets(): Promise<Map<string, MemberFileSet>> {
  const sets = new Map<string, MemberFileSet>();
  for (const [dump, close] of [
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ] as const) {
    const name = `Quorate ${dump ? "compacted" : "without a dump"}, ${close ? "closed" : "killed"}`;
    sets.set(name, await quorateFiles({ dump, close }));
  }
  for (const version of ["0.3.8", "0.3.11", "0.3.14", "0.3.15", "0.3.16", "0.3.17"]) {
    for (const name of ["writes", "terms", "membership", "compacted", "snapshot-received"]) {
      sets.set(`PySyncObj ${version} ${name}`, vanillaFiles(version, name));
    }
  }
  return sets;
}

async function everyBit(): Promise<void> {
  const masks = [1, 2, 4, 8, 16, 32, 64, 128];
  const total: Tally = new Map();
  for (const [name, files] of await fileSets()) {
    const writer = name.slice(0, name.indexOf(" "));
    for (const kind of kinds.filter((name) => files[name] !== undefined)) {
      const found = await sweep(files, { kind, masks, cuts: true, bytesMax: 4096 });
      for (const [line, count] of found) {
        const key = `${writer}: ${line}`;
        total.set(key, (total.get(key) ?? 0) + count);
      }
    }
    const starts = [...total.values()].reduce((sum, count) => sum + count, 0);
    if (starts === 0) throw new Error(`${name}: nothing was damaged`);
    say(`${name}: ${starts} damaged starts so far`);
  }
  for (const [line, count] of [...total].sort()) console.log(`  ${line}: ${count}`);
}

async function stageOn(scene: Scene, victimDir: string): Promise<DiskStage> {
  const stage = await DiskStage.start(scene, { victimDir, others });
  cleanUps.push(() => stage.close());
  return stage;
}

async function everySize(): Promise<void> {
  const scene = new Scene();
  cleanUps.push(() => scene.close());
  const disk = new SmallDisk(16 * 1024);
  cleanUps.push(() => disk.close());
  const stage = await stageOn(scene, disk.folder);
  const seen = new Map<GrowthPoint, number>();
  const handOvers: number[] = [];
  let round = 0;
  for (let freeKib = fromKib; freeKib <= toKib; freeKib += stepKib) {
    round += 1;
    const leads = round % 2 === 1;
    const valueBytes = round % 4 < 2 ? 8_000 : 200;
    const { points, handOverMs } = await fullDiskRound(stage, disk, { freeKib, leads, valueBytes });
    for (const point of points) seen.set(point, (seen.get(point) ?? 0) + 1);
    if (handOverMs !== null) handOvers.push(handOverMs);
    say(`${freeKib} KiB free: ${points.join(", ") || "enough"}`);
  }
  await stage.judge();
  const longest = Math.round(Math.max(0, ...handOvers));
  const counts = [...seen].map(([point, count]) => `${point} ${count}`).join(", ");
  say(
    `${round} rounds, no room for: ${counts}; ${handOvers.length} hand-overs, at most ${longest} ms`,
  );
}

async function everyCall(): Promise<void> {
  const scene = new Scene();
  cleanUps.push(() => scene.close());
  const folder = join(scene.folder, "injected");
  mkdirSync(folder);
  const stage = await stageOn(scene, folder);
  await stage.victim.stop("SIGKILL");
  const total = { ended: 0, wentOn: 0 };
  for (const call of calls) {
    for (const error of errors) {
      await everyTime(stage, `${call}:error=${error}`, total);
    }
  }
  await stage.startVictim();
  await stage.judge();
  if (total.ended + total.wentOn === 0) throw new Error("no call was met: nothing is shown");
  say(
    `${total.ended + total.wentOn} faults: ${total.ended} ended the member, ${total.wentOn} did not; ` +
      "nothing lost",
  );
}

async function everyTime(
  stage: DiskStage,
  fault: string,
  total: { ended: number; wentOn: number },
): Promise<void> {
  let inVain = 0;
  for (let when = 1; when <= timesMax && inVain < inVainMax; when++) {
    const { ended, met, said } = await injectedRound(stage, { inject: `${fault}:when=${when}` });
    inVain = met ? 0 : inVain + 1;
    if (!met) continue;
    total[ended ? "ended" : "wentOn"] += 1;
    const message = said.replaceAll(stage.victimDir, "…").slice(0, 110);
    say(`${fault} ${when}: ${ended ? "ended" : "went on"}: ${message}`);
  }
}
