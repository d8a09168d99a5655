import type { PeerMessage, RequestVote } from "../../protocol/wire/messages.js";
import type { GuardName } from "../../src/raft/types.js";
import { logOf, Solo, type SoloOptions } from "./solo.js";
import { VanillaModel } from "./vanilla-model.js";

export function requestVote(term: number, lastLogIndex: number, lastLogTerm: number): RequestVote {
  return { type: "request_vote", term, lastLogIndex, lastLogTerm };
}

/** A vanilla peer with this log, at this term. */
export function vanilla(id: string, terms: readonly number[], term: number): VanillaModel {
  const others = ["a:1", "b:1", "c:1"].filter((other) => other !== id);
  const model = new VanillaModel(id, others, () => 0.5);
  model.log = logOf(terms);
  model.term = term;
  for (const other of others) model.connected.add(other);
  return model;
}

/** Lets the core and the vanilla peers talk until neither has anything to say. */
export function talk(solo: Solo, ...peers: VanillaModel[]): void {
  for (let turn = 0; turn < 200; turn += 1) {
    const asked = solo.takeAsked();
    const left = solo.take();
    if (asked.length === 0 && left.length === 0) return;
    for (const peer of peers) {
      if (asked.includes(peer.id)) solo.status(peer.id, peer.status());
      for (const { to, message } of left) if (to === peer.id) exchange(solo, peer, message);
    }
  }
  throw new Error("they never stop talking");
}

function exchange(solo: Solo, peer: VanillaModel, message: PeerMessage): void {
  for (const back of peer.receive("a:1", message, solo.nowMs)) {
    if (back.to === "a:1") solo.receive(peer.id, back.message);
  }
}

export function withoutAndWith(
  guard: GuardName,
  options: SoloOptions,
  run: (solo: Solo, guarded: boolean) => void,
): void {
  run(new Solo({ ...options, guardsOff: [guard] }), false);
  run(new Solo(options), true);
}
