import type { MemberPaths } from "../../files/data-path.js";
import { lookAgain } from "../../files/look-again.js";
import type { Watch } from "../../files/watch.js";
import type { FileSystem } from "../../storage/file-system.js";
import { type Finding, worstOf } from "../findings.js";
import { judgeFiles } from "./judge-files.js";
import { compareFiles, type SideBySide } from "./side-by-side.js";

export interface JudgedFiles {
  readonly all: SideBySide;
  readonly findings: readonly Finding[];
}

/**
 * Compares the files of several members. Those of running ones are read again where something is wrong
 * with them: upstream rewrites a journal in place, and amid that nothing in it holds together.
 *
 * @throws as `compareFiles` does.
 */
export async function compareLive(
  fs: FileSystem,
  paths: readonly MemberPaths[],
  watch: Watch = {},
): Promise<JudgedFiles> {
  const look = async (): Promise<JudgedFiles> => {
    const all = await compareFiles(fs, paths, watch);
    return { all, findings: judgeFiles(all) };
  };
  return await lookAgain(look, (seen, before) => {
    const worst = worstOf(seen.findings);
    return (
      seen.all.members.every(({ inUseBy }) => inUseBy === null) ||
      (worst !== "ill" && worst !== "risk") ||
      (before !== null && signOf(before) === signOf(seen))
    );
  });
}

/** What stays the same from look to look where it is no change half done; a live log grows meanwhile. */
function signOf({ all, findings }: JudgedFiles): string {
  return JSON.stringify([
    findings.flatMap(({ code, severity, members }) => (severity === "note" ? [] : [code, members])),
    all.members.map(({ damaged, brokenAt }) => [damaged, brokenAt]),
  ]);
}
