import { behindGapText } from "../../files/behind-gap.js";
import { type Finding, listed } from "../findings.js";
import type { OddCopy } from "./odd-copies.js";
import type { FileMember } from "./side-by-side.js";

/* Findings on one member's copy that is not what the member had, for which no cluster has to be forced. */

/** @param sides What stands at each place, and in whose log. */
export function oddCopy(
  { name, majority }: Omit<OddCopy, "spans">,
  sides: readonly string[],
): Finding {
  const others = listed(majority);
  return {
    ...{ code: "differs-amid-log", severity: "ill", members: [name] },
    says:
      `${name} has another entry amid its log than ${others}, which are a majority, and all logs agree before and ` +
      `behind it: ${sides.join("; ")}. Either bytes were changed on the disk of ${name}, or on the way to these files, or ` +
      "a term was led twice, as it can be where members forget their term (docs/upstream-defect.md)",
    wayOut:
      `put the directory of ${name} aside, and have it begin with an empty one once ${others} run: they agree to their ` +
      `ends, and nothing that they hold is lost. Check the disk of ${name}. What it alone held is in \`--json\`, and in ` +
      "`quorate inspect DIR --entries`: write again with `quorate kv put` what is missed",
  };
}

/** One finding for all members whose journals lack the same. */
export function leftOut(members: readonly FileMember[]): Finding[] {
  const groups = new Map<string, FileMember[]>();
  for (const member of members) {
    if (member.leftOut === null) continue;
    const { offset: _, ...gap } = member.leftOut;
    const shape = JSON.stringify(gap);
    groups.set(shape, [...(groups.get(shape) ?? []), member]);
  }
  return [...groups.values()].flatMap((group): Finding[] => {
    const gap = group[0]?.leftOut ?? null;
    if (gap === null) return [];
    const names = group.map(({ name }) => name);
    const lastMissing = Math.max(...gap.missing.map(({ last }) => last));
    const holders = members.filter(
      ({ leftOut, log, dumpIndex }) =>
        leftOut === null && Math.max(log.last ?? 0, dumpIndex ?? 0) >= lastMissing,
    );
    const held = `${listed(holders.map(({ name }) => name))} ${holders.length === 1 ? "has" : "have"} what is missing`;
    return [
      {
        ...{ code: "entry-left-out", severity: "ill", members: names },
        says:
          `amid the ${names.length === 1 ? "journal" : "journals"} of ${listed(names)} ${behindGapText(gap)}: PySyncObj up to 0.3.15 does not write an ` +
          "entry that does not fit into twice its journal, and goes on with it in memory" +
          (holders.length === 0 ? "; none of these files holds what is missing" : `; ${held}`),
        wayOut:
          "start no PySyncObj member on these files, and never stop two members at once: as long as they run, they hold in memory " +
          "what the files lack. Take `quorate backup` from the running members first, and then move them to Quorate one at a time " +
          "(`quorate migrate plan`): each takes the whole log from those that run. Drop nothing of these files: what is behind the " +
          "gap may stand in no others, and `quorate inspect DIR --entries` shows it",
      },
    ];
  });
}
