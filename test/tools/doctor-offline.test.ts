import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { projectRoot } from "../../interop-tests/support/project.js";
import type { Entry } from "../../protocol/log/entry.js";
import { type MemberPaths, membersIn } from "../../src/files/data-path.js";
import type { FileSystem } from "../../src/storage/file-system.js";
import { nodeFileSystem } from "../../src/storage/node-file-system.js";
import { judgeFiles } from "../../src/tools/doctor/judge-files.js";
import { compareLive } from "../../src/tools/doctor/live-files.js";
import { compareFiles, type SideBySide } from "../../src/tools/doctor/side-by-side.js";
import type { Finding } from "../../src/tools/findings.js";
import {
  log,
  noOp,
  pictureOfFolder,
  setEntry,
  startSec,
  temporaryFolder,
  vanillaJournal,
  vanillaMeta,
} from "../files/support/made-files.js";

interface Made {
  readonly entries: readonly Entry[];
  readonly commit: number;
}

/** Codes with their members. */
async function found(t: TestContext, members: Readonly<Record<string, Made>>): Promise<string[]> {
  const { findings } = await compared(t, members);
  return findings.map(({ severity, code, members: of }) => `${severity} ${code} ${of.join(" ")}`);
}

/** A directory for each member. */
function madeFolders(t: TestContext, members: Readonly<Record<string, Made>>): MemberPaths[] {
  const folder = temporaryFolder(t);
  return Object.entries(members).flatMap(([name, { entries, commit }]) => {
    const directory = join(folder, name);
    mkdirSync(directory);
    const stem = join(directory, `${name}:1`);
    writeFileSync(`${stem}.journal`, vanillaJournal(entries));
    writeFileSync(`${stem}.journal.meta`, vanillaMeta({ raftCommitIndex: commit }));
    return membersIn(directory, [`${name}:1.journal`, `${name}:1.journal.meta`]);
  });
}

async function compared(
  t: TestContext,
  members: Readonly<Record<string, Made>>,
): Promise<{ readonly all: SideBySide; readonly findings: readonly Finding[] }> {
  const paths = madeFolders(t, members);
  const folder = dirname(paths[0]?.directory ?? "");
  const before = Object.keys(members).map((name) => pictureOfFolder(join(folder, name)));
  const all = await compareFiles(nodeFileSystem, paths);
  const after = Object.keys(members).map((name) => pictureOfFolder(join(folder, name)));
  assert.deepEqual(after, before, "nothing is touched");
  return { all, findings: judgeFiles(all) };
}

const terms = (counts: readonly (readonly [term: number, count: number])[]) =>
  counts.flatMap(([term, count]) => Array.from({ length: count }, () => term));
const whole = log(
  terms([
    [1, 20],
    [3, 20],
  ]),
);

test("equal logs are well", async (t) => {
  const member = { entries: whole, commit: 40 };
  assert.deepEqual(await found(t, { a: member, b: member, c: member }), []);
});

test("a follower that lags is no finding but a note", async (t) => {
  const members = {
    a: { entries: whole, commit: 40 },
    b: { entries: whole.slice(0, 30), commit: 25 },
  };
  assert.deepEqual(await found(t, members), ["note lags b:1"]);
});

test("tails that nobody committed are settled by the next leader", async (t) => {
  const other = [...whole.slice(0, 38), ...log(terms([[4, 40]])).slice(38)];
  const members = { a: { entries: whole, commit: 38 }, b: { entries: other, commit: 38 } };
  const findings = await found(t, members);
  assert.ok(findings.includes("note tails-differ a:1 b:1"), findings.join());
});

test("committed entries that differ are ill", async (t) => {
  const other = [...whole.slice(0, 29), setEntry(30, 3, "/k/0", "another"), ...whole.slice(30)];
  const members = { a: { entries: whole, commit: 40 }, b: { entries: other, commit: 40 } };
  assert.deepEqual(await found(t, members), [
    "ill committed-entries-differ a:1 b:1",
    ...(whole[34]?.index === 35 && whole[39]?.index === 40 ? [] : ["ill data-differ a:1 b:1"]),
  ]);
});

test("files of which nothing can be read lag behind nobody", async (t) => {
  const sound = { entries: whole, commit: 40 };
  const paths = madeFolders(t, { a: sound, b: sound });
  writeFileSync(paths[1]?.journal ?? "", Buffer.alloc(5_000, 0x5a));
  writeFileSync(paths[1]?.meta ?? "", Buffer.alloc(50, 0x5a));
  const codes = judgeFiles(await compareFiles(nodeFileSystem, paths)).map(({ code }) => code);
  assert.ok(codes.includes("nothing-readable"), codes.join());
  assert.ok(!codes.includes("lags"), codes.join());
});

