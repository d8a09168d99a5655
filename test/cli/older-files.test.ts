import assert from "node:assert/strict";
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { crc32 } from "node:zlib";
import { freeAddresses } from "../../interop-tests/support/free-ports.js";
import { encodeMeta } from "../../protocol/files/meta-format.js";
import { silentLogger } from "../../src/logger.js";
import { QuorateNode } from "../../src/quorate-node.js";
import { emptyMeta } from "../../src/storage/meta-file.js";
import { log, quorateMember, temporaryFolder } from "../files/support/made-files.js";
import { until } from "../net/support/networks.js";
import { runCli } from "./run-cli.js";

/*
 * A member that is its whole cluster, and a file of it of an earlier moment in the place of the newest one: it
 * has nobody to tell it what it had acknowledged since.
 */

const newest = log(Array.from({ length: 12 }, (_, at) => (at === 0 ? 0 : 1))).slice(1);

type Kind = "journal" | "journal.meta" | "dump";

interface Case {
  readonly name: string;
  readonly putBack: readonly Kind[];
  /** Where the dumps end, the earlier and the newest one; null: there are none. */
  readonly dumps: readonly [number, number] | null;
  /** What the log says of the file, which it names. */
  readonly says: RegExp;
  /** The last entry that is left. */
  readonly left: number;
}

const cases: readonly Case[] = [
  {
    name: "the journal, without a dump",
    putBack: ["journal"],
    dumps: null,
    says: /\.journal: the log ends at 6, and entries up to 12 were committed here/,
    left: 6,
  },
  {
    name: "the journal, from before the dump",
    putBack: ["journal"],
    dumps: [4, 10],
    says: /\.journal: it ends at 6, and the dump of this member alone at 10: .* up to 10 the data are whole/i,
    left: 10,
  },
  {
    name: "journal and meta, from before the dump",
    putBack: ["journal", "journal.meta"],
    dumps: [4, 10],
    says: /\.journal: it ends at 6, and the dump of this member alone at 10: .* up to 10 the data are whole/i,
    left: 10,
  },
  {
    name: "the dump",
    putBack: ["dump"],
    dumps: [4, 10],
    says: /\.journal: the dump ends at 4, the journal begins at 9/,
    left: 4,
  },
];

/** A member's files after so many entries. */
async function filesOf(folder: string, selfAddr: string, count: number, dumpAt: number | null) {
  const dump = dumpAt === null ? {} : { dumpAt, members: [selfAddr] };
  await quorateMember(folder, [newest.slice(0, count - 1)], { selfAddr, ...dump });
  const meta = { ...emptyMeta, term: 9, votedFor: selfAddr, owner: selfAddr, commitIndex: count };
  writeFileSync(join(folder, `${selfAddr}.journal.meta`), encodeMeta(meta, crc32));
}

async function scene(t: TestContext, putBack: readonly Kind[], dumps: Case["dumps"]) {
  const [selfAddr = ""] = await freeAddresses(1);
  const [dataDir, earlier] = [temporaryFolder(t), temporaryFolder(t)];
  await filesOf(dataDir, selfAddr, 12, dumps === null ? null : dumps[1]);
  await filesOf(earlier, selfAddr, 6, dumps === null ? null : dumps[0]);
  for (const kind of putBack) {
    const name = `${selfAddr}.${kind}`;
    copyFileSync(join(earlier, name), join(dataDir, name));
  }
  const errors: string[] = [];
  const start = async () => {
    const logger = { ...silentLogger, error: (text: string) => void errors.push(text) };
    const at = { selfAddr, bindAddr: selfAddr, http: "127.0.0.1:0" };
    const node = await QuorateNode.start({ ...at, dataDir, logger });
    t.after(() => node.stop());
    return node;
  };
  return { selfAddr, dataDir, errors, start };
}

/** Longer than an election takes. */
const aloneMs = 2_000;

describe("a member alone with a file of an earlier moment", () => {
  for (const { name, putBack, dumps, says, left } of cases) {
    it(`serves nothing and says what to do, until it is told to go on: ${name}`, async (t) => {
      const { selfAddr, dataDir, errors, start } = await scene(t, putBack, dumps);
      const old = readFileSync(join(dataDir, `${selfAddr}.journal`));
      const node = await start();
      await sleep(aloneMs);
      assert.equal(node.status().leader, null);
      for (const path of ["/v1/kv", "/health"]) {
        const { status } = await fetch(`http://127.0.0.1:${node.http?.port}${path}`);
        assert.equal(status, 503, path);
      }
      const write = await node.set("/k/1", "x", { timeoutMs: 200 });
      assert.equal(write.ok, false);
      const text = errors.join("\n");
      assert.match(text, says);
      assert.match(text, /serves nothing.*`quorate recover`.*`quorate repair --alone`/);
      await node.stop();
      // What was put back can still be read.
      const kept = readdirSync(dataDir).map((file) => readFileSync(join(dataDir, file)));
      assert.ok(
        kept.some((bytes) => bytes.equals(old)),
        readdirSync(dataDir).join(),
      );

      const config = join(temporaryFolder(t), "patroni.yml");
      writeFileSync(config, `raft:\n  self_addr: "${selfAddr}"\n`);
      const repair = ["repair", dataDir, "--alone", "--config", config, "--yes"];
      const { code, err } = await runCli(repair);
      assert.deepEqual([code, err], [0, ""]);
      const freed = await start();
      await freed.ready();
      const indexes = freed.list().map(([, { index }]) => Number(index));
      assert.equal(Math.max(...indexes), left);
    });
  }

  it("has all of it where the meta file alone is older: its own vote collides with nobody's", async (t) => {
    const { errors, start } = await scene(t, ["journal.meta"], [4, 10]);
    const node = await start();
    await node.ready();
    // What the older one does not call committed is, as soon as an entry of the member's own term is.
    await until(
      () => node.list().some(([, { index }]) => Number(index) === 12),
      "the last of what was acknowledged",
    );
    assert.deepEqual(errors, []);
  });
});
