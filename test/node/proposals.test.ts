import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { encodeNoOp } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import { encodeDelete, encodeSet, encodeStoredSet } from "../../protocol/log/kv-calls.js";
import type { PyValue } from "../../protocol/pickle/values.js";
import { type Clock, systemClock } from "../../src/clock.js";
import { nodeLimits } from "../../src/node/limits.js";
import { Proposals } from "../../src/node/proposals.js";
import { startInquest } from "../../src/raft/inquest.js";
import { lead } from "../../src/raft/leader.js";
import { raftLimits } from "../../src/raft/limits.js";
import { onPropose } from "../../src/raft/propose.js";
import { RaftState } from "../../src/raft/state.js";
import type { Proposal } from "../../src/raft/types.js";
import { sweepsInTailMax } from "../../src/store/limits.js";
import { Store } from "../../src/store/store.js";

const set = (key: string, bytes = 1): Uint8Array =>
  encodeSet(key, { value: "x".repeat(bytes), updated: 5, created: 5 });

function leader(): RaftState {
  const config = {
    ...{ selfId: "a:1", electionTimeoutMsMin: 400, electionTimeoutMsMax: 1400 },
    ...{ heartbeatMs: 100, leaderFallbackMs: 30_000, random: () => 0.5 },
    onConflict: "keep" as const,
  };
  const first: Entry = { index: 1, term: 0, command: encodeNoOp() };
  const initial = {
    ...{ term: 1, votedFor: "a:1", commitIndex: 1, appliedIndex: 1, entries: [first] },
    ...{ members: ["b:1", "c:1"], mustRefetch: false },
  };
  const state = new RaftState(config, initial, 0);
  state.role = "leader";
  state.leader = "a:1";
  return state;
}

/** Every turn has time for all that there is to judge, on a busy machine too. */
const stillClock: Clock = { ...systemClock, monotonicMs: () => 0 };

/** Proposals over a leader whose log is appended to and never applied. */
function scene(
  propose?: (proposals: readonly Proposal[]) => void,
  clock: Clock = stillClock,
  dataBytesMax = 1_000_000_000,
) {
  const state = leader();
  const store = new Store();
  const sent: number[] = [];
  const proposals: Proposals = new Proposals({
    ...{ clock, state, store: () => store, fail: () => {}, refused: () => {} },
    ...{ dataBytesMax, full: () => {}, logFull: () => "the log is full" },
    appliedIndex: () => state.applyingTo,
    propose:
      propose ??
      ((given) => {
        onPropose(state, given);
        for (const effect of state.takeEffects()) {
          if (effect.kind === "answer") proposals.answered(effect.id, effect.outcome);
        }
      }),
    sendCommand: (_to, _command, requestId) => sent.push(requestId) > 0,
  });
  const submit = (command: Uint8Array): Promise<string> =>
    new Promise((resolve) =>
      proposals.submit(command, (outcome) => resolve(outcome.ok ? "SUCCESS" : outcome.reason)),
    );
  return { state, store, proposals, sent, submit };
}

/** Applied in order, no entry of the log would stop a vanilla member. */
function raisingEntries(state: RaftState, store: Store): number[] {
  return state.log
    .slice(2, state.log.lastIndex)
    .filter(({ command, index }) => "raised" in store.apply(command, index))
    .map(({ index }) => index);
}

test("what follows a proposal for which there was no room is not judged as if there had been", async () => {
  const { state, store, submit } = scene();
  state.uncommittedBytes = raftLimits.uncommittedBytesMax - 5_000;
  void submit(set("/a", 100_000));
  void submit(encodeDelete("/a"));
  await nextTurn();
  assert.deepEqual(raisingEntries(state, store), []);
});

test("what the log has no room for is refused, and whoever wrote it is told why", async () => {
  const { state, proposals, submit } = scene();
  Object.defineProperty(state, "logBytesMax", { value: 50_000 });
  const large = new Promise((resolve) => proposals.submit(set("/a", 50_000), resolve));
  const small = submit(set("/b"));
  await nextTurn();
  const { ok, reason, message } = (await large) as Record<string, unknown>;
  assert.deepEqual([ok, reason, message], [false, "QUEUE_FULL", "the log is full"]);
  assert.equal(state.log.lastIndex, 2);
  void small;
});

