import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeNoOp } from "../../protocol/log/commands.js";
import { encodeSet } from "../../protocol/log/kv-calls.js";
import { failReason, type PeerMessage } from "../../protocol/wire/messages.js";
import { RaftLog } from "../../src/raft/raft-log.js";
import { Store } from "../../src/store/store.js";
import { AcknowledgedStays } from "./checkers/acknowledged.js";
import type { MemberView } from "./checkers/checker.js";
import { DurableBeforeSent } from "./checkers/durable-first.js";
import { HeldBack } from "./checkers/held-back.js";
import { IndexOrder } from "./checkers/index-order.js";
import { LogMatching } from "./checkers/log-matching.js";
import { StoreIsFold } from "./checkers/store-fold.js";
import { History } from "./history.js";

/** A member in term 5, by the terms of the entries that it holds from 1 on. */
function member(parts: {
  readonly memory?: readonly number[];
  readonly disk?: readonly number[];
  readonly votedFor?: string | null;
}): MemberView {
  const { memory = [], disk = [], votedFor = null } = parts;
  const view = {
    address: "a:1",
    life: 1,
    raft: { log: { termAt: (index: number) => memory[index - 1] ?? null } },
    durable: {
      meta: () => ({ term: 5, votedFor }),
      journal: () => ({ first: 1, terms: disk }),
      lastIndex: () => disk.length,
      termAt: (index: number) => disk[index - 1] ?? null,
      holds: (index: number, term: number) => disk[index - 1] === term,
    },
  };
  return view as unknown as MemberView;
}

function asksForVotes(lastLogIndex: number): PeerMessage {
  return { type: "request_vote", term: 5, lastLogIndex, lastLogTerm: 1 };
}

test("a member that asks for votes has its own on its disk", () => {
  const checker = new DurableBeforeSent();
  const voted = member({ votedFor: "a:1" });
  checker.sent(voted, "b:1", asksForVotes(3));
  assert.throws(() => checker.sent(member({}), "b:1", asksForVotes(3)), /votes for a:1 in 5/);
  assert.throws(() => checker.sent(member({ votedFor: "c:1" }), "b:1", asksForVotes(3)), /has c:1/);
  // A term beacon is no campaign.
  checker.sent(member({}), "b:1", asksForVotes(0));
});

const confirms: PeerMessage = {
  type: "next_node_idx",
  nextNodeIdx: 3,
  reset: false,
  success: true,
};

test("an entry that a member confirms is on its disk with the term that its leader has told", () => {
  const checker = new DurableBeforeSent();
  const after = member({ memory: [1, 5], disk: [1, 4] });
  checker.sent(after, "b:1", confirms);
  const entry = { index: 2, term: 5, command: encodeNoOp() };
  checker.received(after, "b:1", {
    ...{ type: "append_entries", term: 5, commitIndex: 1, prevLogIdx: 1, prevLogTerm: 1 },
    entries: [entry],
  });
  assert.throws(() => checker.sent(after, "b:1", confirms), /entry 2 of term 5.*one of term 4/);
  checker.sent(member({ memory: [1, 5], disk: [1, 5] }), "b:1", confirms);
  // To an earlier leader it had confirmed the earlier entry.
  checker.sent(after, "c:1", confirms);
  // Another leader has had it replaced meanwhile.
  checker.sent(member({ memory: [1, 6], disk: [1, 4] }), "b:1", confirms);
});

test("an entry of which a leader tells who has proposed it is on its disk", () => {
  const checker = new DurableBeforeSent();
  const answer: PeerMessage = {
    ...{ type: "apply_command_response", requestId: 1, logIdx: 2, logTerm: 5 },
  };
  checker.sent(member({ memory: [1, 5], disk: [1, 5] }), "b:1", answer);
  const early = member({ memory: [1, 5], disk: [1, 4] });
  assert.throws(() => checker.sent(early, "b:1", answer), /tells b:1 of entry 2 of term 5/);
});

test("a store that is wrong for the time of one entry is found", () => {
  const history = new History();
  const store = new Store();
  const checker = new StoreIsFold(history);
  const look = (appliedIndex: number) => checker.step({ ...member({}), store, appliedIndex });
  const commit = (index: number, value: string, applied = value) => {
    const set = (what: string) => encodeSet("/k", { value: what, created: 1, updated: 1 });
    history.commit({ index, term: 1, command: set(value) }, "a:1", 1);
    store.apply(set(applied), index);
  };
  for (let index = 1; index <= 5; index += 1) {
    commit(index, `${index}`);
    look(index);
  }
  commit(6, "6", "another");
  assert.throws(() => look(6), /store is not what entries 1…6 make/);
  commit(7, "7");
  look(7);
});

