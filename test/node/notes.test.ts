import assert from "node:assert/strict";
import { test } from "node:test";
import { type LogFields, type Logger, silentLogger } from "../../src/logger.js";
import { nodeLimits } from "../../src/node/limits.js";
import { Notes } from "../../src/node/notes.js";

interface Line {
  readonly message: string;
  readonly fields: LogFields | undefined;
}

function recorded() {
  const lines: Line[] = [];
  const take = (message: string, fields?: LogFields) => void lines.push({ message, fields });
  const logger: Logger = { ...silentLogger, warn: take, info: take };
  const clock = { nowMs: 0 };
  return { lines, clock, notes: new Notes(logger, () => clock.nowMs) };
}

const { linesOfAKindMax, noteCharsMax } = nodeLimits;

test("the same text is told once a minute, and counted each time", () => {
  const { lines, clock, notes } = recorded();
  for (let n = 0; n < 5; n += 1) notes.say({ level: "warn", code: "odd-thing", text: "odd" });
  assert.equal(lines.length, 1);
  clock.nowMs = 60_000;
  notes.say({ level: "warn", code: "odd-thing", text: "odd" });
  assert.equal(lines.length, 2);
  assert.deepEqual(notes.counters(), { odd_thing: 6 });
});

test("whoever makes up ever new texts does not fill the log", () => {
  const { lines, clock, notes } = recorded();
  const refuse = (n: number) =>
    notes.say({ level: "warn", code: "refused-command", text: `observer:${n} was refused` });
  for (let n = 0; n < 50_000; n += 1) refuse(n);
  assert.equal(lines.length, linesOfAKindMax);
  notes.say({ level: "warn", code: "another", text: "is told" });
  assert.equal(lines.length, linesOfAKindMax + 1);
  clock.nowMs = 60_000;
  refuse(0);
  const left_out = 50_000 - linesOfAKindMax;
  assert.deepEqual(lines.at(-1)?.fields, { code: "refused-command", left_out });
  assert.deepEqual(notes.counters(), { refused_command: 50_001, another: 1 });
});

test("a text of a peer is cut", () => {
  const { lines, notes } = recorded();
  notes.say({ level: "warn", code: "long", text: "x".repeat(10 * noteCharsMax) });
  assert.equal(lines[0]?.message.length, noteCharsMax + 2);
});

test("a link that comes and goes has a line each time, up to a bound", () => {
  const { lines, clock, notes } = recorded();
  for (let n = 0; n < 1_000; n += 1) notes.tell("connected", "connected", { peer: "b:1" });
  assert.equal(lines.length, linesOfAKindMax);
  assert.deepEqual(lines[0], { message: "connected", fields: { peer: "b:1" } });
  clock.nowMs = 60_000;
  notes.tell("connected", "connected", { peer: "b:1" });
  const left_out = 1_000 - linesOfAKindMax;
  assert.deepEqual(lines.at(-1)?.fields, { peer: "b:1", left_out });
});
