import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dialerOf } from "./dialer.js";

/** A member as the wiring sees it: others reach it at its address only through a proxy. */
export interface WiredMember {
  /** Its identity, where the others dial. */
  readonly address: string;
  /** Where it really listens. */
  readonly bindAddr: string;
}

/** A connection through a proxy. */
interface Wire {
  readonly inner: Socket;
  readonly outer: Socket;
  readonly to: string;
}

/**
 * The connections between members that were told to listen behind their addresses: each pair can be cut
 * and joined. Cutting closes what is open, as a lost route does after a while; connecting is refused
 * where nobody may reach the member, and otherwise closed at once. Who is no member (observers) reaches
 * each member that one of the others can reach.
 */
export class Wiring {
  readonly #members: readonly WiredMember[];
  readonly #pidOf: (address: string) => number | null;
  readonly #cut = new Set<string>();
  readonly #servers = new Map<string, Server>();
  readonly #wires = new Set<Wire>();

  /** @param pidOf The process that is the member at the moment, null while none is. */
  constructor(members: readonly WiredMember[], pidOf: (address: string) => number | null) {
    this.#members = members;
    this.#pidOf = pidOf;
  }

  /** Begins to listen at the addresses of all members that can be reached. */
  async open(): Promise<void> {
    await this.#listenAsWanted();
  }

  async cut(one: string, other: string): Promise<void> {
    this.#cut.add(pairOf(one, other));
    for (const wire of this.#wires) {
      if ([one, other].includes(wire.to) && this.#isRefused(wire)) destroy(wire);
    }
    await this.#listenAsWanted();
  }

  async join(one: string, other: string): Promise<void> {
    this.#cut.delete(pairOf(one, other));
    await this.#listenAsWanted();
  }

  /** Cuts the member off from all others. */
  async isolate(address: string): Promise<void> {
    for (const other of this.#othersOf(address)) await this.cut(address, other);
  }

  async joinAll(): Promise<void> {
    this.#cut.clear();
    await this.#listenAsWanted();
  }

  close(): void {
    for (const server of this.#servers.values()) server.close();
    this.#servers.clear();
    for (const wire of this.#wires) destroy(wire);
  }

  #othersOf(address: string): readonly string[] {
    return this.#members.map((member) => member.address).filter((other) => other !== address);
  }

  #isCut(one: string, other: string): boolean {
    return this.#cut.has(pairOf(one, other));
  }

  async #listenAsWanted(): Promise<void> {
    for (const member of this.#members) {
      const { address } = member;
      const isReachable = this.#othersOf(address).some((other) => !this.#isCut(address, other));
      const server = this.#servers.get(address);
      if (isReachable && server === undefined) {
        this.#servers.set(address, await this.#listen(member));
      } else if (!isReachable && server !== undefined) {
        this.#servers.delete(address);
        server.close();
        for (const wire of this.#wires) if (wire.to === address) destroy(wire);
      }
    }
  }

  async #listen(member: WiredMember): Promise<Server> {
    const server = createServer((inner) => this.#accept(inner, member));
    server.listen(endpoint(member.address));
    await once(server, "listening");
    return server;
  }

  #accept(inner: Socket, { address, bindAddr }: WiredMember): void {
    inner.on("error", () => {});
    if (this.#isRefused({ inner, to: address })) {
      inner.resetAndDestroy();
      return;
    }
    const outer = connect(endpoint(bindAddr));
    outer.on("error", () => {});
    const wire: Wire = { inner, outer, to: address };
    this.#wires.add(wire);
    for (const [socket, other] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      socket.setNoDelay(true);
      socket.on("close", () => {
        this.#wires.delete(wire);
        other.destroy();
      });
      socket.pipe(other);
    }
  }

  /** Does it come from a member that is cut off from this one? Nobody else is asked who it is. */
  #isRefused({ inner, to }: Pick<Wire, "inner" | "to">): boolean {
    const cutOff = this.#othersOf(to).filter((other) => this.#isCut(other, to));
    const pids = cutOff.flatMap((address) => this.#pidOf(address) ?? []);
    const { localPort = 0, remotePort = 0 } = inner;
    return pids.length > 0 && dialerOf({ localPort, remotePort }, pids) !== null;
  }
}

function destroy({ inner, outer }: Wire): void {
  inner.destroy();
  outer.destroy();
}

function pairOf(one: string, other: string): string {
  return [one, other].sort().join(" ");
}

function endpoint(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(":");
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
}
