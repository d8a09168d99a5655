import type { Entry } from "../../protocol/log/entry.js";
import type { PeerMessage } from "../../protocol/wire/messages.js";

/** What a vanilla member finds when it starts: nothing of it was ever synced. */
export interface VanillaFiles {
  journal: readonly Entry[];
  /** Meta: the commit index of the last whole second; term and vote since 0.3.16. */
  commitIndex: number;
  term: number;
  votedFor: string | null;
  dump: Uint8Array | null;
}

export function emptyFiles(): VanillaFiles {
  return { journal: [], commitIndex: 1, term: 0, votedFor: null, dump: null };
}

export interface VanillaHost {
  readonly self: string;
  /** Whom it takes for members when it starts. */
  readonly others: readonly string[];
  /** Since 0.3.16 term and vote are stored, a truncated commit index is clamped, timeout_now is known. */
  readonly remembers: boolean;
  readonly compactionEntries: number;
  readonly random: () => number;
  nowMs(): number;
  addPeer(peer: string): void;
  dropPeer(peer: string): void;
  /** To a peer without a link nothing goes. */
  send(to: string, message: PeerMessage): void;
  /** Calls back when the forked child that writes a dump has renamed it. */
  forkDump(done: () => void): void;
  say(what: string): void;
}
