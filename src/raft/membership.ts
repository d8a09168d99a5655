import { commandType, decodeCommand } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import { raftLimits } from "./limits.js";

/** What a membership entry does. */
export interface MembershipChange {
  readonly change: "add" | "rem";
  readonly address: string;
}

/** What goes with a change of the members, in the core's state. */
export interface MembershipHost {
  readonly selfId: string;
  /** A member has come: a leader begins to send it entries. */
  memberAdded(address: string): void;
  /** It is a member no longer. */
  memberGone(address: string): void;
  /** It is neither a member nor a guest: whatever is known of it is of no use. */
  strangerNow(address: string): void;
  /** To be told outside. */
  membersChanged(): void;
}

/** Who the members are, by the dump and the log, and who is heard besides them. */
export class Membership {
  /** The other voting members. */
  readonly members = new Set<string>();
  /**
   * Peers that do not count, and are heard: those whom an uncommitted entry takes out, since they may
   * lead the cluster that will undo it; and those whom a running member counted among the members at
   * our start, when our files were older. A follower of either takes part again by what they send.
   * Of a member that has lost its files also those that only its configuration names.
   */
  readonly guests = new Set<string>();
  /** A running member has told who the members are: its log may be ahead of ours. */
  areTold: boolean;
  readonly #host: MembershipHost;
  /** Membership entries that did change the member set, the latest last: others can fill the log with them. */
  #changes: (MembershipChange & { readonly index: number })[] = [];

  constructor(
    host: MembershipHost,
    initial: {
      readonly members: readonly string[];
      readonly guests: readonly string[];
      readonly areTold: boolean;
    },
  ) {
    this.#host = host;
    this.areTold = initial.areTold;
    for (const member of initial.members) if (member !== host.selfId) this.members.add(member);
    this.#addGuests(initial.guests);
  }

  /** Whether its messages are for us. */
  hears(peer: string): boolean {
    return this.members.has(peer) || this.guests.has(peer);
  }

