import { commandType, decodeCommand } from "../../protocol/log/commands.js";

/** The links of a vanilla member, as `addNode` and `dropNode` change them. */
export interface PeerLinks {
  added(peer: string): void;
  /** Its link ends with it, and nobody is told that it did. */
  dropped(peer: string): void;
}

/**
 * Whom a vanilla member takes for members (`__doChangeCluster`, `__updateClusterConfiguration`). Its
 * faults are kept: a change counts when it is appended and once more when it is applied, a truncated one
 * is undone whether it had changed anything or not, and a leader does not wait for one change before
 * the next.
 */
export class VanillaMembers {
  readonly others: Set<string>;
  readonly #self: string;
  readonly #links: PeerLinks;

  constructor(self: string, others: readonly string[], links: PeerLinks) {
    this.#self = self;
    this.others = new Set(others);
    this.#links = links;
  }

  /** @returns whether it is a change that takes effect here. */
  change(command: Uint8Array, how: { readonly isUndone: boolean }): boolean {
    if (!isMembership(command)) return false;
    const change = decodeCommand(command);
    if (change.kind !== "membership" || change.address === this.#self) return false;
    const { address } = change;
    const isAdded = (change.change === "add") !== how.isUndone;
    if (isAdded === this.others.has(address)) return false;
    if (isAdded) {
      this.others.add(address);
      this.#links.added(address);
    } else {
      this.others.delete(address);
      this.#links.dropped(address);
    }
    return true;
  }

  /** A dump says who they are. */
  replace(members: readonly string[]): void {
    const wanted = new Set(members.filter((member) => member !== this.#self));
    for (const peer of [...this.others]) {
      if (wanted.has(peer)) continue;
      this.others.delete(peer);
      this.#links.dropped(peer);
    }
    for (const peer of wanted) {
      if (this.others.has(peer)) continue;
      this.others.add(peer);
      this.#links.added(peer);
    }
  }
}

export function isMembership(command: Uint8Array): boolean {
  return command[0] === commandType.membership;
}
