import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { examine } from "../../src/tools/doctor/examine.js";
import { judge, type Step } from "../../src/tools/migrate/gate.js";
import { makePlan } from "../../src/tools/migrate/plan.js";
import { type Answers, a, b, c, ours, type Told, twoLooks } from "./support/told.js";

const quorate: Told = { extra: ours() };
const old: Told = { version: "0.3.15" };
const newer: Told = { version: "0.3.17" };

async function gate(step: Partial<Step>, answers: Answers) {
  const looks = await twoLooks(answers);
  const whole: Step = { member: b, when: "before", target: "quorate", ...step };
  const { answer, reasons } = judge(looks, examine(looks), whole);
  return [answer, ...reasons.map(({ code }) => code)];
}

describe("migrate check", () => {
  const cases: [string, Partial<Step>, Answers, string[]][] = [
    ["lets a follower go", {}, { [a]: old, [b]: old, [c]: old }, ["go"]],
    [
      "keeps the leader for the end",
      { member: a },
      { [a]: old, [b]: old, [c]: quorate },
      ["wait", "leader-goes-last"],
    ],
    [
      "lets the last one go, which cannot hand over",
      { member: a },
      { [a]: old, [b]: quorate, [c]: quorate },
      ["go"],
    ],
    [
      "has a leader hand over first",
      { member: a },
      { [a]: newer, [b]: quorate, [c]: quorate },
      ["wait", "hand-over-first"],
    ],
    [
      "lets a leader go whose successors would all be of 0.3.15",
      { member: a, target: "pysyncobj" },
      { [a]: quorate, [b]: old, [c]: old },
      ["go"],
    ],
    [
      "sees who is changed already",
      {},
      { [a]: old, [b]: quorate, [c]: old },
      ["wait", "already-changed"],
    ],
    [
      "waits for a member that is down",
      {},
      { [a]: old, [b]: old, [c]: "refused" },
      ["wait", "no-answer", "no-reserve"],
    ],
    [
      "waits for one that lags",
      {},
      { [a]: old, [b]: old, [c]: { ...quorate, commitIdx: 50, lastApplied: 50 } },
      ["wait", "lagging"],
    ],
    [
      "stops at an applier that is stuck",
      {},
      { [a]: old, [b]: old, [c]: { ...old, lastApplied: 50 } },
      ["stop", "stuck-applier"],
    ],
    [
      "waits for one that may lack acknowledged writes, though it follows",
      { when: "after" },
      { [a]: old, [b]: { extra: ours([["quorate_degraded", ["refetching"]]]) }, [c]: old },
      ["wait", "degraded"],
    ],
    ["is content after a change", { when: "after" }, { [a]: old, [b]: quorate, [c]: old }, ["go"]],
    [
      "sees that nothing was changed",
      { when: "after" },
      { [a]: old, [b]: old, [c]: old },
      ["wait", "not-changed"],
    ],
    [
      "waits for the changed member",
      { when: "after" },
      { [a]: old, [b]: "refused", [c]: old },
      ["wait", "no-answer", "no-reserve", "member-does-not-answer"],
    ],
    [
      "goes the other way as well",
      { target: "pysyncobj" },
      { [a]: quorate, [b]: quorate, [c]: quorate },
      ["go"],
    ],
  ];
  for (const [name, step, answers, expected] of cases) {
    it(name, async () => assert.deepEqual(await gate(step, answers), expected));
  }
});

describe("migrate check tells what lasts", () => {
  const step: Step = { member: b, when: "before", target: "quorate" };
  const well: Answers = { [a]: {}, [b]: {}, [c]: {} };
  const cases: [string, Answers, Answers, boolean][] = [
    ["a leader that lacks what was committed", { ...well, [c]: { commitIdx: 120 } }, well, true],
    ["a term that went down", { ...well, [b]: { raftTerm: 8 } }, well, true],
    ["two leaders of one term", well, { ...well, [c]: { state: 2, leader: c } }, true],
    [
      "members that count other members",
      { ...well, [c]: { counts: [b, c] } },
      { ...well, [c]: { counts: [b, c] } },
      true,
    ],
    [
      "two leaders of two terms, of whom one has not heard yet",
      well,
      { ...well, [c]: { state: 2, leader: c, raftTerm: 6 } },
      false,
    ],
    ["a member that is down", { ...well, [c]: "refused" }, { ...well, [c]: "refused" }, false],
    [
      "a stuck applier, as 0.3.15 looks before its leader has reached it",
      { ...well, [c]: { lastApplied: 50 } },
      { ...well, [c]: { lastApplied: 50 } },
      false,
    ],
  ];
  for (const [name, before, after, expected] of cases) {
    it(`${name}: ${expected}`, async () => {
      const looks = await twoLooks(before, after);
      const { answer, lasts } = judge(looks, examine(looks), step);
      assert.notEqual(answer, "go");
      assert.equal(lasts, expected);
    });
  }
});

