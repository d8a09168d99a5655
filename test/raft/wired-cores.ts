import type { PeerMessage } from "../../protocol/wire/messages.js";
import { leavingMembers } from "../../src/raft/history.js";
import { Solo, type SoloOptions } from "./solo.js";

/** Real cores over links that deliver only when told. Every link is up or cut; a cut loses what it holds. */
export class WiredCores {
  readonly solos = new Map<string, Solo>();
  readonly links = new Map<string, PeerMessage[]>();
  readonly cut = new Set<string>();
  readonly ids: readonly string[];
  nowMs = 0;

  constructor(ids: readonly string[], options: SoloOptions, per: Record<string, SoloOptions> = {}) {
    this.ids = ids;
    for (const id of ids) this.solos.set(id, this.make(id, { ...options, ...(per[id] ?? {}) }));
  }

  make(id: string, options: SoloOptions): Solo {
    const peers = options.peers ?? this.ids.filter((other) => other !== id);
    return new Solo({
      quorate: true,
      connected: peers,
      ...options,
      self: id,
      peers,
      nowMs: this.nowMs,
    });
  }

  at(id: string): Solo {
    const solo = this.solos.get(id);
    if (solo === undefined) throw new Error(id);
    return solo;
  }

  /** Moves what has left into the links. */
  pump(): void {
    for (const [from, solo] of this.solos) {
      for (const { to, message } of solo.take()) {
        if (this.isCut(from, to)) continue;
        const link = `${from}>${to}`;
        this.links.set(link, [...(this.links.get(link) ?? []), message]);
      }
    }
  }

  isCut(a: string, b: string): boolean {
    return this.cut.has(`${a}-${b}`) || this.cut.has(`${b}-${a}`);
  }

  /** Breaks the link for good until `join`. */
  break(a: string, b: string): void {
    this.pump();
    this.cut.add(`${a}-${b}`);
    this.links.delete(`${a}>${b}`);
    this.links.delete(`${b}>${a}`);
    this.at(a).step({ kind: "disconnected", peer: b });
    this.at(b).step({ kind: "disconnected", peer: a });
    this.pump();
  }

  join(a: string, b: string): void {
    this.cut.delete(`${a}-${b}`);
    this.cut.delete(`${b}-${a}`);
    this.at(a).connect(b, true);
    this.at(b).connect(a, true);
    this.pump();
  }

  /** Delivers all that waits on these links, answers included, until nothing moves. */
  flow(...pairs: string[]): void {
    const links = pairs.flatMap((pair) => {
      const [a, b] = pair.split("-");
      return [`${a}>${b}`, `${b}>${a}`];
    });
    for (let round = 0; round < 1000; round += 1) {
      this.pump();
      let moved = false;
      for (const link of links) moved = this.deliver(link) || moved;
      if (!moved) return;
    }
  }

  /** Delivers one message. */
  deliver(link: string): boolean {
    this.pump();
    const message = this.links.get(link)?.shift();
    const [from, to] = link.split(">");
    if (message === undefined || from === undefined || to === undefined) return false;
    this.at(to).receive(from, message);
    this.pump();
    return true;
  }

  /** Delivers all that waits on these links, and not what is said to that. */
  drain(...links: string[]): void {
    for (const link of links) {
      while (this.deliver(link));
    }
  }

  /** `of` answers the status question of `to`, as src/node does: with what is durable. */
  status(of: string, to: string): void {
    const { shownBallot, commitIndex, lastApplied, log, leader, members } = this.at(of).state;
    const term = shownBallot.term;
    const logLength = log.length;
    this.at(to).status(of, {
      version: "0.3.17",
      term,
      commitIndex,
      lastApplied,
      logLength,
      leader,
      lastIndex: log.lastIndex,
      partners: [...members, ...leavingMembers(this.at(of).state)],
    });
    this.pump();
  }

  /** The machine is gone with its disk; a new, empty one takes its place. */
  loseDisk(id: string, reachable: readonly string[], options: SoloOptions = {}): Solo {
    this.pump();
    for (const other of this.ids) if (other !== id && !this.isCut(id, other)) this.break(id, other);
    const solo = this.make(id, { isNew: true, ...options, connected: [] });
    this.solos.set(id, solo);
    for (const other of reachable) this.join(id, other);
    return solo;
  }
}
