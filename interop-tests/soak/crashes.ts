import { CrashLife, type LifeOptions } from "../support/crash-life.js";
import type { Window } from "../support/crash-witness.js";
import { SoakArguments } from "../support/soak-arguments.js";

const help = `npm run soak -- crashes [options]

Three real members under a writing client; SIGKILL of one, two or all of them at random moments.
Afterwards every acknowledged write must be on every member, all data equal, no term ever gone back,
no vote changed. A new cluster begins every few dozen kills, compaction forced in most of them.

  --kills N        SIGKILLs altogether, about (1000)
  --seed S         of the first cluster; the next ones count up (a random one)
  --members LIST   q: Quorate, v: PySyncObj, in order of address (qqq)
  --version V      PySyncObj's (0.3.17)
  --victims WHO    some: one, two or all at a time; all (some)
  --moment WHEN    random; dump: when a dump has just got its name; switch: all of ours exactly
                   between the renames of dump and journal (random)
  --wipe P         so probable it is that one of those killed loses its disk as well, where all
                   members are whole: one that lost its before has been brought up to date (0)
  --writers N      writes under way at once (6)
  --compact N      compact above N entries, in each cluster (in most: 20 to 200)
  --life N         kills per cluster (40)
  --keep FOLDER    copy files and logs of clusters in which something went wrong there
  --losses         count losses instead of failing: for clusters with vanilla members.
                   clustersCleared: those in which a kill found most members, all vanilla, between the
                   dump's rename and the journal's; stuck: those that acknowledged nothing any more,
                   although all members ran; keptBeside: lost, but in a file of a Quorate member;
                   unexplained: lost, and acknowledged after the last kill that found a vanilla member
                   between the renames, or its dump under way
  --help`;

const options = {
  kills: { type: "string", default: "1000" },
  seed: { type: "string" },
  members: { type: "string", default: "qqq" },
  version: { type: "string", default: "0.3.17" },
  victims: { type: "string", default: "some" },
  moment: { type: "string", default: "random" },
  wipe: { type: "string", default: "0" },
  writers: { type: "string", default: "6" },
  compact: { type: "string" },
  life: { type: "string", default: "40" },
  keep: { type: "string" },
  losses: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

/** In turn, cluster by cluster: most often small, so that kills fall into a compaction. */
const compactions: readonly (number | null)[] = [20, 20, 60, null, 20, 200];

const given = new SoakArguments({ program: "npm run soak -- crashes", help, options });
const killsMax = given.count("kills");
const firstSeed = given.count("seed", {
  from: 0,
  otherwise: Math.floor(Math.random() * 1_000_000),
});
const killsOfLife = given.count("life");
const compactAlways = given.text("compact") === undefined ? null : given.count("compact");
const keepIn = given.text("keep");
const common = {
  kinds: given.kinds("members", { from: 3, to: 7 }),
  version: given.version("version"),
  victims: given.word("victims", ["some", "all"]),
  moment: given.word("moment", ["random", "dump", "switch"]),
  writers: given.count("writers"),
  wipe: given.number("wipe", { to: 1 }),
  ...(keepIn === undefined ? {} : { keepIn }),
} as const;
const total = {
  ...{ kills: 0, wipes: 0, clusters: 0, acked: 0, byClient: 0, unknown: 0 },
  ...{
    lost: 0,
    unexplained: 0,
    clustersThatLost: 0,
    clustersCleared: 0,
    keptBeside: 0,
    undead: 0,
    stuck: 0,
    differing: 0,
    faults: 0,
    vanillaFaults: 0,
  },
};
const windows = new Map<Window, number>();
const started = performance.now();

process.once("SIGINT", () => {
  say("interrupted");
  process.exit(1);
});

for (let life = 0; total.kills < killsMax; life++) await runLife(firstSeed + life, life);
say("done");
const wrongCount = total.lost + total.differing + total.undead + total.stuck;
const isClean = wrongCount === 0 || given.isSet("losses");
if (total.acked === 0) console.log("no write was acknowledged: nothing is shown");
process.exit(isClean && total.faults === 0 && total.acked > 0 ? 0 : 1);

async function runLife(seed: number, life: number): Promise<void> {
  const compactAbove = compactAlways ?? compactions[life % compactions.length] ?? null;
  const kills = Math.min(killsOfLife, killsMax - total.kills);
  const chosen: LifeOptions = { ...common, seed, kills, compactAbove };
  const result = await new CrashLife(chosen).run();
  total.clusters += 1;
  total.kills += result.kills;
  total.wipes += result.wipes;
  total.acked += result.acked;
  total.unknown += result.unknown;
  total.byClient += result.byClient;
  total.clustersCleared += result.cleared > 0 ? 1 : 0;
  total.keptBeside += result.keptBeside;
  total.undead += result.undead.length;
  total.stuck += result.stuck === null ? 0 : 1;
  total.lost += result.lost.length;
  total.unexplained += result.unexplained.length;
  total.clustersThatLost += result.lost.length > 0 ? 1 : 0;
  total.differing += result.differing.length;
  total.faults += result.faults.length;
  total.vanillaFaults += result.vanillaFaults;
  for (const [window, count] of result.windows) {
    windows.set(window, (windows.get(window) ?? 0) + count);
  }
  const { lost, undead, stuck, differing, faults } = result;
  const cleared = result.cleared > 0 ? `, ${result.cleared} times most journals cleared` : "";
  say(`seed ${seed}, compaction above ${compactAbove ?? 5000}: ${lost.length} lost${cleared}`);
  for (const line of [
    ...lost.slice(0, 3),
    ...undead.slice(0, 3),
    ...(stuck === null ? [] : [stuck]),
    ...differing.slice(0, 3),
    ...faults,
  ]) {
    console.log(`  ${line}`);
  }
}

function say(what: string): void {
  const minutes = ((performance.now() - started) / 60_000).toFixed(1);
  const found = [...windows].map(([window, count]) => `${count} ${window}`).join("; ");
  const counts = Object.entries(total).map(([name, count]) => `${name} ${count}`);
  console.log(`${minutes} min, ${what}. ${counts.join(", ")}; kills amid: ${found}`);
}
