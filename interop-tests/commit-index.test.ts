import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { crc32 } from "node:zlib";
import { decodeMeta, encodeMeta } from "../protocol/files/meta-format.js";
import { decodePickle } from "../protocol/pickle/decoder.js";
import { encodePickle } from "../protocol/pickle/encoder.js";
import { makeFolders } from "./defect/journals.js";
import { Ledger } from "./defect/ledger.js";
import { type Actor, findPlaces, parts, Stage, type StageOptions } from "./defect/stage.js";
import { eventually } from "./support/eventually.js";
import { openScene } from "./support/scene.js";

/**
 * A meta file can name a commit index that the log does not reach: it is stored apart from the log, and the
 * log's last pages can be lost with the power. A leader that believes it counts what it appends up to
 * there as committed, and acknowledges it alone. Quorate takes the log's end. Where the meta proves that
 * entries are gone it does not even lead; up to 0.3.15 it proves nothing.
 */
const beyond = 1_000;
const writes = 3;

interface Case {
  readonly leader: Actor;
  readonly others: Actor;
  /** The commit index raised in a meta file of the leader's own kind. */
  readonly raise: (meta: Uint8Array) => Uint8Array;
}

/** As PySyncObj writes it from 0.3.16 on, without our seal. */
function raiseVanilla(meta: Uint8Array): Uint8Array {
  const dict = decodePickle(meta);
  assert.ok(dict instanceof Map);
  return encodePickle(new Map(dict).set("raftCommitIndex", beyond));
}

/** Up to 0.3.15 there is nothing else in it. */
function raiseTermless(): Uint8Array {
  return encodePickle(new Map([["raftCommitIndex", beyond]]));
}

function raiseSealed(bytes: Uint8Array): Uint8Array {
  const { meta, isSealed } = decodeMeta(bytes, crc32);
  assert.ok(isSealed, "a Quorate member wrote it");
  return encodeMeta({ ...meta, commitIndex: beyond }, crc32);
}

test("0.3.15 with a commit index beyond its log acknowledges alone", async (t) => {
  const { acknowledged, commitIndex } = await aloneWithIt(t, {
    ...{ leader: "0.3.15", others: "0.3.15", raise: raiseVanilla },
  });
  assert.ok(acknowledged > 0, "writes were acknowledged by one member of three");
  assert.ok(commitIndex >= beyond, `its commit index is ${commitIndex}`);
});

test("Quorate with a commit index beyond its log, in 0.3.15's meta: never", async (t) => {
  const { acknowledged, commitIndex, logEnd, stage, ledger } = await aloneWithIt(t, {
    ...{ leader: "quorate", others: "0.3.17", raise: raiseTermless },
  });
  assert.equal(acknowledged, 0);
  assert.ok(commitIndex < logEnd, `commit index ${commitIndex}, log up to ${logEnd}`);
  await stage.stop("SIGKILL");
  await t.test("and all members agree when the others are back", async () => {
    const again = await Stage.start(stage.scene, stage.options, null);
    await again.leaderOf(parts, { timeoutMs: 45_000 });
    const found = await ledger.compare(again.all, await again.observer(parts));
    again.close();
    assert.deepEqual(found, { divergence: [], lost: [] });
  });
});

for (const [whose, raise] of [
  ["0.3.17's", raiseVanilla],
  ["its own", raiseSealed],
] as const) {
  test(`… in ${whose} meta: another one leads and completes it`, async (t) => {
    const { stage, ledger, folder } = await startWithIt(t, {
      ...{ leader: "quorate", others: "0.3.17", raise },
    });
    const { leader } = await stage.leaderOf(parts, { timeoutMs: 45_000 });
    assert.notEqual(leader.part, "a", "though it is the first to lose patience");
    const kept = readdirSync(folder).filter((name) => name.includes(".journal.damaged-"));
    assert.equal(kept.length, 1, "the journal is kept as it was");
    const client = await stage.observer(parts);
    await ledger.write(client, "after", writes);
    assert.deepEqual(await ledger.compare(stage.all, client), { divergence: [], lost: [] });
  });
}

/** A cluster in which `a` starts with such a meta, and campaigns long before the others would. */
async function startWithIt(t: TestContext, { leader, others, raise }: Case) {
  const scene = openScene(t);
  const places = await findPlaces();
  const soon = { minSec: 0.3, maxSec: 0.6 };
  const late = { minSec: 2.5, maxSec: 3 };
  const options: StageOptions = {
    ...{ places, cast: { a: leader, b: others, c: others }, guardsOff: [] },
    ...{ folders: makeFolders(scene, "files"), patience: { a: soon, b: late, c: late } },
  };
  const ledger = new Ledger();
  const before = await Stage.start(scene, options, null);
  await before.leaderOf(parts);
  const first = await before.observer(parts);
  await ledger.write(first, "before", writes);
  await first.stop("SIGKILL");
  const metaPath = join(options.folders.a, `${places.a.address}.journal.meta`);
  // PySyncObj stores the commit index once a second, and not when it ends.
  await eventually("a has a meta file", () => existsSync(metaPath));
  await before.stop("SIGTERM");
  writeFileSync(metaPath, raise(readFileSync(metaPath)));

  const stage = await Stage.start(scene, options, null);
  t.after(() => stage.close());
  return { stage, ledger, folder: options.folders.a };
}

/** `a` is elected, loses both others, and gets writes. */
async function aloneWithIt(t: TestContext, { leader, others, raise }: Case) {
  const { stage, ledger } = await startWithIt(t, { leader, others, raise });
  const client = await stage.observer(parts);
  const { leader: leading } = await stage.leaderOf(parts, { timeoutMs: 45_000 });
  assert.equal(leading.part, "a", "the one with the wrong commit index leads");
  const { a, b, c } = stage.players;
  await Promise.all([b, c].map(({ child }) => child.stop("SIGKILL")));
  const keys = Array.from({ length: writes }, (_, n) => `/alone/${n}`);
  const done: boolean[] = [];
  const { logLength: lengthBefore } = await a.state();
  // The client may not have found its way to the leader yet: what is not appended shows nothing.
  const { commitIndex, logLength } = await eventually(
    "the leader has appended what the client writes",
    async () => {
      done.push(...(await Promise.all(keys.map((key) => ledger.tryWrite(client, key)))));
      const state = await a.state();
      return state.logLength > lengthBefore && state;
    },
  );
  t.diagnostic(`${leader}: ${done.filter(Boolean).length} of ${writes} acknowledged alone`);
  return {
    acknowledged: done.filter(Boolean).length,
    commitIndex,
    /** The log begins at index 1: nothing has been compacted. */
    logEnd: logLength,
    stage,
    ledger,
  };
}
