import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { loadClientConfig, loadConfig } from "../../src/node/config.js";
import { settingList } from "../../src/node/config-settings.js";
import { type Config, ConfigError, type ConfigSources } from "../../src/node/config-types.js";

const minimal = "raft:\n  self_addr: a:1\n";

function load(sources: Partial<ConfigSources> & { yaml?: string }): Config {
  const { yaml, ...rest } = sources;
  const file = yaml === undefined ? rest.file : { path: "p.yml", text: yaml };
  return loadConfig({ env: {}, flags: {}, ...rest, file });
}

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    assert.ok(!error.message.includes("\n"), "one line");
    return error.message;
  }
  return assert.fail("accepted");
}

describe("configuration: defaults", () => {
  it("makes a one-member cluster of three variables, as Patroni's development tree does", () => {
    const config = load({
      env: {
        PATRONI_RAFT_SELF_ADDR: "localhost:1234",
        PATRONI_RAFT_DATA_DIR: "data/raft",
        PATRONI_RAFT_PASSWORD: "12345",
      },
    });
    assert.deepEqual(config, {
      selfAddr: "localhost:1234",
      bindAddr: null,
      partnerAddrs: [],
      dataDir: "data/raft",
      password: "12345",
      timeouts: {
        electionTimeoutMinMs: 400,
        electionTimeoutMaxMs: 1400,
        heartbeatPeriodMs: 100,
        connectionTimeoutMs: 3500,
        connectionRetryMs: 5000,
        leaderFallbackMs: 30_000,
        dnsCacheMs: 30_000,
        dnsFailCacheMs: 10_000,
        discoveryMs: 10_000,
      },
      compaction: { minEntries: 5000, minTimeMs: 300_000 },
      onConflict: "keep",
      entryBytesMax: 8_388_608,
      dataBytesMax: 268_435_456,
      http: null,
      log: { level: "info", format: "text" },
      warnings: [],
    });
  });

  it("says what to set where nothing gives the member an address", () => {
    const message = messageOf(() => load({}));
    assert.match(message, /raft\.self_addr.*PATRONI_RAFT_SELF_ADDR.*--self-addr/);
  });
});

