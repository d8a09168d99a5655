import assert from "node:assert/strict";
import { test } from "node:test";
import { type InjectedFault, injectedRound } from "./disk/injected.js";
import { DiskStage } from "./disk/stage.js";
import { openScene } from "./support/scene.js";

/*
 * System calls of a real member on its files fail, one at a time (strace). It ends with one line that
 * names the file, or goes on; started again it lacks nothing. `npm run soak -- disk-faults` goes through
 * every call of a start and of the time after it.
 */

const faults: readonly InjectedFault[] = [
  // Amid the start: reading the journal, giving the meta its name.
  { inject: "pread64:error=EIO:when=2", ends: true },
  { inject: "rename:error=EIO:when=1", ends: true },
  // While it follows.
  { inject: "fdatasync:error=EIO:when=20", file: "journal", ends: true },
  { inject: "pwrite64:error=EROFS:when=25", file: "journal", ends: true },
  // While it leads: the others go on without it.
  { inject: "fdatasync:error=EIO:when=90", file: "journal", leads: true, ends: true },
  // What passes: the same write is made again.
  { inject: "pwrite64:error=ENOSPC:when=30..32", file: "journal" },
  { inject: "openat:error=EDQUOT:when=2", file: "journal.meta.tmp" },
];

test("system calls that fail, one at a time", { timeout: 300_000 }, async (t) => {
  const scene = openScene(t);
  const stage = await DiskStage.start(scene);
  t.after(() => stage.close());
  await stage.victim.stop("SIGKILL");
  for (const fault of faults) {
    const { ended, said } = await injectedRound(stage, fault);
    t.diagnostic(
      `${fault.inject}: ${ended ? "ended" : "went on"}: ${said.replaceAll(scene.folder, "…")}`,
    );
    if (!ended) assert.match(said, /(no space left|the quota is used up) .* goes on by itself/);
    assert.equal(ended, fault.ends === true, `${fault.inject}: ${said}`);
  }
  await stage.startVictim();
  await stage.judge();
});
