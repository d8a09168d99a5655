import { isRecord, LineChannel } from "./line-channel.js";
import type { Child } from "./process.js";
import { supportFile } from "./project.js";
import type { Scene } from "./scene.js";

/** What packets of one direction between two hosts meet. */
export interface LinkRules {
  /** All packets are lost, those under way as well: nobody is told. */
  readonly cut: boolean;
  readonly delayMs: number;
  /** Bytes a second, headers included; 0: no limit. */
  readonly bytesPerSec: number;
}

export interface LinkCount {
  readonly from: number;
  readonly to: number;
  readonly passed: number;
  readonly lost: number;
}

const freeLink: LinkRules = { cut: false, delayMs: 0, bytesPerSec: 0 };

/** Members listen on the same port, each in a namespace of its own. */
const raftPort = 2222;
const httpPort = 8008;

/**
 * A network of hosts numbered from 1, each a network namespace with the kernel's own TCP. Needs root:
 * packets pass through a program (packet-switch.py), so that each direction of each pair can be cut, delayed and
 * slowed. Ends with the scene.
 */
export class PacketSwitch {
  readonly hosts: number;
  readonly #child: Child;
  readonly #channel: LineChannel;
  readonly #subnet: string;
  readonly #namespaces: Readonly<Record<string, unknown>>;

  private constructor(child: Child, channel: LineChannel, described: Described) {
    this.#child = child;
    this.#channel = channel;
    this.#subnet = described.subnet;
    this.#namespaces = described.namespaces;
    this.hosts = Object.keys(described.namespaces).length;
  }

  /** @throws Error that says what is missing where namespaces cannot be made. */
  static async start(scene: Scene, hosts: number): Promise<PacketSwitch> {
    const child = scene.start({
      name: "packet switch",
      program: "python3",
      args: [supportFile("packet-switch.py"), JSON.stringify({ hosts })],
      pipes: true,
    });
    const channel = new LineChannel(child);
    await channel.started.catch((error: unknown) => {
      const why = "network namespaces need root, python3 and /dev/net/tun";
      throw new Error(`${why}\n${child.report()}`, { cause: error });
    });
    return new PacketSwitch(child, channel, described(await channel.ask("describe")));
  }

  /** `host:port` of a member on this host. */
  address(host: number): string {
    return `${this.#subnet}.${host}:${raftPort}`;
  }

  /** Where its HTTP server can listen and be reached from the test. */
  httpAddress(host: number): string {
    return `${this.#subnet}.${host}:${httpPort}`;
  }

  /** What starts a program on a host: for `under`. */
  on(host: number): readonly string[] {
    const descriptor = Number(this.#namespaces[host]);
    return ["nsenter", `--net=/proc/${this.#child.pid}/fd/${descriptor}`];
  }

  /** Rules for one direction; what is not named is free again. */
  async direct(from: number, to: number, rules: Partial<LinkRules>): Promise<void> {
    await this.#set([{ from, to, ...freeLink, ...rules }]);
  }

  /** Rules for both directions of each pair of the two groups. */
  async between(
    some: readonly number[],
    others: readonly number[],
    rules: Partial<LinkRules>,
  ): Promise<void> {
    const pairs = some.flatMap((a) => others.filter((b) => b !== a).map((b) => [a, b] as const));
    await this.#set(
      pairs.flatMap(([a, b]) => [
        { from: a, to: b, ...freeLink, ...rules },
        { from: b, to: a, ...freeLink, ...rules },
      ]),
    );
  }

  /** All links between members are free. */
  async heal(): Promise<void> {
    const all = Array.from({ length: this.hosts }, (_, n) => n + 1);
    await this.between(all, all, {});
  }

  /** Packets so far, by direction. */
  async counts(): Promise<readonly LinkCount[]> {
    return described(await this.#channel.ask("describe")).links;
  }

  async #set(links: readonly (LinkRules & { from: number; to: number })[]): Promise<void> {
    await this.#channel.ask("set", { links });
  }
}

interface Described {
  readonly subnet: string;
  readonly namespaces: Readonly<Record<string, unknown>>;
  readonly links: readonly LinkCount[];
}

function described(answer: unknown): Described {
  if (!isRecord(answer) || !isRecord(answer["namespaces"]) || !Array.isArray(answer["links"])) {
    throw new Error(`not a description of a network: ${JSON.stringify(answer)}`);
  }
  return {
    subnet: String(answer["subnet"]),
    namespaces: answer["namespaces"],
    links: answer["links"] as LinkCount[],
  };
}
