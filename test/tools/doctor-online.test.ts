import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeStatus } from "../../protocol/wire/utility.js";
import { examine } from "../../src/tools/doctor/examine.js";
import { lookAt } from "../../src/tools/survey.js";
import { type Answers, a, b, c, ours, type Told, three, told, twoLooks } from "./support/told.js";

const well: Told = { extra: ours() };
const wellCluster: Answers = { [a]: well, [b]: well, [c]: well };

/** Codes with their members, the worst first. */
async function found(before: Answers, after: Answers = before): Promise<string[]> {
  const findings = examine(await twoLooks(before, after));
  return findings.map(({ severity, code, members }) => `${severity} ${code} ${members.join(" ")}`);
}

function withMembers(changes: Answers, base: Answers = wellCluster): Answers {
  return { ...base, ...changes };
}

function quorateWith(change: Told): Told {
  return { ...well, ...change };
}

describe("doctor on a live cluster finds nothing", () => {
  it("in a healthy one", async () => assert.deepEqual(await found(wellCluster), []));

  it("in one under load, whose followers are a moment behind", async () => {
    const busy = (commitIdx: number, lastApplied: number) =>
      quorateWith({ commitIdx, lastApplied });
    const before = { [a]: busy(500, 499), [b]: busy(480, 470), [c]: busy(500, 480) };
    const after = { [a]: busy(900, 900), [b]: busy(600, 590), [c]: busy(890, 880) };
    assert.deepEqual(await found(before, after), []);
  });

  it("in a link that was cut in one look only", async () => {
    const cut = withMembers({ [b]: quorateWith({ cutFrom: [c] }) });
    assert.deepEqual(await found(cut, wellCluster), []);
    assert.deepEqual(await found(wellCluster, cut), []);
  });
});