describe("configuration: the file", () => {
  it("reads Patroni's raft section and timeouts in seconds", () => {
    const config = load({
      yaml: `
scope: demo
ttl: 40
loop_wait: 11
retry_timeout: 12
raft:
  self_addr: 10.0.0.1:2222
  bind_addr: 0.0.0.0:2222
  partner_addrs: [10.0.0.2:2222, "h3.example:2222"]
  data_dir: /var/lib/raft
  password: "s3cret"
  min_timeout: 0.5
  max_timeout: 2
  connection_timeout: 4
  append_entries_period: 0.125
  connection_retry_time: 1.5
  leader_fallback_timeout: 7
quorate:
  http: 127.0.0.1:8008
  log_level: debug
  log_format: json
  on_conflict: halt
  log_compaction_min_entries: 100
  log_compaction_min_time: 60
postgresql: {listen: "x:5432"}
`,
    });
    assert.equal(config.bindAddr, "0.0.0.0:2222");
    assert.deepEqual(config.partnerAddrs, ["10.0.0.2:2222", "h3.example:2222"]);
    assert.equal(config.dataDir, "/var/lib/raft");
    assert.equal(config.password, "s3cret");
    assert.deepEqual(config.timeouts, {
      electionTimeoutMinMs: 500,
      electionTimeoutMaxMs: 2000,
      heartbeatPeriodMs: 125,
      connectionTimeoutMs: 4000,
      connectionRetryMs: 1500,
      leaderFallbackMs: 7000,
      dnsCacheMs: 40_000,
      dnsFailCacheMs: 11_000,
      discoveryMs: 12_000,
    });
    assert.deepEqual(config.http, { host: "127.0.0.1", port: 8008 });
    assert.deepEqual(config.log, { level: "debug", format: "json" });
    assert.equal(config.onConflict, "halt");
    assert.deepEqual(config.compaction, { minEntries: 100, minTimeMs: 60_000 });
    assert.deepEqual(config.warnings, []);
  });

  it("warns of settings it does not know, not of those that Patroni puts there", () => {
    const yaml = `${minimal}  partner_addr: b:2\n  scope: x\nquorate: {htpp: x}\nrestapi: {}\n`;
    assert.deepEqual(load({ yaml, env: { PATRONI_RAFT_SELFADDR: "x" } }).warnings, [
      "p.yml:raft.partner_addr is not a setting that Quorate knows",
      "p.yml:quorate.htpp is not a setting that Quorate knows",
      "PATRONI_RAFT_SELFADDR is not a setting that Quorate knows",
    ]);
  });

  it("merges the files of a directory key by key; a null takes a key away", () => {
    const config = load({
      file: [
        { path: "a.yml", text: "raft: {self_addr: a:1, data_dir: one, password: x}\nttl: 50" },
        { path: "b.yml", text: "raft: {data_dir: two, password: null}\nttl: 60" },
      ],
    });
    assert.equal(config.selfAddr, "a:1");
    assert.equal(config.dataDir, "two");
    assert.equal(config.password, null);
    assert.equal(config.timeouts.dnsCacheMs, 60_000);
    const files = [
      { path: "a.yml", text: minimal },
      { path: "b.yml", text: "raft: {max_timeout: x}" },
    ];
    assert.match(
      messageOf(() => load({ file: files })),
      /^b\.yml:raft\.max_timeout is "x"/,
    );
  });

  it("lets raft.ttl win over the top level and takes a zero for the default", () => {
    const yaml = "ttl: 40\nloop_wait: 0\nraft: {self_addr: a:1, ttl: 50}";
    const { timeouts } = load({ yaml });
    assert.deepEqual([timeouts.dnsCacheMs, timeouts.dnsFailCacheMs], [50_000, 10_000]);
  });

  it("names file and place of broken YAML without quoting the line", () => {
    const text = 'raft:\n  password: "topsecret\n  self_addr: a:1\n';
    const message = messageOf(() => load({ yaml: text }));
    assert.match(message, /^p\.yml is not valid YAML: .* at line \d+, column \d+$/);
    assert.doesNotMatch(message, /topsecret/);
  });

  for (const [yaml, expected] of [
    ["", /^p\.yml does not hold a mapping/],
    ["- a", /^p\.yml does not hold a mapping/],
    ["raft: [1]", /^p\.yml:raft must be a mapping/],
    ["raft: {self_addr: 1:20}", /^p\.yml:raft\.self_addr must be text; put it in quotes/],
    ["a: &a [x,x]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c]", /references/],
    ["a: 1\n---\na: 2", /^p\.yml is not valid YAML: multiple docs/],
  ] as const) {
    it(`refuses ${JSON.stringify(yaml)}`, () => {
      assert.match(
        messageOf(() => load({ yaml })),
        expected,
      );
    });
  }

  it("takes PATRONI_CONFIGURATION for the file, and then ignores PATRONI_RAFT_* as Patroni does", () => {
    const env = {
      PATRONI_CONFIGURATION: minimal,
      PATRONI_RAFT_DATA_DIR: "elsewhere",
      QUORATE_ON_CONFLICT: "halt",
    };
    const config = load({ env, flags: { selfAddr: "b:2" } });
    assert.equal(config.selfAddr, "b:2");
    assert.equal(config.dataDir, "");
    assert.equal(config.onConflict, "halt");
    assert.deepEqual(config.warnings, [
      "PATRONI_RAFT_DATA_DIR is ignored because PATRONI_CONFIGURATION is set",
    ]);
    const withFile = load({ env, yaml: "raft: {self_addr: c:3}" });
    assert.equal(withFile.selfAddr, "c:3");
    assert.equal(withFile.dataDir, "elsewhere");
  });
});

