import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { decodeCommand } from "../../protocol/log/commands.js";
import { encodeSet } from "../../protocol/log/kv-calls.js";
import { PyFloat, type PyValue } from "../../protocol/pickle/values.js";
import { systemClock, type Timer } from "../../src/clock.js";
import { Expiry, type ExpiryHost } from "../../src/node/expiry.js";
import { nodeLimits } from "../../src/node/limits.js";
import { type OutcomeCallback, writeFailure } from "../../src/node/write-outcome.js";
import { RaftState } from "../../src/raft/state.js";
import { Store } from "../../src/store/store.js";
import { logOf } from "../raft/solo.js";

const hourSec = 3_600;
const ttlSec = 30;
/** What wakes a member. */
const heartbeatSec = 0.1;
/** A look comes every 100 ms, and a value is noted at the look after it came. */
const lateSecMax = 0.25;
const key = "/service/demo/leader";

/** One member: its clocks, its place in the cluster, its store. The true time is `nowSec`. */
class Stage {
  nowSec = 1_700_000_000;
  /** How far this member's wall clock is ahead of the truth. */
  skewSec = 0;
  store = new Store();
  /** How often the member asked for a look. */
  looks = 0;
  readonly said: string[] = [];
  /** The calls that a timer makes. */
  readonly timers: { readonly ms: number; readonly run: () => void }[] = [];
  readonly state = new RaftState(
    {
      ...{ selfId: "a:1", electionTimeoutMsMin: 400, electionTimeoutMsMax: 1400, heartbeatMs: 100 },
      ...{ leaderFallbackMs: 30_000, onConflict: "keep", random: () => 0.5 },
    },
    {
      ...{ term: 1, votedFor: null, commitIndex: 1, appliedIndex: 1, entries: logOf([0]) },
      ...{ members: ["b:1", "c:1"], mustRefetch: false },
    },
    0,
  );
  #index = 1;
  readonly expiry = new Expiry({
    clock: {
      ...systemClock,
      // It began at some other time than the wall clock.
      monotonicMs: () => (this.nowSec - 1_600_000_000) * 1000,
      wallSec: () => this.nowSec + this.skewSec,
      every: (ms, run) => {
        const timer = { ms, run, cancel: () => {}, unref: () => timer };
        this.timers.push(timer);
        return timer;
      },
    },
    proposals: {
      room: Number.POSITIVE_INFINITY,
      submit: (command, done) => {
        const decoded = decodeCommand(command);
        assert.equal(decoded.kind, "regular");
        this.#apply(command);
        done({ ok: true, error: 0, result: null, index: this.#index, term: this.state.term });
      },
    },
    store: () => {
      this.looks += 1;
      return this.store;
    },
    state: () => this.state,
    say: ({ text }) => this.said.push(text),
  });

  get has(): boolean {
    return this.store.get(key) !== null;
  }

  leads(): this {
    this.state.setRole("leader", "a:1");
    this.state.noOpIndex = this.state.lastApplied;
    this.run(1);
    return this;
  }

  follows(): this {
    this.state.setRole("follower", "b:1");
    this.run(1);
    return this;
  }

  /** Somebody, whose clock is `skewSec` ahead of the truth, sets the key. */
  write(skewSec = 0, ttl = ttlSec): void {
    const now = this.nowSec + skewSec;
    this.#apply(encodeSet(key, { value: "node1", updated: now, created: now, expire: now + ttl }));
  }

  run(sec: number): void {
    const untilSec = this.nowSec + sec;
    while (this.nowSec < untilSec - 1e-6) {
      this.nowSec += heartbeatSec;
      if (!this.state.isLeader) this.hear();
      this.expiry.look();
    }
  }

  hear(): void {
    this.state.leaderHeardMs = (this.nowSec - 1_600_000_000) * 1000;
  }

  /** How long from now until the key is gone. */
  untilGone(): number {
    const from = this.nowSec;
    while (this.has && this.nowSec - from < 3 * hourSec) this.run(0.1);
    return this.nowSec - from;
  }

  #apply(command: Uint8Array): void {
    this.#index += 1;
    this.store.apply(command, this.#index);
    this.state.lastApplied = this.#index;
    this.state.commitIndex = this.#index;
  }
}

function assertAbout(actualSec: number, expectedSec: number): void {
  const late = actualSec - expectedSec;
  assert.ok(late > -0.001 && late < lateSecMax, `${actualSec} s, not ${expectedSec} s`);
}

suite("keys with a time to live", () => {
  test("a member that is awake looks at most every 90 ms, and no timer wakes it as often", () => {
    const stage = new Stage();
    stage.expiry.awake();
    assert.equal(stage.looks, 0, "not started yet");
    stage.expiry.start();
    for (let ms = 0; ms < 1_000; ms += 1) {
      stage.expiry.awake();
      stage.nowSec += 0.001;
    }
    assert.equal(stage.looks, 11);
    const [timer] = stage.timers;
    assert.equal(timer?.ms, nodeLimits.expiryTimerMs);
    stage.nowSec += nodeLimits.expiryTimerMs / 1000;
    timer?.run();
    assert.equal(stage.looks, 12, "nothing else has woken it");
    stage.expiry.stop();
    stage.nowSec += 1;
    stage.expiry.awake();
    assert.equal(stage.looks, 12, "stopped");
  });

  test("all clocks right: gone when the ttl is over", () => {
    const stage = new Stage().leads();
    stage.write();
    assertAbout(stage.untilGone(), ttlSec);
  });

  for (const [who, leaderSec, writerSec] of [
    ["the leader an hour ahead", hourSec, 0],
    ["the leader an hour behind", -hourSec, 0],
    ["the writer an hour ahead", 0, hourSec],
    ["the writer an hour behind", 0, -hourSec],
  ] as const) {
    test(`${who}: the key lives for its ttl, neither longer nor shorter`, () => {
      const stage = new Stage();
      stage.skewSec = leaderSec;
      stage.leads();
      stage.write(writerSec);
      assertAbout(stage.untilGone(), ttlSec);
    });
  }

  for (const jumpSec of [hourSec, -hourSec]) {
    test(`the leader's clock jumps by ${jumpSec} s: the same`, () => {
      const stage = new Stage().leads();
      stage.write();
      stage.run(10);
      stage.skewSec += jumpSec;
      assertAbout(stage.untilGone(), ttlSec - 10);
    });
  }

  test("who renews the key keeps it, whatever the leader's clock shows", () => {
    const stage = new Stage();
    stage.skewSec = hourSec;
    stage.leads();
    for (let round = 0; round < 20; round += 1) {
      stage.write();
      stage.run(10);
      assert.ok(stage.has, `round ${round}`);
    }
    assertAbout(stage.untilGone(), ttlSec - 10);
  });

  for (const skewSec of [0, hourSec, -hourSec]) {
    test(`a follower ${skewSec} s ahead takes over: the key's life goes on`, () => {
      const stage = new Stage();
      stage.skewSec = skewSec;
      stage.follows();
      stage.write();
      stage.run(10);
      stage.state.term += 1;
      stage.leads();
      assertAbout(stage.untilGone(), ttlSec - 11);
    });
  }

  test("a member that was catching up takes the wall clock's word: the value may be old", () => {
    const stage = new Stage().follows();
    stage.state.commitIndex += 1;
    stage.run(0.1);
    // Written 20 s ago, applied only now.
    stage.nowSec -= 20;
    stage.write();
    stage.nowSec += 20;
    stage.run(0.1);
    stage.state.term += 1;
    stage.leads();
    assertAbout(stage.untilGone(), 10 - 1.1);
  });

  test("so does one that was paused, and applies what waited before it looks at the time", () => {
    const stage = new Stage().follows();
    stage.write();
    stage.nowSec += 20;
    stage.hear();
    stage.run(0.1);
    stage.state.term += 1;
    stage.leads();
    assertAbout(stage.untilGone(), 10 - 1.1);
  });

  for (const [what, skewSec, expectedSec] of [
    ["right, and the ttl over long ago: at once", 0, 0],
    ["an hour behind: one ttl after the start", -hourSec, ttlSec],
  ] as const) {
    test(`a leader that has just started on its files, its clock ${what}`, () => {
      const stage = new Stage();
      stage.nowSec -= 100;
      stage.write();
      stage.nowSec += 100;
      stage.store = Store.fromDump(new Map(stage.store.entries()));
      stage.skewSec = skewSec;
      stage.leads();
      assertAbout(stage.untilGone() + 1, Math.max(1, expectedSec));
    });
  }

  test("clocks that jump at random: never before the ttl is over, never long after it", () => {
    const skew = fc.double({ min: -2 * hourSec, max: 2 * hourSec, noNaN: true });
    const jumps = fc.array(fc.tuple(fc.nat(40), skew), { maxLength: 8 });
    fc.assert(
      fc.property(
        skew,
        skew,
        jumps,
        fc.integer({ min: 1, max: 60 }),
        (leader, writer, plan, ttl) => {
          const stage = new Stage();
          stage.skewSec = leader;
          stage.leads();
          stage.write(writer, ttl);
          const began = stage.nowSec;
          for (const [afterSec, skewSec] of plan) {
            while (stage.has && stage.nowSec < began + afterSec) stage.run(0.1);
            stage.skewSec = skewSec;
          }
          stage.untilGone();
          assertAbout(stage.nowSec - began, ttl);
        },
      ),
      { numRuns: 200 },
    );
  });
});

const times = ["updated", "created", "expire"].map((name) => [name, 5] as const);

suite("very many keys that are over at once", () => {
  /** A leader with so many keys, whose removals wait until they are taken. */
  function crowd(count: number, store = new Store()) {
    const said: string[] = [];
    const waiting: { command: Uint8Array; done: OutcomeCallback }[] = [];
    const state = new Stage().leads().state;
    let nowSec = 1_000;
    const soon: (() => void)[] = [];
    const timer: Timer = { cancel: () => {}, unref: () => timer };
    for (let n = 0; n < count; n += 1) {
      store.apply(encodeSet(`/${n}`, { value: "x", updated: 5, created: 5, expire: 10 }), n);
    }
    const proposals: ExpiryHost["proposals"] & { room: number } = {
      room: nodeLimits.gatheredMax,
      submit: (command: Uint8Array, done: OutcomeCallback) => void waiting.push({ command, done }),
    };
    const expiry = new Expiry({
      clock: {
        ...systemClock,
        monotonicMs: () => nowSec * 1000,
        wallSec: () => 1_000_000 + nowSec,
        soon: (run) => void soon.push(run),
        every: () => timer,
      },
      ...{ proposals, store: () => store, state: () => state },
      say: ({ text }) => said.push(text),
    });
    return {
      ...{ store, state, waiting, proposals, expiry, said },
      look: () => {
        nowSec += 0.1;
        expiry.look();
      },
      /** A turn of the loop, a while later. */
      turn: (afterSec: number) => {
        nowSec += afterSec;
        const due = soon.splice(0);
        if (due.length === 0) expiry.awake();
        for (const run of due) run();
      },
      done: (most = Number.POSITIVE_INFINITY) => {
        for (const { command, done } of waiting.splice(0, most)) {
          store.apply(command, count);
          done({ ok: true, error: 0, result: null, index: count, term: 1 });
        }
      },
    };
  }

  test("so many go in one look, and all in the end", () => {
    const count = 200_000;
    const { store, look, done, waiting } = crowd(count);
    let looks = 0;
    for (; store.size > 0 && looks < 1_000; looks += 1) {
      look();
      assert(waiting.length <= nodeLimits.expiredPerLook, `${waiting.length} in one look`);
      done();
    }
    assert.equal(looks, count / nodeLimits.expiredPerLook);
  });

  test("none is submitted again while it is under way, and no more than there is room for", () => {
    const count = 10_000;
    const { look, waiting, proposals, done, store } = crowd(count);
    for (let n = 0; n < 30; n += 1) look();
    assert.equal(waiting.length, nodeLimits.removalsUnderWayMax);
    done();
    proposals.room = 7;
    look();
    assert.equal(waiting.length, 7);
    proposals.room = 0;
    look();
    assert.equal(waiting.length, 7);
    assert.equal(store.size, count - nodeLimits.removalsUnderWayMax);
  });

  test("those whose removal failed are tried again when others had their turn", () => {
    const { look, waiting } = crowd(5_000);
    const seen = new Set<string>();
    for (let looks = 1; looks <= 5; looks += 1) {
      look();
      for (const { command, done } of waiting.splice(0)) {
        seen.add(Buffer.from(command).toString("hex"));
        done(writeFailure("QUEUE_FULL"));
      }
      assert.equal(seen.size, looks * nodeLimits.expiredPerLook);
    }
    look();
    assert.equal(waiting.length, 0, "not within a second");
    for (let looks = 0; looks < 10; looks += 1) look();
    assert(waiting.length > 0);
  });

  test("those that cannot be removed keep no other waiting", () => {
    // Each is equal to nothing, and does not say which entry has set it.
    const nan = new Map<PyValue, PyValue>([...times, ["value", new PyFloat(Number.NaN)]]);
    const nans = Array.from({ length: 5_000 }, (_, n) => [`/nan/${n}`, nan] as const);
    const { store, look, done } = crowd(10_000, Store.fromDump(new Map(nans)));
    for (let looks = 0; looks < 1_000 && store.size > 5_000; looks += 1) {
      look();
      done();
    }
    assert.equal(store.size, 5_000);
    assert.deepEqual(store.expired(1e9, 1e9), [], "and are not tried again and again");
  });

  test("the next follow when half of them are done, so that a leader key behind them soon goes", () => {
    const count = 100_000;
    const { store, waiting, done, turn, expiry } = crowd(count);
    store.apply(encodeSet(key, { value: "node1", updated: 5, created: 5, expire: 11 }), count);
    expiry.start();
    const turnSec = 0.01;
    let turns = 0;
    // The cluster removes 25,000 a second.
    for (; store.get(key) !== null && turns < 10_000; turns += 1) {
      const before = waiting.length;
      turn(turnSec);
      assert(waiting.length - before <= nodeLimits.expiredPerLook, "one look in a turn");
      assert(waiting.length <= nodeLimits.removalsUnderWayMax);
      done(250);
    }
    assert(turns * turnSec < 4.5, `${turns * turnSec} s`);
  });

  test("the next do not follow where there is no room, removals fail, or another member leads", () => {
    const { state, waiting, proposals, done, turn, expiry } = crowd(20_000);
    expiry.start();
    proposals.room = nodeLimits.expiredPerLook / 2;
    turn(0.1);
    assert.equal(waiting.length, nodeLimits.expiredPerLook / 2);
    done();
    turn(0);
    assert.equal(waiting.length, 0, "others need the room");
    proposals.room = nodeLimits.gatheredMax;
    turn(0.1);
    for (let n = 0; n < 10; n += 1) turn(0);
    assert.equal(waiting.length, nodeLimits.expiredPerLook, "none has succeeded");
    for (const one of waiting.splice(0)) one.done(writeFailure("QUEUE_FULL"));
    turn(0);
    assert.equal(waiting.length, 0, "they failed");
    turn(0.1);
    state.setRole("follower", "b:1");
    done();
    turn(0);
    assert.equal(waiting.length, 0);
  });

  test("large ones go a few at a time: each is written into a command", () => {
    const { store, look, waiting, done, proposals } = crowd(0);
    const value = "x".repeat(300 * 1024);
    const large = { value, updated: 5, created: 5, expire: 10 };
    for (let n = 0; n < 80; n += 1) store.apply(encodeSet(`/large/${n}`, large), n);
    const perLook = Math.floor(nodeLimits.expiredBytesPerLook / (300 * 1024 + 256));
    look();
    assert.equal(waiting.length, perLook);
    look();
    assert.equal(waiting.length, 2 * perLook, "the others were not put off");
    for (let n = 0; n < 80; n += 1) look();
    const underWay = Math.floor(nodeLimits.removalBytesUnderWayMax / (300 * 1024 + 280));
    assert.equal(waiting.length, underWay);
    for (let looks = 0; store.size > 0 && looks < 100; looks += 1) {
      done();
      look();
    }
    assert.equal(store.size, 0);
    assert.equal(proposals.room, nodeLimits.gatheredMax);
  });

  test("one that is larger than what is looked at once goes by itself", () => {
    const { store, look, waiting, done } = crowd(0);
    const value = "x".repeat(nodeLimits.expiredBytesPerLook + 1);
    const large = { value, updated: 5, created: 5, expire: 10 };
    for (let n = 0; n < 3; n += 1) store.apply(encodeSet(`/large/${n}`, large), n);
    for (let n = 2; n >= 0; n -= 1) {
      look();
      assert.equal(waiting.length, 1);
      done();
      assert.equal(store.size, n);
    }
  });

  test("one that cannot be named in a command stays, told once, and ends no leader", () => {
    const { store, look, done, said } = crowd(10);
    let deep: PyValue = [];
    for (let level = 0; level < 300; level += 1) deep = [deep];
    const value = new Map<PyValue, PyValue>([["value", deep], ...times]);
    const within = Store.fromDump(new Map([["/deep", value]]));
    const crowded = crowd(0, within);
    for (let looks = 0; looks < 50; looks += 1) {
      crowded.look();
      look();
      done();
    }
    assert.equal(store.size, 0);
    assert.deepEqual(said, []);
    assert.equal(within.size, 1);
    assert.equal(crowded.said.length, 1);
    assert.match(crowded.said[0] ?? "", /stays until .*: \/deep: value nested more than/);
  });
});
