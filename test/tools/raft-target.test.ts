import assert from "node:assert/strict";
import { test } from "node:test";
import { PyFloat, type PyValue } from "../../protocol/pickle/values.js";
import { type WriteFault, type WriteOutcome, writeFailure } from "../../src/node/write-outcome.js";
import { RaftTarget } from "../../src/tools/backup/raft-target.js";
import type { ReadyEntry } from "../../src/tools/backup/ready-entry.js";
import { type RestoreCondition, RestoreError } from "../../src/tools/backup/restore.js";

const entry: ReadyEntry = {
  ...{ fate: null, key: "/k", storedKey: "/k", text: "mine", leftSec: null },
  dict: new Map<PyValue, PyValue>([
    ["value", "mine"],
    ["updated", new PyFloat(1)],
    ["created", new PyFloat(1)],
  ]),
};

/** What becomes of a key where the cluster answers so, attempt by attempt; then it answers success. */
async function fateOf(
  answers: readonly (WriteFault | false)[],
  condition: RestoreCondition,
  {
    held = "mine",
    timeoutMs = 10_000,
  }: { readonly held?: string; readonly timeoutMs?: number } = {},
): Promise<{ readonly fate: boolean | "unknown" | "failed"; readonly attempts: number }> {
  let attempts = 0;
  const target = new RaftTarget(
    {
      get: () => ({ value: held, index: 7 }),
      submit: async (): Promise<WriteOutcome> => {
        const answer = answers[attempts] ?? true;
        attempts += 1;
        if (typeof answer === "string") return writeFailure(answer);
        return { ok: true, error: 0, result: answer, index: 9, term: 2 };
      },
      snapshot: () => ({ records: [], end: () => {} }),
    },
    timeoutMs,
  );
  try {
    return { fate: await target.set(entry, condition), attempts };
  } catch (error) {
    if (!(error instanceof RestoreError)) throw error;
    return { fate: error.mayBeDone ? "unknown" : "failed", attempts };
  }
}

test("a change of the leader is waited out where a second attempt does no harm", async () => {
  const lost = ["LEADER_CHANGED", "MISSING_LEADER"] as const;
  for (const condition of [{}, { prevExist: true }, { prevExist: false }]) {
    assert.deepEqual(await fateOf(lost, condition), { fate: true, attempts: 3 });
  }
  for (const condition of [{ prevValue: "x" }, { prevIndex: 3 }]) {
    assert.deepEqual(await fateOf(lost, condition), { fate: "unknown", attempts: 1 });
    assert.deepEqual(await fateOf(["NOT_LEADER"], condition), { fate: true, attempts: 2 });
  }
});

test("a key that the lost attempt has set counts as set, one of somebody else's does not", async () => {
  const answers = ["LEADER_CHANGED", false] as const;
  assert.deepEqual(await fateOf(answers, { prevExist: false }), { fate: true, attempts: 2 });
  assert.deepEqual(await fateOf(answers, { prevExist: false }, { held: "theirs" }), {
    ...{ fate: false, attempts: 2 },
  });
});

test("what the cluster refuses is not tried again", async () => {
  assert.deepEqual(await fateOf(["REQUEST_DENIED"], {}), { fate: "failed", attempts: 1 });
});

test("what an attempt may have done is not forgotten when the last one was surely not done", async () => {
  const answers: WriteFault[] = [
    "LEADER_CHANGED",
    ...Array.from({ length: 9 }, () => "MISSING_LEADER" as const),
  ];
  const { fate, attempts } = await fateOf(answers, {}, { timeoutMs: 600 });
  assert.ok(attempts > 1);
  assert.equal(fate, "unknown");
});
