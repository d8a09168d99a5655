import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { crc32 } from "node:zlib";
import { projectRoot } from "../../interop-tests/support/project.js";
import { encodeMeta } from "../../protocol/files/meta-format.js";
import type { Entry } from "../../protocol/log/entry.js";
import { encodeDelete } from "../../protocol/log/kv-calls.js";
import { findData } from "../../src/files/data-path.js";
import { verifyMember } from "../../src/files/verify.js";
import { verifyFindings } from "../../src/files/verify-findings.js";
import { emptyMeta } from "../../src/storage/meta-file.js";
import { nodeFileSystem } from "../../src/storage/node-file-system.js";
import { checkAdvice } from "./support/checked-advice.js";
import {
  address,
  dumpOf,
  log,
  noOp,
  pictureOfFolder,
  quorateMember,
  setEntry,
  temporaryFolder,
  vanillaJournal,
  vanillaMeta,
} from "./support/made-files.js";

/** Every code that a case below has produced. */
const produced = new Set<string>();

interface Files {
  readonly journal?: Uint8Array;
  readonly meta?: Uint8Array;
  readonly dump?: Uint8Array;
  /** What lies beside, by name. */
  readonly beside?: readonly string[];
}

const endings = { journal: ".journal", meta: ".journal.meta", dump: ".dump" } as const;

function put(folder: string, files: Files): void {
  for (const kind of ["journal", "meta", "dump"] as const) {
    const bytes = files[kind];
    if (bytes !== undefined) writeFileSync(join(folder, address + endings[kind]), bytes);
  }
  for (const name of files.beside ?? []) writeFileSync(join(folder, address + name), "x");
}

async function verdictOn(folder: string): Promise<string[]> {
  const found = await findData(nodeFileSystem, folder);
  assert.ok(found.kind === "members");
  const [member] = found.members;
  assert.ok(member !== undefined);
  const before = pictureOfFolder(folder);
  const { findings, worst } = await verifyMember(nodeFileSystem, member);
  assert.deepEqual(pictureOfFolder(folder), before, "nothing is touched");
  for (const { code, detail, severity } of findings) {
    produced.add(code);
    assert.ok(detail !== "", code);
    assert.equal(severity, verifyFindings[code].severity);
  }
  assert.equal(worst === null, findings.length === 0);
  await checkAdvice(member, findings);
  return findings.map(({ code }) => code).sort();
}

/** A copy of the bytes with something done to it. */
function changed(bytes: Uint8Array, change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(bytes);
  change(copy);
  return copy;
}

/** Offset of the record of an entry, in a journal that begins with entry 1. */
function recordOf(bytes: Uint8Array, index: number): number {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 40;
  for (let skipped = 1; skipped < index; skipped++) at += buffer.readUInt32LE(at) + 8;
  return at;
}

const entries = log([0, 1, 1, 1, 2, 2, 2, 2, 2, 2]);
const journal = vanillaJournal(entries);
const meta = vanillaMeta({ raftCommitIndex: 10, currentTerm: 2, votedForNodeId: address });
/** The log without entry 6. */
const gapped = [...entries.slice(0, 5), ...entries.slice(6)];
/** The journal after a compaction at entry 5. */
const compacted = vanillaJournal(entries.slice(3));
const dump = dumpOf(entries, 5);
const end = journal.readUInt32LE(36);

