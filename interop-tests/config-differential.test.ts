import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { loadConfig } from "../src/node/config.js";
import { ConfigError, type ConfigFlags } from "../src/node/config-types.js";
import { isRecord } from "./support/line-channel.js";
import { supportFile } from "./support/project.js";
import { pythonWith } from "./support/python.js";

/** The same files and environments through Patroni's own Config class and through ours. */

interface Case {
  readonly files: readonly string[] | null;
  readonly env: Readonly<Record<string, string>>;
}

const partners = "partner_addrs";
const minimal = "raft: {self_addr: 'a:1'}";
const self = { PATRONI_RAFT_SELF_ADDR: "a:1" };

/** What Patroni can read, and we read alike. */
const alike: readonly Case[] = [
  {
    files: null,
    env: {
      PATRONI_RAFT_SELF_ADDR: "localhost:1234",
      PATRONI_RAFT_DATA_DIR: "data/raft",
      PATRONI_RAFT_PASSWORD: "12345",
    },
  },
  ...[
    "b:2",
    "b:2,c:3",
    " b:2 , c:3 ",
    "'b:2','c:3'",
    "[b:2, \"c:3\", 'a:1']",
    "- b:2\n- c:3",
    "b:2,",
    "'::1:5'",
    '["[::1]:6", b:2]',
    "b:2,b:2",
  ].map((text) => ({ files: null, env: { ...self, PATRONI_RAFT_PARTNER_ADDRS: text } })),
  { files: [minimal], env: {} },
  { files: [minimal], env: { PATRONI_RAFT_SELF_ADDR: "b:2", PATRONI_RAFT_BIND_ADDR: "0.0.0.0:2" } },
  { files: [minimal], env: { PATRONI_RAFT_SELF_ADDR: "", PATRONI_RAFT_PASSWORD: "" } },
  { files: [`raft:\n  self_addr: a:1\n  ${partners}: [b:2, c:3]\n`], env: {} },
  { files: [`raft:\n  self_addr: a:1\n  ${partners}:\n    - b:2\n    - a:1\n`], env: {} },
  { files: [`raft: {self_addr: 'a:1', ${partners}: !!set {'b:2', 'c:3'}}`], env: {} },
  {
    files: [`raft: {self_addr: 'a:1', ${partners}: ['b:2']}`],
    env: { PATRONI_RAFT_PARTNER_ADDRS: "c:3" },
  },
  { files: ["raft: {self_addr: 'a:1', password: ''}"], env: {} },
  { files: ["raft: {self_addr: 'a:1', password: yes and no, data_dir: 'x y'}"], env: {} },
  { files: ["raft: {self_addr: 'a:1', ttl: 40, loop_wait: 0, retry_timeout: '7'}"], env: {} },
  { files: ["x: &r {self_addr: 'a:1', password: p}\nraft: {<<: *r, data_dir: d}"], env: {} },
  { files: ["raft: {self_addr: 'a:1'}\nraft: {self_addr: 'b:2'}"], env: {} },
  { files: [minimal, "raft: {self_addr: 'b:2', password: x}", "raft: {password: null}"], env: {} },
  { files: [minimal, "raft: {data_dir: one}\nscope: x", "raft: null", minimal], env: {} },
  { files: ["scope: x\nraft:\n"], env: self },
  { files: null, env: { ...self, PATRONI_CONFIGURATION: "raft: {self_addr: 'c:3'}" } },
  { files: [minimal], env: { PATRONI_CONFIGURATION: "raft: {self_addr: 'c:3'}" } },
  { files: ["scope: \"a: b\"\nraft:\n  self_addr: a:1 # comment\n  password: 'it''s'\n"], env: {} },
];

/** What neither can use. */
const refusedByBoth: readonly Case[] = [
  { files: null, env: { PATRONI_RAFT_DATA_DIR: "x" } },
  { files: ["scope: x"], env: {} },
  { files: ["- a"], env: self },
  { files: [""], env: self },
  { files: ["raft: {self_addr: 'a:1'"], env: {} },
  { files: ["raft: {}"], env: {} },
  { files: [`raft: {self_addr: 'a:1', ${partners}: 5}`], env: {} },
  { files: ["a: 1\n---\nb: 2"], env: self },
];

