import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { encodeUtility, type UtilityRequest } from "../../protocol/wire/utility.js";
import { askUtility } from "../../src/net/utility-client.js";
import { eventually } from "./eventually.js";
import { freeAddresses } from "./free-ports.js";
import type { KvData } from "./kv-data.js";
import { QuorateMember, startQuorate } from "./quorate-member.js";
import type { Scene } from "./scene.js";
import type { Kind } from "./seats.js";
import { type ControlledMember, startVanillaMemberWithControl } from "./vanilla-member.js";
import type { WritingClient } from "./writing-client.js";

export interface MixedOptions {
  /** Version of PySyncObj of the vanilla members. */
  readonly version: string;
  readonly kinds: readonly Kind[];
  readonly password?: string | undefined;
  /** Members of the other kind wait so long for a leader that one of this kind is elected first. */
  readonly electFirst?: Kind;
}

/** Seconds between attempts to connect; upstream's five make each restart take as long. */
const connectionRetrySec = 0.5;
/** Below upstream's connectionTimeout, and far above the 1.4 s that the others wait at most. */
const patientSec = { min: 2.9, max: 3.4 };
/** Several lost elections on a busy machine, and a member that must catch up. */
const settleMsMax = 45_000;
/** Each election has two possible winners, and the one that asks no questions first is quicker. */
const roundsMax = 40;
const watchEveryMs = 100;
const askMsMax = 10_000;

/** What a member says of the cluster. */
interface View {
  readonly leader: string | null;
  readonly term: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
}

/** One address of a mixed cluster, and the process that serves it at the moment. */
export class Place {
  readonly kind: Kind;
  readonly selfAddr: string;
  node: ControlledMember | QuorateMember;
  isPaused = false;

  constructor(kind: Kind, node: ControlledMember | QuorateMember) {
    this.kind = kind;
    this.selfAddr = node.selfAddr;
    this.node = node;
  }

  get name(): string {
    return this.node.name;
  }

  get isUp(): boolean {
    return this.node.child.isRunning && !this.isPaused;
  }

  data(): Promise<KvData> {
    return this.node.data();
  }

  pause(): void {
    this.isPaused = true;
    this.node.child.pause();
  }

  resume(): void {
    this.node.child.resume();
    this.isPaused = false;
  }

  async view(): Promise<View> {
    if (this.node instanceof QuorateMember) {
      const { leader, term, commitIndex, appliedIndex } = await this.node.httpStatus();
      return view(leader, term, commitIndex, appliedIndex);
    }
    const status = await this.node.status();
    const { leader, raft_term: term, commit_idx: commit, last_applied: applied } = status;
    return view(leader, term, commit, applied);
  }
}

function view(leader: unknown, term: unknown, commit: unknown, applied: unknown): View {
  return {
    leader: typeof leader === "string" ? leader : null,
    term: Number(term),
    commitIndex: Number(commit),
    appliedIndex: Number(applied),
  };
}

const stuckTick = "AttributeError: 'NoneType' object has no attribute 'send'";

/** Vanilla members and ours in one cluster, whose leaders can be deposed and killed. */
export class MixedCluster {
  readonly addresses: readonly string[];
  readonly places: readonly Place[];
  /** `term kind address` of each leader that said that it leads, in the order seen. */
  readonly elections: string[] = [];
  /** Leaders that were killed. */
  readonly killed = { vanilla: 0, quorate: 0 };
  readonly #scene: Scene;
  readonly #options: MixedOptions;
  #isWatching = true;

  private constructor(scene: Scene, options: MixedOptions, places: readonly Place[]) {
    this.#scene = scene;
    this.#options = options;
    this.places = places;
    this.addresses = places.map((place) => place.selfAddr);
    for (const place of places) void this.#watch(place);
  }

  static async start(scene: Scene, options: MixedOptions): Promise<MixedCluster> {
    const addresses = await freeAddresses(options.kinds.length);
    const places = await Promise.all(
      options.kinds.map(async (kind, number) => {
        const selfAddr = addresses[number] ?? "";
        return new Place(kind, await startNode(scene, options, { kind, selfAddr, addresses }));
      }),
    );
    return new MixedCluster(scene, options, places);
  }

  ofKind(kind: Kind): readonly Place[] {
    return this.places.filter((place) => place.kind === kind);
  }

  /** The vanilla members whose own client can be used now. */
  vanillaClients(): readonly ControlledMember[] {
    return this.#up().flatMap(({ node }) => (node instanceof QuorateMember ? [] : [node]));
  }

  /** The members that can be written through now: all that run. */
  clients(): readonly WritingClient[] {
    return this.#up().map(({ node }) => node);
  }

  /** Elections that a side won, as far as they were seen. */
  wonBy(kind: Kind): number {
    return this.elections.filter((line) => line.includes(kind)).length;
  }

  /** Waits until all that run follow one leader, and have all that it has committed at that time. */
  async settled(): Promise<Place> {
    const leader = await eventually("one leader for all", () => this.#leaderInTheEnd(), {
      timeoutMs: settleMsMax,
    });
    const { commitIndex } = await leader.view();
    await eventually(
      `all have applied entry ${commitIndex}`,
      async () => {
        const views = await Promise.all(this.#up().map((place) => place.view()));
        const applied = views.map((seen) => seen.appliedIndex);
        if (applied.some((index) => index < commitIndex)) throw new Error(applied.join(", "));
        return true;
      },
      { timeoutMs: settleMsMax },
    );
    return leader;
  }

