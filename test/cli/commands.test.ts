import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PyValue } from "../../protocol/pickle/values.js";
import { FakeCluster, quorate } from "./fake-cluster.js";

const [a, b, c, d] = ["a:1", "b:2", "c:3", "d:4"] as const;
const three = [a, b, c];

describe("whom the commands ask", () => {
  it("the first address that answers, in order", async () => {
    const cluster = new FakeCluster(three, a);
    const result = await quorate(cluster, ["status", "--addr", "x:1,c:3", "--addr", b]);
    assert.equal(result.code, 0);
    assert.deepEqual(cluster.asked, ["x:1 status", "c:3 status"]);
  });

  it("nobody: exit 2 with what to give", async () => {
    const result = await quorate(new FakeCluster(three, a), ["members"]);
    assert.deepEqual([result.code, result.out], [2, ""]);
    assert.match(
      result.err,
      /^quorate: no member to ask: give --addr host:port, or --config .*\n$/,
    );
  });

  it("takes addresses and password from the environment, and flags before it", async () => {
    const env = {
      PATRONI_RAFT_SELF_ADDR: a,
      PATRONI_RAFT_PARTNER_ADDRS: "'b:2','c:3'",
      PATRONI_RAFT_PASSWORD: "from-env",
    };
    const cluster = new FakeCluster([b], b);
    assert.equal((await quorate(cluster, ["status"], env)).code, 0);
    assert.deepEqual(cluster.asked, ["a:1 status", "b:2 status"]);
    assert.deepEqual(cluster.options[0], { timeoutMs: 10_000, password: "from-env" });
    const flags = ["status", "--addr", b, "--password", "flag", "--timeout", "0.5"];
    assert.equal((await quorate(cluster, flags, env)).code, 0);
    assert.deepEqual(cluster.options.at(-1), { timeoutMs: 500, password: "flag" });
  });

  it("says of each why it did not answer, exit 1", async () => {
    const result = await quorate(new FakeCluster([], null), ["status", "--addr", "x:1,y:2"]);
    assert.equal(result.code, 1);
    assert.equal(
      result.err,
      "quorate: no member answered: x:1: connection refused; y:2: connection refused\n",
    );
  });

  for (const [args, expected] of [
    [["status", "--addr", "nohost"], /--addr holds "nohost" but must be host:port/],
    [
      ["status", "--addr", a, "--timeout", "0"],
      /--timeout is "0" but must be seconds, more than 0/,
    ],
    [["status", "--addr", a, "--timeout", "x"], /--timeout is "x"/],
    [
      ["status", "--config", "/no/such.yml"],
      /^quorate: \/no\/such\.yml cannot be read: it does not/,
    ],
    [
      ["status", "--addr", a, "--password-file", "/no/such"],
      /--password-file names \/no\/such, which/,
    ],
    [["add", "d", "--addr", a], /"d" is no address: give host:port/],
    [["remove", "d:0", "--addr", a], /"d:0" is no address/],
    [["transfer", "d:", "--addr", a], /"d:" is no address/],
    [["set-version", "-1", "--addr", a], /"-1" is no code version/],
    [["set-version", "one", "--addr", a], /"one" is no code version: give a whole number/],
    [["add", "--addr", a], /missing required argument 'addr'/],
    [["frobnicate"], /unknown command 'frobnicate'/],
    [["status", "--adr", a], /unknown option '--adr'\n\(Did you mean --addr\?\)/],
  ] as [string[], RegExp][]) {
    it(`exit 2: ${args.join(" ")}`, async () => {
      const cluster = new FakeCluster(three, a);
      const result = await quorate(cluster, args);
      assert.equal(result.code, 2, result.err);
      assert.equal(result.out, "");
      assert.match(result.err, expected);
      assert.deepEqual(cluster.asked, []);
    });
  }

  it("does not repeat what a mistyped --pasword was given", async () => {
    const result = await quorate(new FakeCluster(three, a), ["status", "--pasword=topsecret"]);
    assert.equal(result.code, 2);
    assert.match(result.err, /unknown option '--pasword'/);
    assert.doesNotMatch(result.err, /topsecret/);
  });
});

