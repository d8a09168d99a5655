import type { Mutant } from "./mutant.js";

/** What a disk has to hold after a crash. */
export const fileMutants: readonly Mutant[] = [
  {
    name: "vote-forgotten",
    rule: "a restart forgets whom the member voted for",
    file: "src/storage/recovery.js",
    edits: [
      ["votedFor: storedTerm >= entryTerm ? (meta?.votedFor ?? null) : null", "votedFor: null"],
    ],
    profile: "beside-0.3.17",
  },
  {
    name: "term-forgotten",
    rule: "a restart forgets the term, and knows only that of its entries",
    file: "src/storage/recovery.js",
    edits: [["const term = Math.max(storedTerm, entryTerm)", "const term = entryTerm"]],
    profile: "crashes",
  },
  {
    name: "journal-not-synced",
    rule: "an append is not synced",
    file: "src/storage/file-system.js",
    edits: [["await file.sync();", ""]],
    profile: "crashes",
  },
  {
    name: "meta-not-synced",
    rule: "term and vote are renamed into place without a sync",
    file: "src/storage/meta-file.js",
    edits: [["await file.sync();", ""]],
    profile: "crashes",
  },
  {
    name: "meta-name-not-synced",
    rule: "the directory is not synced after term and vote were renamed",
    file: "src/storage/meta-file.js",
    edits: [["await this.#fs.syncDirectory(dirname(this.path));", ""]],
    profile: "crashes",
  },
  {
    name: "failed-sync-ignored",
    rule: "a failed sync is taken for a good one",
    file: "src/storage/journal-file.js",
    edits: [
      ["throw syncFault(cause, this.path);", ""],
      [
        "throw error instanceof FailedSync ? syncFault(error.cause, this.path) : error;",
        "if (!(error instanceof FailedSync)) throw error;",
      ],
    ],
    profile: "disks",
  },
  {
    name: "journal-before-dump",
    rule: "a compaction puts the journal in place before the dump",
    file: "src/storage/log-files.js",
    edits: [
      [
        "if (dump !== this.dumps.current) {\n                await this.dumps.putInPlace(dump);\n                await this.#fs.syncDirectory(directory);\n            }\n            await this.#fs.rename(temporaryJournal, path);",
        "await this.#fs.rename(temporaryJournal, path);\n            if (dump !== this.dumps.current) {\n                await this.dumps.putInPlace(dump);\n                await this.#fs.syncDirectory(directory);\n            }",
      ],
    ],
    profile: "dumps",
  },
  {
    name: "dump-not-synced",
    rule: "a dump is put in place without a sync",
    file: "src/storage/dump-files.js",
    edits: [["await file.sync();\n            }\n            finally", "}\n            finally"]],
    profile: "dumps",
  },
  {
    name: "dump-of-replaced-store",
    rule: "a dump begun before committed entries had to go is put in place",
    file: "src/node/compaction.js",
    edits: [["this.#abort.abort();\n        if (dumpIndex", "if (dumpIndex"]],
    profile: "conflicts",
  },
];