describe("configuration: flags over environment over file", () => {
  /** A usable value of each setting in three variants, and what it becomes. */
  const samples: Record<string, [string, string, string]> = {
    selfAddr: ["a:1", "b:2", "c:3"],
    bindAddr: ["a:1", "b:2", "c:3"],
    partnerAddrs: ["a:11", "b:12", "c:13"],
    dataDir: ["one", "two", "three"],
    password: ["one", "two", "three"],
    passwordFile: ["f1", "f2", "f3"],
    minTimeout: ["0.6", "0.7", "0.8"],
    maxTimeout: ["1.6", "1.7", "1.8"],
    connectionTimeout: ["5", "6", "7"],
    appendEntriesPeriod: ["0.06", "0.07", "0.08"],
    connectionRetryTime: ["1", "2", "3"],
    leaderFallbackTimeout: ["11", "12", "13"],
    ttl: ["31", "32", "33"],
    loopWait: ["21", "22", "23"],
    retryTimeout: ["41", "42", "43"],
    http: ["x:1", "x:2", "x:3"],
    logLevel: ["error", "warn", "debug"],
    logFormat: ["json", "text", "json"],
    onConflict: ["halt", "keep", "halt"],
    logCompactionMinEntries: ["10", "20", "30"],
    logCompactionMinTime: ["10", "20", "30"],
    maxEntryBytes: ["8388609", "9000000", "25165824"],
    maxDataBytes: ["67108864", "70000000", "17179869184"],
  };

  for (const setting of settingList) {
    it(setting.option, () => {
      const [inFile, inEnv, inFlag] = samples[setting.flag] ?? assert.fail("no sample");
      const raft: Record<string, string> = { self_addr: "z:9" };
      const quorate: Record<string, string> = {};
      const top: Record<string, unknown> = { raft, quorate };
      const section = { raft, quorate, "": top }[setting.section];
      const bare = JSON.stringify(top);
      section[setting.name] = inFile;
      const yaml = JSON.stringify(top);
      const readPasswordFile = (path: string): string => `in ${path}\n`;
      const env = setting.env === null ? {} : { [setting.env]: inEnv };
      const flags = { [setting.flag]: inFlag };
      const only = {
        file: load({ yaml, readPasswordFile }),
        env: load({ yaml: bare, env, readPasswordFile }),
        flag: load({ yaml: bare, flags, readPasswordFile }),
      };
      assert.deepEqual(load({ yaml, env, flags, readPasswordFile }), only.flag);
      if (setting.env !== null) {
        assert.deepEqual(load({ yaml, env, readPasswordFile }), only.env);
        assert.deepEqual(load({ yaml, env: { [setting.env]: "" }, readPasswordFile }), only.file);
        assert.notDeepEqual(only.env, only.file);
      }
      assert.notDeepEqual(only.file, load({ yaml: bare }));
    });
  }
});

describe("configuration: lists of partners", () => {
  const wanted = ["a:1", "b.example:2", "::1:3"];
  const forms: [string, string][] = [
    ["YAML list", "[a:1, b.example:2, '::1:3']"],
    ["block list", "\n    - a:1\n    - b.example:2\n    - ::1:3"],
    ["comma separated text", '"a:1,b.example:2, ::1:3"'],
    ["quoted items in text", "\"'a:1','b.example:2','::1:3'\""],
    ["list in text", "\"['a:1','b.example:2','::1:3']\""],
    ["set", "!!set {a:1, b.example:2, '::1:3'}"],
    ["mapping without values", "{a:1, b.example:2, '::1:3'}"],
    ["with duplicates and own address", "[a:1, a:1, b.example:2, 'self:1', '::1:3']"],
  ];
  for (const [name, text] of forms) {
    it(`file: ${name}`, () => {
      const config = load({ yaml: `raft:\n  self_addr: self:1\n  partner_addrs: ${text}\n` });
      assert.deepEqual(config.partnerAddrs, wanted);
    });
  }

  for (const text of [
    "a:1,b.example:2,::1:3",
    " a:1 , b.example:2 , ::1:3 ,",
    "'a:1','b.example:2','::1:3'",
    "['a:1', \"b.example:2\", '::1:3']",
    "- a:1\n- b.example:2\n- ::1:3",
  ]) {
    it(`environment and flag: ${JSON.stringify(text)}`, () => {
      const env = { PATRONI_RAFT_SELF_ADDR: "self:1" };
      const fromEnv = load({ env: { ...env, PATRONI_RAFT_PARTNER_ADDRS: text } });
      assert.deepEqual(fromEnv.partnerAddrs, wanted);
      assert.deepEqual(load({ env, flags: { partnerAddrs: text } }).partnerAddrs, wanted);
    });
  }

  it("takes bracketed IPv6 and repeated flags", () => {
    const env = { PATRONI_RAFT_SELF_ADDR: "[::1]:1" };
    const flags = { partnerAddrs: ["[::2]:1,b:2", "c:3"] };
    assert.deepEqual(load({ env, flags }).partnerAddrs, ["[::2]:1", "b:2", "c:3"]);
  });

  it("takes an absent or empty list for no partners", () => {
    for (const text of ["", "[]", "''"]) {
      const yaml = `${minimal}  partner_addrs: ${text}\n`;
      assert.deepEqual(load({ yaml }).partnerAddrs, []);
    }
  });

  for (const text of ["a", "a:1 b:2", "a:0", "a:65536", "a:1x", ":1", "../a:1", "{a:1: 5}", "7"]) {
    it(`refuses ${text}`, () => {
      const yaml = `${minimal}  partner_addrs: [${text}]\n`;
      const message = messageOf(() => load({ yaml }));
      assert.match(
        message,
        /^p\.yml:raft\.partner_addrs holds .* list of addresses, each host:port/,
      );
    });
  }

  it("refuses more partners than a cluster can have", () => {
    const partnerAddrs = Array.from({ length: 101 }, (_, n) => `h${n}:1`);
    const message = messageOf(() => load({ yaml: minimal, flags: { partnerAddrs } }));
    assert.equal(message, "--partner-addrs holds 101 addresses, at most 100 go");
  });
});