  /** Upstream: SyncObj.__doChangeCluster. It takes effect at once, before it is committed. */
  apply(entry: Entry, commitIndex: number): void {
    const change = entry.command[0] === commandType.membership ? membershipOf(entry.command) : null;
    if (change === null || change.address === this.#host.selfId) return;
    const { address } = change;
    const isAdding = change.change === "add";
    const isKnown = isAdding === this.members.has(address);
    // Who told us the members had counted it already; where it is cut, it has to go all the same.
    if (!isKnown || this.areTold) this.#changes.push({ ...change, index: entry.index });
    if (isKnown) return;
    // An entry that may be undone yet: who is taken out by it may lead without us knowing.
    if (!isAdding && entry.index > commitIndex) this.guests.add(address);
    this.#change(address, isAdding);
  }

  /**
   * The entries from there on are cut from the log. Unlike upstream's, ours undoes only what had an effect. Nothing is
   * decoded again, which can take long, and each address is looked at once: whoever leads chooses how many there are.
   */
  undoFrom(index: number): void {
    const undone = this.#changes.splice(this.#firstAfter(index - 1));
    const first = new Map<string, MembershipChange["change"]>();
    for (const { change, address } of undone) if (!first.has(address)) first.set(address, change);
    for (const [address, change] of first) {
      const isMember = change === "rem";
      if (isMember !== this.members.has(address)) this.#change(address, isMember);
      else if (!isMember && this.guests.delete(address)) {
        this.#host.strangerNow(address);
        this.#host.membersChanged();
      }
    }
  }

  /**
   * Whether a leader would have us know more addresses than any cluster has, by these entries in place of what
   * the log holds from there on: a dump would name them all, and each is dialed. Or more changes that may have to
   * be undone than any cluster has under way.
   *
   * @returns what there would be too many of, or null.
   */
  areTooMany(entries: readonly Entry[], commitIndex: number): string | null {
    const { knownMembersMax, uncommittedChangesMax } = raftLimits;
    const room = knownMembersMax - 1 - this.members.size - this.guests.size;
    const changes = entries.filter(({ command }) => command[0] === commandType.membership);
    const first = entries[0]?.index ?? 0;
    if (changes.length === 0) return null;
    const kept = Math.max(0, this.#firstAfter(first - 1) - this.#firstAfter(commitIndex));
    if (kept + changes.length > uncommittedChangesMax) {
      return `more than ${uncommittedChangesMax} uncommitted changes of the members`;
    }
    if (changes.length <= room) return null;
    const known = new Set([...this.members, ...this.guests]);
    for (const { change, address } of this.#changes.slice(this.#firstAfter(first - 1)).reverse()) {
      if (change === "add") known.delete(address);
      else known.add(address);
    }
    for (const { command } of changes) {
      const change = membershipOf(command);
      if (change?.change === "add") known.add(change.address);
    }
    return known.size + 1 > knownMembersMax ? `more than ${knownMembersMax} members` : null;
  }

  /** The log begins there now: what stands before it is not undone any more. */
  compacted(firstIndex: number): void {
    this.#changes = this.#changes.slice(this.#firstAfter(firstIndex - 1));
  }

  /** The place of the first change behind that index: looked for from the end, where it is. */
  #firstAfter(index: number): number {
    let at = this.#changes.length;
    while (at > 0 && (this.#changes[at - 1]?.index ?? 0) > index) at -= 1;
    return at;
  }

  #change(address: string, isAdding: boolean): void {
    if (isAdding) this.#add(address);
    else this.#drop(address);
    this.#host.membersChanged();
  }

  /** Changes that may come to nothing yet. */
  uncommitted(commitIndex: number): MembershipChange[] {
    return this.#changes.slice(this.#firstAfter(commitIndex));
  }

  /** What is committed is not undone: whoever it took out is a guest no longer. */
  committed(from: number, to: number): void {
    let dismissed = false;
    const now = this.#changes.slice(this.#firstAfter(from), this.#firstAfter(to));
    for (const { change, address } of now) {
      if (change === "rem" && this.guests.delete(address)) {
        this.#host.strangerNow(address);
        dismissed = true;
      }
    }
    if (dismissed) this.#host.membersChanged();
  }

  /** A dump takes the log's place. */
  forgetChanges(): void {
    this.#changes = [];
    this.guests.clear();
  }

  /** As this leader, or its dump, names them: a dump may be older than the entry that let the leader in. */
  set(members: readonly string[], leader: string): void {
    const wanted = new Set(members.filter((member) => member !== this.#host.selfId));
    if (!wanted.has(leader)) this.guests.add(leader);
    for (const member of [...this.members]) if (!wanted.has(member)) this.#drop(member);
    for (const member of wanted) if (!this.members.has(member)) this.#add(member);
    this.#host.membersChanged();
  }

  /** Others count these among the members, and us. */
  welcome(addresses: readonly string[]): void {
    if (this.#addGuests(addresses)) this.#host.membersChanged();
  }

  /** The members are known now: the other guests were none. */
  keepGuest(guest: string): void {
    const others = [...this.guests].filter((other) => other !== guest);
    if (others.length === 0) return;
    for (const other of others) {
      this.guests.delete(other);
      this.#host.strangerNow(other);
    }
    this.#host.membersChanged();
  }

  #addGuests(addresses: readonly string[]): boolean {
    const { size } = this.guests;
    for (const address of addresses) {
      const isGuest = address !== this.#host.selfId && !this.members.has(address);
      if (isGuest && this.guests.size < raftLimits.guestsMax) this.guests.add(address);
    }
    return this.guests.size > size;
  }

  #add(member: string): void {
    this.members.add(member);
    this.guests.delete(member);
    this.#host.memberAdded(member);
  }

  #drop(member: string): void {
    this.members.delete(member);
    this.#host.memberGone(member);
    if (!this.guests.has(member)) this.#host.strangerNow(member);
  }
}

/** The change that a membership command asks for, or null where it is malformed. */
export function membershipOf(command: Uint8Array): MembershipChange | null {
  try {
    const decoded = decodeCommand(command);
    return decoded.kind === "membership" ? decoded : null;
  } catch {
    return null;
  }
}
