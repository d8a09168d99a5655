import type { PyValue } from "../../protocol/pickle/values.js";
import {
  encodeMembers,
  encodeStatus,
  type MemberStatus,
  parseUtility,
  type UtilityRequest,
  utilityOutcome,
} from "../../protocol/wire/utility.js";
import type { AskOptions, CliContext } from "../../src/cli/context.js";
import { processContext, runCommandLine } from "../../src/cli/main.js";

/** Members that answer in memory as upstream's do, for tests of what the commands make of it. */
export class FakeCluster {
  readonly members: Map<string, { version: string; extra?: [string, PyValue][]; up: boolean }>;
  leader: string | null;
  /** Refuses changes as a member does while another one is under way. */
  isChanging = false;
  /** Loses the answer of the next change. */
  losesAnswer = false;
  /** Says SUCCESS to a transfer, but nothing comes of it. */
  keepsLeading = false;
  /** A plain PySyncObj member, which does not know `members`. */
  isPlain = false;
  readonly asked: string[] = [];
  readonly options: AskOptions[] = [];

  constructor(addresses: readonly string[], leader: string | null, version = "0.3.17") {
    this.members = new Map(addresses.map((address) => [address, { version, up: true }]));
    this.leader = leader;
  }

  async ask(address: string, list: readonly PyValue[], options: AskOptions): Promise<PyValue> {
    const request = parseUtility(list);
    this.asked.push(`${address} ${list.map(String).join(" ")}`);
    this.options.push(options);
    const member = this.members.get(address);
    if (member === undefined || !member.up) {
      throw new Error(`${address}: connection refused`);
    }
    switch (request.command) {
      case "status":
        return encodeStatus(this.#status(address));
      case "members":
        if (this.isPlain) {
          throw new Error(`${address}: no answer in 10000 ms`);
        }
        return encodeMembers(
          [...this.members.keys()].map((each) => ({
            address: each,
            leader: each === this.leader,
            connected: this.members.get(each)?.up === true,
          })),
        );
      case "set_version":
        return request.version === 0
          ? utilityOutcome(request, true)
          : `wrong version, current version is 0, requested version is ${request.version}`;
      case "malformed":
        return utilityOutcome(request, false);
      case "unknown":
        throw new Error(`${address}: no answer`);
      default:
        return this.#change(address, request);
    }
  }

  #change(
    address: string,
    request: Extract<UtilityRequest, { command: "add" | "remove" | "transfer" }>,
  ): string {
    if (this.losesAnswer) {
      this.losesAnswer = false;
      throw new Error(`${address}: closed the connection without an answer`);
    }
    const ok = this.leader !== null && !this.isChanging && this.#apply(address, request);
    return utilityOutcome(request, ok);
  }

  #apply(
    asked: string,
    request: Extract<UtilityRequest, { command: "add" | "remove" | "transfer" }>,
  ): boolean {
    if (request.command === "transfer") {
      if (asked !== this.leader) return false;
      const others = [...this.members.keys()].filter((each) => each !== asked);
      const target = request.address ?? others[0] ?? "";
      if (!others.includes(target)) return false;
      this.leader = this.keepsLeading ? this.leader : target;
      return true;
    }
    const { address } = request;
    if (request.command === "add") {
      if (this.members.has(address)) return false;
      this.members.set(address, { version: "0.3.17", up: true });
      return true;
    }
    return address !== asked && address !== this.leader && this.members.delete(address);
  }

  #status(address: string): MemberStatus {
    const others = [...this.members.keys()].filter((each) => each !== address);
    const leads = address === this.leader;
    const member = this.members.get(address);
    return {
      version: member?.version ?? "",
      revision: "deprecated",
      self: address,
      state: leads ? 2 : 0,
      leader: this.leader,
      hasQuorum: true,
      partners: others.map((each) => ({
        address: each,
        connected: this.members.get(each)?.up === true,
      })),
      observers: [{ address: "0", connected: true }],
      logLen: 7,
      lastApplied: 41,
      commitIdx: 42,
      raftTerm: 3,
      nextNodeIdx: new Map(others.map((each) => [each, 43])),
      matchIdx: new Map(others.map((each) => [each, 42])),
      leaderCommitIdx: 42,
      uptimeSec: 99,
      selfCodeVersion: 0,
      enabledCodeVersion: 0,
      extra: new Map(member?.extra ?? []),
    };
  }
}

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the command line in this process against the cluster. */
export async function quorate(
  cluster: FakeCluster,
  args: readonly string[],
  env: CliContext["env"] = {},
): Promise<Outcome> {
  const text = { out: "", err: "" };
  const context: CliContext = {
    ...processContext(),
    env,
    ask: (address, request, options) => cluster.ask(address, request, options),
    out: (more) => {
      text.out += more;
    },
    err: (more) => {
      text.err += more;
    },
    sleep: async () => {},
    startMember: () => Promise.reject(new Error("not here")),
    connect: () => Promise.reject(new Error("not here")),
  };
  const code = await runCommandLine(context, ["node", "quorate", ...args]);
  return { code, ...text };
}
