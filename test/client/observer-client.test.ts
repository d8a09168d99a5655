import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { decodeCommand, encodeMembership, encodeNoOp } from "../../protocol/log/commands.js";
import { encodeDelete, encodeSet } from "../../protocol/log/kv-calls.js";
import { failReason } from "../../protocol/wire/messages.js";
import { NotReadyError, ObserverClient } from "../../src/client/observer-client.js";
import type { ConnectOptions } from "../../src/client/observer-types.js";
import { ConfigError } from "../../src/node/config-types.js";
import type { WriteOutcome } from "../../src/node/write-outcome.js";
import { freeAddress, startNetwork, until } from "../net/support/networks.js";
import { lead, startMember } from "./support/scripted-leader.js";

/** `SUCCESS`, or the reason and whether the write may be done. */
function ending(outcome: WriteOutcome<unknown>): string {
  if (outcome.ok) return "SUCCESS";
  return `${outcome.reason}${outcome.mayBeDone ? ", may be done" : ""}`;
}

test("a write is done when the own copy has its entry", async (t) => {
  const { leader, client } = await lead(t);
  let isDone = false;
  const write = client.set("/a", "x");
  void write.then(() => {
    isDone = true;
  });
  const asked = await leader.command();
  leader.answer(asked, leader.append(asked.command));
  leader.sendLog(leader.lastIndex - 1);
  await sleep(50);
  assert.equal(isDone, false, "answered, sent, and not committed");
  assert.equal(client.get("/a"), null);
  leader.sendLog();
  const outcome = await write;
  assert.ok(outcome.ok && outcome.result !== false);
  assert.deepEqual([outcome.index, outcome.term, outcome.result.value], [3, 1, "x"]);
  assert.deepEqual(client.get("/a"), outcome.result);
});

test("each answer of the leader has its name, and says whether it may be tried again", async (t) => {
  const { leader, client } = await lead(t);
  const codes = Object.values(failReason).filter((code) => code !== failReason.success);
  const endings: string[] = [];
  for (const code of [...codes, 99]) {
    const write = client.set("/a", "x");
    leader.answer(await leader.command(), code);
    endings.push(ending(await write));
  }
  assert.deepEqual(endings, [
    "QUEUE_FULL",
    "MISSING_LEADER",
    "DISCARDED",
    "NOT_LEADER",
    "LEADER_CHANGED, may be done",
    "REQUEST_DENIED",
    "UNKNOWN_OUTCOME, may be done",
    "UNKNOWN_OUTCOME, may be done",
  ]);
});

test("an entry of another term, or another command, in its place: discarded", async (t) => {
  const { leader, client } = await lead(t);
  const write = client.set("/a", "x");
  const asked = await leader.command();
  leader.answer(asked, { index: 3, term: 1, command: asked.command });
  await sleep(20);
  leader.term = 2;
  leader.append(asked.command);
  leader.sendLog();
  assert.equal(ending(await write), "DISCARDED");

  // A leader that forgot its term gives index and term away again.
  const other = client.set("/b", "x");
  leader.answer(await leader.command(), { index: 4, term: 2, command: encodeNoOp() });
  await sleep(20);
  leader.append(encodeNoOp());
  leader.sendLog();
  assert.equal(ending(await other), "DISCARDED");
});

test("an answer of a member that was not asked is nothing", async (t) => {
  const other = await startMember(t);
  const { leader, client } = await lead(t, {}, [other]);
  await until(() => other.observer !== "", "a link to the other member");
  const write = client.set("/a", "x");
  const asked = await leader.command();
  other.answer(asked, failReason.requestDenied);
  // What it has sent before has come when the client goes to it.
  other.term = 2;
  other.append(encodeNoOp());
  other.sendLog();
  assert.equal(ending(await write), "LEADER_CHANGED, may be done");
});

test("an answer that comes after its entry: unknown", async (t) => {
  const { leader, client } = await lead(t);
  const write = client.set("/a", "x");
  const asked = await leader.command();
  const entry = leader.append(asked.command);
  leader.sendLog();
  leader.answer(asked, entry);
  assert.equal(ending(await write), "UNKNOWN_OUTCOME, may be done");
});

test("the link is lost: what was not answered is unknown, what was answered is still waited for", async (t) => {
  const { leader, client } = await lead(t);
  const unanswered = client.set("/a", "x");
  await leader.command();
  const answered = client.set("/b", "x");
  const asked = await leader.command();
  leader.answer(asked, leader.append(asked.command));
  await sleep(20);
  const first = leader.observer;
  leader.hangUp();
  assert.equal(ending(await unanswered), "LEADER_CHANGED, may be done");
  assert.equal(ending(await client.set("/c", "x")), "MISSING_LEADER");
  await until(() => leader.observer !== first, "the client comes back");
  leader.sendLog();
  assert.equal(ending(await answered), "SUCCESS");
});