test("bytes that were changed in one member's files are no other history", async (t) => {
  const garbled: Entry = {
    index: 30,
    term: 3,
    command: Uint8Array.of(0, 0x80, 2, 0xff, 0x17, 0x2e),
  };
  const entries = [...whole.slice(0, 29), garbled, ...whole.slice(30)];
  const sound = { entries: whole, commit: 40 };
  const { findings } = await compared(t, { a: sound, b: { entries, commit: 40 } });
  const [first] = findings;
  assert.deepEqual(
    [first?.code, first?.severity, first?.members],
    ["entry-garbled", "ill", ["b:1"]],
  );
  assert.match(
    first?.wayOut ?? "",
    /^put the directory of b:1 aside, and have it begin with an empty/,
  );
  assert.doesNotMatch(JSON.stringify(findings), /force-new-cluster/);
});

test("a commit index beyond the log: committed entries were cut off", async (t) => {
  const members = {
    a: { entries: whole.slice(0, 30), commit: 36 },
    b: { entries: whole.slice(0, 30), commit: 30 },
  };
  const findings = await found(t, members);
  assert.equal(findings[0], "ill committed-entries-cut a:1");
});

test("a commit index that a leader told before the entries came is no cut", async (t) => {
  const members = {
    a: { entries: whole, commit: 38 },
    b: { entries: whole.slice(0, 30), commit: 36 },
    c: { entries: whole, commit: 38 },
  };
  assert.deepEqual(await found(t, members), ["note lags b:1"]);
});

test("a stale log whose last term wins, beside a term that goes down", async (t) => {
  const dipped = [
    ...log(
      terms([
        [6, 20],
        [1, 20],
      ]),
    ),
  ];
  const members = {
    a: { entries: dipped, commit: 40 },
    b: { entries: dipped.slice(0, 20), commit: 20 },
    c: { entries: dipped, commit: 40 },
  };
  assert.deepEqual(await found(t, members), [
    "ill stale-log-wins b:1",
    "risk term-goes-down a:1 c:1",
  ]);
});

test("an old leader's tail that committed entries contradict is ordinary", async (t) => {
  const later = [...whole.slice(0, 35), ...log(terms([[4, 40]])).slice(35)];
  const members = {
    a: { entries: later, commit: 40 },
    b: { entries: whole.slice(0, 38), commit: 35 },
    c: { entries: later, commit: 40 },
  };
  assert.deepEqual(await found(t, members), ["note lags b:1", "note tails-differ a:1 c:1 b:1"]);
});

/** Terms 6, then 1 from entry 21 on: what three members leave that have forgotten their term. */
const dipped = log(
  terms([
    [6, 20],
    [1, 10],
  ]),
);

test("names each write that a stale log would cut off, when it was written, and who has it", async (t) => {
  const { all, findings } = await compared(t, {
    a: { entries: dipped, commit: 30 },
    b: { entries: dipped.slice(0, 20), commit: 20 },
    c: { entries: dipped.slice(0, 29), commit: 28 },
  });
  const { atStake, atStakeCount, committedEnd } = all.histories;
  assert.equal(committedEnd, 30);
  assert.equal(atStakeCount, 9, "the first entry of term 1 is nobody's write");
  assert.deepEqual(
    atStake.map(({ index, heldBy, lackedBy }) => [index, heldBy.join(" "), lackedBy.join(" ")]),
    [
      ...[22, 23, 24, 25, 26, 27, 28, 29].map((index) => [index, "a:1 c:1", "b:1"]),
      [30, "a:1", "b:1 c:1"],
    ],
  );
  const [first] = atStake;
  assert.equal(first?.key, "/k/2");
  assert.equal(first?.value, '"value 22 of 1"');
  assert.equal(first?.writtenSec, startSec + 22);
  const ofKey = all.keysAtStake.find(({ key }) => key === "/k/0");
  assert.deepEqual(
    ofKey?.held.map(({ name, value }) => [name, value]),
    [
      ["a:1", '"value 30 of 1"'],
      ["b:1", '"value 20 of 6"'],
      ["c:1", '"value 25 of 1"'],
    ],
  );
  const dip = findings.find(({ code }) => code === "term-goes-down");
  assert.match(
    dip?.says ?? "",
    /goes down from 6 to 1 at entry 21, after 2023-11-14T22:13:40.000Z, before 2023-11-14T22:13:42.000Z/,
  );
});

