import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { projectRoot } from "../../interop-tests/support/project.js";
import { recordsBytes } from "../../protocol/files/journal-format.js";
import type { CliContext } from "../../src/cli/context.js";
import { progressText } from "../../src/cli/progress-line.js";
import {
  deleteEntry,
  log,
  pictureOfFolder,
  quorateMember,
  setEntry,
  startSec,
  temporaryFolder,
  vanillaJournal,
} from "../files/support/made-files.js";
import { runCli } from "./run-cli.js";

const inspect = (args: readonly string[], context: Partial<CliContext> = {}) =>
  runCli(["inspect", ...args], context);

const vectors = join(projectRoot(), "protocol", "vectors");

/** A data directory with one of the golden members in it. */
function directoryOf(t: TestContext, version: string, name: string): string {
  const folder = temporaryFolder(t);
  const from = join(vectors, version, "files");
  for (const file of readdirSync(from).filter((each) => each.startsWith(`${name}.`))) {
    copyFileSync(join(from, file), join(folder, file.replace(name, "127.0.0.1:4001")));
  }
  return folder;
}

interface Place {
  readonly index: number;
  readonly term: number;
}

/** What Python itself reads in the files that were compacted. */
function manifestOf(version: string): { first: Place; last: Place; dump: Place } {
  const manifest = JSON.parse(readFileSync(join(vectors, version, "files.json"), "utf8"));
  const entries = manifest.files.find(
    ({ file }: { file: string }) => file === "compacted.journal",
  ).entries;
  return { first: entries[0], last: entries.at(-1), dump: entries[1] };
}

