import { encodeMembership } from "../../protocol/log/commands.js";
import type { Effect } from "../../src/raft/types.js";
import { type Held, SimCluster, type SimMember, type SimOptions } from "./sim-cluster.js";
import { VanillaModel } from "./vanilla-model.js";

const observerId = "observer";

/** A SimCluster whose members come and go, hand leadership over, and are watched by an observer. */
export class BusyCluster extends SimCluster {
  readonly observer: VanillaModel;
  private readonly watching = new Set<string>();

  constructor(options: SimOptions) {
    super(options);
    this.observer = new VanillaModel(observerId, [], () => 0.5);
    this.observer.deadlineMs = Number.POSITIVE_INFINITY;
  }

  /** The leader takes a member out, or one that is out in again. */
  changeMembers(id: string): void {
    const leader = this.leader();
    const state = leader === null ? undefined : this.member(leader).core?.state;
    if (leader === null || state === undefined || id === leader) return;
    const change = state.members.has(id) ? "rem" : "add";
    // Of two members one may not know the other, and then neither can ever lead: as with PySyncObj.
    if (change === "rem" && state.members.size < 3) return;
    const command = encodeMembership(change, id);
    this.step(leader, { kind: "propose", proposals: [{ command, origin: { kind: "nobody" } }] });
  }

  /** Everybody is in again. */
  addAll(): void {
    const leader = this.leader();
    const state = leader === null ? undefined : this.member(leader).core?.state;
    const missing = [...this.members.keys()].find((id) => id !== leader && !state?.members.has(id));
    if (missing !== undefined) this.changeMembers(missing);
  }

  transfer(target: string): void {
    const leader = this.leader();
    if (leader !== null) this.step(leader, { kind: "transfer", target, id: 1 });
  }

  watch(id: string): void {
    if (this.member(id).core === null || this.watching.has(id)) return;
    this.watching.add(id);
    for (const link of [`${id}>${observerId}`, `${observerId}>${id}`]) this.links.set(link, []);
    this.step(id, { kind: "observer-connected", id: observerId });
  }

  unwatch(id: string): void {
    if (!this.watching.delete(id)) return;
    for (const link of [`${id}>${observerId}`, `${observerId}>${id}`]) this.links.delete(link);
    this.step(id, { kind: "observer-disconnected", id: observerId });
  }

  override crash(id: string): void {
    super.crash(id);
    this.unwatch(id);
  }

  protected override deliver(link: string): void {
    const [from = "", to = ""] = link.split(">");
    if (to !== observerId) {
      super.deliver(link);
      return;
    }
    const message = this.links.get(link)?.shift();
    if (message === undefined) return;
    for (const left of this.observer.receive(from, message, this.nowMs)) {
      this.links.get(`${observerId}>${left.to}`)?.push(left.message);
    }
  }

  protected override post(member: SimMember, item: Held): void {
    const isDue = item.after <= member.durableSeq;
    if (item.to === observerId && isDue && !member.held.some(({ to }) => to === observerId)) {
      this.links.get(`${member.id}>${observerId}`)?.push(item.message);
    } else super.post(member, item);
  }

  protected override performOne(member: SimMember, effect: Effect): void {
    super.performOne(member, effect);
    if (effect.kind !== "members") return;
    // The network goes on with the links that it has to those that are members now.
    this.later.push(() => {
      for (const peer of effect.members) {
        const isUp = this.up.has([member.id, peer].sort().join("-"));
        if (!isUp || member.core?.state.connected.has(peer) !== false) continue;
        this.step(member.id, { kind: "connected", peer });
        this.step(member.id, { kind: "peer-is-quorate", peer });
      }
    });
  }

  protected override sendSnapshot(member: SimMember, to: string): void {
    if (to !== observerId) {
      super.sendSnapshot(member, to);
      return;
    }
    const { dump } = member.disk;
    this.later.push(() => {
      if (dump === null || !this.watching.has(member.id)) return;
      const { last, previous } = dump.summary;
      this.step(member.id, { kind: "snapshot-sent", to, lastIndex: last.index });
      const answer = this.observer.takeDump([previous, last], dump.applied);
      this.links.get(`${observerId}>${member.id}`)?.push(answer);
    });
  }
}
