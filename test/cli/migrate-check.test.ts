import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeStatus } from "../../protocol/wire/utility.js";
import { type Answers, a, b, c, ours, told } from "../tools/support/told.js";
import { runCli } from "./run-cli.js";

/** Each check looks twice, and sleeps in between; between two checks it sleeps as well. */
async function check(looks: readonly Answers[], ...flags: string[]) {
  let slept = 0;
  const ask = async (address: string) => {
    // Each look follows a sleep, but the first of a check follows the pause before it.
    const answers = looks[Math.min(slept, looks.length - 1)] ?? {};
    const answer = answers[address];
    if (answer === undefined || typeof answer === "string") throw new Error(`${address}: refused`);
    return encodeStatus(told(address, answer));
  };
  const sleep = async () => {
    slept += 1;
  };
  const args = ["migrate", "check", "--addr", [a, b, c].join(","), "--wait", "60", ...flags];
  const { code, out } = await runCli(args, { ask, sleep });
  return { code, out, slept };
}

const well: Answers = { [a]: {}, [b]: {}, [c]: {} };
const leaderless: Answers = {
  [a]: { state: 0, leader: null },
  [b]: { leader: null },
  [c]: { leader: null },
};

describe("quorate migrate check --wait", () => {
  it("waits while an election goes on, which is a STOP as well", async () => {
    const looks = [leaderless, leaderless, well];
    const { code, out, slept } = await check(looks, "--before", b);
    assert.match(out, /^GO: b:2 may be stopped and changed\n/);
    assert.deepEqual([code, slept], [0, 3]);
  });

  it("ends at once where a term went down: the next look would show nothing of it", async () => {
    const looks = [{ ...well, [c]: { raftTerm: 9 } }, well];
    const { code, out, slept } = await check(looks, "--before", b);
    assert.match(out, /^STOP: .*\nWaiting does not change this: a person has to look at it\.\n/);
    assert.match(out, /the term of c:3 went down from 9 to 5/);
    assert.deepEqual([code, slept], [5, 1]);
  });

  it("ends at once with a member that is changed already", async () => {
    const { code, out, slept } = await check(
      [{ ...well, [b]: { extra: ours() } }],
      ...["--before", b, "--json"],
    );
    const { answer, lasts } = JSON.parse(out);
    assert.deepEqual([code, answer, lasts, slept], [4, "wait", true, 1]);
  });
});