test("no outcome in time: unknown, and what comes later is nobody's", async (t) => {
  const { leader, client } = await lead(t);
  const write = client.set("/a", "x", { timeoutMs: 150 });
  const asked = await leader.command();
  const placed = client.set("/b", "x", { timeoutMs: 150 });
  const second = await leader.command();
  leader.answer(second, leader.append(second.command));
  assert.equal(ending(await write), "TIMEOUT, may be done");
  assert.equal(ending(await placed), "TIMEOUT, may be done");
  leader.answer(asked, leader.append(asked.command));
  leader.sendLog();
  await until(() => client.get("/a") !== null, "it was done all the same");
  assert.equal(client.status().writesInFlight, 0);
});

test("only so many writes are under way; one more is refused and not sent", async (t) => {
  const { leader, client } = await lead(t, { writesInFlightMax: 3 });
  const writes = [1, 2, 3].map((n) => client.set(`/${n}`, "x"));
  assert.equal(ending(await client.set("/4", "x")), "QUEUE_FULL");
  for (const write of writes) {
    leader.answer(await leader.command(), failReason.requestDenied);
    assert.equal(ending(await write), "REQUEST_DENIED");
  }
  assert.equal(leader.commandsLeft(), 0);
});

test("a command that fits no message is refused, and so are too many bytes at once", async (t) => {
  const { leader, client } = await lead(t);
  const large = await client.set("/large", "x".repeat(9 * 1024 * 1024));
  assert.ok(!large.ok && /at most 8388608 travel/.test(large.message));
  const writes = [1, 2, 3].map((n) => client.set(`/${n}`, "x".repeat(6 * 1024 * 1024)));
  assert.equal(ending(await Promise.any(writes)), "QUEUE_FULL");
  for (let n = 0; n < 2; n += 1) leader.answer(await leader.command(), failReason.queueFull);
  const endings = (await Promise.all(writes)).map(ending);
  assert.deepEqual(endings, ["QUEUE_FULL", "QUEUE_FULL", "QUEUE_FULL"]);
});

test("nothing leaves that could stop vanilla members", async (t) => {
  const { leader, client } = await lead(t);
  const refused = async (command: Uint8Array) => {
    const outcome = await client.submit(command);
    assert.equal(ending(outcome), "REQUEST_DENIED");
    return outcome.ok ? "" : outcome.message;
  };
  assert.match(await refused(encodeDelete("/missing")), /KeyError/);
  assert.match(await refused(encodeDelete("/missing", { prevExist: false })), /KeyError/);
  await refused(Uint8Array.of(0, 1, 2));
  await refused(new Uint8Array(0));
  // The own copy holds the key, the leader's may not any more.
  const set = leader.append(encodeSet("/held", { value: "x", updated: 1, created: 1 }));
  leader.sendLog();
  await until(() => client.status().appliedIndex === set.index, "the key is there");
  assert.match(await refused(encodeDelete("/held")), /KeyError/);
  assert.equal(leader.commandsLeft(), 0);

  const deleted = client.delete("/held");
  const { command } = await leader.command();
  const decoded = decodeCommand(command);
  assert.ok(decoded.kind === "regular");
  assert.equal(decoded.call.kwargs.get("prevExist"), true);
  leader.answer({ type: "apply_command", command, requestId: 1 }, leader.append(command));
  leader.sendLog();
  const outcome = await deleted;
  assert.ok(outcome.ok && outcome.result);
});

test("a ttl that is no time is refused", async (t) => {
  const { client } = await lead(t);
  for (const ttl of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    await assert.rejects(client.set("/a", "x", { ttl }), RangeError);
  }
});

test("closing ends what is open: writes, watches, and all that is asked later", async (t) => {
  const { leader, client } = await lead(t);
  const write = client.set("/a", "x");
  const watch = client.watch();
  const next = watch.next();
  await leader.command();
  await client.close();
  await client.close();
  assert.equal(ending(await write), "CLOSED, may be done");
  assert.equal((await next).done, true);
  assert.equal(ending(await client.set("/a", "x")), "CLOSED");
  assert.equal((await client.watch().next()).done, true);
});

test("a leader that falls silent is given up", async (t) => {
  const { leader, client } = await lead(t);
  const first = leader.observer;
  assert.equal(
    ending(await client.set("/a", "x", { timeoutMs: 30_000 })),
    "LEADER_CHANGED, may be done",
  );
  await until(() => leader.observer !== first, "the client dials again");
});

