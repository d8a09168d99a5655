import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeSet } from "../../protocol/log/kv-calls.js";
import { systemClock } from "../../src/clock.js";
import { Expiry } from "../../src/node/expiry.js";
import type { OutcomeCallback } from "../../src/node/write-outcome.js";
import { RaftState } from "../../src/raft/state.js";
import { Store } from "../../src/store/store.js";
import { logOf } from "../raft/solo.js";

/*
 * Keys with a time to live while leaders change, members start again on their dumps, and all their wall clocks
 * show what they like: the bounds are those of docs/network-and-time.md.
 */

const hourSec = 3_600;
const heartbeatSec = 0.1;
/** A look comes every 100 ms, and a value is noted at the look after it came. */
const lateSecMax = 0.35;
const key = "/service/demo/leader";
/** Where the monotonic clocks began. */
const originSec = 1_600_000_000;

/** All members at one true time; what is written is applied by all of them at once. */
class Cluster {
  nowSec = 1_700_000_000;
  index = 1;
  term = 1;
  readonly seats: readonly Seat[];
  leader: Seat;
  leadsSinceSec = 0;
  written: { readonly atSec: number; readonly ttlSec: number; readonly expire: number } | null =
    null;

  constructor(skewsSec: readonly number[]) {
    this.seats = skewsSec.map((skewSec, n) => new Seat(this, `${"abc"[n]}:1`, skewSec));
    this.leader = this.seat(0);
    this.elect(0);
  }

  seat(n: number): Seat {
    const seat = this.seats[n % this.seats.length];
    if (seat === undefined) throw new Error("a cluster without members");
    return seat;
  }

  elect(n: number): void {
    this.term += 1;
    this.leader = this.seat(n);
    this.leadsSinceSec = this.nowSec;
    for (const seat of this.seats) seat.follow(this.leader);
  }

  /** Whose clock is `skewSec` ahead of the truth sets the key, or renews it. */
  write(skewSec: number, ttlSec: number): void {
    const updated = this.nowSec + skewSec;
    const expire = updated + ttlSec;
    this.commit(encodeSet(key, { value: "node1", updated, created: updated, expire }));
    this.written = { atSec: this.nowSec, ttlSec, expire };
  }

  commit(command: Uint8Array): void {
    this.index += 1;
    for (const seat of this.seats) seat.apply(command, this.index);
  }

  run(sec: number): void {
    const untilSec = this.nowSec + sec;
    while (this.nowSec < untilSec - 1e-6) {
      this.nowSec += heartbeatSec;
      for (const seat of this.seats) seat.look();
      this.#check();
    }
  }

  /** Neither too early, given what this leader knows, nor too late. */
  #check(): void {
    const { written, leader, nowSec } = this;
    if (written === null) return;
    const { atSec, ttlSec, expire } = written;
    const sawItCome = leader.startedSec < atSec;
    const knownSec = nowSec - (sawItCome ? atSec : leader.startedSec);
    const said = `${(nowSec - atSec).toFixed(2)} s of ${ttlSec} s, ${sawItCome ? "seen" : "read"}`;
    if (leader.store.get(key) === null) {
      const isOver = knownSec > ttlSec - 0.001;
      assert.ok(isOver || (!sawItCome && leader.wallSec >= expire - 0.001), `too short: ${said}`);
      this.written = null;
      for (const { store } of this.seats) assert.equal(store.get(key), null);
      return;
    }
    // Who has read it believes its own clock, where that says that the time has come.
    const isDue = knownSec > ttlSec + lateSecMax || (!sawItCome && leader.wallSec > expire);
    assert.ok(!isDue || nowSec - this.leadsSinceSec < lateSecMax, `too long: ${said}`);
  }
}

class Seat {
  readonly #cluster: Cluster;
  readonly #address: string;
  skewSec: number;
  /** When it read its store from a dump. */
  startedSec = 0;
  store = new Store();
  #state: RaftState;
  #expiry: Expiry;

  constructor(cluster: Cluster, address: string, skewSec: number) {
    this.#cluster = cluster;
    this.#address = address;
    this.skewSec = skewSec;
    this.#state = this.#newState();
    this.#expiry = this.#newExpiry();
  }

  get wallSec(): number {
    return this.#cluster.nowSec + this.skewSec;
  }

  get #monotonicMs(): number {
    return (this.#cluster.nowSec - originSec) * 1000;
  }

