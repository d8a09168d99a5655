import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "../../src/logger.js";
import type { Config } from "../../src/node/config-types.js";
import type { Environment, MemberNetwork } from "../../src/node/environment.js";
import { memberNetwork, type NetworkReceivers } from "../../src/node/member-network.js";

test("whoever takes dumps in is told of each connection of a member, and after the core is", () => {
  let made: Parameters<Environment["network"]>[0] | null = null;
  const environment = {
    network: (options: Parameters<Environment["network"]>[0]) => {
      made = options;
      return {} as MemberNetwork;
    },
  } as Environment;
  const told: string[] = [];
  const to = {
    notes: { tell: () => {} },
    runtime: () => ({ submit: ({ kind }: { kind: string }) => told.push(kind) }),
    inbox: () => ({ connected: (from: string) => told.push(`inbox ${from}`) }),
  } as unknown as NetworkReceivers;
  memberNetwork({} as Config, silentLogger, environment, to);
  const options = made as Parameters<Environment["network"]>[0] | null;
  options?.events.peerConnected("b:1");
  assert.deepEqual(told, ["connected", "inbox b:1"]);
});

test("only a leader's message that is too large is passed over, or that of whoever may be one", () => {
  let made: Parameters<Environment["network"]>[0] | null = null;
  const environment = {
    network: (options: Parameters<Environment["network"]>[0]) => {
      made = options;
      return {} as MemberNetwork;
    },
  } as Environment;
  const told: unknown[] = [];
  let state: { role: string; leader: string | null } = { role: "follower", leader: null };
  const runtime = {
    get state() {
      return state;
    },
    submit: (input: unknown) => told.push(input),
  };
  const to = { runtime: () => runtime } as unknown as NetworkReceivers;
  memberNetwork({ entryBytesMax: 9_000_000 } as Config, silentLogger, environment, to);
  const options = made as Parameters<Environment["network"]>[0] | null;
  assert.equal(options?.entryBytesMax, 9_000_000);
  const answers = [
    { role: "follower", leader: null },
    { role: "candidate", leader: null },
    { role: "follower", leader: "b:1" },
    { role: "follower", leader: "c:1" },
    { role: "leader", leader: "a:1" },
  ].map((each) => {
    state = each;
    return options?.events.messageTooLarge?.("b:1");
  });
  assert.deepEqual(answers, [true, true, true, false, false]);
  assert.deepEqual(told, Array(3).fill({ kind: "message-too-large", from: "b:1" }));
});
