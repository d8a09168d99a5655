import type { PeerMessage } from "../../../protocol/wire/messages.js";
import type { MemberStatus } from "../../../protocol/wire/utility.js";
import type { RaftState } from "../../../src/raft/state.js";
import type { Store } from "../../../src/store/store.js";
import type { DurableFiles } from "../durable-files.js";
import type { Committed } from "../history.js";
import type { Bounds } from "./bounds.js";

/** A Quorate member that runs, as the checkers see it. */
export interface MemberView {
  readonly address: string;
  /** Counts its starts. */
  readonly life: number;
  readonly raft: RaftState;
  readonly store: Store;
  /** Null while the store is being built again. */
  readonly appliedIndex: number | null;
  readonly durable: DurableFiles;
  /** What it may hold, where that is little. */
  readonly bounds?: Bounds | undefined;
}

/** What a client of a member was told. */
export interface Told {
  readonly by: string;
  readonly command: Uint8Array;
  /** One of failReason. */
  readonly error: number;
}

/** One that a member asks another for its status, on a connection of its own: the same object when the answer comes. */
export interface Question {
  readonly address: string;
}

/** Looks at one promise. Each hook that it has is called whenever that happens; all throw Violation. */
export interface Checker {
  /** Of the promise, as docs/simulation.md names it. */
  readonly name: string;
  /** A member has begun, from what its disk held. */
  started?(member: MemberView): void;
  /** After each event that a member took part in. */
  step?(member: MemberView): void;
  /** A member has put a message on the wire. */
  sent?(from: MemberView, to: string, message: PeerMessage): void;
  /** A message has reached a member. */
  received?(member: MemberView, from: string, message: PeerMessage): void;
  /** A member asks another for its status ... */
  asked?(member: MemberView, question: Question): void;
  /** ... and is told. */
  answered?(member: MemberView, question: Question, status: MemberStatus): void;
  /** Somebody is the first to know that an entry is committed. */
  committed?(committed: Committed, members: Iterable<MemberView>): void;
  /** A member has a new link to a peer. */
  linked?(address: string, peer: string): void;
  told?(told: Told): void;
  /** A member has lost its disk: its promises went with it. */
  lostDisk?(address: string): void;
  /** All faults are over, and all members have had time to agree. */
  end?(members: Iterable<MemberView>): void;
}
