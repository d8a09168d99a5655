import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join, relative } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { encodeMembership } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import { silentLogger } from "../../src/logger.js";
import { findLock, lockFiles } from "../../src/storage/process-lock.js";
import { Storage } from "../../src/storage/storage.js";
import {
  address,
  log,
  noOp,
  pictureOfFolder,
  quorateMember,
  setEntry,
  temporaryFolder,
  vanillaJournal,
  vanillaMeta,
} from "../files/support/made-files.js";
import { FakeCluster } from "./fake-cluster.js";
import { type CliResult, runCli } from "./run-cli.js";

/** Somebody who takes connections until he is stopped. */
async function startOther(t: TestContext) {
  const server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  await once(server, "listening");
  const found = server.address();
  assert.ok(found !== null && typeof found === "object");
  const stop = () => new Promise<void>((resolve) => server.close(() => resolve()));
  t.after(stop);
  return { name: `127.0.0.1:${found.port}`, stop };
}

function change(kind: "add" | "rem", index: number, other: string): Entry {
  return { index, term: 1, command: encodeMembership(kind, other) };
}

/** Patroni's file beside the data directory. */
function configOf(t: TestContext, partners: readonly string[]): string {
  const path = join(temporaryFolder(t), "patroni.yml");
  const list = partners.map((each) => `"${each}"`).join(", ");
  writeFileSync(path, `raft:\n  self_addr: "${address}"\n  partner_addrs: [${list}]\n`);
  return path;
}

function recover(folder: string, ...flags: string[]): Promise<CliResult> {
  return runCli(["recover", folder, "--force-new-cluster", ...flags]);
}

/** Of all files, those in folders as well. */
function bytesIn(folder: string): number {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const files = names.map((name) => statSync(join(folder, name))).filter((each) => each.isFile());
  return files.reduce((sum, { size }) => sum + size, 0);
}

function damage(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 0xff, at);
  writeFileSync(path, bytes);
}