describe("configuration: rules", () => {
  const cases: [Record<string, string>, RegExp][] = [
    [
      { minTimeout: "0.3" },
      /^--min-timeout is 0\.3 s but must be more than three times append_ent/,
    ],
    [
      { appendEntriesPeriod: "0.2" },
      /^min_timeout is 0\.4 s \(the default\) .*--append-entries-period/,
    ],
    [
      { maxTimeout: "0.4" },
      /^--max-timeout is 0\.4 s but must be more than min_timeout, by default/,
    ],
    [
      { connectionTimeout: "1.3" },
      /^--connection-timeout is 1\.3 s but must be at least max_timeout/,
    ],
    [
      { leaderFallbackTimeout: "0.1" },
      /^--leader-fallback-timeout is 0\.1 s but must be more than app/,
    ],
    [{ appendEntriesPeriod: "0" }, /^--append-entries-period is 0 s but must be at least 0\.001 s/],
    [
      { connectionRetryTime: "-1" },
      /^--connection-retry-time is "-1" but must be seconds from 0 to/,
    ],
    [{ ttl: "soon" }, /^--ttl is "soon" but must be seconds/],
    [{ loopWait: "1e9" }, /^--loop-wait is "1e9" but must be seconds/],
    [{ maxTimeout: "" }, /^--max-timeout is "" but must be seconds/],
    [
      { logCompactionMinEntries: "1" },
      /^--log-compaction-min-entries is "1" but must be a whole num/,
    ],
    [{ logCompactionMinEntries: "2.5" }, /must be a whole number from 2/],
    [{ maxEntryBytes: "8388607" }, /^--max-entry-bytes is "8388607" but must be .* 8388608 to/],
    [{ maxEntryBytes: "25165825" }, /must be a whole number from 8388608 to 25165824/],
    [{ maxDataBytes: "67108863" }, /^--max-data-bytes is "67108863" but must be .* 67108864 to/],
    [{ maxDataBytes: "1e12" }, /must be a whole number from 67108864 to 17179869184/],
    [{ logCompactionMinTime: "0" }, /^--log-compaction-min-time is 0 s but must be more than 0/],
    [
      { selfAddr: "host" },
      /^--self-addr is "host" but must be host:port with a port from 1 to 65535/,
    ],
    [{ selfAddr: "a/b:1" }, /^--self-addr is "a\/b:1" but/],
    [{ selfAddr: `${"a".repeat(230)}:1` }, /^--self-addr is /],
    [{ bindAddr: "*:1" }, /^--bind-addr is "\*:1" but/],
    [{ http: "8008" }, /^--http is "8008" but must be host:port, e\.g\. 127\.0\.0\.1:8008/],
    [{ onConflict: "stop" }, /^--on-conflict is "stop" but must be one of keep, halt/],
    [{ logLevel: "loud" }, /^--log-level is "loud" but must be one of error, warn, info, debug/],
    [{ logFormat: "xml" }, /^--log-format is "xml" but must be one of text, json/],
    [{ password: "" }, /^--password is empty/],
    [{ password: "x", passwordFile: "f" }, /^--password and --password-file are both set/],
    [{ passwordFile: "gone" }, /^--password-file names gone, which cannot be read \(ENOENT\)/],
    [{ passwordFile: "two" }, /^--password-file names two, which must hold one line/],
    [{ passwordFile: "empty" }, /^--password-file names empty, which must hold one line/],
  ];
  const readPasswordFile = (path: string): string => {
    if (path === "gone") {
      throw Object.assign(new Error("no such file"), { code: "ENOENT" });
    }
    return path === "two" ? "a\nb\n" : "\n";
  };
  for (const [flags, expected] of cases) {
    it(JSON.stringify(flags).slice(0, 60), () => {
      const message = messageOf(() => load({ yaml: minimal, flags, readPasswordFile }));
      assert.match(message, expected);
    });
  }

  it("accepts the edges of the rules", () => {
    const { timeouts } = load({
      yaml: minimal,
      flags: { minTimeout: "0.301", maxTimeout: "0.302", connectionTimeout: "0.302" },
    });
    assert.equal(timeouts.connectionTimeoutMs, timeouts.electionTimeoutMaxMs);
    assert.equal(
      load({ yaml: minimal, flags: { connectionRetryTime: "0" } }).timeouts.connectionRetryMs,
      0,
    );
  });

  it("warns of an own address that nobody can connect to", () => {
    assert.match(load({ flags: { selfAddr: "0.0.0.0:1" } }).warnings[0] ?? "", /use bind_addr/);
  });
});

