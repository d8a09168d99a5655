import assert from "node:assert/strict";
import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { advice, lastWords } from "./disk/injected.js";
import { eventually } from "./support/eventually.js";
import { freeAddresses } from "./support/free-ports.js";
import { type QuorateMember, spawnQuorate, startQuorate } from "./support/quorate-member.js";
import { openScene } from "./support/scene.js";

/*
 * Each file of a real member in turn, and each call on it: opening, reading, writing, syncing, cutting and
 * renaming fail once with EIO (strace), at the start or while it takes writes and makes a dump.
 */

interface Call {
  /** Ending of the file's name; empty: the directory. */
  readonly file: string;
  readonly call: string;
  /** Which of its calls on this file. */
  readonly when?: number;
  /** It goes on, and says that no dump could be written. */
  readonly goesOn?: boolean;
}

const calls: readonly Call[] = [
  ...["openat", "pread64", "pwrite64", "fdatasync", "ftruncate"].map((call) => {
    return { file: ".journal", call };
  }),
  { file: ".journal", call: "fdatasync", when: 6 },
  { file: ".journal", call: "pwrite64", when: 9 },
  ...["openat", "pread64"].map((call) => ({ file: ".journal.meta", call })),
  ...["openat", "pwrite64", "fdatasync", "rename"].flatMap((call) => [
    { file: ".journal.meta.tmp", call },
    { file: ".journal.meta.tmp", call, when: 2 },
    { file: ".journal.quorate-tmp", call },
    { file: ".dump.quorate-tmp-1", call, goesOn: call !== "rename" },
  ]),
  ...["openat", "pread64", "fdatasync"].map((call) => ({ file: ".dump", call })),
  { file: "", call: "fsync" },
];

/** More than a compaction needs. */
const writesMax = 60;
const patience = { timeoutMs: 60_000 };

test("each call on each file fails, one at a time", { timeout: 400_000 }, async (t) => {
  const scene = openScene(t);
  const [selfAddr = "", http = ""] = await freeAddresses(2);
  const extraArgs = [
    ...["--log-compaction-min-entries", "20"],
    // It is alone: elections are waited for and nothing else.
    ...["--min-timeout", "0.2", "--max-timeout", "0.3", "--append-entries-period", "0.05"],
  ];
  const given = { selfAddr, partners: [], extraArgs, isWriter: true, http };
  const prepared = await startQuorate(scene, given);
  await eventually("it leads", async () => (await prepared.set("/first", "x")) !== false);
  for (let n = 0; n < 30; n++) await prepared.set(`/old/${n}`, "x");
  await prepared.stop("SIGKILL");

  for (const [round, { file, call, when = 1, goesOn = false }] of calls.entries()) {
    const name = `${file === "" ? "the directory" : file}: ${call} ${when}`;
    const dataDir = scene.makeFolder(`round-${round}`);
    cpSync(prepared.dataDir, dataDir, { recursive: true });
    const log = join(scene.folder, `strace-${round}.log`);
    const path = file === "" ? dataDir : join(dataDir, `${selfAddr}${file}`);
    const inject = ["-e", `trace=${call}`, "-e", `inject=${call}:error=EIO:when=${when}`];
    const under = ["strace", "-D", "-qq", "-f", "-o", log, "-P", path, ...inject];
    const env = { UV_THREADPOOL_SIZE: "1" };
    const member = spawnQuorate(scene, { ...given, dataDir, under, env });
    const acked = await writeUntilEnded(member);
    const said = String(member.logLines().findLast(({ level }) => level === "error")?.["message"]);
    if (goesOn) {
      assert.ok(member.child.isRunning, `${name}: ${said}`);
      assert.match(said, /the dump could not be written, .*\.dump\.quorate-tmp-1: /, name);
      await member.stop("SIGKILL");
    } else {
      assert.deepEqual(await member.child.exited, { code: 1, signal: null }, `${name}: ${said}`);
      assert.match(said, lastWords, name);
      assert.match(said, advice, name);
    }
    assert.match(readFileSync(log, "utf8"), /\(INJECTED\)/, name);
    t.diagnostic(`${name}: ${said.replaceAll(dataDir, "…").slice(0, 150)}`);

    const again = await startQuorate(scene, { ...given, dataDir });
    const aside = again.logLines().filter((line) => line["setAsideTo"] !== undefined);
    assert.deepEqual(aside, [], name);
    await eventually(
      `${name}: it leads again, with all that it has acknowledged`,
      async () => {
        if ((await again.httpStatus())["role"] !== "leader") return false;
        const { entries } = await again.kv();
        const missing = [...acked].filter((key) => entries[key] === undefined);
        assert.deepEqual(missing, [], name);
        return Object.keys(entries).length >= 31;
      },
      patience,
    );
    await again.stop("SIGKILL");
  }
});

/** Gives the keys of what was acknowledged. */
async function writeUntilEnded(member: QuorateMember): Promise<Set<string>> {
  const acked = new Set<string>();
  const isUp = () =>
    member.httpStatus().then(
      ({ role }) => role === "leader",
      () => false,
    );
  await eventually(
    "it leads, or has ended",
    async () => !member.child.isRunning || (await isUp()),
    patience,
  );
  for (let n = 0; n < writesMax && member.child.isRunning; n++) {
    const key = `/new/${n}`;
    const set = member.set(key, "x").catch(() => false);
    const isSet = await Promise.race([set, member.child.exited.then(() => false)]);
    if (isSet !== false) acked.add(key);
  }
  return acked;
}
