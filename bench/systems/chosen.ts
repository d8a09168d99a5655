import { etcdSystem } from "./etcd.js";
import { pysyncobjSystem, quorateSystem } from "./raft-members.js";
import type { System } from "./system.js";

const all: readonly System[] = [quorateSystem, pysyncobjSystem, etcdSystem];

/**
 * The systems of these names that can run here; what is missing is told.
 *
 * @throws Error for a name that is none, and where none of them can run.
 */
export async function chosenSystems(
  names: readonly string[],
  say: (line: string) => void,
): Promise<System[]> {
  const chosen: System[] = [];
  for (const name of names) {
    const system = all.find((each) => each.name === name);
    if (system === undefined) {
      throw new Error(`systems are ${all.map((each) => each.name).join(", ")}, not ${name}`);
    }
    const missing = await system.missing();
    if (missing === null) chosen.push(system);
    else say(`${name} is left out: ${missing}`);
  }
  if (chosen.length === 0) throw new Error("none of the systems can run here");
  return chosen;
}