describe("configuration: the password", () => {
  it("comes from the highest layer, as text or as file", () => {
    const readPasswordFile = (path: string): string => `in ${path}\n`;
    const yaml = `${minimal}  password: text\n`;
    const env = { QUORATE_PASSWORD_FILE: "f" };
    assert.equal(load({ yaml, env, readPasswordFile }).password, "in f");
    assert.equal(
      load({ yaml, env, flags: { password: "flag" }, readPasswordFile }).password,
      "flag",
    );
    const both = { yaml, env: { ...env, PATRONI_RAFT_PASSWORD: "x" }, readPasswordFile };
    assert.match(
      messageOf(() => load(both)),
      /^PATRONI_RAFT_PASSWORD and QUORATE_PASSWORD_FILE are/,
    );
  });

  it("is never shown, even where it has the wrong type", () => {
    const message = messageOf(() => load({ yaml: `${minimal}  password: 987654321\n` }));
    assert.equal(message, "p.yml:raft.password must be text: put it in quotes");
  });

  it("may be empty in the file, as upstream takes it, with a warning", () => {
    const config = load({ yaml: `${minimal}  password: ''\n` });
    assert.equal(config.password, "");
    assert.match(config.warnings[0] ?? "", /empty/);
  });
});

describe("configuration: for commands that talk to members", () => {
  it("takes own address and partners, and needs neither", () => {
    const usual = { entryBytesMax: 8 * 1024 ** 2, dataBytesMax: 256 * 1024 ** 2 };
    const nothing = { ...usual, addresses: [], password: null };
    assert.deepEqual(loadClientConfig({ env: {}, flags: {} }), nothing);
    const file = { path: "p", text: `${minimal}  partner_addrs: [b:2, a:1]\n  password: x\n` };
    const env = { QUORATE_MAX_ENTRY_BYTES: "20000000", QUORATE_MAX_DATA_BYTES: "2000000000" };
    assert.deepEqual(loadClientConfig({ file, env, flags: {} }), {
      ...{ addresses: ["a:1", "b:2"], password: "x" },
      ...{ entryBytesMax: 20_000_000, dataBytesMax: 2_000_000_000 },
    });
  });
});