test("an entry at the index of a refused proposal is not taken for it", async () => {
  const { state, store, submit } = scene();
  // Elected, and still looking at the peers' logs: the core takes no proposals yet.
  state.votes = new Set(["b:1"]);
  state.connected.add("b:1");
  assert.ok(startInquest(state));
  const refused = [submit(set("/a")), submit(set("/b"))];
  await nextTurn();
  assert.equal(state.log.lastIndex, 1);
  lead(state);
  void submit(encodeDelete("/a"));
  await nextTurn();
  assert.deepEqual(raisingEntries(state, store), []);
  assert.deepEqual(await Promise.all(refused), ["MISSING_LEADER", "MISSING_LEADER"]);
});

test("an answer that comes after its index was applied is an answer all the same", async () => {
  const asked: Proposal[] = [];
  const { state, proposals, submit } = scene((given) => void asked.push(...given));
  const outcome = submit(set("/a"));
  await nextTurn();
  const [proposal] = asked;
  assert.ok(proposal?.origin.kind === "local");
  // Our disk hangs; another leader's entries have taken the index and were applied.
  state.role = "follower";
  state.applyingTo = 5;
  proposals.answered(proposal.origin.id, { appended: true, index: 2, term: 1 });
  assert.equal(await outcome, "UNKNOWN_OUTCOME");
});

test("who waits for the leader's answer is told when the link to it is lost", async () => {
  const { state, proposals, sent, submit } = scene();
  state.role = "follower";
  state.leader = "b:1";
  const outcome = submit(set("/a"));
  assert.equal(sent.length, 1);
  proposals.linkLost("c:1");
  proposals.linkLost("b:1");
  assert.equal(await outcome, "LEADER_CHANGED");
});

test("through a member that applies nothing for now no write is sent, and who waits is told, by the leader alone", async () => {
  const { state, proposals, sent, submit } = scene();
  state.role = "follower";
  state.leader = "b:1";
  const [placed, asked] = [submit(set("/a")), submit(set("/b"))];
  const [first = 0, second = 0] = sent;
  const forged = { type: "apply_command_response", error: 6 } as const;
  for (const requestId of [first, second])
    proposals.replied("127.0.0.1:9", { ...forged, requestId });
  const answer = { type: "apply_command_response", logTerm: 1 } as const;
  proposals.replied("b:1", { ...answer, requestId: first, logIdx: 2 });
  state.isHeldBack = true;
  proposals.heldBack();
  assert.equal(await placed, "UNKNOWN_OUTCOME");
  proposals.replied("b:1", { ...answer, requestId: second, logIdx: 3 });
  assert.equal(await asked, "UNKNOWN_OUTCOME");
  assert.equal(await submit(set("/c")), "REQUEST_DENIED");
  assert.equal(sent.length, 2);
  assert.equal(proposals.pending.size, 0);
});

test("values that take more than their entries are counted from the proposal to the store", async () => {
  const { state, store, submit } = scene(undefined, stillClock, 400_000);
  const odd = (n: number) =>
    encodeStoredSet(
      `/odd${n}`,
      new Map<PyValue, PyValue>([
        ["value", Array.from({ length: 1_000 }, () => null)],
        ["updated", 5],
        ["created", 5],
      ]),
    );
  const outcomes: string[] = [];
  for (let n = 0; n < 30; n += 1) {
    void submit(odd(n)).then((outcome) => outcomes.push(outcome));
    // In the same turn, and in later ones.
    if (n % 2 === 1) await nextTurn();
  }
  await nextTurn();
  assert.ok(outcomes.includes("QUEUE_FULL"), "and refused while they are under way");
  for (const { command, index } of state.log.slice(2, state.log.lastIndex))
    store.apply(command, index);
  assert.ok(store.bytes > 200_000 && store.bytes <= 400_000, `${store.bytes} bytes`);
});

/** A leader whose clock each look moves on so far that one proposal takes a whole turn. */
function slowScene() {
  const given: number[] = [];
  let nowMs = 0;
  const clock = {
    ...systemClock,
    monotonicMs: () => {
      nowMs += nodeLimits.judgeTurnMsMax;
      return nowMs;
    },
  };
  const made = scene((proposals) => void given.push(proposals.length), clock);
  return { ...made, given };
}

