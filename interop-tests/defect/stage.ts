import { encodeUtility } from "../../protocol/wire/utility.js";
import { askUtility } from "../../src/net/utility-client.js";
import type { GuardName } from "../../src/raft/types.js";
import { type EventuallyOptions, eventually } from "../support/eventually.js";
import { freeAddresses } from "../support/free-ports.js";
import type { KvData } from "../support/kv-data.js";
import type { Child } from "../support/process.js";
import { QuorateMember, startQuorate } from "../support/quorate-member.js";
import type { Scene } from "../support/scene.js";
import { type SeatState, seatState } from "../support/seats.js";
import { startControlled, type VanillaNode } from "../support/vanilla-client.js";
import { startVanillaMemberWithControl } from "../support/vanilla-member.js";
import { Wiring } from "../support/wiring.js";

/**
 * The three parts of the trace. `a` leads at a low term and commits with `c`; `b` was cut off meanwhile
 * and is the stale one.
 */
export const parts = ["a", "b", "c"] as const;
export type Part = (typeof parts)[number];

/** Who plays a part: ours, or PySyncObj of this version. */
export type Actor = "quorate" | `${number}.${number}.${number}`;
export type Cast = Readonly<Record<Part, Actor>>;

/** A shortest and a longest election timeout. */
export interface Patience {
  readonly minSec: number;
  readonly maxSec: number;
}

export interface Place {
  /** The member's identity. */
  readonly address: string;
  /** Where it listens when it is behind the wiring. */
  readonly bindAddr: string;
  /** Where ours answers HTTP. */
  readonly http: string;
}

/** Addresses for as many runs as one likes, one after the other. */
export type Places = Readonly<Record<Part, Place>>;

/** Between attempts to connect, where the members are behind the wiring. */
const retrySec = 0.2;
/** Half of upstream's: it refuses election timeouts of less than three heartbeats. */
const heartbeatSec = 0.05;
const askMsMax = 5_000;
/** Each question is a connection, and a busy machine has other things to do. */
const askEveryMs = 150;

/**
 * `b` has the smallest address, so that it only listens: a cut-off member that dialed would be connected
 * for a moment at each attempt, and a vanilla one campaigns in that moment.
 */
export async function findPlaces(): Promise<Places> {
  const all = await freeAddresses(9);
  const place = (number: number): Place => {
    const [address = "", bindAddr = "", http = ""] = [
      all[number],
      all[number + 3],
      all[number + 6],
    ];
    return { address, bindAddr, http };
  };
  return { b: place(0), a: place(1), c: place(2) };
}

export interface StageOptions {
  readonly places: Places;
  readonly cast: Cast;
  /** A folder for each member's files. */
  readonly folders: Readonly<Record<Part, string>>;
  readonly guardsOff: readonly GuardName[];
  /** Undefined: what everyone has by default, connected without the wiring. */
  readonly patience?: Readonly<Record<Part, Patience>>;
}

/** A running member. */
export class Player {
  readonly part: Part;
  readonly actor: Actor;
  readonly address: string;
  readonly #listensAt: string;
  readonly #node: VanillaNode | QuorateMember;

  constructor(
    role: { readonly part: Part; readonly actor: Actor; readonly address: string },
    listensAt: string,
    node: VanillaNode | QuorateMember,
  ) {
    this.part = role.part;
    this.actor = role.actor;
    this.address = role.address;
    this.#listensAt = listensAt;
    this.#node = node;
  }

  get child(): Child {
    return this.#node.child;
  }

  get name(): string {
    return `${this.part} (${this.actor})`;
  }

  /** The member's own client, which ours does not have. */
  get client(): VanillaNode | null {
    return this.#node instanceof QuorateMember ? null : this.#node;
  }

  data(): Promise<KvData> {
    return this.#node.data();
  }

