import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { PeerMessage } from "../../protocol/wire/messages.js";
import type { MemberStatus } from "../../protocol/wire/utility.js";
import { preVoteAnswer } from "../raft/solo.js";
import type { MemberView } from "./checkers/checker.js";
import { StateAskedFirst } from "./checkers/state-asked.js";

/** A member that can be asked to vote, as the one under test knows it. */
interface Peer {
  isQuorate: boolean;
  lastIndex: number;
}

/** A member a:1 of three, whose log has ten entries, and what the checker hears of it. */
class Scene {
  readonly checker = new StateAskedFirst();
  readonly peers = new Map<string, Peer>([
    ["b:1", { isQuorate: false, lastIndex: 0 }],
    ["c:1", { isQuorate: true, lastIndex: 0 }],
  ]);
  readonly raft = {
    role: "follower",
    isLeader: false,
    term: 4,
    leaderHeardMs: 0,
    majority: 2,
    members: new Set(this.peers.keys()),
    connected: new Set(this.peers.keys()),
    peers: this.peers,
    log: { lastIndex: 10, hasTermDip: false },
    guarded: () => true,
  };
  life = 1;

  get #view(): MemberView {
    return { address: "a:1", life: this.life, raft: this.raft } as unknown as MemberView;
  }

  /** @returns how the answer comes. */
  ask(address: string): (commitIdx?: number, lastApplied?: number, lastIndex?: number) => void {
    const question = { address };
    this.checker.asked(this.#view, question);
    return (commitIdx = 10, lastApplied = commitIdx, lastIndex) => {
      const extra = new Map(lastIndex === undefined ? [] : [["quorate_last_index", lastIndex]]);
      const status = { commitIdx, lastApplied, extra } as unknown as MemberStatus;
      this.checker.answered(this.#view, question, status);
    };
  }

  hearLeader(): void {
    this.raft.role = "follower";
    this.raft.leaderHeardMs += 100;
    this.step();
  }

  /** For a moment. */
  lead(): void {
    Object.assign(this.raft, { role: "leader", isLeader: true });
    this.step();
    Object.assign(this.raft, { role: "follower", isLeader: false });
    this.step();
  }

  step(): void {
    this.checker.step(this.#view);
  }

  receive(from: string, message: PeerMessage): void {
    this.checker.received(this.#view, from, message);
  }

  grant(from: string, term = this.raft.term + 1): void {
    this.receive(from, preVoteAnswer(term));
  }

  /** Begins a campaign; what it asks for leaves later. */
  begin(): void {
    this.raft.role = "candidate";
    this.raft.term += 1;
    this.step();
    // The vote reaches the disk.
    this.step();
  }

  requestVote(to: string, lastLogIndex = 10): void {
    const { term } = this.raft;
    this.checker.sent(this.#view, to, { type: "request_vote", term, lastLogIndex, lastLogTerm: 4 });
  }

  askAll(): void {
    for (const peer of this.raft.connected) this.ask(peer)();
  }
}

suite("a candidate beside members that are not known for Quorate's", () => {
  test("may ask whoever has told its state since a leader was last heard", () => {
    const scene = new Scene();
    scene.hearLeader();
    scene.askAll();
    scene.begin();
    scene.requestVote("b:1");
    scene.requestVote("c:1");
  });

  test("has to ask every connected one, Quorate's as well", () => {
    const scene = new Scene();
    scene.ask("b:1")();
    scene.begin();
    assert.throws(() => scene.requestVote("b:1"), /in term 5, and has not asked c:1 for the state/);
    scene.raft.connected.delete("c:1");
    scene.ask("b:1")();
    scene.begin();
    scene.requestVote("b:1");
  });

  test("has to ask after the leader's last word, and in each campaign again", () => {
    const scene = new Scene();
    scene.askAll();
    scene.hearLeader();
    scene.begin();
    assert.throws(() => scene.requestVote("b:1"), /not asked b:1,c:1/);
    // A candidate still while it asks again.
    scene.askAll();
    scene.begin();
    scene.requestVote("b:1");
    scene.begin();
    assert.throws(() => scene.requestVote("b:1"), /in term 7, and has not asked b:1,c:1/);
  });

  test("has to ask after it has led, and after a restart", () => {
    const scene = new Scene();
    scene.hearLeader();
    scene.askAll();
    scene.lead();
    scene.begin();
    assert.throws(() => scene.requestVote("b:1"), /not asked/);
    scene.askAll();
    scene.life += 1;
    scene.begin();
    assert.throws(() => scene.requestVote("b:1"), /not asked/);
  });

  test("may not ask whoever has not told its state, nor believe what was asked before", () => {
    const scene = new Scene();
    const answer = scene.ask("b:1");
    scene.hearLeader();
    scene.ask("b:1");
    scene.ask("c:1")();
    answer();
    scene.begin();
    scene.requestVote("c:1");
    assert.throws(() => scene.requestVote("b:1"), /asks b:1 .* was not told its state/);
  });

  test("may not ask whoever has committed more than it holds", () => {
    const scene = new Scene();
    scene.ask("b:1")(11);
    scene.ask("c:1")();
    scene.begin();
    assert.throws(() => scene.requestVote("b:1"), /heard that b:1 has committed more than 10/);
  });

  test("need not wait for entries that a majority says it does not hold", () => {
    const scene = new Scene();
    scene.ask("b:1")(11, 11, 11);
    scene.ask("c:1")(9, 9, 10);
    scene.begin();
    scene.requestVote("b:1");
    scene.ask("b:1")(11, 11, 11);
    scene.ask("c:1")(9, 9, 11);
    scene.begin();
    assert.throws(() => scene.requestVote("b:1"), /more than 10/);
  });

  test("need not believe a commit index beyond the log that was shown and beyond the store", () => {
    const scene = new Scene();
    scene.peers.set("b:1", { isQuorate: false, lastIndex: 9 });
    scene.ask("b:1")(11, 10);
    scene.ask("c:1")();
    scene.begin();
    scene.requestVote("b:1");
    scene.ask("b:1")(11, 11);
    scene.ask("c:1")();
    scene.begin();
    assert.throws(() => scene.requestVote("b:1"), /more than 10/);
  });

  test("may ask anybody when the leader has handed over, in that term", () => {
    const scene = new Scene();
    scene.receive("c:1", { type: "timeout_now", term: 4 });
    scene.begin();
    scene.requestVote("b:1");
    scene.begin();
    assert.throws(() => scene.requestVote("b:1"), /not asked/);
  });

  test("a term beacon is no campaign, and who is told to leave the guard out does", () => {
    const scene = new Scene();
    scene.begin();
    scene.requestVote("b:1", 0);
    scene.raft.guarded = () => false;
    scene.requestVote("b:1");
  });
});

suite("a candidate among Quorate members", () => {
  test("may ask anybody when a majority would vote for it", () => {
    const scene = new Scene();
    scene.peers.set("b:1", { isQuorate: true, lastIndex: 0 });
    scene.grant("c:1");
    scene.begin();
    scene.requestVote("b:1");
    scene.begin();
    assert.throws(() => scene.requestVote("b:1"), /not asked b:1,c:1/);
  });

  test("loses no voice to a late answer for an earlier term", () => {
    const scene = new Scene();
    scene.peers.set("b:1", { isQuorate: true, lastIndex: 0 });
    scene.grant("c:1");
    scene.grant("b:1", 2);
    scene.begin();
    scene.requestVote("b:1");
  });

  test("has asked whoever came meanwhile", () => {
    const scene = new Scene();
    scene.grant("c:1");
    scene.begin();
    assert.throws(() => scene.requestVote("c:1"), /not asked b:1 for/);
    scene.grant("c:1");
    scene.ask("b:1");
    scene.begin();
    scene.requestVote("c:1");
  });

  test("has to ask all where terms dip in its log", () => {
    const scene = new Scene();
    scene.peers.set("b:1", { isQuorate: true, lastIndex: 0 });
    scene.raft.log.hasTermDip = true;
    scene.grant("c:1");
    scene.begin();
    assert.throws(() => scene.requestVote("b:1"), /not asked b:1,c:1/);
  });
});