describe("status", () => {
  it("shows a leader with its members as a table", async () => {
    const result = await quorate(new FakeCluster(three, a), ["status", "--addr", a]);
    assert.equal(
      result.out,
      `member         a:1
software       PySyncObj 0.3.17
role           leader
leader         a:1
quorum         yes
term           3
commit index   42
applied index  41
log length     7
observers      1
uptime         99 s

MEMBER  CONNECTED  MATCH  NEXT
a:1     yes        -      -
b:2     yes        42     43
c:3     yes        42     43
`,
    );
  });

  it("shows no match of a follower, whose numbers are old", async () => {
    const cluster = new FakeCluster(three, a);
    cluster.members.set(c, { version: "0.3.17", up: false });
    const { out } = await quorate(cluster, ["status", "--addr", b, "--json"]);
    const status = JSON.parse(out);
    assert.equal(status.role, "follower");
    assert.deepEqual(status.members[2], {
      address: c,
      self: false,
      leader: false,
      connected: false,
      matchIndex: null,
      nextIndex: null,
    });
  });

  it("names a Quorate member by its own version", async () => {
    const cluster = new FakeCluster([a], a);
    cluster.members.set(a, { version: "0.3.17", up: true, extra: [["quorate_version", "0.1.0"]] });
    const { out } = await quorate(cluster, ["status", "--addr", a, "--json"]);
    assert.equal(JSON.parse(out).software, "Quorate 0.1.0");
  });

  it("shows what a Quorate member says against itself, and nothing of the kind of others", async () => {
    const cluster = new FakeCluster([a, b], a);
    const shown = async (address: string, degraded?: PyValue): Promise<[string, unknown]> => {
      const extra: [string, PyValue][] = [["quorate_version", "0.1.0"]];
      if (degraded !== undefined) extra.push(["quorate_degraded", degraded]);
      cluster.members.set(a, { version: "0.3.17", up: true, extra });
      const { out } = await quorate(cluster, ["status", "--addr", address]);
      const json = await quorate(cluster, ["status", "--addr", address, "--json"]);
      return [/^degraded.*$/m.exec(out)?.[0] ?? "", JSON.parse(json.out).degraded];
    };
    assert.deepEqual(await shown(a, []), ["degraded       -", []]);
    assert.deepEqual(await shown(a, ["refetching", "no-space"]), [
      "degraded       refetching, no-space",
      ["refetching", "no-space"],
    ]);
    assert.deepEqual(await shown(a), ["", null]);
    assert.deepEqual(await shown(b), ["", null]);
  });
});

describe("members", () => {
  it("lists them as a table and as JSON", async () => {
    const cluster = new FakeCluster(three, b);
    const table = await quorate(cluster, ["members", "--addr", a]);
    assert.equal(
      table.out,
      "MEMBER  ROLE    CONNECTED\na:1     -       yes\nb:2     leader  yes\nc:3     -       yes\n",
    );
    const { out } = await quorate(cluster, ["members", "--addr", a, "--json"]);
    assert.deepEqual(JSON.parse(out), {
      address: a,
      members: three.map((address) => ({ address, leader: address === b, connected: true })),
    });
  });

  it("falls back to the status where a plain PySyncObj member does not know the question", async () => {
    const cluster = new FakeCluster(three, b);
    cluster.isPlain = true;
    const { out } = await quorate(cluster, ["members", "--addr", a]);
    assert.match(out, /^b:2 {5}leader {2}yes$/m);
    assert.match(out, /^a:1 {5}- {7}yes$/m);
  });
});

