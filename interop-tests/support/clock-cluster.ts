import { setTimeout as sleep } from "node:timers/promises";
import { encodeUtility } from "../../protocol/wire/utility.js";
import { askUtility } from "../../src/net/utility-client.js";
import { eventually } from "./eventually.js";
import { WallClock } from "./faketime.js";
import { freeAddresses } from "./free-ports.js";
import { QuorateMember, startQuorate } from "./quorate-member.js";
import type { Scene } from "./scene.js";
import type { Kind } from "./seats.js";
import { startObserver, type VanillaNode } from "./vanilla-client.js";
import { type ControlledMember, startVanillaMemberWithControl } from "./vanilla-member.js";

export interface ClockMember {
  readonly selfAddr: string;
  /** The present process. */
  node: QuorateMember | ControlledMember;
  readonly clock: WallClock;
  /** Starts it on the files that it has. */
  readonly start: () => Promise<QuorateMember | ControlledMember>;
}

const membersCount = 3;
/** A vanilla member that is busy answers at its next tick. */
const askMsMax = 10_000;
/** An election after a transfer takes no longer, as a rule. */
const settleMs = 500;
/** How long a key that should be gone is waited for. */
const patienceSec = 8;
const key = "/service/demo/leader";

/** Three members of one kind, each with a wall clock of its own, and a client whose writes name any time. */
export class ClockCluster {
  readonly members: readonly ClockMember[];
  readonly observer: VanillaNode;

  private constructor(members: readonly ClockMember[], observer: VanillaNode) {
    this.members = members;
    this.observer = observer;
  }

  static async start(scene: Scene, kind: Kind, version: string): Promise<ClockCluster> {
    const addresses = await freeAddresses(membersCount);
    const members = await Promise.all(
      addresses.map(async (selfAddr, n) => {
        const clock = new WallClock(scene, String(n));
        const partners = addresses.filter((address) => address !== selfAddr);
        const seat = { selfAddr, partners };
        const start = async () =>
          kind === "quorate"
            ? await startQuorate(scene, { ...seat, env: clock.env })
            : await startVanillaMemberWithControl(scene, { ...seat, version, extraEnv: clock.env });
        return { selfAddr, clock, start, node: await start() };
      }),
    );
    return new ClockCluster(members, await startObserver(scene, { version, partners: addresses }));
  }

  /** The member whom all follow. */
  leader(): Promise<ClockMember> {
    return eventually(
      "one leader for all",
      async () => {
        const said = await Promise.all(this.members.map(({ node }) => leaderOf(node)));
        if (new Set(said).size > 1) throw new Error(said.join(", "));
        return this.members.find(({ selfAddr }) => selfAddr === said[0]);
      },
      { timeoutMs: 45_000 },
    );
  }

  async follower(): Promise<ClockMember> {
    const leader = await this.leader();
    const follower = this.members.find((member) => member !== leader);
    if (follower === undefined) throw new Error("no follower");
    return follower;
  }

  /** Leadership goes to this member. A vanilla leader may refuse while it is busy: it is asked again. */
  async handTo(target: ClockMember): Promise<void> {
    const request = encodeUtility({ command: "transfer", address: target.selfAddr });
    await eventually(
      `${target.selfAddr} leads`,
      async () => {
        const leader = await this.leader();
        if (leader === target) return true;
        await askUtility(leader.selfAddr, request, { timeoutMs: askMsMax, password: null });
        await sleep(settleMs);
        return false;
      },
      { timeoutMs: 45_000 },
    );
  }

  /** All members are killed at once, and start again with other clocks: of the time they know nothing more. */
  async startAgain(aheadSec: number): Promise<void> {
    await Promise.all(this.members.map(({ node }) => node.child.stop("SIGKILL")));
    await Promise.all(
      this.members.map(async (member) => {
        member.clock.set(aheadSec);
        member.node = await member.start();
      }),
    );
  }

  /** All clocks are right again, and the key is gone. */
  async reset(): Promise<void> {
    for (const { clock } of this.members) clock.set(0);
    await this.#call("_delete", () => [key], { prevExist: true });
  }

  /** A client whose clock is ahead by so much sets the key, as Patroni does. */
  async write(ttlSec: number, aheadSec = 0): Promise<void> {
    await this.#call("_set", () => {
      const now = Date.now() / 1000 + aheadSec;
      return [key, { value: "node1", updated: now, created: now, expire: now + ttlSec }];
    });
  }

  async has(): Promise<boolean> {
    return (await this.observer.get(key)) !== null;
  }

  /** The same of a member's own applied state, which an observer learns of a moment later. */
  async isHeldBy({ node }: ClockMember): Promise<boolean> {
    if (!(node instanceof QuorateMember)) throw new Error("only Quorate's members tell");
    return (await node.get(key)) !== null;
  }

  /** Until it is acknowledged: on a machine that stands still for a second there is no leader for a moment. */
  async #call(
    name: string,
    args: () => readonly unknown[],
    kwargs: Readonly<Record<string, unknown>> = {},
  ): Promise<void> {
    await eventually(`${name} is acknowledged`, async () => {
      const { error } = await this.observer.raw(name, args(), kwargs);
      if (error !== 0) throw new Error(`error ${error}`);
      return true;
    });
  }

  /** Seconds that the key lives; null where it is still there `patienceSec` after its ttl. */
  async life(
    ttlSec: number,
    options: { readonly writerAheadSec?: number; readonly during?: () => Promise<void> } = {},
  ): Promise<number | null> {
    await this.write(ttlSec, options.writerAheadSec);
    const began = performance.now();
    const lived = () => (performance.now() - began) / 1000;
    const during = options.during?.() ?? Promise.resolve();
    // Where it fails, that is told by the wait for it below.
    during.catch(() => {});
    while (await this.has()) {
      if (lived() > ttlSec + patienceSec) return null;
      await sleep(50);
    }
    const seconds = lived();
    await during;
    return seconds;
  }
}

async function leaderOf(node: QuorateMember | ControlledMember): Promise<string | null> {
  const status = node instanceof QuorateMember ? await node.httpStatus() : await node.status();
  const { leader } = status;
  return typeof leader === "string" ? leader : null;
}
