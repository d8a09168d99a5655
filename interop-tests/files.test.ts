import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { promisify } from "node:util";
import type { Entry } from "../protocol/log/entry.js";
import { type PyDict, PyFloat, type PyValue } from "../protocol/pickle/values.js";
import { silentLogger } from "../src/logger.js";
import { type Recovered, Storage } from "../src/storage/storage.js";
import { Store } from "../src/store/store.js";
import { pythonWith } from "./support/python.js";

const versions = ["0.3.8", "0.3.15", "0.3.17"];
const runFile = promisify(execFile);
const folders: string[] = [];

after(async () => {
  for (const folder of folders) await rm(folder, { recursive: true });
});

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "quorate-files-"));
  folders.push(folder);
  return folder;
}

/** Shared by the scripts: upstream's own classes on one member's files. */
const prelude = `
import json, os, sys, threading, time
from pysyncobj.journal import createJournal
from pysyncobj.serializer import Serializer
from pysyncobj.node import TCPNode
base = sys.argv[1]
def journal():
    return createJournal(base + '.journal')
def serializer():
    return Serializer(base + '.dump', 65536, False, None, None, None)
def show(j):
    return [[c.hex(), i, t] for c, i, t in (j[n] for n in range(len(j)))]
`;

async function python(version: string, script: string, base: string): Promise<unknown> {
  const { python: program, env } = await pythonWith(version);
  const options = { env: { ...process.env, ...env }, timeout: 60_000 };
  const { stdout } = await runFile(program, ["-c", prelude + script, base], options);
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
}

async function open(
  dataDir: string,
  selfAddr: string,
): Promise<{ storage: Storage; recovered: Recovered }> {
  return await Storage.open({ dataDir, selfAddr, logger: silentLogger });
}

async function reopened(dataDir: string, selfAddr: string): Promise<Recovered> {
  const { storage, recovered } = await open(dataDir, selfAddr);
  await storage.close();
  return recovered;
}

function entry(index: number, term: number, length = 50): Entry {
  return { index, term, command: new Uint8Array(length).fill(index % 200) };
}

function shown(entries: readonly Entry[]): unknown {
  return entries.map((e) => [Buffer.from(e.command).toString("hex"), e.index, e.term]);
}

function* records(): Generator<readonly [PyValue, PyDict]> {
  for (const name of ["/a", "/ü", "/b"]) {
    const value: PyDict = new Map<PyValue, PyValue>([
      ["value", `${name} wert ü`],
      ["updated", new PyFloat(2)],
      ["created", new PyFloat(1)],
      ["index", 3],
    ]);
    yield [name, value];
  }
}

/** Our files after some life; not closed: as a SIGKILL leaves them. */
async function lived(dataDir: string, selfAddr: string): Promise<Storage> {
  const { storage } = await open(dataDir, selfAddr);
  const many = Array.from({ length: 500 }, (_, at) => entry(at + 2, 6));
  await storage.write([
    { kind: "meta", term: 6, votedFor: selfAddr },
    { kind: "append", entries: many },
  ]);
  await storage.write([{ kind: "truncate", fromIndex: 480 }]);
  await storage.write([{ kind: "append", entries: [entry(480, 7), entry(481, 7, 70_000)] }]);
  const members = [selfAddr, "127.0.0.1:4999"];
  const source = { last: entry(451, 6), previous: entry(450, 6), members, codeVersion: 0 };
  await storage.writeDump({ ...source, records: records() });
  await storage.write([{ kind: "compact", keepFrom: 450 }]);
  await storage.write([{ kind: "append", entries: [entry(482, 7), entry(483, 8)] }]);
  storage.saveCommitIndex(482);
  return storage;
}