const cases: readonly (readonly [string, Files, readonly string[]])[] = [
  ["whole files", { journal, meta }, []],
  ["whole files with a dump", { journal: compacted, meta, dump }, []],
  [
    "a member that forgets",
    { journal, meta: vanillaMeta({ raftCommitIndex: 10 }) },
    ["meta-forgets"],
  ],
  ["no meta", { journal }, ["meta-missing"]],
  [
    "no meta, and the first entry alone in a journal of 0.3.17",
    { journal: changed(vanillaJournal(log([0])), (copy) => copy.write("0.3.17", 24, "latin1")) },
    ["vote-unknown"],
  ],
  ["no journal", { meta }, ["journal-missing"]],
  ["no journal, a dump", { meta, dump }, ["commit-beyond-log", "journal-missing"]],
  ["a journal just made", { journal: vanillaJournal([], 40) }, ["journal-blank"]],
  [
    "a journal just made under a used meta",
    { journal: vanillaJournal([], 40), meta },
    ["journal-blank", "journal-missing"],
  ],
  ["another file", { journal: Buffer.alloc(5000, 7), meta }, ["journal-not-a-journal"]],
  ["an end offset of zero", { journal: vanillaJournal(entries, 0), meta }, ["journal-end-offset"]],
  [
    "an end offset beyond the file",
    { journal: vanillaJournal(entries, 99_999), meta },
    ["journal-end-offset"],
  ],
  [
    "a damaged size",
    {
      journal: changed(journal, (copy) =>
        copy.fill(1, recordOf(journal, 7), recordOf(journal, 7) + 4),
      ),
      meta,
    },
    ["commit-beyond-log", "journal-records"],
  ],
  [
    "an end offset amid a record",
    { journal: vanillaJournal(entries, end - 9), meta },
    ["commit-beyond-log", "journal-behind-end", "journal-records"],
  ],
  [
    "a cut file",
    { journal: journal.subarray(0, end - 30), meta },
    ["commit-beyond-log", "journal-end-offset"],
  ],
  [
    "a missing entry in a journal of 0.3.17",
    { journal: changed(vanillaJournal(gapped), (copy) => copy.write("0.3.17", 24)), meta },
    ["commit-beyond-log", "journal-gap"],
  ],
  [
    "an entry that 0.3.15 has left out of its journal",
    { journal: vanillaJournal(gapped), meta },
    ["entry-left-out"],
  ],
  [
    "a term with a high bit",
    {
      journal: changed(journal, (copy) =>
        copy.fill(1, recordOf(journal, 7) + 17, recordOf(journal, 7) + 18),
      ),
      meta,
    },
    ["commit-beyond-log", "journal-stray-term"],
  ],
  [
    "a log that goes on from such a term",
    { journal: vanillaJournal([...entries, noOp(11, 2 ** 42), noOp(12, 2 ** 42)]), meta },
    ["journal-implausible"],
  ],
  [
    "entries that were cut",
    {
      journal: vanillaJournal(entries, recordOf(journal, 8)),
      meta: vanillaMeta({ currentTerm: 2, votedForNodeId: null, raftCommitIndex: 7 }),
    },
    ["journal-behind-end"],
  ],
  [
    "a first entry of term 1",
    {
      journal: vanillaJournal(log([1, 1])),
      meta: vanillaMeta({ raftCommitIndex: 2, currentTerm: 1, votedForNodeId: null }),
    },
    ["first-entry"],
  ],
  [
    "a dip",
    {
      journal: vanillaJournal(log([0, 5, 5, 1])),
      meta: vanillaMeta({ raftCommitIndex: 2, currentTerm: 5, votedForNodeId: null }),
    },
    ["term-dip"],
  ],
  [
    "a plain delete of a key that is not there",
    {
      journal: vanillaJournal([
        ...entries,
        { index: 11, term: 2, command: encodeDelete("/missing") },
      ]),
      meta,
    },
    ["entry-stops-pysyncobj"],
  ],
  [
    "the same behind a dump",
    {
      journal: vanillaJournal([
        ...entries.slice(3),
        { index: 11, term: 2, command: encodeDelete("/missing") },
      ]),
      meta,
      dump,
    },
    ["entry-stops-pysyncobj"],
  ],
  [
    "an empty meta beside entries that nobody can mend",
    { journal: compacted, meta: new Uint8Array(0) },
    ["dump-missing", "meta-damaged"],
  ],
  [
    "terms beyond measure beside a dump that is missing",
    { journal: vanillaJournal([...entries.slice(3), noOp(11, 2 ** 42), noOp(12, 2 ** 42)]), meta },
    ["dump-missing", "journal-implausible"],
  ],
  ["an empty meta", { journal, meta: new Uint8Array(0) }, ["meta-damaged"]],
  [
    "a low term",
    { journal, meta: vanillaMeta({ raftCommitIndex: 9, currentTerm: 1, votedForNodeId: null }) },
    ["meta-term-behind"],
  ],
  [
    "a term beyond measure",
    {
      journal,
      meta: vanillaMeta({ raftCommitIndex: 9, currentTerm: 2 ** 40, votedForNodeId: null }),
    },
    ["meta-implausible"],
  ],
  [
    "a commit index beyond the log",
    { journal, meta: vanillaMeta({ raftCommitIndex: 11, currentTerm: 2, votedForNodeId: null }) },
    ["commit-beyond-log"],
  ],
  ["no dump", { journal: compacted, meta }, ["dump-missing"]],
  ["a broken dump", { journal: compacted, meta, dump: dump.subarray(0, 99) }, ["dump-damaged"]],
  [
    "a broken dump that nobody needs",
    { journal, meta, dump: dump.subarray(0, 99) },
    ["dump-spare-damaged"],
  ],
  [
    "a gap behind the dump",
    { journal: vanillaJournal(entries.slice(6)), meta, dump },
    ["dump-gap"],
  ],
  [
    "another term at the dump's end",
    { journal: compacted, meta, dump: dumpOf(log([0, 1, 1, 1, 1]), 5) },
    ["dump-contradiction"],
  ],
  ["a stop amid a compaction", { journal, meta, dump }, ["dump-unjoined"]],
  [
    "a dump newer than the journal",
    { journal: vanillaJournal(entries.slice(0, 4)), meta, dump },
    ["commit-beyond-log", "dump-unjoined"],
  ],
  [
    "an older journal than the dump of a member alone",
    {
      ...{ journal: vanillaJournal(entries.slice(0, 3)), meta },
      dump: dumpOf(entries, 5, { members: [address] }),
    },
    ["commit-beyond-log", "journal-older"],
  ],
  [
    "a value from the future in the dump",
    {
      journal: compacted,
      meta,
      dump: dumpOf(entries, 5, { change: (data) => setIndex(data, "/k/3", 6) }),
    },
    ["dump-value-index"],
  ],
  [
    "a dump of others",
    { journal: compacted, meta, dump: dumpOf(entries, 5, { members: ["a:1"] }) },
    ["dump-not-member"],
  ],
  [
    "another value in the dump",
    { journal, meta, dump: dumpOf(entries, 5, { change: (data) => setIndex(data, "/k/3", 2) }) },
    ["dump-unjoined", "store-differs"],
  ],
  [
    "a key that the dump lacks",
    { journal, meta, dump: dumpOf(entries, 5, { change: (data) => data.delete("/k/3") }) },
    ["dump-unjoined", "store-differs"],
  ],
  [
    "the dump's last entry without its effect",
    {
      journal: vanillaJournal(entries.slice(5)),
      meta,
      dump: dumpOf(entries, 7, { change: (data) => data.delete("/k/2") }),
    },
    ["store-differs"],
  ],
  [
    "files beside",
    { journal, meta, beside: [".journal.damaged-20260131T090507.250Z", ".dump.tmp"] },
    ["leftover", "set-aside"],
  ],
];