test("two histories that were both committed, and who would win", async (t) => {
  const other = [...dipped.slice(0, 20), noOp(21, 7), setEntry(22, 7, "/k/2", "of another")];
  const { all, findings } = await compared(t, {
    a: { entries: dipped, commit: 30 },
    b: { entries: other, commit: 22 },
    c: { entries: other, commit: 30 },
  });
  assert.deepEqual(
    findings.map(({ severity, code, members }) => `${severity} ${code} ${members.join(" ")}`),
    [
      "ill committed-entries-differ a:1 b:1 c:1",
      "ill committed-entries-cut c:1",
      "ill stale-log-wins b:1",
      "ill stale-log-wins c:1",
      "risk term-goes-down a:1",
    ],
  );
  const cut = findings.find(({ code }) => code === "committed-entries-cut");
  assert.match(cut?.says ?? "", /a:1 still holds what was there/);
  assert.equal(all.histories.atStakeCount, 10);
});

test("a majority that holds what nobody has stored as committed yet", async (t) => {
  const members = {
    a: { entries: dipped, commit: 20 },
    b: { entries: dipped.slice(0, 20), commit: 20 },
    c: { entries: dipped, commit: 20 },
  };
  assert.deepEqual(await found(t, members), [
    "ill stale-log-wins b:1",
    "risk term-goes-down a:1 c:1",
  ]);
});

test("a stored commit index beyond the log: both sides of what differs may be meant", async (t) => {
  const other = [...whole.slice(0, 20), ...log(terms([[2, 40]])).slice(20)];
  const { findings } = await compared(t, {
    a: { entries: whole, commit: 40 },
    b: { entries: other, commit: 44 },
  });
  const [cut, ...rest] = findings;
  assert.equal(cut?.code, "committed-entries-cut");
  for (const { code, says, wayOut } of rest) {
    assert.doesNotMatch(says, /next leader|not more than one/, code);
    assert.equal(wayOut, cut?.wayOut, "one way out for all");
  }
  const tail = rest.find(({ code }) => code === "tails-differ");
  assert.match(
    tail?.says ?? "",
    /b:1 has stored that entries up to 44 are committed, which is beyond/,
  );
});

test("the journal of a running member that is amid a rewrite is read again", async (t) => {
  const [one, two] = madeFolders(t, {
    a: { entries: whole, commit: 40 },
    b: { entries: whole, commit: 40 },
  });
  assert.ok(one !== undefined && two?.journal != null && two.meta !== null);
  const half = `${two.directory}/half`;
  writeFileSync(half, vanillaJournal(whole).subarray(0, 900));
  let looks = 0;
  const changing: FileSystem = {
    ...nodeFileSystem,
    open: (path, mode) => {
      if (path === two.meta) looks += 1;
      const isHalf = path === two.journal && looks <= halfLooks;
      return nodeFileSystem.open(isHalf ? half : path, mode);
    },
  };
  const codes = async () => {
    looks = 0;
    const { findings } = await compareLive(changing, [one, two]);
    return findings.map(({ code }) => code);
  };
  let halfLooks = 1;
  assert.ok((await codes()).includes("damaged"), "nobody runs on it");
  assert.equal(looks, 1);
  const held = openSync(two.journal, "r");
  const child = spawn("sleep", ["60"], { stdio: [held, "ignore", "ignore"] });
  t.after(() => {
    child.kill();
    closeSync(held);
  });
  await new Promise((resolve) => child.once("spawn", resolve));
  assert.deepEqual(await codes(), ["in-use"]);
  assert.equal(looks, 2);
  // What looks the same twice is no change half done.
  halfLooks = Number.POSITIVE_INFINITY;
  assert.ok((await codes()).includes("damaged"));
  assert.equal(looks, 2);
});

for (const version of ["0.3.8", "0.3.11", "0.3.14", "0.3.15", "0.3.16", "0.3.17"]) {
  test(`files of PySyncObj ${version}, each beside itself, are alike`, async () => {
    const folder = join(projectRoot(), "protocol", "vectors", version, "files");
    for (const member of membersIn(folder, readdirSync(folder))) {
      const all = await compareFiles(nodeFileSystem, [member, member]);
      const codes = judgeFiles(all).map(({ code }) => code);
      // Its dump is not in the set.
      const expected = member.address === "truncated" ? ["data-not-compared"] : [];
      assert.deepEqual([...new Set(codes)], expected, member.address);
      assert.deepEqual([all.spans, all.data], [[], []]);
    }
  });
}
