import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { PyFloat, PyTuple, type PyValue } from "../../protocol/pickle/values.js";
import { backUp } from "../../src/tools/backup/back-up.js";
import { BackupError, type BackupFault } from "../../src/tools/backup/backup-error.js";
import { BackupFile } from "../../src/tools/backup/backup-file.js";
import { type BackupEntry, magic } from "../../src/tools/backup/format.js";
import { FileExistsError } from "../../src/tools/new-file.js";

/** The file of a backup: what goes in comes out, and nothing else is ever taken for a backup. */

const folder = mkdtempSync(join(tmpdir(), "quorate-backup-"));
after(() => rmSync(folder, { recursive: true, force: true }));

type Record = readonly [PyValue, Map<PyValue, PyValue>];

function record(key: PyValue, value: PyValue, more: readonly [PyValue, PyValue][] = []): Record {
  const times = [1700000000.5, 1700000001].map((sec) => new PyFloat(sec));
  const fields: [PyValue, PyValue][] = [
    ["value", value],
    ["updated", times[1] ?? null],
    ["created", times[0] ?? null],
    ...more,
    ["index", 7],
  ];
  return [key, new Map(fields)];
}

const small = [
  record("/service/demo/leader", "größe\n\u{1f418}", [["expire", new PyFloat(1700000031)]]),
  record("/service/demo/config", ""),
  record(new PyTuple([1, "a"]), new Uint8Array([0, 255])),
  record("lone \ud800", "x"),
];

async function write(path: string, records: readonly Record[], more: object = {}) {
  return backUp(
    {
      ...{ appliedIndex: 9, term: 3, leader: "a:1", members: ["a:1", "b:2"] },
      ...{ records, size: records.length },
    },
    {
      ...{ path, force: false, prefix: "", software: "0.1.0", takenSec: 1700000002.25 },
      ...{ signal: new AbortController().signal, onProgress: () => {} },
      ...more,
    },
  );
}

async function read(path: string): Promise<BackupEntry[]> {
  const file = await BackupFile.open(path);
  try {
    const entries: BackupEntry[] = [];
    for await (const entry of file.entries()) entries.push(entry);
    assert.equal(entries.length, file.count);
    return entries;
  } finally {
    await file.close();
  }
}

async function faultOf(path: string): Promise<BackupFault | null> {
  try {
    await read(path);
    return null;
  } catch (error) {
    assert.ok(error instanceof BackupError, String(error));
    assert.ok(error.message.startsWith(`${path}: `), error.message);
    return error.code;
  }
}

describe("a backup file", () => {
  const path = join(folder, "small");

  it("holds what was put into it", async () => {
    const written = await write(path, small);
    assert.equal(written.entries, 4);
    assert.equal(written.bytes, readFileSync(path).length);
    const file = await BackupFile.open(path);
    assert.deepEqual(file.header, written.header);
    assert.deepEqual(file.header, {
      ...{ software: "0.1.0", takenSec: 1700000002.25, appliedIndex: 9, term: 3 },
      ...{ leader: "a:1", members: ["a:1", "b:2"], prefix: "" },
    });
    assert.equal(file.sha256, written.sha256);
    await file.close();
    const [leader, config, tuple, lone] = await read(path);
    assert.deepEqual(leader, {
      ...{ kind: "plain", key: "/service/demo/leader", value: "größe\n\u{1f418}" },
      ...{ created: 1700000000.5, updated: 1700000001, expire: 1700000031, index: 7 },
    });
    assert.ok(config?.kind === "plain" && config.value === "" && config.expire === null);
    assert.ok(tuple?.kind === "odd" && lone?.kind === "odd");
    assert.deepEqual([tuple.key, tuple.dict], small[2]);
    assert.deepEqual([lone.key, lone.dict], small[3]);
  });

  it("is refused with any one byte changed", async () => {
    const little = join(folder, "little");
    await write(little, small.slice(0, 3));
    const whole = readFileSync(little);
    const changed = join(folder, "changed");
    const found = new Map<BackupFault | null, number>();
    for (let at = 0; at < whole.length; at++) {
      for (const bits of [0x01, 0xff]) {
        const bytes = Buffer.from(whole);
        bytes.writeUInt8(bytes.readUInt8(at) ^ bits, at);
        writeFileSync(changed, bytes);
        const fault = await faultOf(changed);
        if (at < magic.length) assert.equal(fault, "foreign", `byte ${at}`);
        else assert.notEqual(fault, null, `byte ${at} ^ ${bits}`);
        found.set(fault, (found.get(fault) ?? 0) + 1);
      }
    }
    assert.deepEqual([...found.keys()].sort(), ["damaged", "foreign", "truncated"]);
  });

  it("is refused wherever it is cut, and with anything behind it", async () => {
    const whole = readFileSync(path);
    const cut = join(folder, "cut");
    for (let length = 0; length < whole.length; length++) {
      writeFileSync(cut, whole.subarray(0, length));
      const fault = await faultOf(cut);
      if (length === 0) assert.equal(fault, "foreign");
      else assert.equal(fault, "truncated", `${length} bytes`);
    }
    writeFileSync(cut, Buffer.concat([whole, Buffer.of(0)]));
    assert.equal(await faultOf(cut), "truncated");
    // Two backups, one behind the other: the end is whole, but not of all that is before it.
    writeFileSync(cut, Buffer.concat([whole, whole]));
    assert.equal(await faultOf(cut), "damaged");
  });

  it("is refused where a newer version wrote it, and says so", async () => {
    const bytes = readFileSync(path);
    bytes.writeUInt8(2, magic.length);
    const newer = join(folder, "newer");
    writeFileSync(newer, bytes);
    await assert.rejects(BackupFile.open(newer), /it has format 2, and this version of Quorate/);
  });

  it("is refused where it is something else", async () => {
    const other = join(folder, "other");
    for (const bytes of [Buffer.alloc(4096), Buffer.from("{}\n"), Buffer.from([0x93, 0xae])]) {
      writeFileSync(other, bytes);
      assert.notEqual(await faultOf(other), null);
    }
  });

  it("takes nobody's place unless it is told to, and leaves nothing behind", async () => {
    const before = readFileSync(path);
    await assert.rejects(write(path, []), FileExistsError);
    assert.deepEqual(readFileSync(path), before);
    assert.equal((await write(path, small.slice(0, 1), { force: true })).entries, 1);
    assert.equal((await read(path)).length, 1);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.endsWith(".part")),
      [],
    );
  });

  it("is not there where it was stopped", async () => {
    const stopped = join(folder, "stopped");
    const stop = new AbortController();
    function* records() {
      for (let n = 0; n < 20_000; n++) {
        if (n === 10_000) stop.abort(new Error("stopped by hand"));
        yield record(`/key/${n}`, "x".repeat(100));
      }
    }
    const source = { appliedIndex: 1, term: 1, leader: null, members: [], size: 20_000 };
    await assert.rejects(
      backUp(
        { ...source, records: records() },
        {
          ...{ path: stopped, force: false, prefix: "", software: "0.1.0", takenSec: 1 },
          ...{ signal: stop.signal, onProgress: () => {} },
        },
      ),
      /stopped by hand/,
    );
    assert.ok(!readdirSync(folder).some((name) => name.includes("stopped")));
  });

  it("takes keys of one prefix only", async () => {
    const some = join(folder, "some");
    const result = await write(some, small, { prefix: "/service/demo/c" });
    assert.equal(result.entries, 1);
    assert.equal((await read(some)).length, 1);
  });
});