/** A member by its log alone, of these terms from index 1 on, all applied. */
function holder(address: string, terms: readonly number[], text = "x", life = 1): MemberView {
  const command = (index: number) =>
    encodeSet(`/${index}`, { value: text, created: 1, updated: 1 });
  const entries = terms.map((term, at) => ({ index: at + 1, term, command: command(at + 1) }));
  const raft = { log: new RaftLog(entries), mustRefetch: false };
  return { address, life, raft, appliedIndex: terms.length } as unknown as MemberView;
}

test("entries of one index and term that differ are found, and so are ones that differ before them", () => {
  const checker = new LogMatching();
  checker.step(holder("a:1", [1, 1, 2]));
  checker.step(holder("b:1", [1, 1, 2, 2]));
  // Another term at an index is another entry, until somebody commits one of them.
  checker.step(holder("c:1", [1, 1, 3]));
  assert.throws(
    () => checker.step(holder("d:1", [1, 1, 2], "y")),
    /log-matching.*d:1 holds entry 1 of term 1.*a:1/,
  );
  assert.throws(
    () => checker.step(holder("e:1", [1, 2, 2])),
    /log-matching.*before entry 3 of term 2.*e:1 has an entry of term 2, a:1 one of 1/,
  );
  // In another life of a member its log is looked at anew, also where it has not grown.
  assert.throws(() => checker.step(holder("b:1", [1, 1, 2, 2], "y", 2)), /log-matching/);
});

interface Indices {
  readonly applied: number;
  readonly commit: number;
  readonly last: number;
  readonly durable: number;
  readonly life: number;
  readonly mustRefetch: boolean;
}

function at(parts: Partial<Indices>): MemberView {
  const usual = { applied: 2, commit: 3, last: 4, durable: 4, life: 1, mustRefetch: false };
  const { applied, commit, last, durable, life, mustRefetch } = { ...usual, ...parts };
  const raft = {
    ...{ commitIndex: commit, lastApplied: applied, applyingTo: applied, durableIndex: durable },
    ...{ log: { lastIndex: last }, mustRefetch },
  };
  return { address: "a:1", life, raft, appliedIndex: applied } as unknown as MemberView;
}

test("indices out of their order, or going back in a life, are found", () => {
  const wrong: readonly Partial<Indices>[] = [{ applied: 4 }, { commit: 5 }, { durable: 5 }];
  for (const parts of wrong) {
    assert.throws(() => new IndexOrder().step(at(parts)), /index-order.*applied/);
  }
  const back: readonly Partial<Indices>[] = [{ commit: 2 }, { applied: 1 }];
  for (const parts of back) {
    const checker = new IndexOrder();
    checker.step(at({}));
    assert.throws(() => checker.step(at(parts)), /index-order.*commit index went from 3/);
    // A start begins from what the disk holds, and who has to refetch from what its leader sends.
    checker.step(at({ ...parts, life: 2 }));
    checker.step(at({ applied: 1, commit: 1, life: 2, mustRefetch: true }));
  }
});

test("in the end most members have come as far as the last write that was acknowledged, in whatever order", () => {
  const members = [holder("a:1", [1, 1]), holder("b:1", [1, 1]), holder("c:1", [1, 1, 1])];
  const history = new History();
  const checker = new AcknowledgedStays(history);
  const entries = members.at(-1)?.raft.log.slice(1, 3) ?? [];
  for (const entry of entries) history.commit(entry, "c:1", 1);
  for (const { command } of entries.slice(1).reverse()) {
    checker.told({ by: "c:1", command, error: failReason.success });
  }
  assert.throws(() => checker.end(members), /a:1 ends at 2, entry 3 was acknowledged/);
});

test("a member that is held back has a reason, and follows, and stands still", () => {
  const bounds = { dataBytesMax: 1_000, logBytesMax: 100_000 };
  const set = (key: string, chars: number) =>
    encodeSet(key, { value: "x".repeat(chars), created: 1, updated: 1 });
  /** What is applied, and the committed entry behind it. */
  const held = (applied: number, next: number, isHeldBack = true, role = "follower") => {
    const store = new Store();
    if (applied > 0) store.apply(set("/k", applied), 2);
    const command = set("/k2", next);
    const log = new RaftLog([1, 2, 3].map((index) => ({ index, term: 1, command })));
    const raft = { log, commitIndex: 3, isHeldBack, role };
    return { ...holder("a:1", [1]), raft, store, bounds, appliedIndex: 2 } as unknown as MemberView;
  };
  const checker = new HeldBack();
  checker.step(held(500, 2_000, false));
  const view = held(500, 2_000);
  checker.step(view);
  checker.step(view);
  assert.equal(checker.count, 1);
  assert.throws(() => checker.step({ ...view, appliedIndex: 3 }), /applies up to 3/);
  assert.throws(() => new HeldBack().step(held(500, 10)), /held back with .* entry 3 adds/);
  assert.throws(() => new HeldBack().step(held(2_000, 2_000, false)), /bytes of data/);
  assert.throws(() => new HeldBack().step(held(500, 2_000, true, "leader")), /is a leader/);
  assert.throws(() => new HeldBack().step(held(500, 100_000, false)), /bytes in its log/);
});