for (const version of versions) {
  describe(`files of PySyncObj ${version}`, () => {
    const selfAddr = "127.0.0.1:4001";

    test("upstream reads ours, closed or not, and would not clear the journal", async () => {
      const dataDir = await newFolder();
      const storage = await lived(dataDir, selfAddr);
      const script = `
j = journal()
d = serializer().deserialize()
print(json.dumps({'entries': show(j), 'fits': j[0] == d[2] and j[1] == d[1],
  'commit': j.getRaftCommitIndex(), 'meta': [j._FileJournal__meta[k] for k in ('currentTerm', 'votedForNodeId')],
  'keys': sorted(d[0]['_KVStoreTTL__data']), 'value': d[0]['_KVStoreTTL__data']['/a'],
  'version': d[0]['_SyncObj__enabledCodeVersion'], 'nodes': sorted(n.id for n in d[3]),
  'ports': sorted(n.port for n in d[3]), 'ips': sorted(n.ip for n in d[3])}))
`;
      const base = join(dataDir, selfAddr);
      const unclosed = await python(version, script, base);
      await storage.close();
      const closed = await python(version, script, base);
      const entries = [
        ...Array.from({ length: 30 }, (_, at) => entry(at + 450, 6)),
        ...[entry(480, 7), entry(481, 7, 70_000), entry(482, 7), entry(483, 8)],
      ];
      const expected = {
        entries: shown(entries),
        fits: true,
        meta: [6, selfAddr],
        keys: ["/a", "/b", "/ü"],
        value: { value: "/a wert ü", updated: 2.0, created: 1.0, index: 3 },
        version: 0,
        nodes: ["127.0.0.1:4001", "127.0.0.1:4999"],
        ports: [4001, 4999],
        ips: ["127.0.0.1", "127.0.0.1"],
      };
      assert.deepEqual(closed, { ...expected, commit: 482 });
      assert.deepEqual({ ...(unclosed as object), commit: 0 }, { ...expected, commit: 0 });
    });

    test("we read upstream's: journal, meta, dump", async () => {
      const dataDir = await newFolder();
      const script = `
j = journal()
j.add(b'\\x01', 1, 0)
for n in range(2, 40): j.add(b'x' * n, n, 2)
j.deleteEntriesFrom(30)
j.add(b'\\x01', 31, 5)
j.add(b'after', 32, 3)
j.deleteEntriesTo(20)
j.setRaftCommitIndex(77)
j.onOneSecondTimer()
data = {'_SyncObj__enabledCodeVersion': 1, '_KVStoreTTL__data': {'/k': {'value': 'v', 'created': 1.5, 'updated': 1.5, 'index': 9}}}
serializer().serialize((data, j[1], j[0], {TCPNode('127.0.0.1:4001'), TCPNode('127.0.0.1:5')}), 1)
print(json.dumps(show(j)))
`;
      const theirs = await python(version, script, join(dataDir, selfAddr));
      const recovered = await reopened(dataDir, selfAddr);
      assert.deepEqual(shown(recovered.entries), theirs);
      assert.deepEqual([recovered.term, recovered.commitIndex, recovered.isNew], [5, 32, false]);
      assert.deepEqual(recovered.findings, []);
      assert.equal(recovered.mustRefetch, false);
      assert.equal(recovered.dump?.codeVersion, 1);
      assert.deepEqual(recovered.dump?.members.toSorted(), ["127.0.0.1:4001", "127.0.0.1:5"]);
      const value = Store.fromDump(recovered.dump?.data ?? new Map()).get("/k");
      assert(value instanceof Map);
      assert.deepEqual(value.get("created"), new PyFloat(1.5));
    });

    test("upstream goes on with our journal, and we with what it leaves", async () => {
      const changes = [
        `j.add(b'one', 484, 9)\nj.add(b'y' * 3000, 485, 9)`,
        `j.deleteEntriesFrom(len(j) - 1)\nj.add(b'other', 483, 9)`,
        `j.deleteEntriesFrom(len(j) - 1)\nj.add(b'z' * 50, 483, 9)`,
        `j.deleteEntriesFrom(len(j) - 4)\nj.add(b'one', 480, 9)\nj.add(b'two', 481, 9)`,
      ];
      for (const change of changes) {
        const dataDir = await newFolder();
        await (await lived(dataDir, selfAddr)).close();
        const script = `
j = journal()
${change}
j.setRaftCommitIndex(480)
j.onOneSecondTimer()
print(json.dumps(show(j)))
`;
        const theirs = await python(version, script, join(dataDir, selfAddr));
        const recovered = await reopened(dataDir, selfAddr);
        assert.deepEqual(shown(recovered.entries), theirs, change);
        assert.deepEqual([recovered.term, recovered.mustRefetch], [9, false], change);
        const again = await reopened(dataDir, selfAddr);
        assert.deepEqual([shown(again.entries), again.findings], [theirs, []], change);
      }
    });

    test("Patroni's member starts on our directory, and we on the one that it leaves", async () => {
      const dataDir = await newFolder();
      const ownAddr = `127.0.0.1:${await freePort()}`;
      const { storage } = await open(dataDir, ownAddr);
      await storage.write([
        { kind: "meta", term: 3, votedFor: ownAddr },
        { kind: "append", entries: [noOp(2, 3), noOp(3, 3), noOp(4, 3)] },
      ]);
      const source = { last: noOp(3, 3), previous: noOp(2, 3), members: [ownAddr], codeVersion: 0 };
      await storage.writeDump({ ...source, records: records() });
      await storage.write([{ kind: "compact", keepFrom: 2 }]);
      await storage.close();
      const script = `
from patroni.dcs.raft import KVStoreTTL
folder, address = os.path.split(base)
o = KVStoreTTL(None, None, None, self_addr=address, partner_addrs=[], data_dir=folder, commandsWaitLeader=True)
def tick(done, limit=20):
    end = time.time() + limit
    while time.time() < end and not done(): o.doTick(0.02)
    assert done()
tick(lambda: o._isReady())
found = sorted(o._KVStoreTTL__data)
t = threading.Thread(target=lambda: o.set('/new', 'value', timeout=10))
t.start()
tick(lambda: not t.is_alive())
o.forceLogCompaction()
start = time.time()
tick(lambda: time.time() - start > 1.5)
term = o.getStatus()['raft_term']
o.destroy(); o.doTick(0.1)
print(json.dumps({'found': found, 'term': term}))
`;
      const said = await python(version, script, join(dataDir, ownAddr));
      const theirs = said as { found: string[]; term: number };
      assert.deepEqual(theirs.found, ["/a", "/b", "/ü"]);
      const recovered = await reopened(dataDir, ownAddr);
      assert.equal(recovered.mustRefetch, false);
      assert.deepEqual(recovered.findings, []);
      assert(recovered.term >= 3 && recovered.term >= theirs.term);
      const store = Store.fromDump(recovered.dump?.data ?? new Map());
      const keys = [...store.entries()].map(([key]) => key);
      assert.deepEqual(keys.sort(), ["/a", "/b", "/new", "/ü"]);
    });
  });
}

function noOp(index: number, term: number): Entry {
  return { index, term, command: Uint8Array.of(1) };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
