import assert from "node:assert/strict";
import { linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Entry } from "../../protocol/log/entry.js";
import {
  dumpOf,
  log,
  noOp,
  pictureOfFolder,
  setEntry,
  temporaryFolder,
  vanillaJournal,
  vanillaMeta,
} from "../files/support/made-files.js";
import { runCli } from "./run-cli.js";

interface Made {
  readonly entries: readonly Entry[];
  readonly commit: number;
  readonly dump?: Uint8Array;
}

/** A directory for each member. */
function directories(t: TestContext, members: Readonly<Record<string, Made>>): string[] {
  const folder = temporaryFolder(t);
  return Object.entries(members).map(([name, { entries, commit, dump }]) => {
    const directory = join(folder, name);
    mkdirSync(directory);
    writeFileSync(join(directory, `${name}.journal`), vanillaJournal(entries));
    const meta = vanillaMeta({ raftCommitIndex: commit });
    writeFileSync(join(directory, `${name}.journal.meta`), meta);
    if (dump !== undefined) writeFileSync(join(directory, `${name}.dump`), dump);
    return directory;
  });
}

const dipped = [...log([6, 6, 6]), noOp(4, 1), setEntry(5, 1, "/k", "new")];
const stale: Readonly<Record<string, Made>> = {
  "a:1": { entries: dipped, commit: 5 },
  "b:1": { entries: dipped.slice(0, 3), commit: 3 },
  "c:1": { entries: dipped, commit: 5 },
};