function setIndex(data: Map<unknown, unknown>, key: string, index: number): void {
  const value = data.get(key);
  assert.ok(value instanceof Map);
  value.set("index", index);
}

for (const [name, files, expected] of cases) {
  test(`${name}: ${expected.join(", ") || "nothing"}`, async (t) => {
    const folder = temporaryFolder(t);
    put(folder, files);
    assert.deepEqual(await verdictOn(folder), expected);
  });
}

/* What Quorate seals. */

/** Two batches, the second one of several sectors. */
const batches: readonly (readonly Entry[])[] = [
  [noOp(2, 9), setEntry(3, 9, "/a", "x")],
  [setEntry(4, 9, "/b", "y".repeat(3000)), setEntry(5, 9, "/c", "z")],
];

type Change = (bytes: Buffer) => Uint8Array;

async function sealed(
  t: TestContext,
  change: { readonly journal?: Change; readonly meta?: Change },
): Promise<string[]> {
  const folder = temporaryFolder(t);
  await quorateMember(folder, batches);
  for (const kind of ["journal", "meta"] as const) {
    const path = join(folder, address + endings[kind]);
    const bytes = change[kind]?.(readFileSync(path));
    if (bytes !== undefined) writeFileSync(path, bytes);
  }
  return await verdictOn(folder);
}

/** The header as it stands before the last batch is known to be durable. */
function unconfirmed(bytes: Buffer): Buffer {
  const previousEnd = recordOf(bytes, 4);
  bytes.writeUInt32LE(previousEnd, 12);
  bytes.writeUInt32LE(crc32(bytes.subarray(40, previousEnd)), 16);
  bytes.fill(0, 9, 12);
  const check = crc32(bytes.subarray(0, 40), 0x51_75_6f_72) & 0xff_ffff;
  bytes.writeUIntLE(check, 9, 3);
  return bytes;
}

/** What PySyncObj does: the record, then the end offset, the rest of the header as it was. */
function withVanillaRecord(bytes: Buffer, entry: Entry): Buffer {
  const at = bytes.readUInt32LE(36);
  const [record, size] = [vanillaJournal([entry]), 24 + entry.command.length];
  const longer = Buffer.concat([
    bytes.subarray(0, at),
    record.subarray(40, 40 + size),
    Buffer.alloc(100),
  ]);
  longer.writeUInt32LE(at + size, 36);
  return longer;
}