  async state(): Promise<SeatState> {
    const request = encodeUtility({ command: "status" });
    const options = { timeoutMs: askMsMax, password: null };
    return seatState(this.address, await askUtility(this.#listensAt, request, options));
  }
}

export interface Leadership {
  readonly leader: Player;
  readonly term: number;
}

/** Three members under way, whose connections can be cut. */
export class Stage {
  readonly scene: Scene;
  readonly players: Readonly<Record<Part, Player>>;
  readonly options: StageOptions;
  readonly #wiring: Wiring | null;

  private constructor(
    scene: Scene,
    options: StageOptions,
    players: Readonly<Record<Part, Player>>,
    wiring: Wiring | null,
  ) {
    this.scene = scene;
    this.players = players;
    this.options = options;
    this.#wiring = wiring;
  }

  /** Starts all three at once on their files; where one is named, it is cut off from the others. */
  static async start(scene: Scene, options: StageOptions, cutOff: Part | null): Promise<Stage> {
    const { places, patience } = options;
    let wiring: Wiring | null = null;
    if (patience !== undefined) {
      const wires = new Wiring(Object.values(places), (address) => pidOf(scene, address));
      scene.atEnd(() => wires.close());
      wiring = wires;
      if (cutOff !== null) await wiring.isolate(places[cutOff].address);
      await wiring.open();
    }
    const started = await Promise.all(parts.map((part) => startPlayer(scene, options, part)));
    const [a, b, c] = started;
    if (a === undefined || b === undefined || c === undefined) throw new Error("three parts");
    return new Stage(scene, options, { a, b, c }, wiring);
  }

  get all(): readonly Player[] {
    return Object.values(this.players);
  }

  /** A client of these members alone. */
  observer(of: readonly Part[]): Promise<VanillaNode> {
    return startObserver(this.scene, this.options, of);
  }

  cutOff(part: Part): Promise<void> {
    return this.#wires.isolate(this.players[part].address);
  }

  join(one: Part, other: Part): Promise<void> {
    return this.#wires.join(this.players[one].address, this.players[other].address);
  }

  joinAll(): Promise<void> {
    return this.#wires.joinAll();
  }

  /** Waits until these follow the same leader in the same term. */
  leaderOf(among: readonly Part[], options: EventuallyOptions = {}): Promise<Leadership> {
    return eventually(
      `a leader that ${among.join(", ")} follow`,
      async () => {
        const states = await Promise.all(among.map((part) => this.players[part].state()));
        const said = states.map(({ leader, term }) => `${leader} in ${term}`);
        if (new Set(said).size > 1) throw new Error(said.join("; "));
        const leader = this.all.find(({ address }) => address === states[0]?.leader);
        return leader && { leader, term: states[0]?.term ?? 0 };
      },
      { everyMs: askEveryMs, ...options },
    );
  }

  /** Ends all members; their files stay. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    await Promise.all(this.all.map(({ child }) => child.stop(signal)));
    this.close();
  }

  close(): void {
    this.#wiring?.close();
  }

  get #wires(): Wiring {
    if (this.#wiring === null) throw new Error("these members are connected without a wiring");
    return this.#wiring;
  }
}

/** A client of these members, which may be started before them. */
export function startObserver(
  scene: Scene,
  { cast, places }: Pick<StageOptions, "cast" | "places">,
  of: readonly Part[],
): Promise<VanillaNode> {
  const version = Object.values(cast).find((actor) => actor !== "quorate") ?? "0.3.17";
  const partners = of.map((part) => places[part].address);
  const conf = { connectionRetryTime: retrySec };
  return startControlled(scene, `observer of ${of.join("")}`, {
    ...{ version, selfAddr: null, partners, conf },
  });
}

function pidOf(scene: Scene, address: string): number | null {
  const child = scene.children.findLast(({ name }) => name.endsWith(` ${address}`));
  return child?.isRunning === true ? child.pid : null;
}

async function startPlayer(scene: Scene, options: StageOptions, part: Part): Promise<Player> {
  const { places, cast, folders, guardsOff, patience } = options;
  const { address: selfAddr, bindAddr, http } = places[part];
  const actor = cast[part];
  const partners = parts.filter((each) => each !== part).map((each) => places[each].address);
  const own = { selfAddr, partners, dataDir: folders[part] };
  const wired = patience === undefined ? {} : { bindAddr };
  const listensAt = patience === undefined ? selfAddr : bindAddr;
  const times = patience?.[part];
  const role = { part, actor, address: selfAddr };
  if (actor === "quorate") {
    const extraArgs = times === undefined ? [] : quorateTimes(times);
    const member = await startQuorate(scene, { ...own, ...wired, http, extraArgs, guardsOff });
    return new Player(role, listensAt, member);
  }
  const conf = times === undefined ? {} : vanillaTimes(times);
  const member = await startVanillaMemberWithControl(scene, {
    ...own,
    ...wired,
    version: actor,
    conf,
  });
  return new Player(role, listensAt, member);
}

function quorateTimes({ minSec, maxSec }: Patience): readonly string[] {
  return [
    ...["--min-timeout", String(minSec), "--max-timeout", String(maxSec)],
    ...["--connection-retry-time", String(retrySec)],
    ...["--append-entries-period", String(heartbeatSec)],
  ];
}

function vanillaTimes({ minSec, maxSec }: Patience): Readonly<Record<string, number>> {
  return {
    raftMinTimeout: minSec,
    raftMaxTimeout: maxSec,
    connectionRetryTime: retrySec,
    appendEntriesPeriod: heartbeatSec,
  };
}
