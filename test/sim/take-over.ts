import { crc32 } from "node:zlib";
import {
  encodeJournalHeader,
  journalHeaderBytes,
  recordsBytes,
  writeRecords,
} from "../../protocol/files/journal-format.js";
import type { Entry } from "../../protocol/log/entry.js";
import { encodePickle } from "../../protocol/pickle/encoder.js";
import type { Chance } from "./chance.js";
import type { MemberView } from "./checkers/checker.js";
import type { Cluster } from "./cluster.js";
import { type FormerMember, FormerMembers } from "./former-members.js";
import type { Kept } from "./kept.js";
import { Seat } from "./seat.js";

/** When each is started: the later ones dial the earlier ones, who have to be there to take the call. */
const startsMs = [0, 700, 760];
/** Longer than it takes all to have a link to each other. */
const linksMsMax = 6_000;

/**
 * Our members begin with the files that members of 0.3.15 have left, and all have links to each other before any
 * of them asks for votes. Where two of them go first, they cannot know what the third one knows for committed: that is
 * not told here, and they begin once more.
 *
 * Nothing else happens before one of them leads.
 *
 * @param then Gets what was acknowledged, and a majority holds: it has to stay.
 */
export function takeOver(cluster: Cluster, chance: Chance, then: (kept: Kept[]) => void): void {
  const former = new FormerMembers(chance);
  const members = new Set(cluster.seats.map(({ address }) => address));
  cluster.quietUntilMs = Number.POSITIVE_INFINITY;
  begin(cluster, former, () => {
    then(former.kept().map(({ entry, inTerm }) => ({ ...entry, inTerm, members })));
    const commits = () => {
      const leader = cluster.leader()?.standing();
      return leader?.entryAt(leader.commitIndex)?.term === leader?.term ? leader : null;
    };
    cluster.when(Number.POSITIVE_INFINITY, commits, () => {
      cluster.quietUntilMs = cluster.timeline.nowMs;
    });
  });
}

/** Starts all, and once more where they are not linked before the first of them campaigns. */
function begin(cluster: Cluster, former: FormerMembers, then: () => void): void {
  const { timeline } = cluster;
  for (const [at, seat] of cluster.seats.entries()) {
    const member = former.members[at];
    if (!(seat instanceof Seat) || member === undefined) throw new Error("three of ours take over");
    cluster.wipe(seat);
    cluster.say(seat.address, `takes over ${shown(member)}`);
    seat.disk.image.replace(seat.durable.journalPath, journalOf(member.log));
    seat.disk.image.replace(`${seat.durable.journalPath}.meta`, metaOf(member));
    timeline.after(startsMs[at] ?? 0, () => seat.start());
  }
  const untilMs = timeline.nowMs + linksMsMax;
  const standing = () => {
    const views = [...cluster.views()];
    const isOver = timeline.nowMs > untilMs || views.some(({ raft }) => raft.role !== "follower");
    if (isOver) return "apart";
    const isLinked = ({ raft }: MemberView): boolean => raft.connected.size === cluster.size - 1;
    return views.length === cluster.size && views.every(isLinked) ? "linked" : null;
  };
  cluster.when(Number.POSITIVE_INFINITY, standing, (how) => {
    if (how === "linked") then();
    else begin(cluster, former, then);
  });
}

function journalOf(entries: readonly Entry[]): Buffer {
  const bytes = Buffer.alloc(journalHeaderBytes + recordsBytes(entries));
  writeRecords(entries, bytes, journalHeaderBytes);
  const header = { version: "0.3.15", endOffset: bytes.length, seal: null };
  bytes.set(encodeJournalHeader(header, crc32));
  return bytes;
}

/** 0.3.15 stores neither term nor vote. */
function metaOf({ storedCommitIndex }: FormerMember): Buffer {
  return Buffer.from(encodePickle(new Map([["raftCommitIndex", storedCommitIndex]])));
}

function shown({ log, storedCommitIndex }: FormerMember): string {
  return `the terms ${log.map(({ term }) => term)}, committed up to ${storedCommitIndex}`;
}
