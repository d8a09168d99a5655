import { processContext, runCommandLine } from "../../src/cli/main.js";
import { systemEnvironment } from "../../src/node/environment.js";
import { Member } from "../../src/node/member.js";
import { type GuardName, guardNames } from "../../src/raft/types.js";

/**
 * The real `quorate` with guards left out: `quorate-unguarded.js vote-guard,term-beacon run …`. It is here
 * and not an option of the program because nobody who runs a cluster may want it.
 */
async function main([node = "", script = "", names = "", ...args]: readonly string[]) {
  const guardsOff = new Set(names.split(",").map(guardNamed));
  process.exitCode = await runCommandLine(
    {
      ...processContext(),
      startMember: (config, logger) =>
        Member.start(config, logger, { ...systemEnvironment, guardsOff }),
    },
    [node, script, ...args],
  );
}

function guardNamed(name: string): GuardName {
  const guard = guardNames.find((each) => each === name);
  if (guard === undefined) throw new Error(`no guard is called ${name}: ${guardNames.join(", ")}`);
  return guard;
}

await main(process.argv);