  /**
   * Takes leaders of the other side away until one of this kind has won an election: paused ones for
   * a vanilla successor; killed and restarted ones for a Quorate one, which puts its campaign off for
   * a while where a peer is connected and does not answer.
   */
  async makeLead(kind: Kind): Promise<Place> {
    for (let round = 0; round < roundsMax; round++) {
      const leader = await this.settled();
      if (leader.kind === kind) return leader;
      if (kind === "quorate") await this.#replaceKilled(leader);
      else await this.#replacePaused(leader);
    }
    throw new Error(`no ${kind} member won one of ${roundsMax} elections`);
  }

  async #replacePaused(leader: Place): Promise<void> {
    leader.pause();
    try {
      await this.anotherLeader(leader);
    } finally {
      leader.resume();
    }
  }

  async #replaceKilled(leader: Place): Promise<void> {
    await this.#kill(leader);
    await this.anotherLeader(leader);
    await this.restart(leader);
  }

  async #kill(place: Place): Promise<void> {
    this.killed[place.kind] += 1;
    await place.node.stop("SIGKILL");
  }

  /** SIGKILL for the leader, where it is of this kind by then. */
  async killLeader(kind: Kind): Promise<Place> {
    const leader = await this.makeLead(kind);
    await this.#kill(leader);
    return leader;
  }

  /** Waits until those that run follow another leader than this one. */
  anotherLeader(old: Place): Promise<Place> {
    const what = `another leader than ${old.name}`;
    return eventually(what, () => this.#leaderInTheEnd(), { timeoutMs: settleMsMax });
  }

  /** Starts a killed member again on its files. */
  async restart(place: Place): Promise<void> {
    const { kind, selfAddr } = place;
    const seat = { kind, selfAddr, addresses: this.addresses };
    place.node = await startNode(this.#scene, this.#options, seat);
  }

  /** A utility command to a member: its reply. */
  async ask(place: Place, request: UtilityRequest): Promise<string> {
    const options = { timeoutMs: askMsMax, password: this.#options.password ?? null };
    return String(await askUtility(place.selfAddr, encodeUtility(request), options));
  }

  stopWatching(): void {
    this.#isWatching = false;
  }

  #up(): readonly Place[] {
    return this.places.filter((place) => place.isUp);
  }

  async #leaderInTheEnd(): Promise<Place | null> {
    const leader = await this.#agreedLeader().catch(async (error: unknown) => {
      await this.#restartStuck();
      throw error;
    });
    if (leader === null) await this.#restartStuck();
    return leader;
  }

  /**
   * PySyncObj 0.3.8 takes a link for connected although its first message has failed (tcp_connection.py,
   * __processConnection; mended by 0.3.11): with a password, where the peer is killed as the link is made. From then on
   * every tick raises, and only a restart helps.
   */
  async #restartStuck(): Promise<void> {
    if (this.#options.version !== "0.3.8") return;
    for (const place of this.ofKind("vanilla")) {
      const isStuck = place.isUp && place.node.child.log().includes(stuckTick);
      if (!isStuck) continue;
      await place.node.stop("SIGKILL");
      await this.restart(place);
    }
  }

  /** The leader of which all that run say that it leads, or null. */
  async #agreedLeader(): Promise<Place | null> {
    const up = this.#up();
    const views = await Promise.all(up.map((place) => place.view()));
    const [first] = views;
    const said = views.map((seen) => `${seen.leader} (${seen.term})`);
    if (first === undefined || new Set(said).size > 1) throw new Error(said.join(", "));
    return up.find((place) => place.selfAddr === first.leader) ?? null;
  }

  async #watch(place: Place): Promise<void> {
    while (this.#isWatching) {
      if (place.isUp) {
        // A member that is killed or paused meanwhile has nothing to say.
        const seen = await place.view().catch(() => null);
        if (seen?.leader === place.selfAddr) {
          const line = `${seen.term} ${place.kind} ${place.selfAddr}`;
          if (this.elections.at(-1) !== line && !this.elections.includes(line)) {
            this.elections.push(line);
          }
        }
      }
      await sleep(watchEveryMs, undefined, { ref: false });
    }
  }
}

interface SeatPlan {
  readonly kind: Kind;
  readonly selfAddr: string;
  readonly addresses: readonly string[];
}

function startNode(
  scene: Scene,
  { version, password, electFirst }: MixedOptions,
  { kind, selfAddr, addresses }: SeatPlan,
): Promise<ControlledMember | QuorateMember> {
  assert.ok(selfAddr !== "");
  const partners = addresses.filter((address) => address !== selfAddr);
  const isPatient = electFirst !== undefined && electFirst !== kind;
  const { min, max } = patientSec;
  if (kind === "quorate") {
    const retry = ["--connection-retry-time", String(connectionRetrySec)];
    const patience = isPatient ? ["--max-timeout", String(max), "--min-timeout", String(min)] : [];
    const extraArgs = [...retry, ...patience];
    return startQuorate(scene, { selfAddr, partners, password, extraArgs, isWriter: true });
  }
  const patience = isPatient ? { raftMinTimeout: min, raftMaxTimeout: max } : {};
  const conf = { connectionRetryTime: connectionRetrySec, ...patience };
  return startVanillaMemberWithControl(scene, { version, password, selfAddr, partners, conf });
}
