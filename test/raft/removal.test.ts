import assert from "node:assert/strict";
import { beforeEach, suite, test } from "node:test";
import { encodeMembership } from "../../protocol/log/commands.js";
import { failReason } from "../../protocol/wire/messages.js";
import type { Effect } from "../../src/raft/types.js";
import { outcomes, refused } from "./roles.js";
import type { Solo } from "./solo.js";
import { WiredCores } from "./wired-cores.js";

/** Of two, one alone could do nothing: who remains has to be a majority of what remains. */
suite("a member is taken out", () => {
  const ids = ["a:1", "b:1", "c:1"] as const;
  let net: WiredCores;
  let leader: Solo;

  beforeEach(() => {
    net = new WiredCores(ids, { term: 1, log: [0, 1], commit: 2, applied: 2 });
    leader = net.at("a:1");
    leader.timeOut();
    net.flow("a:1-b:1", "a:1-c:1");
    leader.step({ kind: "applied", index: leader.state.commitIndex });
  });

  function remove(address: string): readonly Effect[] {
    const command = encodeMembership("rem", address);
    return leader.step({
      kind: "propose",
      proposals: [{ command, origin: { kind: "local", id: 1 } }],
    });
  }

  /** c:1 is connected, and says nothing for longer than a leader waits; b:1 does answer. */
  function staySilent(): void {
    const half = leader.state.config.leaderFallbackMs / 2 + 1;
    leader.tick(half);
    const nextNodeIdx = leader.state.log.lastIndex + 1;
    leader.receive("b:1", { type: "next_node_idx", nextNodeIdx, success: true, reset: false });
    leader.tick(half);
  }

  function codes(effects: readonly Effect[]): string[] {
    return effects.flatMap((effect) => (effect.kind === "note" ? [effect.note.code] : []));
  }

  test("where all others answer", () => {
    assert.notDeepEqual(outcomes(remove("b:1")), [refused(failReason.requestDenied)]);
    assert.deepEqual([...leader.state.members], ["c:1"]);
  });

  test("where it is the one that is away", () => {
    net.break("a:1", "b:1");
    remove("b:1");
    assert.deepEqual([...leader.state.members], ["c:1"]);
  });

  for (const [why, happens] of [
    ["away", () => net.break("a:1", "c:1")],
    ["silent", staySilent],
    ["on an empty disk", () => net.loseDisk("c:1", ["a:1", "b:1"])],
  ] as const) {
    test(`not where the only other one is ${why}`, () => {
      happens();
      const effects = remove("b:1");
      assert.deepEqual(outcomes(effects), [refused(failReason.requestDenied)]);
      assert.deepEqual(codes(effects), ["removal-refused"]);
      assert.equal(leader.state.members.size, 2);
    });
  }
});