/** Patroni starts on these, in a way that nobody means; we refuse. See docs/configuration.md. */
const refusedByUs: readonly Case[] = [
  { files: null, env: { ...self, PATRONI_RAFT_PARTNER_ADDRS: "[b:2" } },
  { files: ["raft: {self_addr: 'a'}"], env: {} },
  { files: ["raft: {self_addr: 'a:1', password: 12345}"], env: {} },
  { files: [`raft: {self_addr: 'a:1', ${partners}: 'b'}`], env: {} },
];

function ours({ files, env }: Case): Record<string, unknown> {
  try {
    const file = files?.map((text, n) => ({ path: `${n}.yml`, text }));
    const { timeouts, ...config } = loadConfig({ file, env, flags: {} });
    return {
      selfAddr: config.selfAddr,
      bindAddr: config.bindAddr,
      partnerAddrs: [...config.partnerAddrs].sort(),
      dataDir: config.dataDir,
      password: config.password,
      dnsCacheMs: timeouts.dnsCacheMs,
      dnsFailCacheMs: timeouts.dnsFailCacheMs,
      discoveryMs: timeouts.discoveryMs,
    };
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return { error: error.message };
  }
}

interface Answers {
  readonly configs: readonly Record<string, unknown>[];
  readonly timeouts: readonly boolean[];
}

async function askPatroni(cases: {
  readonly configs: readonly Case[];
  readonly timeouts: readonly Readonly<Record<string, number>>[];
}): Promise<Answers> {
  const { python, env } = await pythonWith("0.3.17");
  const options = { env: { PATH: process.env["PATH"], ...env } };
  const child = spawn(python, [supportFile("config_twin.py")], options);
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => {
    out += String(chunk);
  });
  child.stderr.on("data", (chunk) => {
    err += String(chunk);
  });
  child.stdin.end(JSON.stringify(cases));
  const code = await new Promise((resolve) => child.on("close", resolve));
  assert.equal(code, 0, err);
  const answers: unknown = JSON.parse(out);
  assert.ok(isRecord(answers));
  const { configs, timeouts } = answers;
  assert.ok(Array.isArray(configs) && Array.isArray(timeouts));
  return { configs, timeouts };
}

test("files and environments read as Patroni reads them", async () => {
  const configs = [...alike, ...refusedByBoth, ...refusedByUs];
  const answers = await askPatroni({ configs, timeouts: [] });
  configs.forEach((each, n) => {
    const theirs = answers.configs[n] ?? {};
    const own = ours(each);
    const what = JSON.stringify(each);
    if (n < alike.length) {
      assert.deepEqual(own, theirs, what);
    } else {
      assert.ok("error" in own, what);
      assert.equal("error" in theirs, n < alike.length + refusedByBoth.length, what);
    }
  });
});

test("the rules between the timeouts are those of SyncObjConf.validate", async () => {
  const tenths = fc.integer({ min: 0, max: 12 }).map((n) => n / 8);
  const timeouts = fc.sample(
    fc.record({
      raftMinTimeout: tenths,
      raftMaxTimeout: tenths,
      appendEntriesPeriod: fc.integer({ min: 0, max: 4 }).map((n) => n / 16),
      connectionTimeout: tenths,
      connectionRetryTime: tenths,
      leaderFallbackTimeout: fc.integer({ min: 0, max: 4 }).map((n) => n / 8),
    }),
    4000,
  );
  const answers = await askPatroni({ configs: [], timeouts });
  let accepted = 0;
  timeouts.forEach((each, n) => {
    const flags: ConfigFlags = {
      selfAddr: "a:1",
      minTimeout: String(each.raftMinTimeout),
      maxTimeout: String(each.raftMaxTimeout),
      appendEntriesPeriod: String(each.appendEntriesPeriod),
      connectionTimeout: String(each.connectionTimeout),
      connectionRetryTime: String(each.connectionRetryTime),
      leaderFallbackTimeout: String(each.leaderFallbackTimeout),
    };
    let isValid = true;
    try {
      loadConfig({ env: {}, flags });
      accepted += 1;
    } catch (error) {
      assert.ok(error instanceof ConfigError);
      isValid = false;
    }
    assert.equal(isValid, answers.timeouts[n], JSON.stringify(each));
  });
  assert.ok(accepted > 40 && accepted < 3000, `${accepted} accepted: both sides are seen`);
});
