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
