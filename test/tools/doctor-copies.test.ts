import assert from "node:assert/strict";
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { projectRoot } from "../../interop-tests/support/project.js";
import type { Entry } from "../../protocol/log/entry.js";
import { type MemberPaths, membersIn } from "../../src/files/data-path.js";
import { nodeFileSystem } from "../../src/storage/node-file-system.js";
import { judgeFiles } from "../../src/tools/doctor/judge-files.js";
import { compareFiles } from "../../src/tools/doctor/side-by-side.js";
import { runCli } from "../cli/run-cli.js";
import {
  log,
  noOp,
  setEntry,
  temporaryFolder,
  vanillaJournal,
  vanillaMeta,
} from "../files/support/made-files.js";

/* One member's copy that is not what the member had: for that no cluster has to be forced. */

const golden = join(projectRoot(), "protocol", "vectors", "0.3.15");

/** A directory for each member, with its journal and the commit index that its meta tells. */
function folders(
  t: TestContext,
  members: Readonly<Record<string, { readonly journal: Uint8Array; readonly commit: number }>>,
): string[] {
  const folder = temporaryFolder(t);
  return Object.entries(members).map(([name, { journal, commit }]) => {
    const directory = join(folder, name);
    mkdirSync(directory);
    writeFileSync(join(directory, `${name}:1.journal`), journal);
    const meta = vanillaMeta({ raftCommitIndex: commit });
    writeFileSync(join(directory, `${name}:1.journal.meta`), meta);
    return directory;
  });
}

async function judged(directories: readonly string[]) {
  const paths = directories.flatMap((each): readonly MemberPaths[] =>
    membersIn(each, readdirSync(each)),
  );
  const all = await compareFiles(nodeFileSystem, paths);
  return { all, findings: judgeFiles(all) };
}

async function codesOf(
  t: TestContext,
  logs: Readonly<Record<string, readonly Entry[]>>,
  commit = 12,
): Promise<string[]> {
  const made = Object.entries(logs).map(
    ([name, entries]) => [name, { journal: vanillaJournal(entries), commit }] as const,
  );
  const { findings } = await judged(folders(t, Object.fromEntries(made)));
  return findings.map(({ code, severity, members }) => `${severity} ${code} ${members.join(" ")}`);
}