describe("migrate plan", () => {
  const options = {
    ...({ target: "quorate", access: "raft.yml", file: "/etc/raft.yml", interval: null } as const),
    inPatroni: new Set<string>(),
    named: [a, b, c],
  };

  it("warns of names that are no member's: under them a member without data would start", async () => {
    const looks = await twoLooks({ [a]: newer, [b]: newer, [c]: newer });
    const about = (named: readonly string[]) =>
      makePlan(looks, { ...options, named }).warnings.filter((text) =>
        text.includes("do not know"),
      );
    assert.deepEqual(about([a, b, c]), []);
    assert.match(
      about(["localhost:1", b])[0] ?? "",
      /^the members do not know localhost:1, .* They are a:1, b:2 and c:3$/,
    );
  });

  it("takes the followers first and the leader last", async () => {
    const looks = await twoLooks({ [a]: newer, [b]: quorate, [c]: newer });
    const plan = makePlan(looks, options);
    assert.deepEqual(plan.done, [b]);
    assert.deepEqual(
      plan.steps.map(({ member }) => member),
      [c, a],
    );
    assert.deepEqual(
      plan.steps[0]?.commands.map(({ command }) => command),
      [
        "quorate migrate check raft.yml --before c:3 --wait 60",
        "stop `patroni_raft_controller /etc/raft.yml` (SIGTERM), and wait until the process has ended",
        "start `quorate run /etc/raft.yml` as the same user",
        "quorate migrate check raft.yml --after c:3 --wait 60",
      ],
    );
    assert.equal(plan.steps[1]?.commands[0]?.command, "quorate transfer --config raft.yml");
  });

  it("has Patroni go on as an observer, and come back as a member, with its PostgreSQL running", async () => {
    const inPatroni = new Set([b]);
    const commandsOf = (plan: ReturnType<typeof makePlan>) =>
      plan.steps.find(({ isPatroni }) => isPatroni)?.commands.map(({ command }) => command);
    const forth = makePlan(await twoLooks({ [a]: newer, [b]: newer, [c]: newer }), {
      ...options,
      ...{ inPatroni, interval: "1" },
    });
    assert.deepEqual(commandsOf(forth), [
      "quorate migrate check raft.yml --before b:2 --interval 1 --wait 60",
      "patronictl -c /etc/raft.yml pause --wait",
      "cp -p /etc/raft.yml /etc/quorate.yml",
      "stop `patroni /etc/raft.yml` (SIGTERM), and wait until the process has ended",
      "start `quorate run /etc/quorate.yml` as the same user",
      "edit `/etc/raft.yml`: in `raft` take out self_addr, bind_addr and data_dir, and add b:2 to partner_addrs",
      "start `patroni /etc/raft.yml` as the same user",
      "quorate migrate check raft.yml --after b:2 --interval 1 --wait 60",
      "patronictl -c /etc/raft.yml resume --wait",
    ]);
    const back = makePlan(await twoLooks({ [a]: newer, [b]: quorate, [c]: newer }), {
      ...options,
      ...{ inPatroni, target: "pysyncobj" },
    });
    assert.deepEqual(commandsOf(back), [
      "quorate migrate check raft.yml --before b:2 --back --wait 60",
      "patronictl -c /etc/raft.yml pause --wait",
      "stop `patroni /etc/raft.yml` (SIGTERM), and wait until the process has ended",
      "stop `quorate run /etc/quorate.yml` (SIGTERM), and wait until the process has ended",
      "edit `/etc/raft.yml`: in `raft` put back self_addr, bind_addr and data_dir, and take b:2 out of partner_addrs",
      "start `patroni /etc/raft.yml` as the same user",
      "quorate migrate check raft.yml --after b:2 --back --wait 60",
      "patronictl -c /etc/raft.yml resume --wait",
    ]);
    assert.match(forth.warnings.join(), /^(?!.*--patroni)/s);
  });

  it("says that a leader of 0.3.15 cannot hand over, and what the way back costs", async () => {
    const forth = makePlan(await twoLooks({ [a]: old, [b]: old, [c]: old }), options);
    assert.match(forth.warnings.join(), /cannot hand leadership over/);
    assert.match(
      forth.warnings.join(),
      /a:1, b:2 and c:3 may have been in a cluster that forgot its term/,
    );
    const rest = makePlan(await twoLooks({ [a]: newer, [b]: newer, [c]: newer }), options);
    assert.doesNotMatch(rest.warnings.join(), /forgot its term/);
    const back = makePlan(await twoLooks({ [a]: quorate, [b]: quorate, [c]: quorate }), {
      ...options,
      target: "pysyncobj",
    });
    assert.match(back.warnings.join(), /forget term and vote/);
    assert.match(back.steps[0]?.commands[0]?.command ?? "", / --back --wait 60$/);
    assert.doesNotMatch(back.warnings.join(), /hand leadership over/);
  });

  it("has no leader hand over to members of 0.3.15, which cannot take over", async () => {
    const back = { ...options, target: "pysyncobj" } as const;
    const leaderStep = async (answers: Answers) => {
      const plan = makePlan(await twoLooks(answers), back);
      return [plan.steps.at(-1)?.commands[0]?.command, plan.warnings.join()];
    };
    const [check, warnings] = await leaderStep({ [a]: quorate, [b]: old, [c]: old });
    assert.match(check ?? "", /^quorate migrate check raft\.yml --before a:1 --back/);
    assert.match(
      warnings ?? "",
      /the leader a:1 \(Quorate .*\) has nobody to hand leadership over to/,
    );
    const [, done] = await leaderStep({ [a]: old, [b]: quorate, [c]: old });
    assert.doesNotMatch(done ?? "", /hand leadership over/, "it stays");
    const [transfer] = await leaderStep({ [a]: quorate, [b]: old, [c]: newer });
    assert.equal(transfer, "quorate transfer --config raft.yml");
  });
});