function lines(text: string): Record<string, unknown>[] {
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

describe("quorate inspect", () => {
  for (const version of readdirSync(vectors).filter((name) => /^\d/.test(name))) {
    it(`shows a directory of ${version}, all of it, and touches nothing`, async (t) => {
      const folder = directoryOf(t, version, "compacted");
      const before = pictureOfFolder(folder);
      const { first, last, dump } = manifestOf(version);
      const text = await inspect([folder]);
      assert.deepEqual([text.code, text.err], [0, ""]);
      assert.match(text.out, new RegExp(`^made by +PySyncObj's format, ${version}$`, "m"));
      const entries = `^entries +${first.index} to ${last.index}: 3 calls, 0 no-ops, 1 changes of the`;
      assert.match(text.out, new RegExp(entries, "m"));
      const { index, term } = dump;
      assert.match(text.out, new RegExp(`^up to +entry ${index} of term ${term}$`, "m"));
      assert.match(text.out, new RegExp(`^${index} +${term} +add +127\\.0\\.0\\.1:47614$`, "m"));
      const { members } = JSON.parse((await inspect([folder, "--json"])).out);
      assert.equal(members.length, 1);
      assert.equal(members[0].meta.commitIndex, last.index);
      assert.deepEqual(members[0].journal.log.last, { index: last.index, term: last.term });
      assert.equal(members[0].dump.keys, 8);
      for (const args of [["--entries"], ["--at", "commit"], ["--diff", String(index), "end"]]) {
        assert.equal((await inspect([folder, ...args])).code, 0, args.join(" "));
      }
      assert.deepEqual(pictureOfFolder(folder), before);
    });
  }

  it("shows one file under any name", async (t) => {
    const folder = directoryOf(t, "0.3.17", "stopped");
    for (const [file, name, what] of [
      ["127.0.0.1:4001.journal", "old.bin", "journal"],
      ["127.0.0.1:4001.journal.meta", "meta-of-then", "meta"],
      ["127.0.0.1:4001.dump", "x", "dump"],
    ] as const) {
      copyFileSync(join(folder, file), join(folder, name));
      const { members } = JSON.parse((await inspect([join(folder, name), "--json"])).out);
      const shown = ["journal", "meta", "dump"].filter((part) => members[0][part] !== null);
      assert.deepEqual(shown, [what]);
    }
  });

  it("says which of a member's files are not there, but for a file by itself", async (t) => {
    const folder = directoryOf(t, "0.3.17", "compacted");
    const shown = async (path: string) =>
      /^not there +(.+)$/m.exec((await inspect([path])).out)?.[1] ?? null;
    assert.equal(await shown(folder), null);
    for (const [ending, missing] of [
      [".journal", "journal"],
      [".journal.meta", "journal, meta"],
    ] as const) {
      rmSync(join(folder, `127.0.0.1:4001${ending}`));
      assert.equal(await shown(folder), missing);
    }
    assert.equal(await shown(join(folder, "127.0.0.1:4001.dump")), null);
  });

  it("chooses entries by key, index, term and time", async (t) => {
    const folder = temporaryFolder(t);
    const entries = [
      ...log([0, 1, 1, 1, 1, 2, 2, 2], 2),
      deleteEntry(9, 2, "/k"),
      setEntry(10, 2, "/other", "x\ny"),
    ];
    writeFileSync(join(folder, "a:1.journal"), vanillaJournal(entries));
    const indices = async (...args: string[]) => {
      const { code, out } = await inspect([folder, "--entries", "--json", ...args]);
      assert.equal(code, 0);
      return out === "" ? [] : lines(out).map(({ index }) => index);
    };
    assert.deepEqual(await indices(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert.deepEqual(await indices("--index", "3..5"), [3, 4, 5]);
    assert.deepEqual(await indices("--index", "9.."), [9, 10]);
    assert.deepEqual(await indices("--index", "..2"), [1, 2]);
    assert.deepEqual(await indices("--term", "2"), [6, 7, 8, 9, 10]);
    assert.deepEqual(await indices("--key", "/k/1"), [3, 5, 7, 9]);
    assert.deepEqual(await indices("--key", "/k/1", "--term", "1"), [3, 5]);
    assert.deepEqual(await indices("--since", String(startSec + 8)), [8, 9, 10]);
    const until = new Date((startSec + 4) * 1000).toISOString();
    assert.deepEqual(await indices("--since", String(startSec + 4), "--until", until), [4]);
    // The no-op has the time of the set before it.
    assert.deepEqual(await indices("--since", String(startSec + 5), "--index", "..6"), [5, 6]);
    const text = await inspect([folder, "--entries", "--index", "9.."]);
    const [deleted = "", set = ""] = text.out.split("\n");
    assert.equal(deleted, "9  2  -  delete  /k  recursive");
    assert.match(set, /^10 {2}2 {2}\S+ {2}set {2}\/other {2}x\\u000ay$/);
  });

  it("prints the store at an index, and what is different between two", async (t) => {
    const folder = temporaryFolder(t);
    const entries = [
      ...log([0, 1, 1, 1], 2),
      setEntry(5, 1, "/k/1", "later"),
      deleteEntry(6, 1, "/k/0"),
    ];
    writeFileSync(join(folder, "a:1.journal"), vanillaJournal(entries));
    const at = JSON.parse((await inspect([folder, "--at", "4", "--json"])).out);
    assert.deepEqual([at.index, Object.keys(at.entries).sort()], [4, ["/k/0", "/k/1"]]);
    assert.equal(at.entries["/k/1"].value, "value 3 of 1");
    const diff = await inspect([folder, "--diff", "4", "end"]);
    assert.equal(diff.out, "- /k/0 = value 4 of 1\n~ /k/1 = value 3 of 1 -> later\n");
    assert.match((await inspect([folder, "--at", "end"])).out, /^KEY +INDEX .*\n\/k\/1 +5 /);
  });

  it("prints the store in the order of its keys, as kv ls does", async (t) => {
    const folder = temporaryFolder(t);
    const entries = [...log([0, 1]), setEntry(3, 1, "/b", "1"), setEntry(4, 1, "/a", "2")];
    writeFileSync(join(folder, "a:1.journal"), vanillaJournal(entries));
    const keys = (text: string) => Object.keys(JSON.parse(text).entries);
    const { out } = await inspect([folder, "--at", "end"]);
    assert.match(out, /^\/a .*\n\/b /m);
    const json = keys((await inspect([folder, "--at", "end", "--json"])).out);
    assert.deepEqual(json, [...json].sort());
    assert.deepEqual(json.slice(0, 2), ["/a", "/b"]);
  });

  it("looks again at the files of a running member that do not fit together", async (t) => {
    const folder = temporaryFolder(t);
    const path = join(folder, "a:1.journal");
    const bytes = vanillaJournal(log([0, 1, 1, 1]));
    writeFileSync(path, bytes);
    const held = openSync(path, "r+");
    const child = spawn("sleep", ["60"], { stdio: [held, "ignore", "ignore"] });
    t.after(() => {
      child.kill();
      closeSync(held);
    });
    await new Promise((resolve) => child.once("spawn", resolve));
    // Amid a rewrite in place: it goes on when the command has written or waits.
    const half = new Uint8Array(bytes);
    half.fill(0xff, 100, 110);
    writeSync(held, half, 0, half.length, 0);
    const running = inspect([folder, "--at", "4", "--json"]);
    const mending = setInterval(() => writeSync(held, bytes, 0, bytes.length, 0), 150);
    const { code, out, err } = await running;
    clearInterval(mending);
    assert.deepEqual([code, err], [0, ""]);
    assert.deepEqual([JSON.parse(out).index, JSON.parse(out).broken], [4, null]);
  });

  it("says of no journal that PySyncObj or Quorate made it", async (t) => {
    const folder = temporaryFolder(t);
    const path = join(folder, "a:1.journal");
    writeFileSync(path, "");
    const empty = (await inspect([folder])).out;
    assert.match(empty, /^made by +not to be told: the file is empty$/m);
    assert.match(empty, /^size +0 bytes$/m);
    writeFileSync(path, new Uint8Array(5000).fill(0xab));
    const garbage = (await inspect([folder])).out;
    assert.match(garbage, /^made by +something else: it does not begin as a journal does$/m);
    assert.match(garbage, /^size +5000 bytes$/m);
    for (const text of [empty, garbage]) assert.doesNotMatch(text, /^checksums/m);
    writeFileSync(path, vanillaJournal(log([1, 1])));
    assert.match((await inspect([folder])).out, /^terms +1 run, the highest 1/m);
    const sealed = temporaryFolder(t);
    await quorateMember(sealed, [[setEntry(2, 1, "/k", "v")]]);
    assert.match((await inspect([sealed])).out, /^made by +Quorate, in PySyncObj's format of 0/m);
    rmSync(path);
    mkdirSync(path);
    const directory = await inspect([folder]);
    assert.equal(
      directory.err,
      `quorate: ${path}: it is no file but a directory, a device, or a link that leads to nothing (unreadable)\n`,
    );
  });

  it("says what stands whole behind a gap, and shows it", async () => {
    const path = join(vectors, "0.3.15", "left-out", "127.0.0.1:31170");
    const { code, out, err } = await inspect([path, "--entries", "--json"]);
    const entries = out.trimEnd().split("\n");
    assert.deepEqual(
      entries.map((line) => JSON.parse(line).index),
      [1, 2, 3, 4, 6, 7, 8, 9, 10],
    );
    assert.equal(code, 0);
    assert.match(
      err,
      /^quorate: entry 5 is missing, and entries 6 to 10 stand whole behind the gap: they follow$/m,
    );
  });

  it("shows what stands behind each gap", async (t) => {
    const folder = temporaryFolder(t);
    const entries = log([0, 1, 1, 1, 1, 1, 1, 1, 1]);
    const gaps = entries.filter(({ index }) => index !== 3 && index !== 6 && index !== 7);
    writeFileSync(join(folder, "a:1.journal"), vanillaJournal(gaps));
    const { out, err } = await inspect([folder, "--entries", "--json"]);
    assert.deepEqual(
      out
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line).index),
      [1, 2, 4, 5, 8, 9],
    );
    assert.match(err, /entries 3, 6 to 7 are missing, and entries 4 to 9 stand whole behind/);
  });

  it("says where the store is not all that there was", async (t) => {
    const folder = temporaryFolder(t);
    const entries = log([0, 1, 1, 1, 1, 1], 2);
    const bytes = vanillaJournal(entries);
    const at = 40 + recordsBytes(entries.slice(0, 4));
    bytes.fill(0xff, at, at + 8);
    writeFileSync(join(folder, "a:1.journal"), bytes);
    const said = `quorate: this ends at entry 4: the records hold together up to byte ${at}: see quorate verify\n`;
    for (const args of [
      ["--at", "end"],
      ["--diff", "2", "end"],
    ]) {
      const result = await inspect([folder, ...args, "--json"]);
      assert.deepEqual([result.code, result.err], [0, said]);
      assert.equal(JSON.parse(result.out).broken.offset, at);
    }
    const before = await inspect([folder, "--at", "3", "--json"]);
    assert.deepEqual([before.err, JSON.parse(before.out).broken], ["", null]);
    // Garbage: neither of them is of any use.
    writeFileSync(join(folder, "a:1.journal"), new Uint8Array(5000).fill(0xab));
    writeFileSync(join(folder, "a:1.dump"), new Uint8Array(500).fill(0xab));
    const garbage = await inspect([folder, "--at", "end", "--json"]);
    assert.match(garbage.err, /the dump is damaged and was not used.*\n.*no entry can be read: /);
    assert.equal(typeof JSON.parse(garbage.out).dumpDamaged, "string");
    writeFileSync(join(folder, "a:1.journal"), "");
    assert.match((await inspect([folder, "--at", "end"])).err, /no entry is in these files/);
  });

  it("tells a dump that is damaged from one that is not there", async (t) => {
    const folder = directoryOf(t, "0.3.15", "compacted");
    const path = join(folder, "127.0.0.1:4001.dump");
    writeFileSync(path, readFileSync(path).subarray(0, 60));
    const damaged = await inspect([folder, "--at", "end"]);
    assert.equal(damaged.code, 1);
    assert.match(damaged.err, /begins at entry 23, and the dump with what came before is damaged/);
    rmSync(path);
    const none = await inspect([folder, "--at", "end"]);
    assert.match(none.err, /begins at entry 23, and no dump holds what came before \(/);
  });

  it("shows of a dump's file what is in that dump, whatever lies beside it", async (t) => {
    const folder = directoryOf(t, "0.3.15", "compacted");
    const file = (ending: string) => join(folder, `127.0.0.1:4001.${ending}`);
    const dump = JSON.parse((await inspect([file("dump"), "--at", "end", "--json"])).out);
    assert.deepEqual([dump.index, dump.dumpIndex], [24, 24]);
    const journal = JSON.parse((await inspect([file("journal"), "--at", "end", "--json"])).out);
    assert.deepEqual([journal.index, journal.dumpIndex], [27, 24]);
    const entries = await inspect([file("dump"), "--entries"]);
    assert.equal(entries.code, 1);
    assert.match(entries.err, /there is no journal here, which is what holds entries/);
    for (const what of ["--entries", "--follow"]) {
      const meta = await inspect([file("journal.meta"), what]);
      assert.equal(meta.code, 2);
      assert.match(meta.err, /a meta file holds neither entries nor data/);
    }
  });

  it("ends with 2 for what cannot be meant, and with 1 for what is not there", async (t) => {
    const folder = directoryOf(t, "0.3.15", "compacted");
    mkdirSync(join(folder, "empty"));
    const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
      [["--at", "0"], 2, /"0" is no index/],
      [["--at", "1", "--entries"], 2, /choose one/],
      [["--key", "/a"], 2, /choose among --entries/],
      [["--diff", "5"], 2, /two indices/],
      [["--diff", "27", "25"], 2, /goes forward/],
      [["--entries", "--index", "x"], 2, /--index is "x"/],
      [["--entries", "--since", "soon"], 2, /--since is "soon"/],
      [["--entries", "--index", "8..5"], 2, /--index is "8..5": 8 comes after 5/],
      [["--entries", "--term", "2..1"], 2, /--term is "2..1": 2 comes after 1/],
      [["--entries", "--index", "9".repeat(20)], 2, /no log reaches numbers so large/],
      [["--entries", "--since", "9", "--until", "8"], 2, /--since comes after --until/],
      [
        ["--at", "5"],
        1,
        /begins at entry 23, .* what came before, up to 5 \(it .* from entry 24 on/,
      ],
      [["--at", "99"], 1, /entry 99 is not in these files: they end at 27/],
    ];
    for (const [args, code, message] of cases) {
      const result = await inspect([folder, ...args]);
      assert.equal(result.code, code, result.err);
      assert.match(result.err, message);
    }
    for (const [path, code, message] of [
      [join(folder, "nothing"), 1, /there is no such file or directory/],
      ["", 2, /^quorate: PATH: it is empty \(a variable without a value\?\)/],
      [join(folder, "empty"), 1, /no journal, meta or dump is in this directory/],
    ] as const) {
      const result = await inspect([path]);
      assert.deepEqual([result.code, result.out], [code, ""]);
      assert.match(result.err, message);
    }
  });

  it("shows progress on a terminal only, and ends with 130 at Ctrl-C", async (t) => {
    const folder = temporaryFolder(t);
    const command = new Uint8Array(100_000);
    const entries = Array.from({ length: 100 }, (_, at) => ({ index: at + 1, term: 1, command }));
    writeFileSync(join(folder, "a:1.journal"), vanillaJournal(entries));
    const stopped = await inspect([folder, "--entries"], {
      onInterrupt: (listener) => {
        setTimeout(listener, 0);
        return () => {};
      },
      drained: () => new Promise((resolve) => setTimeout(resolve, 5)),
    });
    assert.deepEqual([stopped.code, stopped.err], [130, "quorate: stopped\n"]);
    const slow = { drained: () => new Promise<void>((resolve) => setTimeout(resolve, 150)) };
    const shown = await inspect([folder, "--entries"], { ...slow, isErrTerminal: true });
    assert.match(shown.err, /\rreading: \d+ %, [\d.]+ MiB\/s, \d+ s left/);
    assert.equal((await inspect([folder, "--entries"], slow)).err, "");
  });
});

describe("the progress line", () => {
  it("tells share, rate and time", () => {
    assert.equal(progressText(50 * 1024 ** 2, 200 * 1024 ** 2, 1000), "25 %, 50 MiB/s, 3 s left");
    assert.equal(progressText(0, 0, 0), "100 %, 0.0 MiB/s, 0 s left");
    assert.equal(progressText(3 * 1024 ** 2, 2 * 1024 ** 2, 2000), "100 %, 1.5 MiB/s, 0 s left");
  });
});
