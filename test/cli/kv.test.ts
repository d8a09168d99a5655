import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { CliContext } from "../../src/cli/context.js";
import { formatTree } from "../../src/cli/kv-tree.js";
import { processContext, runCommandLine } from "../../src/cli/main.js";
import { ObserverClient } from "../../src/client/observer-client.js";
import { silentLogger } from "../../src/logger.js";
import { loadConfig } from "../../src/node/config.js";
import { Member } from "../../src/node/member.js";
import { freeAddress, until } from "../net/support/networks.js";

/** The commands under `kv` against a real member, alone in its cluster. */

const dataDir = mkdtempSync(join(tmpdir(), "quorate-kv-"));
let address = "";
let member: Member | null = null;

before(async () => {
  address = await freeAddress("127.0.0.31");
  await startMember();
});

async function startMember(): Promise<void> {
  const config = loadConfig({ env: {}, flags: { selfAddr: address, dataDir } });
  member = await Member.start(config, silentLogger);
}

after(async () => {
  await member?.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function kv(args: readonly string[], context: Partial<CliContext> = {}): Promise<Outcome> {
  const text = { out: "", err: "" };
  const code = await runCommandLine(
    {
      ...processContext(),
      env: {},
      out: (more) => {
        text.out += more;
      },
      err: (more) => {
        text.err += more;
      },
      ...context,
    },
    ["node", "quorate", "kv", ...args, "--addr", address],
  );
  return { code, ...text };
}

async function prints(args: readonly string[], out: string | RegExp): Promise<void> {
  const result = await kv(args);
  assert.deepEqual([result.code, result.err], [0, ""]);
  if (typeof out === "string") assert.equal(result.out, out);
  else assert.match(result.out, out);
}

async function fails(args: readonly string[], code: number, err: RegExp): Promise<void> {
  const result = await kv(args);
  assert.deepEqual([result.code, result.out], [code, ""]);
  assert.match(result.err, err);
}

describe("quorate kv", () => {
  it("puts, gets and deletes", async () => {
    await prints(["put", "/a", "größe\n2"], /^set "\/a" \(index \d+\)\n$/);
    await prints(["get", "/a"], "größe\n2\n");
    await prints(["delete", "/a"], /^deleted "\/a" \(index \d+\)\n$/);
    await fails(["get", "/a"], 1, /^quorate: there is no key "\/a"\n$/);
    await fails(["delete", "/a"], 1, /there is no key "\/a", or the conditions do not hold/);
  });

  it("takes a value from standard input, as it is", async () => {
    const text = '{"a": 1}\n';
    const result = await kv(["put", "/json", "-"], { stdin: () => Promise.resolve(text) });
    assert.equal(result.code, 0);
    const shown = await kv(["get", "/json", "--json"]);
    assert.equal(JSON.parse(shown.out).value, text);
  });

  it("obeys Patroni's conditions", async () => {
    await prints(["put", "/c", "1", "--prev-exist", "false"], /^set/);
    await fails(["put", "/c", "2", "--prev-exist", "false"], 1, /the conditions do not hold/);
    await fails(["put", "/c", "2", "--prev-value", "x"], 1, /the conditions do not hold/);
    await prints(["put", "/c", "2", "--prev-value", "1"], /^set/);
    const { index } = JSON.parse((await kv(["get", "/c", "--json"])).out);
    await fails(["put", "/c", "3", "--prev-index", String(index + 1)], 1, /do not hold/);
    await prints(["put", "/c", "3", "--prev-index", String(index)], /^set/);
    await fails(["delete", "/c", "--prev-value", "1"], 1, /do not hold/);
    await prints(["delete", "/c", "--prev-value", "3"], /^deleted/);
  });

  it("says in JSON whether it was done", async () => {
    const put = JSON.parse((await kv(["put", "/j", "1", "--json"])).out);
    assert.deepEqual([put.done, put.key, put.value], [true, "/j", "1"]);
    const refused = await kv(["put", "/j", "2", "--prev-exist", "false", "--json"]);
    assert.deepEqual([refused.code, JSON.parse(refused.out)], [1, { key: "/j", done: false }]);
    const deleted = JSON.parse((await kv(["delete", "/j", "--json"])).out);
    assert.equal(deleted.done, true);
    const missing = await kv(["delete", "/j", "--json"]);
    assert.deepEqual([missing.code, JSON.parse(missing.out)], [1, { key: "/j", done: false }]);
  });

  it("says in JSON whether there is a key", async () => {
    await kv(["put", "/there", "1"]);
    const there = await kv(["get", "/there", "--json"]);
    const { key, exists, value } = JSON.parse(there.out);
    assert.deepEqual([there.code, key, exists, value], [0, "/there", true, "1"]);
    const missing = await kv(["get", "/nowhere", "--json"]);
    assert.deepEqual([missing.code, missing.err], [1, ""]);
    assert.deepEqual(JSON.parse(missing.out), { key: "/nowhere", exists: false });
  });

  it("shows what a write would do, by the conditions, and does nothing", async () => {
    const put = ["put", "/dry", "2", "--dry-run"];
    await prints(put, 'would set "/dry", which is not there\n');
    await fails(["get", "/dry"], 1, /there is no key/);
    await kv(["put", "/dry", "1"]);
    await prints([...put, "--prev-value", "1"], 'would set "/dry", which is 1\n');
    await fails([...put, "--prev-value", "3"], 1, /do not hold: "\/dry" stays as it is/);
    await fails([...put, "--prev-exist", "false"], 1, /do not hold/);
    const refused = await kv([...put, "--prev-index", "1", "--json"]);
    assert.equal(refused.code, 1);
    assert.deepEqual([JSON.parse(refused.out).wouldSet, refused.err], [false, ""]);
    const remove = ["delete", "/dry", "--dry-run"];
    await prints([...remove, "--prev-value", "1"], "would delete /dry\n");
    await fails([...remove, "--prev-value", "2"], 1, /the conditions do not hold: nothing/);
    await fails(["delete", "/nowhere", "--dry-run"], 1, /there is no key "\/nowhere"/);
    const nothing = ["delete", "/nowhere/", "--recursive", "--dry-run"];
    await fails(nothing, 1, /no key begins with "\/nowhere\/": nothing was deleted/);
    await prints(["get", "/dry"], "1\n");
  });

  it("gives a key a time to live", async () => {
    await prints(["put", "/ttl", "x", "--ttl", "0.3"], /^set/);
    const { expire, updated } = JSON.parse((await kv(["get", "/ttl", "--json"])).out);
    assert.ok(Math.abs(expire - updated - 0.3) < 1e-6);
    await until(() => member?.applied.store.get("/ttl") === null, "it goes");
  });

  it("lists, as keys, table, tree and JSON", async () => {
    for (const key of ["/ls/b", "/ls/a", "/ls/a/1", "/lsx"]) await kv(["put", key, `v${key}`]);
    await prints(["ls", "/ls/"], "/ls/a\n/ls/a/1\n/ls/b\n");
    await prints(
      ["ls", "/ls/b", "--long"],
      /^KEY +INDEX +UPDATED +EXPIRES +VALUE\n\/ls\/b +\d+ +\d{4}-.* - +v\/ls\/b\n$/,
    );
    await prints(
      ["ls", "/ls/", "--tree"],
      "└── /ls\n    ├── /a = v/ls/a\n    │   └── /1 = v/ls/a/1\n    └── /b = v/ls/b\n",
    );
    const json = JSON.parse((await kv(["ls", "/ls/", "--json"])).out);
    assert.deepEqual(Object.keys(json.entries), ["/ls/a", "/ls/a/1", "/ls/b"]);
    assert.deepEqual(json.entries["/ls/b"].value, "v/ls/b");
    assert.ok(json.appliedIndex > 0);
  });

  it("deletes what begins with a prefix, and shows it before", async () => {
    for (const key of ["/old/1", "/old/2", "/older"]) await kv(["put", key, "x"]);
    const plan = "would delete /old/1\nwould delete /old/2\n";
    await prints(["delete", "/old/", "--recursive", "--dry-run"], plan);
    await prints(["delete", "/old/", "--recursive"], /^deleted 2 keys that begin with "\/old\/"/);
    await prints(["ls", "/old"], "/older\n");
    await fails(["delete", "", "--recursive"], 2, /an empty prefix/);
    await fails(["delete", "/o", "--recursive", "--prev-value", "x"], 2, /conditions/);
  });

  it("watches: what there is, then what changes, until it is interrupted", async () => {
    await kv(["put", "/watch/1", "old"]);
    let interrupt = (): void => {};
    let seen = "";
    const watching = kv(["watch", "/watch/", "--current"], {
      out: (text) => {
        seen += text;
      },
      onInterrupt: (listener) => {
        interrupt = listener;
        return () => {};
      },
    });
    await until(() => seen.includes("old"), "what there is");
    await kv(["put", "/watch/1", "new\n"]);
    await kv(["put", "/elsewhere", "x"]);
    await kv(["delete", "/watch/1"]);
    await until(() => seen.includes("delete"), "all changes");
    interrupt();
    assert.deepEqual(await watching, { code: 0, out: "", err: "" });
    const lines = seen.replace(/^\d+/gm, "n");
    assert.equal(
      lines,
      "n  set     /watch/1  old\nn  set     /watch/1  new\\u000a\nn  delete  /watch/1\n",
    );
  });

  it("watches as JSON, so many lines", async () => {
    let seen = "";
    const watching = kv(["watch", "/w", "--json", "--count", "2"], {
      out: (text) => {
        seen += text;
      },
      connect: async (options) => {
        const client = await ObserverClient.connect(options);
        setImmediate(() => void client.set("/w", "1").then(() => client.set("/w", "2")));
        return client;
      },
    });
    assert.equal((await watching).code, 0);
    const changes = seen
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      changes.map(({ kind, key, entry, afterGap }) => [kind, key, entry.value, afterGap]),
      [
        ["set", "/w", "1", false],
        ["set", "/w", "2", false],
      ],
    );
  });

  it("says of a write that Ctrl-C has ended what became of it", async () => {
    const { code, out, err } = await kv(["put", "/stopped", "x"], {
      onInterrupt: (listener) => {
        listener();
        return () => {};
      },
    });
    assert.deepEqual([code, out, err], [130, "", "quorate: stopped: not done\n"]);
  });

  it("says that there is no leader, and when there is one again", async () => {
    let interrupt = (): void => {};
    const seen = { out: "", err: "" };
    await kv(["put", "/again", "before"]);
    const watching = kv(["watch", "/again", "--current"], {
      out: (text) => {
        seen.out += text;
      },
      err: (text) => {
        seen.err += text;
      },
      onInterrupt: (listener) => {
        interrupt = listener;
        return () => {};
      },
    });
    await until(() => seen.out.includes("before"), "the watch is there", 20_000);
    await member?.stop();
    const lost =
      /^quorate: no member can be reached: waiting, changes are printed when there is one again$/gm;
    await until(() => seen.err.match(lost) !== null, "the line that says so", 20_000);
    await startMember();
    const found = `quorate: ${address} leads: the watch goes on\n`;
    await until(() => seen.err.includes(found), "the line that it goes on", 20_000);
    await kv(["put", "/again", "after"]);
    await until(() => seen.out.includes("after"), "the change", 20_000);
    interrupt();
    assert.equal((await watching).code, 0);
    // A stall of this process may be taken for one more loss; each look at it is not one.
    assert.ok((seen.err.match(lost)?.length ?? 0) <= 2, seen.err);
  });

  it("tells a write that may be done from one that is not", async () => {
    const failing = (reason: "LEADER_CHANGED" | "MISSING_LEADER", mayBeDone: boolean) =>
      kv(["put", "/x", "1", "--timeout", "0.5"], {
        connect: async (options) => {
          const client = await ObserverClient.connect(options);
          client.set = () =>
            Promise.resolve({ ok: false, reason, error: 5, mayBeDone, message: "why" });
          return client;
        },
      });
    const unknown = await failing("LEADER_CHANGED", true);
    assert.equal(unknown.code, 3);
    assert.match(unknown.err, /LEADER_CHANGED: why: the write may be done or not/);
    const undone = await failing("MISSING_LEADER", false);
    assert.equal(undone.code, 1);
    assert.match(undone.err, /MISSING_LEADER: why: not done/);
  });

  it("refuses what makes no sense", async () => {
    await fails(["put", "/a", "1", "--ttl", "0"], 2, /--ttl is "0" but must be seconds/);
    await fails(["put", "", "1"], 2, /the key is empty: give KEY/);
    await fails(["put", "", "1", "--dry-run"], 2, /the key is empty: give KEY/);
    await fails(["get", ""], 1, /there is no key ""/);
    await fails(["delete", "", "--recursive"], 2, /does not go with an empty prefix/);
    await fails(["put", "/a", "1", "--prev-index", "x"], 2, /--prev-index is "x"/);
    await fails(["put", "/a", "1", "--prev-exist", "maybe"], 2, /true, false/);
    await fails(["watch", "--count", "0"], 2, /--count is "0"/);
    assert.equal((await kv(["frob"])).code, 2);
  });

  it("says why nobody answers", async () => {
    const nobody = await freeAddress("127.0.0.32");
    const { code, err } = await kv(["get", "/a", "--timeout", "0.4", "--addr", nobody], {
      connect: (options) => ObserverClient.connect({ ...options, addresses: [nobody] }),
    });
    assert.equal(code, 1);
    assert.match(err, /not ready after 400 ms: none of 127\.0\.0\.32:\d+ can be reached/);
  });
});

describe("formatTree", () => {
  it("shows keys with and without slashes, and keys below keys", () => {
    const entries = ["", "/", "//x", "a", "a/", "a/b"].map((key) => [key, "v"] as const);
    assert.equal(
      formatTree(entries),
      "├──  = v\n├── / = v\n│   └── /x = v\n└── a = v\n    ├── / = v\n    └── /b = v\n",
    );
  });
});