describe("quorate recover", () => {
  it("demands the configuration where no dump names the first members, and asks them", async (t) => {
    const [first, added] = [await startOther(t), await startOther(t)];
    await added.stop();
    const folder = temporaryFolder(t);
    await quorateMember(folder, [[...log([0, 1, 1]).slice(1), change("add", 4, added.name)]]);
    const before = pictureOfFolder(folder);
    const blind = await recover(folder, "--yes");
    assert.deepEqual([blind.code, blind.out], [2, ""]);
    assert.match(blind.err, /do not name all members.*--config/s);
    const config = ["--config", configOf(t, [first.name])];
    const alive = await recover(folder, ...config, "--yes");
    assert.deepEqual([alive.code, alive.out], [1, ""]);
    assert.ok(alive.err.includes(`${first.name} of the old cluster can still be reached`));
    assert.deepEqual(pictureOfFolder(folder), before);

    await first.stop();
    const formerMembers = [first.name, added.name].sort();
    const plan = await recover(folder, ...config, "--dry-run");
    assert.equal(plan.code, 0, plan.err);
    assert.match(plan.out, new RegExp(`gives up +${formerMembers.join(", ")}\n`));
    assert.match(plan.out, /log ends at +4 of term 1[;\n]/);
    assert.deepEqual(pictureOfFolder(folder), before);
    const { code, out, err } = await recover(folder, ...config, "--yes", "--json");
    assert.deepEqual([code, err], [0, ""]);
    const made = JSON.parse(out);
    assert.deepEqual(made.formerMembers, formerMembers);
    const record = readFileSync(join(made.setAsideTo, "recovery.json"), "utf8");
    assert.deepEqual(JSON.parse(record).formerMembers, formerMembers);
  });

  it("records where the old files are from the root on, whatever the path it was given", async (t) => {
    const other = await startOther(t);
    await other.stop();
    const folder = temporaryFolder(t);
    await quorateMember(folder, [log([0, 1, 1]).slice(1)]);
    const config = ["--config", configOf(t, [other.name])];
    const path = relative(process.cwd(), folder);
    const made = JSON.parse((await recover(path, ...config, "--yes", "--json")).out);
    assert.equal(dirname(made.setAsideTo), folder);
    const record = JSON.parse(readFileSync(join(made.setAsideTo, "recovery.json"), "utf8"));
    assert.equal(record.setAsideTo, made.setAsideTo);
    const again = JSON.parse((await recover(path, ...config, "--yes", "--json")).out);
    assert.deepEqual([again.changed, again.setAsideTo], [false, made.setAsideTo]);
  });

  it("names the members of the configuration where the log has none", async (t) => {
    const other = await startOther(t);
    await other.stop();
    const folder = temporaryFolder(t);
    await quorateMember(folder, [log([0, 1, 1]).slice(1)]);
    const { code, out, err } = await recover(
      folder,
      "--config",
      configOf(t, [other.name]),
      "--yes",
    );
    assert.deepEqual([code, err], [0, ""]);
    assert.match(out, new RegExp(`gave up +${other.name}\n`));
  });

  it("asks a member whose removal was perhaps never committed", async (t) => {
    const other = await startOther(t);
    const folder = temporaryFolder(t);
    const entries = [...log([0, 1, 1]), change("add", 4, other.name), change("rem", 5, other.name)];
    writeFileSync(join(folder, `${address}.journal`), vanillaJournal(entries));
    const meta = join(folder, `${address}.journal.meta`);
    const asked = ["--config", configOf(t, ["127.0.0.1:1"]), "--dry-run"];
    writeFileSync(meta, vanillaMeta({ raftCommitIndex: 4 }));
    assert.match((await recover(folder, ...asked)).err, /can still be reached/);
    writeFileSync(meta, vanillaMeta({ raftCommitIndex: 5 }));
    assert.equal((await recover(folder, ...asked)).code, 0);
  });

  it("refuses a journal that breaks off with --dry-run as with --yes, and says what is gone", async (t) => {
    const folder = temporaryFolder(t);
    const bytes = vanillaJournal(log([0, 1, 1, 1, 1, 1, 1, 1]));
    // Amid the fifth record.
    bytes.fill(0xff, 40 + (bytes.indexOf("value 5") - 40) - 60, bytes.indexOf("value 5"));
    writeFileSync(join(folder, `${address}.journal`), bytes);
    const meta = vanillaMeta({ raftCommitIndex: 8, currentTerm: 1, votedForNodeId: null });
    writeFileSync(join(folder, `${address}.journal.meta`), meta);
    await sameAsDone(folder, configOf(t, ["127.0.0.1:1"]), (plan) => {
      const { lastIndex } = JSON.parse(plan.json.out);
      assert.ok(lastIndex > 1 && lastIndex < 8, `the log ends at ${lastIndex}`);
      const lacks = `commit index is 8: UP TO ${8 - lastIndex} ACKNOWLEDGED ENTRIES ARE NOT HERE`;
      assert.ok(plan.text.out.includes(lacks), plan.text.out);
    });
  });

  it("refuses a damaged dump with --dry-run as with --yes, and does not count what it cannot use", async (t) => {
    const folder = temporaryFolder(t);
    const first = log([0, 1, 1, 1, 1, 1]);
    await quorateMember(folder, [first.slice(1), log([0, 1, 1, 1, 1, 1, 1, 1]).slice(6)], {
      dumpAt: 6,
    });
    damage(join(folder, `${address}.dump`), 40);
    assert.equal((await recover(folder, "--dry-run")).code, 2, "the dump alone names the members");
    await sameAsDone(folder, configOf(t, ["127.0.0.1:1"]), (plan) => {
      assert.match(
        plan.text.out,
        /log ends at +1 of term 0; THE JOURNAL'S ENTRIES UP TO 8 CANNOT BE USED/,
      );
      assert.match(plan.text.out, /found +the dump is unreadable\n/);
    });
  });

  it("demands the configuration beside a dump, too, where a part of the log is missing", async (t) => {
    const folder = temporaryFolder(t);
    const entries = log([0, 1, 1, 1, 1, 1]);
    await quorateMember(folder, [entries.slice(1)], { dumpAt: 4 });
    rmSync(join(folder, `${address}.journal`));
    const { code, err } = await recover(folder, "--accept-incomplete", "--dry-run");
    assert.deepEqual([code, /do not name all members/.test(err)], [2, true]);
  });

  it("changes nothing where the files' name is no address", async (t) => {
    const folder = temporaryFolder(t);
    await quorateMember(folder, [log([0, 1, 1]).slice(1)]);
    for (const end of ["journal", "journal.meta"]) {
      renameSync(join(folder, `${address}.${end}`), join(folder, `old.${end}`));
    }
    const before = pictureOfFolder(folder);
    const asked = ["--config", configOf(t, ["127.0.0.1:1"]), "--accept-incomplete"];
    for (const consent of ["--dry-run", "--yes"]) {
      const { code, out, err } = await recover(join(folder, "old"), ...asked, consent);
      assert.deepEqual([code, out], [1, ""]);
      assert.match(err, /not named after a member's address.*Nothing was changed/s);
      assert.deepEqual(pictureOfFolder(folder), before);
    }
  });
});

describe("quorate recover, beside others and stopped", () => {
  it("refuses files that somebody uses with --dry-run as with --yes", async (t) => {
    const folder = temporaryFolder(t);
    await quorateMember(folder, [log([0, 1, 1]).slice(1)], { dumpAt: 2 });
    const before = pictureOfFolder(folder);
    const journal = join(folder, `${address}.journal`);
    const lock = await lockFiles(journal);
    const held = await Promise.all([recover(folder, "--dry-run"), recover(folder, "--yes")]);
    for (const { code, out, err } of held) {
      assert.deepEqual([code, out], [1, ""]);
      assert.match(err, new RegExp(`in use by process ${process.pid}: stop it first`));
    }
    await lock.release();
    assert.deepEqual(pictureOfFolder(folder), before);
    // As a member in another container holds it: nothing but the lock on the file is seen.
    writeFileSync(`${journal}.quorate-lock`, "");
    const holder = spawn("flock", [`${journal}.quorate-lock`, "sleep", "60"], { detached: true });
    t.after(() => process.kill(-(holder.pid ?? 0)));
    await eventuallyLocked(journal);
    for (const consent of ["--dry-run", "--yes"]) {
      const { code, err } = await recover(folder, consent);
      assert.deepEqual(
        [code, /in use by a process that is not seen from here/.test(err)],
        [1, true],
      );
    }
  });

  it("ends at Ctrl-C with 130 and every file as it was, at whatever moment", async (t) => {
    const folder = temporaryFolder(t);
    await quorateMember(folder, [log([0, 1, 1]).slice(1)], { dumpAt: 2 });
    const before = pictureOfFolder(folder);
    const stopAt = async (moment: number): Promise<CliResult> => {
      let count = 0;
      return await runCli(["recover", folder, "--force-new-cluster", "--yes"], {
        onInterrupt: (listener) => {
          if (count++ === moment) listener();
          return () => {};
        },
      });
    };
    let stops = 0;
    for (; ; stops++) {
      const { code, out, err } = await stopAt(stops);
      if (code === 0) break;
      assert.deepEqual([code, out, err], [130, "", "quorate: stopped: nothing was changed\n"]);
      assert.deepEqual(pictureOfFolder(folder), before);
    }
    assert.equal(stops, 4, "reading, asking the others, looking for room, copying");
  });

  it("shows what it does, and how much of it is done", async (t) => {
    const folder = temporaryFolder(t);
    await quorateMember(folder, [log([0, 1, 1]).slice(1)], { dumpAt: 2 });
    let nowMs = 0;
    t.mock.method(performance, "now", () => {
      nowMs += 250;
      return nowMs;
    });
    const args = ["recover", folder, "--force-new-cluster", "--yes", "--json"];
    const { code, err } = await runCli(args, { isErrTerminal: true });
    assert.equal(code, 0, err);
    assert.match(err, /\rreading: \d+ %, /);
    assert.match(err, /\rcopying the files aside: 100 %, /);
    assert.match(err, /\rwriting the new dump: 1 of \d keys, /);
  });

  it("foresees a full disk with --dry-run as with --yes, to the size of the new dump", async (t) => {
    const folder = temporaryFolder(t);
    const sets = Array.from({ length: 50 }, (_, at) =>
      setEntry(at + 3, 1, `/k/${at}`, randomBytes(300).toString("hex")),
    );
    await quorateMember(folder, [[noOp(2, 1), ...sets]], { dumpAt: 52 });
    const before = pictureOfFolder(folder);
    const args = ["recover", folder, "--force-new-cluster"];
    const at = (freeBytes: number, ...flags: string[]) =>
      runCli([...args, ...flags], { freeBytes: async () => freeBytes });
    const oldBytes = bytesIn(folder);
    const free = oldBytes + 140_000;
    const { room } = JSON.parse((await at(free, "--dry-run", "--json")).out);
    assert.equal(room.freeBytes, free);
    assert.ok(room.neededBytes > oldBytes + 50 * 300, `${room.neededBytes} with a new dump`);

    for (const freeBytes of [0, oldBytes, room.neededBytes - 1]) {
      for (const consent of ["--dry-run", "--yes"]) {
        const { code, err } = await at(freeBytes, consent);
        assert.equal(code, 1, `${freeBytes} ${consent}`);
        assert.match(
          err,
          /new files need \d+ bytes, and \d+ are free .*: make room first\. Nothing/,
        );
        assert.deepEqual(pictureOfFolder(folder), before);
      }
    }
    const plan = await at(room.neededBytes - 1, "--dry-run");
    assert.match(plan.out, /^room +\d+ bytes needed, \d+ free$/m);
    assert.match(plan.out, /^--yes +would refuse, see below$/m);

    const { code, err } = await at(room.neededBytes, "--yes");
    assert.deepEqual([code, err], [0, ""]);
    assert.ok(bytesIn(folder) <= oldBytes + room.neededBytes, "no more than was foreseen");
  });

  it("says, run once more, that it is done", async (t) => {
    const folder = temporaryFolder(t);
    await quorateMember(folder, [log([0, 1, 1]).slice(1)], { dumpAt: 2 });
    const made = JSON.parse((await recover(folder, "--yes", "--json")).out);
    const before = pictureOfFolder(folder);
    for (const consent of ["--dry-run", "--yes"]) {
      const { code, out, err } = await recover(folder, consent);
      assert.deepEqual([code, err], [0, ""]);
      assert.match(out, /is a cluster of its own already: nothing was changed now/);
      assert.ok(out.includes(made.setAsideTo));
      const json = JSON.parse((await recover(folder, consent, "--json")).out);
      assert.deepEqual(json, { ...made, changed: false });
    }
    assert.deepEqual(pictureOfFolder(folder), before);
    // The member has run.
    const { storage } = await Storage.open({
      ...{ dataDir: folder, selfAddr: address, logger: silentLogger },
    });
    await storage.write([{ kind: "meta", term: made.newTerm + 1, votedFor: address }]);
    await storage.close();
    const { code, err } = await recover(folder, "--yes");
    assert.deepEqual([code, /made them a cluster of one already/.test(err)], [2, true]);
  });
});

describe("quorate reset-member", () => {
  const reset = (folder: string, ...flags: string[]) =>
    runCli(["reset-member", folder, "--addr", "127.0.0.1:1", ...flags]);

  it("changes nothing where nobody answers, and says what to do", async (t) => {
    const folder = temporaryFolder(t);
    await quorateMember(folder, [log([0, 1, 1]).slice(1)]);
    const before = pictureOfFolder(folder);
    for (const consent of ["--dry-run", "--yes"]) {
      const { code, out, err } = await reset(folder, consent);
      assert.deepEqual([code, out], [1, ""]);
      assert.match(err, /no member answered: .*nothing was changed\. Start another member first/);
    }
    const both = await reset(folder, "--yes", "--dry-run");
    assert.deepEqual([both.code, /contradict each other/.test(both.err)], [2, true]);
    assert.deepEqual(pictureOfFolder(folder), before);
  });

  describe("of two members", () => {
    const other = "127.0.0.1:4002";
    /** The other one knows entries up to 42 as committed, and nobody leads. */
    const beside = (folder: string, ...flags: string[]) => {
      const cluster = new FakeCluster([address, other], null);
      const args = ["reset-member", folder, "--addr", other, ...flags];
      return runCli(args, { ask: (to, request, options) => cluster.ask(to, request, options) });
    };
    const files = (t: TestContext, first: number, last: number, commit: number | null): string => {
      const folder = temporaryFolder(t);
      const entries = log(Array.from({ length: last }, (_, at) => Math.min(at, 1)));
      writeFileSync(join(folder, `${address}.journal`), vanillaJournal(entries.slice(first - 1)));
      const meta =
        commit === null ? Buffer.from("rubbish") : vanillaMeta({ raftCommitIndex: commit });
      writeFileSync(join(folder, `${address}.journal.meta`), meta);
      return folder;
    };

    it("says what it has compared, and refuses where these files know more", async (t) => {
      const plan = await beside(files(t, 1, 50, 42), "--dry-run");
      assert.deepEqual([plan.code, plan.err], [0, ""]);
      assert.match(
        plan.out,
        /^compared +the other member knows entries up to 42 as committed, these files up to 42; the dump is not/m,
      );
      const refused = await beside(files(t, 1, 50, 43), "--dry-run");
      assert.equal(refused.code, 1);
      assert.match(refused.err, /up to 42 as committed, this one up to 43: these files are needed/);
      // What was compacted away was committed, whatever cannot be read.
      const compacted = await beside(files(t, 44, 50, null), "--dry-run", "--accept-uncompared");
      assert.deepEqual([compacted.code, /this one up to 44/.test(compacted.err)], [1, true]);
    });

    it("asks no majority of the other one, which may still take itself for the leader", async (t) => {
      const cluster = new FakeCluster([address, other], other);
      const args = ["reset-member", files(t, 1, 50, 42), "--addr", other, "--dry-run"];
      const { code, out, err } = await runCli(args, {
        ask: (to, request, options) => cluster.ask(to, request, options),
      });
      assert.deepEqual([code, err], [0, ""]);
      assert.match(out, /^leader +none without this member: there are two$/m);
    });

    it("takes the journal where neither meta file nor dump can be read, and says so", async (t) => {
      const proven = await beside(files(t, 1, 42, null), "--dry-run");
      assert.deepEqual([proven.code, proven.err], [0, ""]);
      assert.match(proven.out, /the journal here ends at 42; the meta file cannot be read \(/);
      assert.match(proven.out, /the dump is not there/);

      const folder = files(t, 1, 43, null);
      const before = pictureOfFolder(folder);
      for (const consent of ["--dry-run", "--yes"]) {
        const { code, out, err } = await beside(folder, consent);
        assert.deepEqual([code, out], [1, ""]);
        assert.match(
          err,
          /the meta file cannot be read \(.*the dump is not there: the journal ends at/,
        );
        assert.match(err, /knows entries up to 42 as committed.*--accept-uncompared/);
        assert.deepEqual(pictureOfFolder(folder), before);
      }
      const json = await beside(folder, "--accept-uncompared", "--yes", "--json");
      assert.equal(json.code, 0, json.err);
      const { compared } = JSON.parse(json.out);
      assert.deepEqual(
        [compared.committed, compared.journalEnd, compared.unread.length],
        [null, 43, 2],
      );
    });

    it("takes for proven no journal that goes on behind what is surely committed", async (t) => {
      const { code, err } = await beside(files(t, 40, 50, null), "--dry-run");
      assert.equal(code, 1);
      assert.match(err, /the journal ends at entry 50.*up to 42 as committed.*--accept-uncompared/);
      const proven = await beside(files(t, 40, 42, null), "--dry-run");
      assert.deepEqual([proven.code, proven.err], [0, ""]);
    });

    it("says that nothing was compared where nothing can be read", async (t) => {
      const folder = files(t, 1, 5, null);
      writeFileSync(join(folder, `${address}.journal`), "rubbish");
      const { code, err } = await beside(folder, "--yes");
      assert.equal(code, 1);
      assert.match(err, /no entry that can be read: there is nothing to compare with the other/);
      const plan = await beside(folder, "--dry-run", "--accept-uncompared");
      assert.deepEqual([plan.code, /NOT COMPARED with anything here/.test(plan.out)], [0, true]);
    });
  });

  it("refuses files that somebody uses, before it asks anybody", async (t) => {
    const folder = temporaryFolder(t);
    await quorateMember(folder, [log([0, 1, 1]).slice(1)]);
    const lock = await lockFiles(join(folder, `${address}.journal`));
    for (const consent of ["--dry-run", "--yes"]) {
      const { code, err } = await reset(folder, consent);
      assert.deepEqual([code, /in use by process \d+: stop it first/.test(err)], [1, true]);
    }
    await lock.release();
  });
});

async function eventuallyLocked(journal: string): Promise<void> {
  while ((await findLock(journal)) === null) await sleep(20);
}

/** What --dry-run says is what --yes does: the refusal first, then with --accept-incomplete. */
async function sameAsDone(
  folder: string,
  config: string,
  check: (plan: { readonly text: CliResult; readonly json: CliResult }) => void,
): Promise<void> {
  const before = pictureOfFolder(folder);
  const asked = ["--config", config];
  const text = await recover(folder, ...asked, "--dry-run");
  const json = await recover(folder, ...asked, "--dry-run", "--json");
  const refused = await recover(folder, ...asked, "--yes");
  assert.equal(refused.code, 1);
  assert.deepEqual([text.code, json.code], [1, 1]);
  assert.equal(text.err, refused.err);
  assert.match(text.err, /acknowledged entries may be missing here.*--accept-incomplete/s);
  assert.match(text.out, /--yes +would refuse/);
  check({ text, json });
  const accepting = [...asked, "--accept-incomplete"];
  const plan = JSON.parse((await recover(folder, ...accepting, "--dry-run", "--json")).out);
  assert.equal(plan.refusal, null);
  assert.deepEqual(pictureOfFolder(folder), before);
  const made = JSON.parse((await recover(folder, ...accepting, "--yes", "--json")).out);
  for (const name of ["lastIndex", "newTerm", "keys", "formerMembers", "findings"]) {
    assert.deepEqual(made[name], plan[name], name);
  }
}