describe("doctor on a live cluster finds", () => {
  it("a member that takes no connections may hang as well as be away", async () => {
    const wayOutOf = async (answer: "refused" | "timeout") => {
      const looks = await twoLooks({ [a]: {}, [b]: {}, [c]: answer });
      const found = examine(looks).find(({ code }) => code === "no-answer");
      return [looks.after.silences[0]?.reason, found?.severity, found?.wayOut];
    };
    assert.deepEqual(await wayOutOf("refused"), [
      ...["unreachable", "risk", "start it, or find what is between it and this machine"],
    ]);
    const [reason, severity, wayOut] = await wayOutOf("timeout");
    assert.deepEqual([reason, severity], ["timeout", "risk"]);
    assert.match(wayOut ?? "", /one that hangs takes no connections any more.*look at its log/);
  });

  const cases: [string, Answers, Answers, string[]][] = [
    [
      "a member that refuses connections",
      withMembers({ [c]: "refused" }),
      withMembers({ [c]: "refused" }),
      ["risk no-answer c:3", "risk no-reserve "],
    ],
    [
      "a member that takes connections and says nothing",
      withMembers({ [c]: "silent" }),
      withMembers({ [c]: "silent" }),
      ["ill takes-connections-says-nothing c:3", "risk no-reserve "],
    ],
    [
      "too few members",
      withMembers({ [a]: "refused", [c]: "refused" }),
      withMembers({ [a]: "refused", [c]: "refused" }),
      ["ill no-majority-answers ", "ill no-leader ", "risk no-answer a:1", "risk no-answer c:3"],
    ],
    [
      "a wrong password",
      withMembers({ [b]: "wrong-password" }),
      withMembers({ [b]: "wrong-password" }),
      ["risk wrong-password b:2", "risk no-reserve "],
    ],
    [
      "no leader, and who asks for votes",
      withMembers({ [a]: quorateWith({ state: 0, leader: null }) }),
      withMembers({ [a]: quorateWith({ state: 1, leader: null, raftTerm: 9 }) }),
      ["ill no-leader a:1"],
    ],
    [
      "two leaders",
      withMembers({ [b]: quorateWith({ state: 2, leader: b, raftTerm: 6 }) }),
      withMembers({ [b]: quorateWith({ state: 2, leader: b, raftTerm: 6 }) }),
      ["ill several-leaders a:1 b:2", "risk term-behind-leader a:1", "risk term-behind-leader c:3"],
    ],
    [
      "an election between the looks, as a note only",
      wellCluster,
      {
        [a]: quorateWith({ state: 0, leader: b, raftTerm: 6 }),
        [b]: quorateWith({ state: 2, leader: b, raftTerm: 6 }),
        [c]: quorateWith({ leader: b, raftTerm: 6 }),
      },
      ["note election-just-now b:2"],
    ],
    [
      "a leader without a quorum",
      wellCluster,
      withMembers({ [a]: quorateWith({ hasQuorum: false }) }),
      ["ill leader-without-quorum a:1"],
    ],
    [
      "a member that follows nobody, and whose term runs away",
      withMembers({ [c]: quorateWith({ leader: null, state: 1, raftTerm: 7, cutFrom: [a] }) }),
      withMembers({ [c]: quorateWith({ leader: null, state: 1, raftTerm: 9, cutFrom: [a] }) }),
      ["risk does-not-follow c:3", "risk one-way-link a:1 c:3", "risk term-ahead-of-leader c:3"],
    ],
    [
      "a pair without a link",
      withMembers({ [b]: quorateWith({ cutFrom: [c] }), [c]: quorateWith({ cutFrom: [b] }) }),
      withMembers({ [b]: quorateWith({ cutFrom: [c] }), [c]: quorateWith({ cutFrom: [b] }) }),
      ["risk no-link b:2 c:3"],
    ],
    [
      "members that count different members",
      withMembers({ [c]: quorateWith({ counts: [a, c] }) }),
      withMembers({ [c]: quorateWith({ counts: [a, c] }) }),
      ["ill member-lists-differ a:1 b:2 c:3"],
    ],
    [
      "a term that went down",
      wellCluster,
      withMembers({ [b]: quorateWith({ raftTerm: 1 }) }),
      ["ill term-went-down b:2"],
    ],
    [
      "a term behind the leader's",
      withMembers({ [b]: quorateWith({ raftTerm: 3 }) }),
      withMembers({ [b]: quorateWith({ raftTerm: 3 }) }),
      ["risk term-behind-leader b:2"],
    ],
    [
      "committed entries that the leader lacks",
      withMembers({ [b]: quorateWith({ commitIdx: 120, lastApplied: 120 }) }),
      withMembers({ [b]: quorateWith({ commitIdx: 120, lastApplied: 120 }) }),
      ["ill committed-more-than-leader b:2"],
    ],
    [
      "a stuck applier",
      withMembers({ [b]: quorateWith({ lastApplied: 41 }) }),
      withMembers({ [b]: quorateWith({ lastApplied: 41 }) }),
      ["ill stuck-applier b:2"],
    ],
    [
      "a member that lags",
      withMembers({ [b]: quorateWith({ commitIdx: 40, lastApplied: 40 }) }),
      withMembers({ [b]: quorateWith({ commitIdx: 60, lastApplied: 60 }) }),
      ["risk lagging b:2"],
    ],
    [
      "a log that only grows",
      wellCluster,
      withMembers({ [b]: quorateWith({ logLen: 200_000 }) }),
      ["risk log-not-compacted b:2"],
    ],
    [
      "what a Quorate member says of itself",
      wellCluster,
      withMembers({ [b]: { extra: ours([["quorate_degraded", ["no-space"]]]) } }),
      ["risk degraded b:2"],
    ],
    [
      "versions with the defect",
      wellCluster,
      {
        [a]: { version: "0.3.15" },
        [b]: { version: "0.3.8" },
        [c]: { version: "0.3.99" },
      },
      ["risk forgets-term-and-vote a:1 b:2", "note unknown-version c:3"],
    ],
    [
      "versions that sync nothing",
      wellCluster,
      withMembers({ [a]: { version: "0.3.16" }, [b]: {} }),
      ["risk syncs-nothing a:1 b:2"],
    ],
    [
      "code versions that differ",
      wellCluster,
      withMembers({ [a]: quorateWith({ enabledCodeVersion: 1 }) }),
      ["risk code-versions-differ a:1 b:2 c:3"],
    ],
  ];
  for (const [name, before, after, expected] of cases) {
    it(name, async () => assert.deepEqual(await found(before, after), expected));
  }

  it("clocks that are apart, however far from this machine's", async () => {
    const at = (aheadSec: number): Told => ({
      extra: ours([["quorate_time_ms", Date.now() + aheadSec * 1000]]),
    });
    const apart = { [a]: at(0), [b]: at(20), [c]: well };
    assert.deepEqual(await found(apart), ["risk clocks-apart a:1 b:2"]);
    const together = { [a]: at(40), [b]: at(40), [c]: at(40) };
    assert.deepEqual(await found(together), ["note clock-differs-from-here a:1 b:2 c:3"]);
  });

  it("addresses that nobody counts as members", async () => {
    const two = { counts: [a, b], extra: ours() };
    assert.deepEqual(await found({ [a]: two, [b]: two, [c]: "refused" }), [
      "note not-a-member c:3",
      "note number-of-members ",
    ]);
  });

  it("each with a way out, in words", async () => {
    for (const [, before, after] of cases) {
      for (const { says, wayOut, code } of examine(await twoLooks(before, after))) {
        assert.ok(says.length > 20 && !says.endsWith("."), says);
        assert.ok(code === "unknown-version" || (wayOut ?? "").length > 20, code);
      }
    }
  });
});

describe("the look itself", () => {
  it("asks those that it is told of, once each", async () => {
    const asked: string[] = [];
    const look = await lookAt(
      async (address) => {
        asked.push(address);
        return encodeStatus(told(address === "alias:1" ? a : address, {}));
      },
      ["alias:1"],
    );
    assert.deepEqual(asked, ["alias:1", b, c]);
    assert.deepEqual(look.known, three);
    assert.equal(look.answers[0]?.address, "alias:1");
  });
});
