import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry } from "../../protocol/log/entry.js";
import type { NextNodeIdx } from "../../protocol/wire/messages.js";
import { LogFollower } from "../../src/client/log-follower.js";

/**
 * Leaders that send as upstream's do (`SyncObj.__sendAppendEntries`), with logs that a sound cluster
 * can have, over links that break. Whatever comes, the client applies the committed log, each entry
 * once and in order.
 */

const runs = Number(process.env["RUNS"] ?? 300);
const stepsMax = 400;

function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

class Model {
  readonly chance: () => number;
  readonly applied: Entry[] = [];
  /** The leader's log; up to `commit` every later leader has the same. */
  log: Entry[] = [{ index: 1, term: 0, command: Uint8Array.of(1) }];
  commit = 1;
  term = 1;
  /** Tails that earlier leaders left behind: a later one may have them. */
  readonly tails: Entry[][] = [];
  next = 2;
  firstIndex = 1;
  readonly link: (() => void)[] = [];
  readonly follower: LogFollower;

  constructor(seed: number) {
    this.chance = random(seed);
    this.follower = new LogFollower({
      answer: (_to, message) => void this.link.push(() => this.onAnswer(message)),
      apply: (entry) => void this.applied.push(entry),
      leaderChanged: () => {},
      snapshotChunk: () => {},
      startedOver: (reason) => assert.fail(`seed ${seed}: started over: ${reason}`),
      warn: (message) => assert.fail(message),
    });
  }

  onAnswer({ nextNodeIdx, reset, success }: NextNodeIdx): void {
    if (reset || (success && nextNodeIdx > this.next)) this.next = nextNodeIdx;
  }

  elect(): void {
    const uncommitted = this.log.slice(this.commit);
    if (uncommitted.length > 0) this.tails.push(uncommitted);
    this.breakLink();
    this.term += 1;
    const old = this.tails[Math.floor(this.chance() * this.tails.length)];
    const base = this.log.slice(0, this.commit);
    const fits = old?.[0]?.index === this.commit + 1 && this.chance() < 0.5;
    this.log = fits && old !== undefined ? [...base, ...old] : base;
    this.add();
    this.next = this.log.length + (this.chance() < 0.5 ? 0 : 1);
  }

  add(): void {
    const index = this.log.length + 1;
    const command = Uint8Array.of(0, index % 256, this.term % 256);
    this.log.push({ index, term: this.term, command });
  }

  breakLink(): void {
    this.link.length = 0;
    this.follower.lost("leader");
    this.next = this.log.length + 1;
  }

  send(): void {
    const prev = this.log[this.next - 2];
    const entries = this.log.slice(this.next - 1, this.next - 1 + Math.ceil(this.chance() * 4));
    this.next += entries.length;
    const message = {
      ...{ type: "append_entries" as const, term: this.term, commitIndex: this.commit },
      ...{ prevLogIdx: prev?.index ?? null, prevLogTerm: prev?.term ?? null, entries },
    };
    this.link.push(() => this.follower.take("leader", message));
  }

  step(): void {
    const dice = this.chance();
    if (dice < 0.02) this.elect();
    else if (dice < 0.04) this.breakLink();
    else if (dice < 0.25) this.add();
    else if (dice < 0.35) this.raiseCommit();
    else if (dice < 0.6) this.send();
    else this.link.shift()?.();
  }

  /** Only entries up to one of the leader's own term count as committed. */
  raiseCommit(): void {
    const upTo = this.commit + Math.ceil(this.chance() * (this.log.length - this.commit));
    if (this.log[upTo - 1]?.term === this.term) this.commit = upTo;
  }

  settle(): void {
    this.add();
    this.commit = this.log.length;
    for (let round = 0; round < 3 * this.log.length; round += 1) {
      this.send();
      for (let next = this.link.shift(); next !== undefined; next = this.link.shift()) next();
    }
  }
}

test(`the committed log is applied, each entry once: ${runs} random histories`, () => {
  for (let seed = 1; seed <= runs; seed += 1) {
    const model = new Model(seed);
    for (let step = 0; step < stepsMax; step += 1) {
      model.step();
      assert.deepEqual(model.applied, model.log.slice(1, 1 + model.applied.length), `${seed}`);
      assert.ok(model.applied.length < model.commit, `seed ${seed}: ahead of the commit index`);
    }
    model.settle();
    assert.deepEqual(model.applied, model.log.slice(1), `seed ${seed}`);
  }
});
