import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { PyValue } from "../../protocol/pickle/values.js";
import { encodeUtility, parseStatus, type UtilityRequest } from "../../protocol/wire/utility.js";
import { askUtility } from "../../src/net/utility-client.js";
import { eventually } from "./eventually.js";
import type { KvData } from "./kv-data.js";
import type { Child, Exit } from "./process.js";
import { type QuorateMember, startQuorate } from "./quorate-member.js";
import type { Scene } from "./scene.js";
import { startObserver, type VanillaNode } from "./vanilla-client.js";
import { type ControlledMember, startVanillaMemberWithControl } from "./vanilla-member.js";

/** Who sits in a seat: an unmodified PySyncObj member, or ours. */
export type Kind = "vanilla" | "quorate";

/** Seconds between attempts to connect; upstream's five make each restart take as long. */
const connectionRetrySec = 0.5;
/** A busy member answers within a heartbeat or two. */
const askMsMax = 10_000;

export interface SeatsOptions {
  /** Version of PySyncObj of the vanilla members and of observers. */
  readonly version: string;
  /** The members that each one is told of at its start. */
  readonly addresses: readonly string[];
  readonly password?: string | undefined;
  /** A log longer than this is compacted; default: 5,000 entries, as upstream. */
  readonly compactAbove?: number | undefined;
}

/** A member's state as both kinds tell it on the wire, in answer to `['status']`. */
export interface SeatState {
  readonly term: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly logLength: number;
  readonly leader: string | null;
  /** All members that it knows of, itself among them, sorted. */
  readonly members: readonly string[];
}

/** A running member, vanilla or ours: an address with its files is the seat, and may change hands. */
export class Seat {
  readonly kind: Kind;
  readonly selfAddr: string;
  readonly dataDir: string;
  readonly child: Child;
  readonly #node: ControlledMember | QuorateMember;
  readonly #password: string | undefined;

  constructor(kind: Kind, node: ControlledMember | QuorateMember, password: string | undefined) {
    this.kind = kind;
    this.selfAddr = node.selfAddr;
    this.dataDir = node.dataDir;
    this.child = node.child;
    this.#node = node;
    this.#password = password;
  }

  get name(): string {
    return this.child.name;
  }

  /** The member's own control, which writes as well; null for ours, which needs an observer. */
  get vanilla(): ControlledMember | null {
    return "http" in this.#node ? null : this.#node;
  }

  data(): Promise<KvData> {
    return this.#node.data();
  }

  async state(): Promise<SeatState> {
    return seatState(this.selfAddr, await this.#ask({ command: "status" }));
  }

  /** A utility command that changes something: what the member replied, e.g. `SUCCESS ADD …`. */
  async change(request: UtilityRequest): Promise<string> {
    return String(await this.#ask(request));
  }

  /** The log's lines that hold a text: what a Quorate member says of itself. */
  logged(text: string): number {
    return this.child.log().split(text).length - 1;
  }

  stop(signal: NodeJS.Signals): Promise<Exit> {
    return this.child.stop(signal);
  }

  #ask(request: UtilityRequest) {
    const options = { timeoutMs: askMsMax, password: this.#password ?? null };
    return askUtility(this.selfAddr, encodeUtility(request), options);
  }
}

/** @param reply What the member of this address has answered to `['status']`. */
export function seatState(selfAddr: string, reply: PyValue): SeatState {
  const status = parseStatus(reply);
  const others = status.partners.map(({ address }) => address);
  return {
    term: status.raftTerm,
    commitIndex: status.commitIdx,
    appliedIndex: status.lastApplied,
    logLength: status.logLen,
    leader: status.leader,
    members: [selfAddr, ...others].sort(),
  };
}

/** Starts a member of the given kind on the files that its address has, or on none. */
export async function startSeat(
  scene: Scene,
  options: SeatsOptions,
  kind: Kind,
  selfAddr: string,
): Promise<Seat> {
  const { version, password, compactAbove } = options;
  const partners = options.addresses.filter((address) => address !== selfAddr);
  if (kind === "quorate") {
    const retry = ["--connection-retry-time", String(connectionRetrySec)];
    const compaction =
      compactAbove === undefined ? [] : ["--log-compaction-min-entries", String(compactAbove)];
    const extraArgs = [...retry, ...compaction];
    const member = await startQuorate(scene, { selfAddr, partners, password, extraArgs });
    return new Seat(kind, member, password);
  }
  const conf = {
    connectionRetryTime: connectionRetrySec,
    ...(compactAbove === undefined ? {} : { logCompactionMinEntries: compactAbove }),
  };
  const member = await startVanillaMemberWithControl(scene, {
    ...{ version, password, selfAddr, partners, conf },
  });
  return new Seat(kind, member, password);
}

/** An observer of all the addresses, ready. */
export function watch(scene: Scene, options: SeatsOptions): Promise<VanillaNode> {
  const { version, password, addresses } = options;
  const conf = { connectionRetryTime: connectionRetrySec };
  return startObserver(scene, { version, password, partners: addresses, conf });
}

/** A node to write through: the member itself where it is vanilla, a new observer otherwise. */
export async function writerOf(
  scene: Scene,
  options: SeatsOptions,
  seat: Seat,
): Promise<VanillaNode> {
  if (seat.vanilla === null) return await watch(scene, options);
  await seat.vanilla.waitReady();
  return seat.vanilla;
}

/** The member that all of these follow, itself among them. */
export function leaderAmong(seats: readonly Seat[]): Promise<Seat> {
  return eventually("one leader for all", async () => {
    const states = await Promise.all(seats.map((seat) => seat.state()));
    const leaders = new Set(states.map((state) => state.leader));
    return leaders.size === 1 && seats.find((seat) => leaders.has(seat.selfAddr));
  });
}

/** Takes all files of a member that has ended. */
export function wipe(seat: Seat): void {
  for (const name of readdirSync(seat.dataDir)) {
    rmSync(join(seat.dataDir, name), { recursive: true });
  }
}
