import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { PeerMessage } from "../protocol/wire/messages.js";
import { silentLogger } from "../src/logger.js";
import { Network } from "../src/net/network.js";
import { AckObserver } from "./support/ack-observer.js";
import { eventually } from "./support/eventually.js";
import { freeAddresses } from "./support/free-ports.js";

/** The harness's own writer, against a leader that says what the test has it say. */

interface Leader {
  readonly observer: AckObserver;
  /** To the observer, which has one link. */
  say(message: PeerMessage): void;
  /** Leads on in this term, all of it committed. */
  leads(term: number, commitIndex: number): void;
  /** The id under which the observer has asked last. */
  asked(): Promise<number>;
}

async function startLeader(t: TestContext): Promise<Leader> {
  const [address = ""] = await freeAddresses(1);
  let link: string | null = null;
  const requests: number[] = [];
  const network = new Network({
    ...{ selfAddr: address, bindAddr: address, password: null, logger: silentLogger },
    timeouts: {
      ...{ connectionTimeoutMs: 60_000, connectionRetryMs: 50, dnsCacheMs: 0, dnsFailCacheMs: 0 },
    },
    events: {
      peerConnected() {},
      peerDisconnected() {},
      peerHello() {},
      observerConnected: (id) => {
        link = id;
      },
      observerDisconnected() {},
      message: (_from, message) => {
        if (message.type === "apply_command") requests.push(message.requestId ?? -1);
      },
      utility() {},
      drained() {},
    },
  });
  t.after(() => network.close());
  await network.listen();
  const observer = new AckObserver([address]);
  t.after(() => observer.close());
  await observer.start();
  await eventually("the observer is there", () => link !== null);
  const say = (message: PeerMessage) => {
    assert.ok(link !== null && network.send(link, message));
  };
  return {
    observer,
    say,
    leads(term, commitIndex) {
      const place = { prevLogIdx: 9, prevLogTerm: 1, entries: [] };
      say({ type: "append_entries", term, commitIndex, ...place });
    },
    asked: () => eventually("a write", () => requests.pop()),
  };
}

test("a write is acknowledged when the leader of its term has committed it", async (t) => {
  const { observer, say, leads, asked } = await startLeader(t);
  leads(3, 9);
  await eventually("it knows the leader", () => observer.leader !== null);
  const written = observer.write(Uint8Array.of(1));
  say({ type: "apply_command_response", requestId: await asked(), logIdx: 10, logTerm: 3 });
  leads(3, 9);
  leads(3, 10);
  const ack = await written;
  assert.deepEqual([ack?.index, ack?.term], [10, 3]);
});

test("a write that the leader has not answered is over when it leads again", async (t) => {
  const { observer, leads, asked } = await startLeader(t);
  leads(3, 9);
  await eventually("it knows the leader", () => observer.leader !== null);
  let ack: unknown = "none yet";
  const written = observer.write(Uint8Array.of(1)).then((found) => {
    ack = found;
  });
  await asked();
  leads(4, 12);
  await eventually("it is over", () => ack !== "none yet");
  await written;
  assert.equal(ack, null);
});