test("proposals are judged for so long in one turn, the rest in the next ones", async () => {
  const { given, submit } = slowScene();
  for (const key of ["/a", "/b", "/c"]) void submit(set(key));
  await nextTurn();
  assert.deepEqual(given, [1]);
  for (let turns = 0; given.length < 3; turns += 1) {
    assert.ok(turns < 10);
    await nextTurn();
  }
  assert.deepEqual(given, [1, 1, 1]);
});

test("more proposals than may wait are answered QUEUE_FULL", async () => {
  const { submit } = slowScene();
  const waiting = Array.from({ length: 4 }, (_, n) => submit(set(`/${n}`, 7 * 1024 * 1024)));
  const last = submit(set("/last", 7 * 1024 * 1024));
  assert.equal(await last, "QUEUE_FULL");
  assert.equal(waiting.length, 4);
  const { submit: submitSmall } = slowScene();
  for (let n = 0; n < nodeLimits.gatheredMax; n += 1) void submitSmall(set("/a"));
  assert.equal(await submitSmall(set("/a")), "QUEUE_FULL");
});

test("a new leader looks at the log before a proposal in turns, and judges it when it has seen all", async () => {
  const { given, submit, state } = slowScene();
  const log = Array.from({ length: 5 }, (_, n) => ({
    index: n + 2,
    term: 1,
    command: set(`/${n}`),
  }));
  state.appendEntries(log);
  void submit(set("/a"));
  for (let turns = 0; turns < log.length - 1; turns += 1) {
    await nextTurn();
    assert.deepEqual(given, [], "one look at the clock, and the time is over");
  }
  for (let turns = 0; given.length === 0; turns += 1) {
    assert.ok(turns < 10);
    await nextTurn();
  }
  assert.deepEqual(given, [1]);
});

for (const [what, key] of [
  ["plain writes", "/small"],
  ["others", "/\u{fffd}"],
] as const) {
  test(`where there is no room for the data, ${what} are refused and nothing of them is kept`, async () => {
    const { state, store, submit } = scene(undefined, stillClock, 1_000);
    const first = set("/first", 600);
    void submit(first);
    await nextTurn();
    store.apply(first, state.log.lastIndex);
    state.applyingTo = state.log.lastIndex;
    const outcomes = Array.from({ length: 20 }, (_, n) => submit(set(`${key}${n}`, 500)));
    await nextTurn();
    assert.deepEqual([...new Set(await Promise.all(outcomes))], ["REQUEST_DENIED"]);
    assert.equal(store.acceptedBytes, 0);
    void submit(set("/first", 599));
    await nextTurn();
    assert.equal(state.log.lastIndex, 3, "what adds nothing is taken");
  });
}

test("nothing is kept of what the core refuses, and what it appends is decoded once", async () => {
  const { state, store, submit } = scene();
  const [first, second] = [set("/a", 20_000), set("/b", 20_000)];
  void submit(first);
  await nextTurn();
  assert.equal(store.acceptedBytes, first.length);
  state.diskUsable = false;
  assert.equal(await submit(second), "NOT_LEADER");
  assert.equal(store.acceptedBytes, first.length);
  state.diskUsable = true;
  state.uncommittedBytes = raftLimits.uncommittedBytesMax;
  assert.equal(await submit(second), "QUEUE_FULL");
  assert.equal(store.acceptedBytes, first.length);
});

test("a recursive delete that has to wait for others to be applied is to be tried again", async () => {
  const { state, store, submit } = scene();
  const sweep = encodeDelete("/x/", { recursive: true });
  const log = Array.from({ length: sweepsInTailMax }, (_, n) => ({
    ...{ index: n + 2, term: 1, command: sweep },
  }));
  state.appendEntries(log);
  assert.equal(await submit(sweep), "QUEUE_FULL");
  assert.equal(await submit(encodeDelete("/none")), "REQUEST_DENIED", "it never will be right");
  for (const { command, index } of log) store.apply(command, index);
  state.applyingTo = state.log.lastIndex;
  void submit(sweep);
  await nextTurn();
  assert.equal(state.log.lastIndex, sweepsInTailMax + 2);
});
