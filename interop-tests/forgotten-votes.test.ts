import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { makeFolders } from "./defect/journals.js";
import { Ledger } from "./defect/ledger.js";
import { type Actor, type Cast, findPlaces, parts, Stage } from "./defect/stage.js";
import { pythonWith } from "./support/python.js";
import { openScene } from "./support/scene.js";

const runFile = promisify(execFile);

/**
 * Members of 0.3.15 store no vote. Here `a` and `b` had elected `c`, whose entries of that term have reached nobody
 * when all are stopped: upstream's own journal writes them. Quorate takes all three over, and `c` comes last.
 */
const leaves = `
import sys
from pysyncobj.journal import createJournal
path, step, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
journal = createJournal(path)
command, index, term = journal[len(journal) - 1]
journal.add(b'\\x01', index + 1, term + step)
for n in range(count):
    journal.add(command, index + 2 + n, term + step)
if hasattr(journal, 'flush'):
    journal.flush()
`;

function castOf(actor: Actor): Cast {
  return { a: actor, b: actor, c: actor };
}

async function takeOver(t: TestContext, step: number, count: number): Promise<void> {
  const scene = openScene(t);
  const patience = { minSec: 0.4, maxSec: 1.4 };
  const options = {
    ...{ places: await findPlaces(), folders: makeFolders(scene, "files"), guardsOff: [] },
    patience: { a: patience, b: patience, c: patience },
  };
  const ledger = new Ledger();
  const before = await Stage.start(scene, { ...options, cast: castOf("0.3.15") }, null);
  await before.leaderOf(parts);
  const first = await before.observer(parts);
  await ledger.write(first, "before", 3);
  await ledger.compare(before.all, first);
  await first.stop("SIGKILL");
  await before.stop("SIGTERM");
  const { python, env } = await pythonWith("0.3.15");
  const journal = join(options.folders.c, `${options.places.c.address}.journal`);
  await runFile(python, ["-c", leaves, journal, String(step), String(count)], {
    ...{ env: { ...process.env, ...env }, timeout: 60_000 },
  });

  const stage = await Stage.start(scene, { ...options, cast: castOf("quorate") }, "c");
  t.after(() => stage.close());
  await stage.leaderOf(["a", "b"]);
  const client = await stage.observer(parts);
  await ledger.write(client, "without c", 5);
  await stage.joinAll();
  await stage.leaderOf(parts, { timeoutMs: 45_000 });
  await ledger.write(client, "with all", 3);
  const { divergence, lost } = await ledger.compare(stage.all, client);
  assert.deepEqual({ divergence, lost }, { divergence: [], lost: [] });
}

test("a late member with the longer log of a higher term takes nothing away", async (t) => {
  await takeOver(t, 3, 60);
});

test("nor does one keep other entries of the same index and term", async (t) => {
  await takeOver(t, 1, 3);
});
