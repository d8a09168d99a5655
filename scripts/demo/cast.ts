import { freeAddresses } from "../../interop-tests/support/free-ports.js";
import { pythonWith } from "../../interop-tests/support/python.js";
import { type QuorateMember, startQuorate } from "../../interop-tests/support/quorate-member.js";
import type { Scene } from "../../interop-tests/support/scene.js";
import { startVanilla, type VanillaMember } from "../../interop-tests/support/vanilla-member.js";
import { type MemberStatus, parseStatus } from "../../protocol/wire/utility.js";
import { askUtility } from "../../src/net/utility-client.js";

/** The PySyncObj whose members take part: the newest that the tests run against. */
export const pysyncobjVersion = "0.3.17";

/** A member on this machine answers at once; one that was killed never does. */
const answerMsMax = 2_000;

/** One member of the demonstration: it can be started again on its address and data. */
export class Actor {
  readonly kind: "vanilla" | "quorate";
  readonly address: string;
  readonly http: string | null;
  readonly #scene: Scene;
  readonly #partners: readonly string[];
  #running: VanillaMember | QuorateMember | null = null;

  constructor(
    scene: Scene,
    options: Pick<Actor, "kind" | "address" | "http"> & { readonly partners: readonly string[] },
  ) {
    this.#scene = scene;
    this.kind = options.kind;
    this.address = options.address;
    this.http = options.http;
    this.#partners = options.partners;
  }

  /** As the story calls it. */
  get name(): string {
    return this.kind === "vanilla" ? `vanilla ${this.address}` : `Quorate ${this.address}`;
  }

  /** The running Quorate member, for its HTTP API. */
  get quorate(): QuorateMember | null {
    return this.#running !== null && "http" in this.#running ? this.#running : null;
  }

  async start(): Promise<void> {
    const common = { selfAddr: this.address, partners: this.#partners, bindAddr: this.address };
    this.#running =
      this.kind === "vanilla"
        ? await startVanilla(this.#scene, { ...common, version: pysyncobjVersion })
        : await startQuorate(this.#scene, { ...common, http: this.http });
  }

  async kill(): Promise<void> {
    await this.#running?.stop("SIGKILL");
  }

  /** What any member, vanilla or not, tells a `syncobj_admin -status`. */
  async status(): Promise<MemberStatus> {
    return parseStatus(await askUtility(this.address, ["status"], { timeoutMs: answerMsMax }));
  }
}

/** Two vanilla members and a Quorate one, or three Quorate members without Python. */
export async function makeCast(scene: Scene, withPython: boolean): Promise<Actor[]> {
  const addresses = await freeAddresses(3);
  const https = await freeAddresses(3);
  return addresses.map((address, n) => {
    const kind = withPython && n < 2 ? "vanilla" : "quorate";
    const http = kind === "quorate" ? (https[n] ?? null) : null;
    const partners = addresses.filter((other) => other !== address);
    return new Actor(scene, { kind, address, http, partners });
  });
}

/** Null where the vanilla members can run, else the reason in one line. */
export async function whyNoPython(): Promise<string | null> {
  try {
    await pythonWith(pysyncobjVersion);
    return null;
  } catch (error) {
    return error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
  }
}
