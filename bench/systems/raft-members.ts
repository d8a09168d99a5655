import { eventually } from "../../interop-tests/support/eventually.js";
import { freeAddresses } from "../../interop-tests/support/free-ports.js";
import { pythonWith } from "../../interop-tests/support/python.js";
import { startQuorate } from "../../interop-tests/support/quorate-member.js";
import type { Scene } from "../../interop-tests/support/scene.js";
import { dataFolder, startVanilla } from "../../interop-tests/support/vanilla-member.js";
import { statusAsker } from "./status.js";
import type { ClusterOptions, Running, RunningMember, System } from "./system.js";

export type Kind = "quorate" | "vanilla";

export const pysyncobjVersion = "0.3.17";
const leaderMsMax = 60_000;
const askMsMax = 2_000;

const roomForAMillionKeys = ["--max-data-bytes", `${4 * 1024 ** 3}`];

/** `quorate run`, as it is built. */
export const quorateSystem: System = {
  name: "quorate",
  isDurable: true,
  missing: async () => null,
  start: (scene, options) => startMembers(scene, options, kinds("quorate", options)),
};

/** The real patroni_raft_controller of Patroni, on the real PySyncObj. */
export const pysyncobjSystem: System = {
  name: "pysyncobj",
  isDurable: false,
  missing: async () => {
    try {
      await pythonWith(pysyncobjVersion);
      return null;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  },
  start: (scene, options) => startMembers(scene, options, kinds("vanilla", options)),
};

function kinds(kind: Kind, { members }: ClusterOptions): Kind[] {
  return Array.from({ length: members }, () => kind);
}

/** A cluster of both kinds, in the order of addresses. */
export async function startMembers(
  scene: Scene,
  { password, prepare }: ClusterOptions,
  who: readonly Kind[],
): Promise<Running> {
  const addresses = await freeAddresses(who.length);
  await prepare?.(
    addresses,
    addresses.map((address) => dataFolder(scene, address)),
  );
  const start = async (kind: Kind, selfAddr: string): Promise<RunningMember> => {
    const partners = addresses.filter((address) => address !== selfAddr);
    const common = { selfAddr, partners, ...(password === null ? {} : { password }) };
    const member =
      kind === "quorate"
        ? await startQuorate(scene, { ...common, http: null, extraArgs: roomForAMillionKeys })
        : await startVanilla(scene, { ...common, version: pysyncobjVersion });
    return { address: selfAddr, dataDir: member.dataDir, child: member.child };
  };
  const members = await Promise.all(
    addresses.map((address, at) => start(who[at] ?? "quorate", address)),
  );
  const running = new Members(members, password, (member, at) =>
    start(who[at] ?? "quorate", member.address),
  );
  await running.leader();
  return running;
}

class Members implements Running {
  readonly wire = "pysyncobj";
  readonly members: RunningMember[];
  readonly #ask: (address: string) => Promise<string | null>;
  readonly #start: (member: RunningMember, at: number) => Promise<RunningMember>;

  constructor(
    members: RunningMember[],
    password: string | null,
    start: (member: RunningMember, at: number) => Promise<RunningMember>,
  ) {
    this.members = members;
    this.#start = start;
    const ask = statusAsker(password);
    this.#ask = async (address) => (await ask(address, askMsMax)).leader;
  }

  leader(): Promise<RunningMember> {
    return eventually(
      "one leader for all",
      async () => {
        const running = this.members.filter(({ child }) => child.isRunning);
        const seen = await Promise.all(running.map(({ address }) => this.#ask(address)));
        const [leader] = seen;
        if (seen.some((other) => other !== leader)) return null;
        return running.find(({ address }) => address === leader);
      },
      { timeoutMs: leaderMsMax },
    );
  }

  async restart(member: RunningMember): Promise<void> {
    const at = this.members.indexOf(member);
    this.members[at] = await this.#start(member, at);
  }
}
