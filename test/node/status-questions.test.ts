import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeLimits } from "../../src/node/limits.js";
import { StatusQuestions } from "../../src/node/status-questions.js";

/** Answers come when the test says so; what is heard is `peer question: answer`. */
function scene() {
  const dials: { readonly peer: string; readonly end: (answer: string | null) => void }[] = [];
  const heard: string[] = [];
  const questions = new StatusQuestions<string>(
    (peer) => new Promise((resolve) => dials.push({ peer, end: resolve })),
    (peer, question, answer) => heard.push(`${peer} ${question}: ${answer}`),
  );
  return { dials, heard, questions };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("each question is asked by itself, and answered", async () => {
  const { dials, heard, questions } = scene();
  questions.ask("b:1", 1);
  questions.ask("c:1", 2);
  questions.ask("b:1", 3);
  assert.deepEqual(
    dials.map(({ peer }) => peer),
    ["b:1", "c:1", "b:1"],
  );
  dials[2]?.end("late");
  dials[0]?.end(null);
  await turn();
  assert.deepEqual(heard, ["b:1 3: late", "b:1 1: null"]);
});

test("a peer that has a question asked with each of its messages is dialled a few times at once", async () => {
  const { dials, heard, questions } = scene();
  const most = nodeLimits.statusAsksMax;
  for (let question = 1; question <= 1_000; question++) questions.ask("b:1", question);
  questions.ask("c:1", 1_001);
  assert.equal(dials.filter(({ peer }) => peer === "b:1").length, most);
  assert.equal(
    dials.filter(({ peer }) => peer === "c:1").length,
    1,
    "others are asked all the same",
  );
  dials[0]?.end("first");
  await turn();
  // What it says then is the answer to all that have waited: the latest stands for them.
  assert.equal(dials.length, most + 2);
  assert.deepEqual(heard, ["b:1 1: first"]);
  for (const { end } of dials) end("later");
  await turn();
  assert.equal(heard.filter((line) => line === "b:1 1000: later").length, 1);
  assert.equal(heard.length, most + 2);
  questions.ask("b:1", 2_000);
  assert.equal(dials.length, most + 3, "nothing waits any more");
});

test("of two questions that an answer brings about while one waits the latest is asked", async () => {
  const most = nodeLimits.statusAsksMax;
  const dials: (() => void)[] = [];
  const heard: number[] = [];
  const questions: StatusQuestions<string> = new StatusQuestions<string>(
    () => new Promise((resolve) => dials.push(() => resolve(""))),
    (_peer, question) => {
      heard.push(question);
      if (question === 1) for (const next of [most + 2, most + 3]) questions.ask("b:1", next);
    },
  );
  for (let question = 1; question <= most + 1; question++) questions.ask("b:1", question);
  dials[0]?.();
  await turn();
  for (const end of dials.slice(1)) end();
  await turn();
  dials.at(-1)?.();
  await turn();
  assert.equal(heard.at(-1), most + 3);
});