test("says why it is not ready", async (t) => {
  const nobody = await freeAddress("127.0.0.24");
  const connect = (address: string, password?: string) =>
    ObserverClient.connect({
      addresses: [address],
      connectTimeoutMs: 300,
      ...(password === undefined ? {} : { password }),
    });
  const notReady = (message: RegExp) => (error: unknown) => {
    assert.ok(error instanceof NotReadyError);
    assert.match(error.message, message);
    return true;
  };
  await assert.rejects(connect(nobody), notReady(/none of 127\.0\.0\.24:\d+ can be reached/));
  const idle = await startNetwork(t, { address: await freeAddress("127.0.0.25") });
  await assert.rejects(connect(idle.address), notReady(/no leader is known/));
  await assert.rejects(connect(idle.address, "secret"), notReady(/the password is another/));
});

test("a cluster that could never be reached is refused at once", async () => {
  const signal = AbortSignal.timeout(60_000);
  const cases: readonly (readonly [ConnectOptions, RegExp])[] = [
    [{ addresses: [] }, /addresses: give a list of members/],
    [{ addresses: ["nonsense"] }, /addresses: "nonsense" is not host:port/],
    [{ addresses: ["127.0.0.1:99999"] }, /"127.0.0.1:99999" is not host:port/],
    [
      { addresses: ["a:1"], connectTimeoutMs: Number.POSITIVE_INFINITY },
      /connectTimeoutMs: Infinity: give/,
    ],
    [{ addresses: ["a:1"], connectTimeoutMs: Number.NaN }, /connectTimeoutMs: NaN: give/],
  ];
  for (const [options, message] of cases) {
    await assert.rejects(ObserverClient.connect({ ...options, signal }), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, message);
      return true;
    });
  }
});

test("a signal ends it while it connects, and close while it waits", async (t) => {
  const addresses = [await freeAddress("127.0.0.26")];
  const stopping = new AbortController();
  const connecting = ObserverClient.connect({ addresses, signal: stopping.signal });
  setTimeout(() => stopping.abort(new Error("enough")), 50);
  await assert.rejects(connecting, /enough/);
  await assert.rejects(ObserverClient.connect({ addresses, signal: stopping.signal }), /enough/);

  const { client } = await lead(t);
  await client.close();
  await assert.rejects(client.ready(), /the client is closed/);
});

test("what committed entries become is told as changes when they become others", async (t) => {
  const { leader, client } = await lead(t);
  const set = (key: string, value: string) => encodeSet(key, { value, updated: 1, created: 1 });
  leader.append(set("/kept", "x"));
  leader.append(set("/lost", "x"));
  leader.sendLog();
  await until(() => client.get("/lost") !== null, "both keys");
  const watch = client.watch();
  // Another leader, with another entry in the place of the last one.
  leader.term = 7;
  leader.replaceLast(set("/other", "x"));
  leader.sendLog();
  await until(() => client.status().startsOver === 1, "a start from the beginning");
  assert.equal(client.get("/lost")?.value, "x", "until the new data is complete the old one stays");
  leader.sendLog();
  await until(() => client.get("/lost") === null, "the new data");
  const changes = [(await watch.next()).value, (await watch.next()).value];
  const told = changes.map((change) => `${change?.kind} ${change?.key} ${change?.afterGap}`);
  assert.deepEqual(told.sort(), ["delete /lost true", "set /other true"]);
});

test("members that have forgotten their term are followed again", async (t) => {
  const { leader, client } = await lead(t);
  leader.term = 9;
  leader.append(encodeNoOp());
  leader.sendLog();
  await until(() => client.status().term === 9, "the high term");
  const first = leader.observer;
  leader.hangUp();
  leader.term = 2;
  await until(() => leader.observer !== first, "the client comes back");
  leader.append(encodeSet("/a", { value: "x", updated: 1, created: 1 }));
  leader.sendLog();
  await sleep(100);
  assert.equal(client.get("/a"), null, "a lower term: it could be a leader that was deposed");
  await until(() => client.status().term === 2, "the members' word");
  leader.sendLog();
  await until(() => client.get("/a") !== null, "the entry");
});

test("members that came later are dialled, those that have left are not", async (t) => {
  const { leader, client } = await lead(t);
  const other = await startNetwork(t, { address: await freeAddress("127.0.0.26") });
  const connects = () => other.happened.filter((line) => line.startsWith("observer ")).length;
  const sendChange = (change: "add" | "rem") => {
    leader.append(encodeMembership(change, other.address));
    leader.sendLog();
  };
  sendChange("add");
  await until(() => connects() === 1, "a link to the new member");
  assert.deepEqual(client.status().members, [leader.address, other.address].sort());
  sendChange("rem");
  await until(() => other.happened.includes("observer-gone observer:1"), "no link any more");
});