describe("add and remove", () => {
  it("report success", async () => {
    const cluster = new FakeCluster(three, a);
    const added = await quorate(cluster, ["add", d, "--addr", b]);
    assert.deepEqual(added, {
      code: 0,
      out: "d:4 is a member now (b:2: SUCCESS ADD d:4)\n",
      err: "",
    });
    const removed = await quorate(cluster, ["remove", d, "--addr", b, "--json"]);
    assert.equal(removed.code, 0);
    assert.deepEqual(JSON.parse(removed.out), {
      ok: true,
      address: b,
      reply: "SUCCESS REMOVE d:4",
      reasons: [],
    });
  });

  it("ask the leader where the member that is asked refuses its own removal", async () => {
    const cluster = new FakeCluster(three, a);
    const result = await quorate(cluster, ["remove", b, "--addr", b]);
    assert.equal(result.code, 0);
    assert.match(result.out, /^b:2 is no member any more \(a:1: SUCCESS/);
    assert.equal(cluster.members.has(b), false);
  });

  const refusals: [string, (cluster: FakeCluster) => void, string[], RegExp][] = [
    ["already a member", () => {}, ["add", c], /c:3 is a member of the cluster already/],
    ["not a member", () => {}, ["remove", d], /d:4 is not a member of the cluster/],
    ["the leader", () => {}, ["remove", a], /a:1 is the leader, which cannot be removed: move the/],
    [
      "a change under way",
      (cluster) => {
        cluster.isChanging = true;
      },
      ["add", d],
      /another change of members is not committed yet/,
    ],
    [
      "no leader",
      (cluster) => {
        cluster.leader = null;
      },
      ["add", d],
      /b:2 knows of no leader: a majority of the members must be up/,
    ],
  ];
  for (const [name, arrange, args, expected] of refusals) {
    it(`explain a refusal: ${name}`, async () => {
      const cluster = new FakeCluster(three, a);
      arrange(cluster);
      const result = await quorate(cluster, [...args, "--addr", b]);
      assert.equal(result.code, 1);
      assert.equal(result.out, "");
      assert.match(result.err, /^refused by [ab]:\d: FAIL (ADD|REMOVE) /);
      assert.match(result.err, expected);
      assert.equal(result.err.split("\n").length, 3, "one reason");
    });
  }

  it("say that the outcome is open where the answer is lost, and do not ask twice", async () => {
    const cluster = new FakeCluster(three, a);
    cluster.losesAnswer = true;
    const result = await quorate(cluster, ["add", d, "--addr", `${b},${a}`]);
    assert.equal(result.code, 1);
    assert.match(result.err, /the change may have been made or not: look with `quorate members`/);
    assert.deepEqual(cluster.asked, ["b:2 status", "b:2 add d:4"]);
  });
});

describe("transfer", () => {
  it("goes to the leader, whoever is asked, and waits for the successor", async () => {
    const cluster = new FakeCluster(three, a);
    const result = await quorate(cluster, ["transfer", c, "--addr", b]);
    assert.deepEqual(result, {
      code: 0,
      out: "c:3 leads now (a:1: SUCCESS TRANSFER c:3)\n",
      err: "",
    });
    assert.equal(cluster.leader, c);
  });

  it("lets the leader choose", async () => {
    const cluster = new FakeCluster(three, b);
    const result = await quorate(cluster, ["transfer", "--addr", b, "--json"]);
    assert.equal(result.code, 0);
    assert.equal(JSON.parse(result.out).ok, true);
    assert.equal(cluster.asked[1], "b:2 transfer ");
  });

  it("does not send to PySyncObj 0.3.15, which would never answer", async () => {
    const cluster = new FakeCluster(three, a, "0.3.15");
    const result = await quorate(cluster, ["transfer", b, "--addr", a]);
    assert.equal(result.code, 1);
    assert.match(
      result.err,
      /a:1 runs PySyncObj 0\.3\.15, which cannot hand leadership over: that/,
    );
    assert.deepEqual(cluster.asked, ["a:1 status"]);
  });

  const failures: [string, (cluster: FakeCluster) => void, string, RegExp][] = [
    ["to a stranger", () => {}, d, /refused by a:1: FAIL TRANSFER d:4\n {2}d:4 is not a member/],
    ["to the leader itself", () => {}, a, /a:1 is the leader already/],
    [
      "without a leader",
      (cluster) => {
        cluster.leader = null;
      },
      b,
      /b:2 knows of no leader: there is no leadership to hand over/,
    ],
    [
      "that nobody takes up",
      (cluster) => {
        cluster.keepsLeading = true;
      },
      c,
      /was asked to lead, but no change of leader showed/,
    ],
    [
      "whose answer is lost",
      (cluster) => {
        cluster.losesAnswer = true;
      },
      c,
      /PySyncObj 0\.3\.15 and older does not know this request and leaves it unanswered/,
    ],
    [
      "with the leader out of reach",
      (cluster) => {
        cluster.members.set(a, { version: "0.3.17", up: false });
      },
      c,
      /the leader did not answer: a:1: connection refused/,
    ],
  ];
  for (const [name, arrange, target, expected] of failures) {
    it(`fails ${name}`, async () => {
      const cluster = new FakeCluster(three, a);
      arrange(cluster);
      const result = await quorate(cluster, ["transfer", target, "--addr", b]);
      assert.equal(result.code, 1);
      assert.match(result.err, expected);
    });
  }
});

describe("set-version", () => {
  it("reports what the member says", async () => {
    const cluster = new FakeCluster(three, a);
    assert.deepEqual(await quorate(cluster, ["set-version", "0", "--addr", b]), {
      code: 0,
      out: "code version 0 is enabled (b:2: SUCCESS SET_VERSION 0)\n",
      err: "",
    });
    const refused = await quorate(cluster, ["set-version", "4", "--addr", a]);
    assert.equal(refused.code, 1);
    assert.match(refused.err, /^refused by a:1: wrong version, current version is 0, requested/);
  });
});