const whole = log([0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
const withOther = (index: number, value = "another"): Entry[] =>
  whole.map((entry) => (entry.index === index ? setEntry(index, 1, "/k/0", value) : entry));

test("what three members of 0.3.15 have left that left an entry out", async (t) => {
  const folder = temporaryFolder(t);
  const names = ["127.0.0.1:31170", "127.0.0.1:31171", "127.0.0.1:31172"];
  for (const name of names) {
    for (const ending of [".journal", ".journal.meta"]) {
      cpSync(join(golden, "left-out", name + ending), join(folder, name, name + ending));
    }
  }
  const { code, out } = await runCli(["doctor", ...names.map((name) => join(folder, name))]);
  assert.equal(code, 5);
  assert.match(out, /^ILL: entries are missing amid 3 journals, .* \[entry-left-out\]\n/);
  assert.match(out, /\n127\.0\.0\.1:31170 {2}1 to 4, 6 to 10 {2}/);
  assert.match(out, /entry 5 is missing, and entries 6 to 10 stand whole behind the gap/);
  assert.match(out, /none of these files holds what is missing/);
  assert.match(out, /Take `quorate backup` from the running members first/);
  assert.doesNotMatch(out, /force-new-cluster|taken away|cut off|damaged/);
});

test("who holds what others have left out", async (t) => {
  const gap = whole.filter(({ index }) => index !== 6);
  const made = (entries: readonly Entry[]) => ({ journal: vanillaJournal(entries), commit: 12 });
  const { findings } = await judged(folders(t, { a: made(gap), b: made(whole), c: made(gap) }));
  assert.deepEqual(
    findings.map(({ code, members }) => [code, members]),
    [["entry-left-out", ["a:1", "c:1"]]],
  );
  assert.match(findings[0]?.says ?? "", /; b:1 has what is missing$/);
});

test("a commit index that a leader told before the entries came is no cut behind a gap either", async (t) => {
  const gap = whole.filter(({ index }) => index !== 6);
  assert.deepEqual(await codesOf(t, { a: gap, b: gap }, 14), ["ill entry-left-out a:1 b:1"]);
});

test("a flipped byte that no text shows, in one of three", async (t) => {
  const [journal, meta] = [".journal", ".journal.meta"].map((ending) =>
    readFileSync(join(golden, "files", `terms${ending}`)),
  );
  assert.ok(journal !== undefined && meta !== undefined);
  const flipped = Buffer.from(journal);
  // In the microseconds of the time at which entry 14 was to expire.
  flipped[1965] = 0xf2;
  const folder = temporaryFolder(t);
  const paths = [flipped, journal, journal].map((bytes, at) => {
    const directory = join(folder, String(at));
    mkdirSync(directory);
    writeFileSync(join(directory, `127.0.0.1:400${at}.journal`), bytes);
    writeFileSync(join(directory, `127.0.0.1:400${at}.journal.meta`), meta);
    return directory;
  });
  const { code, out } = await runCli(["doctor", ...paths]);
  assert.equal(code, 5);
  assert.match(out, /^ILL: a member's copy has another entry amid its log .* \[differs-amid-log\]/);
  const rows = out.split("\n").filter((line) => line.startsWith("14 "));
  assert.deepEqual(
    rows.map(
      (row) => /expire \/ttl = "gone soon" \(byte 70 of its command is (\S+)\)/.exec(row)?.[1],
    ),
    ["0xf2", "0xfa"],
  );
  assert.match(out, /in term 1, expire \/ttl = "gone soon" \(byte 70 of its command is 0xf2\)/);
  assert.match(
    out,
    /bytes were changed on the disk of 127\.0\.0\.1:4000.* or a term was led twice/,
  );
  assert.match(out, /WAY OUT\n1\. put the directory of 127\.0\.0\.1:4000 aside/);
  assert.doesNotMatch(out, /force-new-cluster/);
});

test("one copy that differs in several places, and two copies that differ in others", async (t) => {
  const twice = withOther(5).map((entry) => (entry.index === 8 ? noOp(8, 1) : entry));
  assert.deepEqual(await codesOf(t, { a: whole, b: twice, c: whole }), [
    "ill differs-amid-log b:1",
  ]);
  const five = { a: whole, b: withOther(5), c: whole, d: withOther(7), e: whole };
  assert.deepEqual(await codesOf(t, five), [
    "ill differs-amid-log b:1",
    "ill differs-amid-log d:1",
  ]);
});

test("also where the odd copy is longer, or the commit index was not stored", async (t) => {
  const others = { a: whole.slice(0, 11), c: whole };
  assert.deepEqual(await codesOf(t, { ...others, b: withOther(5) }), [
    "ill differs-amid-log b:1",
    "note lags a:1",
  ]);
  assert.deepEqual(await codesOf(t, { a: whole, b: withOther(5), c: whole }, 1), [
    "ill differs-amid-log b:1",
  ]);
});

test("bytes that are no command, in one of three, have the finding of their own", async (t) => {
  const garbled = { index: 5, term: 1, command: Uint8Array.of(0, 0x80, 2, 0xff, 0x17, 0x2e) };
  const entries = whole.map((entry) => (entry.index === 5 ? garbled : entry));
  assert.deepEqual(await codesOf(t, { a: whole, b: entries, c: whole }), ["ill entry-garbled b:1"]);
});

test("without a majority that is alike, or up to the ends, it is two histories", async (t) => {
  const [two] = await codesOf(t, { a: whole, b: withOther(5) });
  assert.match(two ?? "", /^ill committed-entries-differ /);
  const [three] = await codesOf(t, { a: whole, b: withOther(5, "one"), c: withOther(5, "two") });
  assert.match(three ?? "", /^ill committed-entries-differ /);
  const [tail] = await codesOf(t, { a: whole, b: withOther(12), c: whole });
  assert.match(tail ?? "", /^ill committed-entries-differ /);
});
