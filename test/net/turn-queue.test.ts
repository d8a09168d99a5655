import assert from "node:assert/strict";
import { test } from "node:test";
import { TurnQueue } from "../../src/net/turn-queue.js";

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("those who wait get their turn in order, and who has more to do waits behind the others", async () => {
  const queue = new TurnQueue(10);
  const took: string[] = [];
  const taker = (name: string, turns: number) => {
    let left = turns;
    const made = {
      takeTurn: () => {
        took.push(name);
        queue.spend(6);
        left -= 1;
        if (left > 0) queue.wait(made);
      },
    };
    return made;
  };
  for (const [name, turns] of [
    ["a", 3],
    ["b", 2],
    ["c", 1],
  ] as const) {
    queue.wait(taker(name, turns));
  }
  assert.equal(queue.isFree, false, "nobody comes before those who wait");
  await turn();
  assert.deepEqual(took, ["a", "b"], "a turn is over when its time is spent");
  for (let i = 0; i < 4; i += 1) await turn();
  assert.deepEqual(took, ["a", "b", "c", "a", "b", "a"]);
  await turn();
  assert.equal(queue.isFree, true);
});

test("who leaves gets no turn", async () => {
  const queue = new TurnQueue(10);
  const gone = { takeTurn: () => assert.fail("it has left") };
  queue.wait(gone);
  queue.leave(gone);
  await turn();
});

test("whoever spends little does not have the end of the turn awaited", async () => {
  const queue = new TurnQueue(10);
  for (let i = 0; i < 4; i += 1) {
    queue.spend(1);
    await turn();
  }
  assert.equal(queue.turn, 0);
  assert.equal(queue.isFree, true);
  queue.spend(1);
  await turn();
  assert.equal(queue.turn, 1, "half of it is spent");
  queue.spend(10);
  assert.equal(queue.isFree, false);
  await turn();
  assert.equal(queue.isFree, true);
});
