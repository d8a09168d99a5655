import { test } from "node:test";
import { eventually } from "./support/eventually.js";
import { freeAddresses } from "./support/free-ports.js";
import { assertHeldBriefly, heldMsMax } from "./support/held-bounds.js";
import { type HoldingAttack, holdingAttacks } from "./support/holding-attacks.js";
import { type LoopHold, LoopHolds } from "./support/loop-holds.js";
import { type QuorateMember, startQuorate } from "./support/quorate-member.js";
import { openScene, type Scene } from "./support/scene.js";

interface Watched {
  readonly member: QuorateMember;
  readonly holds: LoopHolds;
}

interface Pair {
  readonly both: readonly Watched[];
  readonly ghost: string;
  readonly password: string | undefined;
}

/** Two members of three, and the address of the third. */
async function openPair(scene: Scene, password: string | undefined): Promise<Pair> {
  const addresses = await freeAddresses(3);
  const [one = "", two = "", ghost = ""] = addresses;
  const start = async (selfAddr: string): Promise<Watched> => {
    const holds = new LoopHolds(scene, selfAddr);
    const partners = addresses.filter((address) => address !== selfAddr);
    // Who attacks answers no leader, and takes seconds to make what it sends on a busy machine.
    const extraArgs = ["--connection-timeout", "30"];
    const { env } = holds;
    const member = await startQuorate(scene, { selfAddr, partners, password, env, extraArgs });
    return { member, holds };
  };
  return { both: await Promise.all([start(one), start(two)]), ghost, password };
}

/** Leader first, once both have done all that they were asked for. */
function settled({ both }: Pair): Promise<{ term: number; order: readonly Watched[] }> {
  return eventually(
    "both members agree and have nothing left to do",
    async () => {
      const states = await Promise.all(both.map(({ member }) => member.httpStatus()));
      const [first, second] = states;
      const last = Math.max(...states.map(({ lastIndex }) => Number(lastIndex)));
      const leads = states.findIndex(({ role }) => role === "leader");
      const leader = both[leads];
      const follower = both[1 - leads];
      if (leader === undefined || follower === undefined) return false;
      const isDone = states.every((state) => state["appliedIndex"] === last);
      const agree = first?.["leader"] === second?.["leader"];
      return isDone && agree && { term: Number(first?.["term"]), order: [leader, follower] };
    },
    { timeoutMs: 60_000 },
  );
}

const longest = (holds: readonly LoopHold[], what: "workedMs" | "heldMs"): number =>
  holds.reduce((most, hold) => Math.max(most, hold[what]), 0);

/** @returns the longest step that the attack caused in either member, in ms. */
async function holdOf(pair: Pair, attack: HoldingAttack, victim: 0 | 1): Promise<number> {
  const { term, order } = await settled(pair);
  const { ghost, password } = pair;
  for (const { holds } of pair.both) holds.take();
  const target = order[victim]?.member.selfAddr ?? "";
  await attack.run({ target, ghost, term, password });
  await settled(pair);
  const taken = order.map(({ holds }) => holds.take());
  const shown = taken.map(
    (holds, i) =>
      `${i === 0 ? "leader" : "follower"} ${longest(holds, "workedMs").toFixed(0)} ` +
      `(by the clock ${longest(holds, "heldMs").toFixed(0)})`,
  );
  console.log(
    `${attack.name}, on the ${victim === 0 ? "leader" : "follower"}: ${shown.join(", ")} ms`,
  );
  return longest(taken.flat(), "workedMs");
}

for (const password of [undefined, "s3cret"]) {
  const how = password === undefined ? "without a password" : "with the password";
  test(`nobody holds a member's loop for more than ${heldMsMax} ms, ${how}`, {
    timeout: 700_000,
  }, async (t) => {
    const scene = openScene(t);
    const pair = await openPair(scene, password);
    await settled(pair);
    for (const [i, attack] of holdingAttacks.entries()) {
      const victim = attack.victim ?? (i % 2 === 0 ? 0 : 1);
      await assertHeldBriefly(attack.name, () => holdOf(pair, attack, victim));
    }
  });
}