const sealedCases: readonly (readonly [string, Parameters<typeof sealed>[1], readonly string[]])[] =
  [
    ["as it was written", {}, []],
    [
      "a flipped byte in the header",
      { journal: (bytes) => changed(bytes, (copy) => copy.fill(0x39, 24, 25)) },
      ["journal-header-damaged"],
    ],
    [
      "a flipped byte in a value",
      {
        journal: (bytes) =>
          changed(bytes, (copy) =>
            copy.fill(0x40, recordOf(bytes, 3) + 60, recordOf(bytes, 3) + 61),
          ),
      },
      ["journal-checksum"],
    ],
    [
      "a last write that is torn",
      { journal: (bytes) => unconfirmed(bytes).fill(0, 1024, 2048) },
      ["journal-torn"],
    ],
    [
      "a last write that is damaged",
      { journal: (bytes) => unconfirmed(bytes).fill(7, 1024, 2048) },
      ["journal-last-batch"],
    ],
    [
      "entries that PySyncObj has cut",
      { journal: (bytes) => changed(bytes, (copy) => copy.writeUInt32LE(recordOf(bytes, 4), 36)) },
      ["journal-end-moved"],
    ],
    [
      "entries that PySyncObj has added",
      { journal: (bytes) => withVanillaRecord(bytes, noOp(6, 9)) },
      ["journal-partly-sealed"],
    ],
    [
      "entries that PySyncObj has added, broken",
      {
        journal: (bytes) =>
          changed(withVanillaRecord(bytes, noOp(6, 9)), (copy) =>
            copy.fill(9, bytes.readUInt32LE(36), bytes.readUInt32LE(36) + 4),
          ),
      },
      ["journal-foreign-tail"],
    ],
    [
      "entries that PySyncObj has added, the end offset lost",
      {
        journal: (bytes) =>
          changed(withVanillaRecord(bytes, noOp(6, 9)), (copy) => copy.writeUInt32LE(0, 36)),
      },
      ["journal-foreign-tail"],
    ],
    [
      "as many bytes by PySyncObj in the place of others",
      {
        journal: (bytes) =>
          changed(bytes, (copy) =>
            copy.fill(0x78, recordOf(bytes, 5) + 60, recordOf(bytes, 5) + 61),
          ),
        meta: () => meta,
      },
      ["commit-beyond-log", "journal-rewritten", "meta-term-behind"],
    ],
    [
      "one copy of the meta",
      { meta: (bytes) => changed(bytes, (copy) => copy.fill(0xff, 5, 9)) },
      ["meta-copy"],
    ],
    [
      "another member's meta",
      { meta: () => encodeMeta({ ...emptyMeta, term: 9, owner: "127.0.0.1:4009" }, crc32) },
      ["meta-foreign"],
    ],
    [
      "a member that waits for a leader",
      {
        meta: () => encodeMeta({ ...emptyMeta, term: 9, owner: address, mustRefetch: true }, crc32),
      },
      ["meta-must-refetch"],
    ],
  ];

for (const [name, change, expected] of sealedCases) {
  test(`Quorate's files, ${name}: ${expected.join(", ") || "nothing"}`, async (t) => {
    assert.deepEqual(await sealed(t, change), expected);
  });
}

test("Quorate's files with a dump: nothing; without their meta: meta-lost", async (t) => {
  const folder = temporaryFolder(t);
  await quorateMember(folder, batches, { dumpAt: 4 });
  assert.deepEqual(await verdictOn(folder), []);
  const bare = temporaryFolder(t);
  for (const kind of ["journal", "dump"] as const) {
    put(bare, { [kind]: readFileSync(join(folder, address + endings[kind])) });
  }
  assert.deepEqual(await verdictOn(bare), ["meta-lost"]);
});

const vectors = join(projectRoot(), "protocol", "vectors");
for (const version of readdirSync(vectors).filter((name) => /^\d/.test(name))) {
  test(`what real members of ${version} have left: nothing but notes, and what nobody can tell`, async () => {
    const found = await findData(nodeFileSystem, join(vectors, version, "files"));
    assert.ok(found.kind === "members" && found.members.length > 6);
    for (const member of found.members) {
      // Records that no member writes, for those who read rubbish behind the end.
      if (member.address === "truncated") continue;
      const { findings } = await verifyMember(nodeFileSystem, member);
      const grave = findings.filter(({ severity }) => severity !== "note");
      // Just made, and of a version that would have its vote in the meta file: nobody can tell.
      const keepsVote = ["0.3.16", "0.3.17"].includes(version);
      const expected = member.address === "new" && keepsVote ? ["vote-unknown"] : [];
      const codes = grave.map(({ code }) => code);
      assert.deepEqual(codes, expected, member.address);
    }
  });
}

test("a process that holds the journal open: in-use", async (t) => {
  const folder = temporaryFolder(t);
  put(folder, { journal, meta });
  const held = openSync(join(folder, `${address}.journal`), "r");
  const child = spawn("sleep", ["60"], { stdio: [held, "ignore", "ignore"] });
  t.after(() => child.kill());
  await new Promise((resolve) => child.once("spawn", resolve));
  assert.deepEqual(await verdictOn(folder), ["in-use"]);
});

after(() => {
  const never = Object.keys(verifyFindings).filter((code) => !produced.has(code));
  assert.deepEqual(never, [], "each finding has a case that produces it");
});