  follow(leader: Seat): void {
    const state = this.#state;
    state.term = this.#cluster.term;
    state.setRole(leader === this ? "leader" : "follower", leader.#address);
    state.noOpIndex = state.lastApplied;
  }

  apply(command: Uint8Array, index: number): void {
    this.store.apply(command, index);
    this.#state.lastApplied = index;
    this.#state.commitIndex = index;
  }

  look(): void {
    this.#state.leaderHeardMs = this.#monotonicMs;
    this.#expiry.look();
  }

  /** What it knew of the time is gone: all that it has is its dump. */
  restart(): void {
    const { index } = this.#cluster;
    this.store = Store.fromDump(new Map(this.store.entries()));
    this.startedSec = this.#cluster.nowSec;
    this.#state = this.#newState();
    [this.#state.lastApplied, this.#state.commitIndex] = [index, index];
    this.#expiry = this.#newExpiry();
    this.follow(this.#cluster.leader);
  }

  #newState(): RaftState {
    return new RaftState(
      {
        ...{ selfId: this.#address, electionTimeoutMsMin: 400, electionTimeoutMsMax: 1400 },
        ...{ heartbeatMs: 100, leaderFallbackMs: 30_000, onConflict: "keep", random: () => 0.5 },
      },
      {
        ...{ term: 1, votedFor: null, commitIndex: 1, appliedIndex: 1, entries: logOf([0]) },
        ...{ members: ["a:1", "b:1", "c:1"], mustRefetch: false },
      },
      0,
    );
  }

  #newExpiry(): Expiry {
    const cluster = this.#cluster;
    const proposals = {
      room: 1_000,
      submit: (command: Uint8Array, done: OutcomeCallback) => {
        cluster.commit(command);
        done({ ok: true, error: 0, result: null, index: cluster.index, term: cluster.term });
      },
    };
    const clock = {
      ...systemClock,
      monotonicMs: () => this.#monotonicMs,
      wallSec: () => this.wallSec,
    };
    const [store, state] = [() => this.store, () => this.#state];
    return new Expiry({ clock, proposals, store, state, say: () => {} });
  }
}

type Step =
  | { readonly kind: "clock"; readonly n: number; readonly skewSec: number }
  | { readonly kind: "elect" | "restart" | "restart-all"; readonly n: number }
  | { readonly kind: "write"; readonly skewSec: number; readonly ttlSec: number };

function take(cluster: Cluster, step: Step): void {
  switch (step.kind) {
    case "clock":
      cluster.seat(step.n).skewSec = step.skewSec;
      break;
    case "elect":
      cluster.elect(step.n);
      break;
    case "restart": {
      const seat = cluster.seat(step.n);
      if (seat === cluster.leader) cluster.elect(step.n + 1);
      seat.restart();
      break;
    }
    case "restart-all":
      for (const seat of cluster.seats) seat.restart();
      cluster.elect(step.n);
      break;
    case "write":
      cluster.write(step.skewSec, step.ttlSec);
  }
}

const skews = fc.oneof(
  fc.constantFrom(0, hourSec, -hourSec),
  fc.double({ min: -100, max: 100, noNaN: true }),
);
const seatNumbers = fc.nat(2);
const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("clock" as const), n: seatNumbers, skewSec: skews }),
  fc.record({
    kind: fc.constantFrom("elect" as const, "restart" as const, "restart-all" as const),
    n: seatNumbers,
  }),
  fc.record({
    kind: fc.constant("write" as const),
    skewSec: skews,
    ttlSec: fc.integer({ min: 1, max: 30 }),
  }),
);
/** Each member takes three looks before the next thing happens: what comes earlier, nobody has seen come. */
const histories = fc.array(
  fc.tuple(steps, fc.oneof(fc.constant(0.3), fc.integer({ min: 1, max: 20 }))),
  {
    maxLength: 12,
  },
);

test("a key lives for its ttl, whoever leads, starts again on a dump, or has a wrong clock", () => {
  let [removed, read] = [0, 0];
  fc.assert(
    fc.property(fc.tuple(skews, skews, skews), skews, histories, (clocks, writerSec, history) => {
      const cluster = new Cluster(clocks);
      cluster.run(1);
      cluster.write(writerSec, 20);
      cluster.run(0.3);
      for (const [step, forSec] of history) {
        take(cluster, step);
        cluster.run(forSec);
      }
      const { written, leader } = cluster;
      if (written === null) return;
      cluster.run(written.ttlSec + 1);
      assert.equal(cluster.written, null, "it is still there");
      removed += 1;
      if (leader.startedSec > written.atSec) read += 1;
    }),
    { numRuns: 300 },
  );
  // That both came about.
  assert.ok(
    removed > 50 && read > 0,
    `${removed} were removed at the end, ${read} by who had read them`,
  );
});
