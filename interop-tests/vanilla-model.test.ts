import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Entry } from "../protocol/log/entry.js";
import type { PeerMessage } from "../protocol/wire/messages.js";
import { Chance } from "../test/sim/chance.js";
import { ModelBench, type Standing, type Step, StepChooser } from "./support/model-scripts.js";
import { askTwin } from "./support/twin.js";

/** The last that forgets, and those that remember. Before 0.3.15 an answer counts otherwise. */
const versions = ["0.3.15", "0.3.16", "0.3.17"] as const;
const scripts = 60;
const stepsPerScript = 120;

for (const version of versions) {
  test(`the simulator's vanilla member answers as PySyncObj ${version} does, step by step`, (t) =>
    compare(t, version));
}

async function compare(t: TestContext, version: string): Promise<void> {
  const seed = Number(process.env["QUORATE_SEED"] ?? Math.trunc(Date.now() % 2 ** 32));
  t.diagnostic(`seed ${seed}: QUORATE_SEED=${seed} repeats this run`);
  const chance = new Chance(seed);
  const remembers = version === "0.3.16" || version === "0.3.17";
  const plan: Step[][] = [];
  const expected: Standing[] = [];
  for (let number = 0; number < scripts; number += 1) {
    const bench = new ModelBench(remembers);
    const chooser = new StepChooser(chance.fork(), () => bench.node);
    const steps: Step[] = [];
    for (let at = 0; at < stepsPerScript; at += 1) {
      const step = chooser.next();
      steps.push(step);
      expected.push(bench.take(step));
      // A real one raises in each tick from then on.
      if (bench.node.log.length === 0) break;
    }
    plan.push(steps);
  }
  const scriptsOfSteps = plan.map((script) => script.map(forTwin));
  const answers = await askTwin<Answer>("model_twin.py", version, scriptsOfSteps);
  assert.equal(answers.length, expected.length);
  const steps = plan.flatMap((script, number) =>
    script.map((step, at) => ({ step, where: `seed ${seed}, script ${number}, step ${at}` })),
  );
  let messages = 0;
  for (const [at, answer] of answers.entries()) {
    const model = expected[at];
    const taken = steps[at];
    assert.ok(model !== undefined && taken !== undefined);
    messages += model.sent.length;
    const sent = byReceiver(answer.sent);
    assert.deepEqual(
      inWire(model),
      { ...answer, sent },
      `${taken.where}: ${JSON.stringify(taken.step)}`,
    );
  }
  assert.ok(messages > 1_000, `${messages} messages were compared`);
  t.diagnostic(`${answers.length} steps, ${messages} messages`);
}

/** What was sent to different peers has no order between them: a Python set has none. */
function inWire(standing: Standing): unknown {
  const sent = standing.sent.map(([to, message]) => [to, wire(message, true)]);
  return JSON.parse(JSON.stringify({ ...standing, sent: byReceiver(sent) }));
}

function byReceiver(sent: readonly unknown[][]): unknown[][] {
  return [...sent].sort((a, b) => (String(a[0]) < String(b[0]) ? -1 : Number(a[0] !== b[0])));
}

/** The dict that travels, as JSON. @param hidesDump A dump's bytes are not Python's. */
function wire(message: PeerMessage, hidesDump: boolean): Record<string, unknown> {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
  const entries = (list: readonly Entry[]) =>
    list.map(({ command, index, term }) => [hex(command), index, term]);
  switch (message.type) {
    case "request_vote": {
      const { type, term, lastLogIndex, lastLogTerm } = message;
      return { type, term, last_log_index: lastLogIndex, last_log_term: lastLogTerm };
    }
    case "append_entries": {
      const { type, term, commitIndex, prevLogIdx, prevLogTerm } = message;
      const place = { prevLogIdx, prevLogTerm, entries: entries(message.entries) };
      return { type, term, commit_index: commitIndex, ...place };
    }
    case "append_chunk": {
      const { term, commitIndex, prevLogIdx, prevLogTerm, transmission, data } = message;
      const place = { prevLogIdx, prevLogTerm, transmission, data: hex(data) };
      return { type: "append_entries", term, commit_index: commitIndex, ...place };
    }
    case "install_snapshot": {
      const { term, commitIndex, chunk } = message;
      const flags = chunk === null ? null : [chunk.isFirst, chunk.isLast];
      const whole = chunk === null ? null : [hex(chunk.data), chunk.isFirst, chunk.isLast];
      const serialized = hidesDump ? flags : whole;
      return { type: "append_entries", term, commit_index: commitIndex, serialized };
    }
    case "next_node_idx": {
      const { type, nextNodeIdx, reset, success } = message;
      return { type, next_node_idx: nextNodeIdx, reset, success };
    }
    case "apply_command": {
      const { type, command, requestId } = message;
      return { type, command: hex(command), request_id: requestId };
    }
    case "apply_command_response": {
      const { type, requestId } = message;
      if ("error" in message) return { type, request_id: requestId, error: message.error };
      return { type, request_id: requestId, log_idx: message.logIdx, log_term: message.logTerm };
    }
    default:
      return { ...message };
  }
}

function forTwin(step: Step): unknown {
  if (step.do === "message") return { ...step, message: wire(step.message, false) };
  return step.do === "submit"
    ? { ...step, command: Buffer.from(step.command).toString("hex") }
    : step;
}

interface Answer {
  readonly sent: readonly unknown[][];
}