test("the verdict comes first, then who has what, what was found and the way out", async (t) => {
  const paths = directories(t, stale);
  const before = paths.map(pictureOfFolder);
  const { code, out, err } = await runCli(["doctor", ...paths]);
  assert.deepEqual([code, err], [5, ""]);
  assert.equal(
    out.split("\n\n").slice(0, 4).join("\n\n"),
    `ILL: 1 committed write (2023-11-14T22:13:25.000Z) will be lost if PySyncObj's members are started on these files [stale-log-wins]

MEMBER  JOURNAL  DUMP  COMMITTED  LAST TERM  STORED TERM  DIPS
a:1     1 to 5   -     5          1          -            1
b:1     1 to 3   -     3          6          -            0
c:1     1 to 5   -     5          1          -            1

COMMITTED WRITES THAT ARE NOT IN EVERY LOG
ENTRY  TERM  WRITTEN                   WRITE           IN           NOT IN
5      1     2023-11-14T22:13:25.000Z  set /k = "new"  a:1 and c:1  b:1

WHO HAS WHAT AT THE END OF ITS FILES
KEY  WRITTEN                   a:1    b:1  c:1
/k   2023-11-14T22:13:25.000Z  "new"  -    "new"`,
  );
  assert.match(out, /\n\nFOUND\n1\. ill {3}b:1 lacks the committed entries from 4 to 5 /);
  assert.match(out, /\n\nWAY OUT\n1\. do not start b:1 on these files beside PySyncObj's members/);
  assert.deepEqual(paths.map(pictureOfFolder), before);
});

test("JSON has the same, for scripts", async (t) => {
  const { code, out } = await runCli(["doctor", ...directories(t, stale), "--json"]);
  assert.equal(code, 5);
  const { verdict, headline, findings, histories, keysAtStake } = JSON.parse(out);
  assert.equal(verdict, "ill");
  assert.match(headline, /^ILL: 1 committed write /);
  assert.deepEqual(
    findings.map((each: { readonly code: string }) => each.code),
    ["stale-log-wins", "term-goes-down"],
  );
  const [write] = histories.atStake;
  assert.deepEqual(
    [write.index, write.key, write.value, write.writtenSec, write.lackedBy],
    [5, "/k", '"new"', 1_700_000_005, ["b:1"]],
  );
  assert.deepEqual(
    keysAtStake[0].held.map((each: { readonly value: string | null }) => each.value),
    ['"new"', null, '"new"'],
  );
});

test("dumps of memories that differ, behind journals that are alike", async (t) => {
  const entries = log([1, 1, 1, 1, 1, 1]);
  const made = (text: string): Made => {
    const change = (data: Map<unknown, unknown>) => {
      const dict = data.get("/k/2");
      if (dict instanceof Map) dict.set("value", text);
    };
    return { entries: entries.slice(4), commit: 6, dump: dumpOf(entries, 6, { change }) };
  };
  const [kept, lost] = [made("kept"), made("of the stale one")];
  const paths = directories(t, { "a:1": kept, "b:1": lost, "c:1": kept });
  const { code, out } = await runCli(["doctor", ...paths]);
  assert.equal(code, 5);
  assert.match(
    out,
    /^ILL: the members' data differ in 1 key \(2023-11-14T22:13:22.000Z\) \[data-differ\]\n/,
  );
  assert.match(
    out,
    /\nKEY {3}WRITTEN {19}a:1 {5}b:1 {17}c:1\n\/k\/2 {2}2023-\S+ {2}"kept" {2}"of the stale one" {2}"kept"\n/,
  );
  assert.match(out, /Their journals are alike: memories differed/);
});

test("Ctrl-C ends it with 130", async (t) => {
  const { code, out, err } = await runCli(["doctor", ...directories(t, stale)], {
    onInterrupt: (listener) => {
      listener();
      return () => {};
    },
  });
  assert.deepEqual([code, out, err], [130, "", "quorate: stopped\n"]);
});

test("the same files given twice are refused: they would always be well", async (t) => {
  const [one = "", two = ""] = directories(t, stale);
  const alias = `${one}-again`;
  symlinkSync(one, alias);
  const linked = join(one, "linked");
  mkdirSync(linked);
  linkSync(join(one, "a:1.journal"), join(linked, "a:1.journal"));
  assert.equal((await runCli(["doctor", one, linked])).code, 4);
  for (const [paths, message] of [
    [[one, one], /a:1\.journal is given twice: a comparison with itself shows nothing/],
    [[two, join(one, "a:1"), alias], /-again\/a:1\.journal is .*\/a:1\/a:1\.journal: a comparison/],
  ] as const) {
    const { code, out, err } = await runCli(["doctor", ...paths]);
    assert.deepEqual([code, out], [2, ""]);
    assert.match(err, message);
  }
});

test("a member of which nothing can be read is not called at work", async (t) => {
  const paths = directories(t, {
    "a:1": { entries: log([1, 1, 1]), commit: 3 },
    "b:1": { entries: [], commit: 3 },
  });
  writeFileSync(join(paths[1] ?? "", "b:1.journal"), new Uint8Array(5000).fill(0xab));
  const { code, out } = await runCli(["doctor", ...paths]);
  assert.equal(code, 5);
  assert.match(out, /^ILL: of a member's files nothing can be read \[nothing-readable\]\n/);
  assert.match(out, /no entry of b:1 can be read \(damaged: journal\)/);
  // One that holds nothing yet is not damaged.
  writeFileSync(join(paths[1] ?? "", "b:1.journal"), vanillaJournal([]));
  writeFileSync(join(paths[1] ?? "", "b:1.journal.meta"), vanillaMeta({ raftCommitIndex: 1 }));
  assert.doesNotMatch((await runCli(["doctor", ...paths])).out, /nothing-readable/);
});

test("of one entry that differs it speaks as of one", async (t) => {
  const entries = log([1, 1, 1]);
  const paths = directories(t, {
    "a:1": { entries: [...entries, setEntry(4, 1, "/k", "of a")], commit: 3 },
    "b:1": { entries: [...entries, noOp(4, 2)], commit: 3 },
  });
  assert.match(
    (await runCli(["doctor", ...paths])).out,
    /note +entry 4 differs, and not more than/,
  );
});
