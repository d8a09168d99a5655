import { assertEqualData } from "./compare.js";
import { eventually } from "./eventually.js";
import { Load } from "./load.js";
import { PacketSwitch } from "./packet-switch.js";
import { QuorateMember, startQuorate } from "./quorate-member.js";
import type { Scene } from "./scene.js";
import type { Kind } from "./seats.js";
import { startObserver, type VanillaNode } from "./vanilla-client.js";
import { type ControlledMember, startVanillaMemberWithControl } from "./vanilla-member.js";

export interface PartitionOptions {
  /** PySyncObj of the vanilla members and of the observer that writes. */
  readonly version: string;
  readonly kinds: readonly Kind[];
  /** Seconds; default: the product's. */
  readonly leaderFallbackSec?: number | undefined;
  /** A log longer than this is compacted; default: 5,000 entries. */
  readonly compactAbove?: number | undefined;
}

/** A member that was seen to lead, once for each term. */
export interface Leadership {
  readonly term: number;
  /** Number of its host, from 1. */
  readonly host: number;
}

export interface HostView {
  readonly leader: string | null;
  readonly term: number;
  readonly role: string;
}

type Node = QuorateMember | ControlledMember;

/** Elections on a busy machine, and a link whose TCP waits longer and longer to try again. */
const settleMsMax = 60_000;
const writers = 8;
/** How often a vanilla member is asked whether it leads: elections take longer. */
const watchEveryMs = 100;

/** Members on hosts of their own, joined by links that can be cut, and a client that writes. */
export class PartitionCluster {
  readonly net: PacketSwitch;
  readonly load: Load;
  readonly observer: VanillaNode;
  readonly #nodes: readonly Node[];
  readonly #vanillaLeaderships = new Map<string, Leadership>();
  readonly #watch: NodeJS.Timeout;

  private constructor(net: PacketSwitch, nodes: readonly Node[], observer: VanillaNode) {
    this.net = net;
    this.#nodes = nodes;
    this.observer = observer;
    this.load = new Load(() => [observer], { writers });
    this.#watch = setInterval(() => void this.#lookAtVanilla(), watchEveryMs);
    this.#watch.unref();
  }

  static async start(scene: Scene, options: PartitionOptions): Promise<PartitionCluster> {
    const net = await PacketSwitch.start(scene, options.kinds.length);
    const addresses = options.kinds.map((_, n) => net.address(n + 1));
    const nodes = await Promise.all(
      options.kinds.map((kind, n) =>
        startOn(scene, options, { net, addresses, kind, host: n + 1 }),
      ),
    );
    const { version } = options;
    const observer = await startObserver(scene, { version, partners: addresses });
    return new PartitionCluster(net, nodes, observer);
  }

  get hosts(): readonly number[] {
    return this.#nodes.map((_, n) => n + 1);
  }

  node(host: number): Node {
    const node = this.#nodes[host - 1];
    if (node === undefined) throw new Error(`no host ${host}`);
    return node;
  }

  others(host: number): number[] {
    return this.hosts.filter((other) => other !== host);
  }

  async view(host: number): Promise<HostView> {
    const node = this.node(host);
    const status = node instanceof QuorateMember ? await node.httpStatus() : await node.status();
    const { leader, term, raft_term: raftTerm, role, state } = status;
    const roles = ["follower", "candidate", "leader"];
    return {
      leader: typeof leader === "string" ? leader : null,
      term: Number(term ?? raftTerm),
      role: typeof role === "string" ? role : (roles[Number(state)] ?? "unknown"),
    };
  }

  /** The host whose lead all the given ones follow, in one term; all hosts unless given. */
  agreed(among: readonly number[] = this.hosts): Promise<number> {
    return eventually(`one leader for hosts ${among.join(", ")}`, () => this.#agreedNow(among), {
      timeoutMs: settleMsMax,
    });
  }

  async #agreedNow(among: readonly number[]): Promise<number | null> {
    const views = await Promise.all(among.map((host) => this.view(host)));
    const said = views.map(({ leader, term }) => `${leader} (${term})`);
    if (new Set(said).size > 1) throw new Error(said.join(", "));
    const leader = among.find((host) => this.net.address(host) === views[0]?.leader);
    const isSure = views.some(({ role }) => role === "leader");
    return isSure ? (leader ?? null) : null;
  }

  /** All that have led so far, in the order of terms; a Quorate member's own log tells of each. */
  leaderships(): readonly Leadership[] {
    const found = new Map(this.#vanillaLeaderships);
    for (const host of this.hosts) {
      const node = this.node(host);
      if (!(node instanceof QuorateMember)) continue;
      for (const { message, role, term } of node.logLines()) {
        if (message !== "role" || role !== "leader") continue;
        found.set(`${Number(term)} ${host}`, { term: Number(term), host });
      }
    }
    return [...found.values()].sort((a, b) => a.term - b.term);
  }

  async highestTerm(): Promise<number> {
    const views = await Promise.all(this.hosts.map((host) => this.view(host)));
    return Math.max(...views.map(({ term }) => term));
  }

  /** Ends the writing and gives what is lost of what was acknowledged, on any member. */
  async lostWrites(): Promise<string[]> {
    this.load.stop();
    await this.load.finish(0);
    const data = await assertEqualData(this.#nodes, { timeoutMs: settleMsMax });
    return this.load.lost(data);
  }

  stopWatching(): void {
    clearInterval(this.#watch);
    this.load.stop();
  }

  async #lookAtVanilla(): Promise<void> {
    for (const host of this.hosts) {
      if (this.node(host) instanceof QuorateMember) continue;
      // A member that is paused has nothing to say.
      const seen = await this.view(host).catch(() => null);
      if (seen?.role === "leader") {
        this.#vanillaLeaderships.set(`${seen.term} ${host}`, { term: seen.term, host });
      }
    }
  }
}

interface Place {
  readonly net: PacketSwitch;
  readonly addresses: readonly string[];
  readonly kind: Kind;
  readonly host: number;
}

function startOn(scene: Scene, options: PartitionOptions, place: Place): Promise<Node> {
  const { net, addresses, kind, host } = place;
  const selfAddr = net.address(host);
  const seat = {
    selfAddr,
    partners: addresses.filter((address) => address !== selfAddr),
    under: net.on(host),
  };
  const { leaderFallbackSec: fallback, compactAbove, version } = options;
  if (kind === "quorate") {
    const flag = (name: string, value: number | undefined) =>
      value === undefined ? [] : [name, String(value)];
    const extraArgs = [
      ...flag("--leader-fallback-timeout", fallback),
      ...flag("--log-compaction-min-entries", compactAbove),
    ];
    return startQuorate(scene, { ...seat, http: net.httpAddress(host), extraArgs });
  }
  const conf = {
    ...(fallback === undefined ? {} : { leaderFallbackTimeout: fallback }),
    ...(compactAbove === undefined ? {} : { logCompactionMinEntries: compactAbove }),
  };
  return startVanillaMemberWithControl(scene, { ...seat, version, conf });
}
