import type { Finding } from "../findings.js";
import { toldDegraded } from "../software.js";
import { pairsOf, steadyLeader, type TwoLooks } from "./looks.js";

/** Beyond it a log is not being compacted: all versions do it at 5,000 entries or every 300 s. */
const logEntriesUsual = 100_000;

/** Members that apply or receive nothing, or too slowly, and logs that only grow. */
export function progress(looks: TwoLooks): Finding[] {
  return [...stuck(looks), ...lagging(looks), ...longLogs(looks), ...degraded(looks)];
}

/** Applied nothing between the looks, though there was something to apply the whole time. */
export function isStuck(
  before: { readonly lastApplied: number; readonly commitIdx: number },
  after: { readonly lastApplied: number; readonly commitIdx: number },
): boolean {
  return after.lastApplied === before.lastApplied && before.commitIdx > before.lastApplied;
}

function stuck(looks: TwoLooks): Finding[] {
  return pairsOf(looks).flatMap(({ self, before, after }) => {
    if (!isStuck(before.status, after.status)) return [];
    const { lastApplied, commitIdx } = after.status;
    return [
      {
        code: "stuck-applier",
        severity: "ill",
        members: [self],
        says: `${self} has applied nothing in ${looks.intervalSec} s: it stands at entry ${lastApplied} while ${commitIdx} are committed`,
        wayOut:
          `look at its log for what happens at entry ${lastApplied + 1}, and at that entry with ` +
          "`quorate inspect`. Its data are old: do not read from it, and do not let it lead",
      } satisfies Finding,
    ];
  });
}

/** What the leader had committed at the first look a member still lacks at the second. */
function lagging(looks: TwoLooks): Finding[] {
  const leader = steadyLeader(looks);
  if (leader === null) return [];
  const committed = leader.before.status.commitIdx;
  return pairsOf(looks).flatMap(({ self, before, after }) => {
    const { commitIdx } = after.status;
    if (self === leader.self || commitIdx >= committed) return [];
    const gained = commitIdx - before.status.commitIdx;
    const behind = leader.after.status.commitIdx - commitIdx;
    const how = gained === 0 ? "and gained nothing" : `and gained ${gained} entries`;
    return [
      {
        code: "lagging",
        severity: "risk",
        members: [self],
        says: `${self} is ${behind} entries behind the leader ${leader.self} ${how} in ${looks.intervalSec} s`,
        wayOut:
          gained === 0
            ? `see whether it has a link to ${leader.self}, whether its disk is full, and what its log says`
            : "wait until it has caught up before you stop any other member",
      } satisfies Finding,
    ];
  });
}

function longLogs({ after }: TwoLooks): Finding[] {
  return after.answers.flatMap(({ self, status }) =>
    status.logLen <= logEntriesUsual
      ? []
      : [
          {
            code: "log-not-compacted",
            severity: "risk",
            members: [self],
            says: `the log of ${self} holds ${status.logLen} entries: it is not being compacted, and the journal grows`,
            wayOut: "see in its log why no dump is written: a full disk, or no permission",
          } satisfies Finding,
        ],
  );
}

/** What Quorate members say of themselves. */
function degraded({ after }: TwoLooks): Finding[] {
  return after.answers.flatMap(({ self, status }) => {
    const codes = toldDegraded(status) ?? [];
    if (codes.length === 0) return [];
    return [
      {
        code: "degraded",
        severity: "risk",
        members: [self],
        says: `${self} says that it is degraded: ${codes.join(", ")}`,
        wayOut:
          "docs/doctor.md, What a member says of itself, has what each of these means and what to do; its log " +
          "and `GET /health` the file, the member or the figure that it is about",
      } satisfies Finding,
    ];
  });
}
