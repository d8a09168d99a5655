import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { outcomes, sweep } from "./damage-sweep.js";
import {
  assertNothingIsLost,
  essence,
  type FileKind,
  healthy,
  kinds,
  type MemberFileSet,
  openFileSet,
  quorateFiles,
  vanillaFiles,
} from "./damaged-files.js";

/* Every byte of every file, flipped or cut, one at a time. `npm run soak -- disk-faults --unit` flips
 * each single bit of the files of all versions. */

const masks = [0x04];
/** The records end before it, and behind them are zeros that mean nothing. */
const bytesMax = 450;

describe("a flipped byte or a cut in what Quorate wrote", () => {
  for (const [name, options] of [
    ["closed, no dump", { dump: false, close: true }],
    ["closed, compacted", { dump: true, close: true }],
    ["killed, no dump", { dump: false, close: false }],
    ["killed, compacted", { dump: true, close: false }],
  ] as const) {
    test(`${name}: the state as it was, or refetched`, async () => {
      const files = await quorateFiles(options);
      for (const kind of kinds) {
        if (files[kind] === undefined) continue;
        const tally = await sweep(files, { kind, masks, cuts: true, bytesMax });
        const unnoticed = [...tally].filter(([line]) => line.endsWith("unnoticed"));
        // What was written last before the kill, cut off exactly where it began, looks like a write
        // that never reached the disk.
        const isOpen = kind === "journal" && !options.close;
        assert.deepEqual(unnoticed, isOpen ? [["journal cut: unnoticed", 1]] : [], kind);
        assert.deepEqual(outcomes(tally), [
          "refetch",
          "unharmed",
          ...(isOpen ? ["unnoticed"] : []),
        ]);
      }
    });
  }

  test("no flip in a record passes, and none in the header does harm", async () => {
    const files = await quorateFiles({ dump: false, close: true });
    const tally = await sweep(files, { kind: "journal", masks, cuts: false, bytesMax });
    for (const region of ["size", "index", "term", "command"]) {
      assert.deepEqual(outcomes(tally, `journal ${region}`), ["refetch"], region);
    }
    assert.deepEqual(outcomes(tally, "journal header"), ["unharmed"]);
  });
});

describe("a flipped byte or a cut in what PySyncObj wrote, which has no checksums", () => {
  const everywhere: Readonly<Record<string, readonly string[]>> = {
    "journal header": ["refetch", "unharmed"],
    "journal end offset": ["refetch"],
    "journal size": ["refetch"],
    // The first entry's alone has none before it with which it could be compared.
    "journal index": ["refetch", "refused"],
    // Low bits: a term that could be.
    "journal term": ["refetch", "unnoticed"],
    "journal command": ["unnoticed"],
    "journal cut": ["refetch"],
  };
  for (const version of ["0.3.15", "0.3.17"]) {
    test(`a journal of ${version}: each place is found, or is known not to be`, async () => {
      const files = vanillaFiles(version, "writes");
      const tally = await sweep(files, { kind: "journal", masks, cuts: true, bytesMax: 500 });
      for (const [region, expected] of Object.entries(everywhere)) {
        assert.deepEqual(outcomes(tally, region), expected, region);
      }
    });
    test(`meta and dump of ${version}`, async () => {
      const files = vanillaFiles(version, "stopped");
      const dump = await sweep(files, { kind: "dump", masks, cuts: true });
      // gzip's own header holds bytes that mean nothing.
      assert.deepEqual(outcomes(dump), ["refetch", "unharmed"]);
      const meta = await sweep(files, { kind: "journal.meta", masks, cuts: true });
      assert.deepEqual(outcomes(meta, "journal.meta cut"), ["refetch"]);
      // Up to 0.3.15 there is nothing but the commit index in it.
      const expected = ["refetch", "unharmed", ...(version === "0.3.17" ? ["unnoticed"] : [])];
      assert.deepEqual(outcomes(meta, "journal.meta: "), expected);
    });
  }
});

describe("each file there, empty or missing", () => {
  const states = ["whole", "empty", "missing"] as const;
  async function withStates(files: MemberFileSet, chosen: readonly (typeof states)[number][]) {
    const given: Partial<Record<FileKind, Uint8Array>> = {};
    for (const [at, kind] of kinds.entries()) {
      const bytes = files[kind];
      if (bytes === undefined || chosen[at] === "missing") continue;
      given[kind] = chosen[at] === "empty" ? new Uint8Array() : bytes;
    }
    const opened = await openFileSet(given);
    assertNothingIsLost(given, opened, chosen.join(" "));
    return opened;
  }
  const combinations = states.flatMap((journal) =>
    states.flatMap((meta) => states.map((dump) => [journal, meta, dump] as const)),
  );

  test("Quorate's, compacted: healthy with all of it or with nothing at all", async () => {
    const files = await quorateFiles({ dump: true, close: true });
    const before = healthy(await openFileSet(files));
    assert(before !== null);
    const healthyOnes: string[] = [];
    for (const chosen of combinations) {
      const opened = await withStates(files, chosen);
      const recovered = healthy(opened);
      if (recovered === null) continue;
      healthyOnes.push(chosen.join(" "));
      if (!recovered.isNew) assert.deepEqual(essence(recovered), essence(before));
    }
    // Without any content it is a new member: raft lets one vote only where it meets no history.
    const blank = ["empty missing missing", "missing missing missing"];
    assert.deepEqual(healthyOnes, ["whole whole whole", ...blank]);
  });

  test("Quorate's, not compacted: the journal alone holds the state, meta the vote", async () => {
    const files = await quorateFiles({ dump: false, close: true });
    const found: string[] = [];
    for (const chosen of combinations) {
      if (chosen[2] !== "missing") continue;
      const recovered = healthy(await withStates(files, chosen));
      if (recovered !== null && !recovered.isNew) found.push(chosen.join(" "));
    }
    assert.deepEqual(found, ["whole whole missing"]);
  });

  test("PySyncObj's: a missing meta is none of its faults up to 0.3.15, all else is", async () => {
    for (const [version, harmless] of [
      ["0.3.15", ["whole missing whole"]],
      ["0.3.16", []],
      ["0.3.17", []],
    ] as const) {
      const files = vanillaFiles(version, "stopped");
      const found: string[] = [];
      for (const chosen of combinations) {
        const recovered = healthy(await withStates(files, chosen));
        if (recovered !== null && !recovered.isNew) found.push(chosen.join(" "));
      }
      assert.deepEqual(found, ["whole whole whole", ...harmless], version);
    }
  });
});
