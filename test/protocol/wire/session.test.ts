import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { ProtocolError } from "../../../protocol/errors.js";
import { encodePickle } from "../../../protocol/pickle/encoder.js";
import { PyInstance, PyTuple, type PyValue } from "../../../protocol/pickle/values.js";
import { deflate } from "../../../protocol/wire/compression.js";
import { deriveFernetKey, type FernetKey, sealToken } from "../../../protocol/wire/fernet.js";
import { encodeFrame } from "../../../protocol/wire/frame.js";
import { commandBytesMax } from "../../../protocol/wire/limits.js";
import { encodeMessage } from "../../../protocol/wire/message-codec.js";
import type { PeerMessage } from "../../../protocol/wire/messages.js";
import {
  observerHello,
  Session,
  type SessionEvent,
  type SessionRole,
} from "../../../protocol/wire/session.js";

const password = deriveFernetKey("secret");
const keys: [string, FernetKey | null][] = [
  ["without a password", null],
  ["with a password", password],
];
const vote: PeerMessage = { type: "request_vote", term: 5, lastLogIndex: 7, lastLogTerm: 4 };
const empty = new Uint8Array(0);

interface Clock {
  sec: number;
}

function session(
  role: SessionRole,
  key: FernetKey | null,
  clock: Clock = { sec: 1000.7 },
): Session {
  const random = (bytes: number): Uint8Array => randomBytes(bytes);
  return new Session({ role, key, random, monotonicSec: () => clock.sec });
}

function listener(key: FernetKey | null, clock?: Clock): Session {
  const made = session({ kind: "listener" }, key, clock);
  assert.equal(made.start().length, 0);
  return made;
}

/** A frame as a peer that keeps to no rules may build it. */
function rawFrame(value: PyValue, key: FernetKey | null, timestampSec = 1000): Uint8Array {
  const stream = deflate(encodePickle(value));
  return encodeFrame(key === null ? stream : sealToken(key, stream, timestampSec, randomBytes(16)));
}

function refuses(act: () => unknown, code: string): void {
  assert.throws(act, (error) => error instanceof ProtocolError && error.code === code);
}

interface Pair {
  readonly connector: Session;
  readonly listener: Session;
  readonly connectorEvents: SessionEvent[];
  readonly listenerEvents: SessionEvent[];
}

/** Connects the two and passes bytes on until neither has more to say. */
function connected(role: SessionRole, key: FernetKey | null): Pair {
  const pair: Pair = {
    connector: session(role, key),
    listener: listener(key),
    connectorEvents: [],
    listenerEvents: [],
  };
  let toListener = pair.connector.start();
  while (toListener.length > 0) {
    const atListener = pair.listener.receive(toListener);
    pair.listenerEvents.push(...atListener.events);
    const atConnector = pair.connector.receive(atListener.output);
    pair.connectorEvents.push(...atConnector.events);
    toListener = atConnector.output;
  }
  return pair;
}

for (const [how, key] of keys) {
  test(`a member and an observer are recognised, and both sides may talk, ${how}`, () => {
    for (const hello of ["10.0.0.2:2222", "readonly"]) {
      const pair = connected({ kind: "connector", hello }, key);
      const expected =
        hello === "readonly" ? { kind: "observer" } : { kind: "member", address: hello };
      assert.deepEqual(pair.listenerEvents, [expected]);
      assert.deepEqual(pair.connectorEvents, key === null ? [] : [{ kind: "ready" }]);
      assert.ok(pair.connector.isOpen && pair.listener.isOpen);
      const message: SessionEvent[] = [{ kind: "message", message: vote }];
      assert.deepEqual(pair.listener.receive(pair.connector.encode(vote)).events, message);
      assert.deepEqual(pair.connector.receive(pair.listener.encode(vote)).events, message);
    }
  });

  test(`a utility client asks, and may ask again, ${how}`, () => {
    const pair = connected({ kind: "utility", request: ["add", "10.0.0.3:2222"] }, key);
    const request = { command: "add", address: "10.0.0.3:2222" };
    assert.deepEqual(pair.listenerEvents, [{ kind: "utility", request }]);
    const reply = pair.listener.encodeReply("SUCCESS ADD 10.0.0.3:2222");
    assert.deepEqual(pair.connector.receive(reply).events, [
      { kind: "reply", value: "SUCCESS ADD 10.0.0.3:2222" },
    ]);
    if (key === null) {
      const again = pair.listener.receive(rawFrame(["status"], null));
      assert.deepEqual(again.events, [{ kind: "utility", request: { command: "status" } }]);
      assert.equal(pair.listener.isOpen, false);
    }
  });

  test(`one pickling serves many receivers, ${how}`, () => {
    const pickle = encodeMessage(vote);
    for (let turn = 0; turn < 3; turn++) {
      const pair = connected({ kind: "connector", hello: "a:1" }, key);
      const frame = pair.listener.encodePickle(pickle);
      assert.deepEqual(pair.connector.receive(frame).events, [{ kind: "message", message: vote }]);
      assert.equal(pair.listener.framesAreShared, key === null);
    }
  });

  test(`how the stream is cut makes no difference, ${how}`, () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(sizes, (cuts) => {
        const pair = connected({ kind: "connector", hello: "a:1" }, key);
        const stream = Buffer.concat(
          [1, 2, 3].map((term) => pair.connector.encode({ ...vote, term })),
        );
        const events: SessionEvent[] = [];
        for (let at = 0, turn = 0; at < stream.length; turn++) {
          const size = cuts[turn % cuts.length] ?? 1;
          events.push(...pair.listener.receive(stream.subarray(at, at + size)).events);
          at += size;
        }
        assert.deepEqual(
          events,
          [1, 2, 3].map((term) => ({ kind: "message", message: { ...vote, term } })),
        );
      }),
      { numRuns: 30 },
    );
  });
}

test("a hello and messages may come in one chunk", () => {
  const chunk = Buffer.concat([
    rawFrame("a:1", null),
    encodeFrame(deflate(encodeMessage(vote))),
    rawFrame(new Map([["type", "from_the_future"]]), null),
  ]);
  assert.deepEqual(listener(null).receive(chunk).events, [
    { kind: "member", address: "a:1" },
    { kind: "message", message: vote },
    { kind: "unknown-message", name: "from_the_future" },
  ]);
});

test("what is no identity is refused", () => {
  const values: PyValue[] = [
    ...[5, null, true, new Map(), new PyTuple(["a:1"]), Uint8Array.of(1), ""],
    ...["x".repeat(1000), [], ["nonsense"], [["status"]]],
  ];
  for (const value of values) {
    refuses(() => listener(null).receive(rawFrame(value, null)), "handshake-identity");
  }
});

test("a peer that is identified cannot become another one", () => {
  const pair = connected({ kind: "connector", hello: "a:1" }, null);
  refuses(() => pair.listener.receive(rawFrame("b:1", null)), "message-shape");
  const other = connected({ kind: "connector", hello: "readonly" }, null);
  refuses(() => other.listener.receive(rawFrame(["status"], null)), "message-shape");
});

test("a random key that is none is refused, by listener and connector", () => {
  const values = [5, "key", null, empty, new Uint8Array(300), ["status"]];
  for (const value of values) {
    refuses(() => listener(password).receive(rawFrame(value, password)), "handshake-key");
  }
  const connector = session({ kind: "connector", hello: "a:1" }, password);
  connector.start();
  // Not wrapped with the key that the connector sent.
  refuses(() => connector.receive(rawFrame(randomBytes(32), password)), "handshake-key");
});

test("a message without the connection's key, or with another's, is refused", () => {
  const wrong: PyValue[] = [
    ...["a:1", new PyTuple([randomBytes(32), "a:1"]), new PyTuple([empty, "a:1"])],
    ...[new PyTuple(["a:1"]), new PyTuple([]), [randomBytes(32), "a:1"]],
  ];
  for (const value of wrong) {
    const made = listener(password);
    made.receive(rawFrame(randomBytes(32), password));
    refuses(() => made.receive(rawFrame(value, password)), "handshake-key");
  }
});

test("a recorded conversation cannot be played to another connection", () => {
  const clock = { sec: 5 };
  const connector = session({ kind: "connector", hello: "a:1" }, password, clock);
  const hello = connector.start();
  const first = listener(password, clock);
  const identity = connector.receive(first.receive(hello).output).output;
  assert.equal(first.receive(identity).events[0]?.kind, "member");
  const second = listener(password, clock);
  second.receive(hello);
  refuses(() => second.receive(identity), "handshake-key");
});

test("a timestamp may stand still or go on, but not back", () => {
  const clock = { sec: 50 };
  const connector = session({ kind: "connector", hello: "a:1" }, password, clock);
  const other = listener(password);
  const identity = connector.receive(other.receive(connector.start()).output).output;
  other.receive(identity);
  const old = connector.encode(vote);
  clock.sec = 50.9;
  other.receive(connector.encode(vote));
  clock.sec = 99;
  other.receive(connector.encode(vote));
  refuses(() => other.receive(old), "fernet-replay");
});

test("another password, or none, is refused", () => {
  const otherPassword = deriveFernetKey("other");
  const hello = session({ kind: "connector", hello: "a:1" }, otherPassword).start();
  refuses(() => listener(password).receive(hello), "fernet-token");
  refuses(() => listener(password).receive(rawFrame("a:1", null)), "fernet-token");
  refuses(() => listener(null).receive(hello), "frame-inflate");
});

test("before a peer is identified only little is taken from it", () => {
  const large = Buffer.alloc(4);
  large.writeInt32LE(5000);
  for (const key of [null, password]) {
    refuses(() => listener(key).receive(large), "frame-length");
  }
  const bomb = encodeFrame(deflate(new Uint8Array(200_000)));
  assert.ok(bomb.length < 4000);
  refuses(() => listener(null).receive(bomb), "frame-inflate");
  // Afterwards the same length is welcome.
  const pair = connected({ kind: "connector", hello: "a:1" }, null);
  assert.deepEqual(pair.listener.receive(large).events, []);
});

test("garbage is refused, and the session is over then", () => {
  const made = listener(null);
  refuses(() => made.receive(Buffer.from("GET / HTTP/1.1\r\n\r\n")), "frame-length");
  refuses(() => made.receive(rawFrame("a:1", null)), "frame-length");
  const evil = encodeFrame(deflate(Buffer.from("cos\nsystem\n(S'true'\ntR.")));
  refuses(() => listener(null).receive(evil), "pickle-global");
});

test("random bytes give a ProtocolError or nothing", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, framed) => {
      try {
        listener(null).receive(framed ? encodeFrame(deflate(bytes)) : bytes);
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
      }
    }),
  );
});

test("an instance of a node class is no identity", () => {
  const node = new PyInstance("pysyncobj.node.Node", new Map([["_id", "a:1"]]));
  refuses(() => listener(null).receive(rawFrame(node, null)), "handshake-identity");
});

test("a large message passes once the peer is known, in pieces of a socket's size", () => {
  const pair = connected({ kind: "connector", hello: "a:1" }, password);
  const command = new Uint8Array(randomBytes(4 * 1024 * 1024));
  const message: PeerMessage = { type: "apply_command", command, requestId: 1 };
  const frame = pair.connector.encode(message);
  const events: SessionEvent[] = [];
  for (let at = 0; at < frame.length; at += 65_536) {
    events.push(...pair.listener.receive(frame.subarray(at, at + 65_536)).events);
  }
  const [event] = events;
  assert.ok(event?.kind === "message" && event.message.type === "apply_command");
  assert.ok(Buffer.from(event.message.command).equals(command));
});

test("the largest command passes from an observer, whatever its bytes", () => {
  const pair = connected({ kind: "connector", hello: observerHello }, null);
  for (const byte of [0, 0x7f, 0x80, 0xff]) {
    const command = new Uint8Array(commandBytesMax).fill(byte);
    const message: PeerMessage = { type: "apply_command", command, requestId: 1 };
    const [event] = pair.listener.receive(pair.connector.encode(message)).events;
    assert.ok(event?.kind === "message" && event.message.type === "apply_command");
    assert.equal(Buffer.compare(event.message.command, command), 0);
  }
});

test("the largest batch of vanilla's passes from a member, and not from an observer", () => {
  // 64 KiB of the shortest commands that there can be in numbers: a call without arguments.
  const command = Buffer.from("\0\x80\x02K\0.", "latin1");
  const count = Math.floor((64 * 1024) / command.length);
  const entries = Array.from({ length: count }, (_, at) => ({
    index: 300_000 + at,
    term: 5,
    command: new Uint8Array(command),
  }));
  const items = entries.map(({ index, term, command }) => new PyTuple([command, index, term]));
  const fields: [PyValue, PyValue][] = [
    ["type", "append_entries"],
    ["term", 5],
    ["commit_index", 1],
    ["entries", items],
    ["prevLogIdx", 1],
    ["prevLogTerm", 1],
  ];
  const batch = new Map<PyValue, PyValue>(fields);
  const made = listener(null);
  made.receive(rawFrame("a:1", null));
  const [event] = made.receive(rawFrame(batch, null)).events;
  assert.ok(event?.kind === "message" && event.message.type === "append_entries");
  assert.equal(event.message.entries.length, count);
  const stranger = listener(null);
  stranger.receive(rawFrame(observerHello, null));
  refuses(() => stranger.receive(rawFrame(batch, null)), "pickle-limit");
});

test("a large message is opened in slices, and small ones of others go on meanwhile", () => {
  for (const key of [null, password]) {
    const large = connected({ kind: "connector", hello: observerHello }, key);
    const other = connected({ kind: "connector", hello: "a:1" }, key);
    const command = new Uint8Array(randomBytes(2 * 1024 * 1024));
    const frame = large.connector.encode({ type: "apply_command", command, requestId: 1 });
    large.listener.push(frame);
    let slices = 0;
    let step = large.listener.proceed();
    for (; step === "working"; step = large.listener.proceed()) {
      slices += 1;
      if (slices === 8) {
        assert.equal(other.listener.receive(other.connector.encode(vote)).events.length, 1);
      }
    }
    assert.ok(slices >= 8, `${slices} slices`);
    assert.ok(typeof step !== "string");
    const [event] = step.events;
    assert.ok(event?.kind === "message" && event.message.type === "apply_command");
    assert.ok(Buffer.from(event.message.command).equals(command));
    assert.equal(large.listener.proceed(), "idle");
  }
});

test("the memory for large messages is one message's at a time, and comes back", () => {
  const one = connected({ kind: "connector", hello: observerHello }, null);
  const two = connected({ kind: "connector", hello: observerHello }, null);
  const command = new Uint8Array(1024 * 1024);
  for (const { connector, listener: made } of [one, two]) {
    made.push(connector.encode({ type: "apply_command", command, requestId: 1 }));
    assert.equal(made.proceed(), "working");
  }
  assert.equal(one.listener.proceed(), "working");
  assert.equal(two.listener.proceed(), "waiting");
  // Who cannot wait is served all the same.
  const sync = connected({ kind: "connector", hello: observerHello }, null);
  const frame = sync.connector.encode({ type: "apply_command", command, requestId: 1 });
  assert.equal(sync.listener.receive(frame).events.length, 1);
  one.listener.close();
  let step = two.listener.proceed();
  while (step === "working") step = two.listener.proceed();
  assert.ok(typeof step !== "string" && step.events.length === 1);
});

test("a large token that was touched anywhere is refused, as a small one is", () => {
  const command = new Uint8Array(randomBytes(200_000));
  for (const place of [0, 0.001, 0.3, 0.5, 0.9, 0.9999]) {
    const pair = connected({ kind: "connector", hello: observerHello }, password);
    const frame = Buffer.from(
      pair.connector.encode({ type: "apply_command", command, requestId: 1 }),
    );
    const at = 4 + Math.floor((frame.length - 4) * place);
    frame[at] = frame[at] === 65 ? 66 : 65;
    refuses(() => pair.listener.receive(frame), "fernet-token");
  }
  for (const cut of [1, 2, 3, 4, 16, 43, 44]) {
    const pair = connected({ kind: "connector", hello: observerHello }, password);
    const frame = pair.connector.encode({ type: "apply_command", command, requestId: 1 });
    const shorter = encodeFrame(frame.subarray(4, frame.length - cut));
    refuses(() => pair.listener.receive(shorter), "fernet-token");
  }
});

test("a session used out of turn is a mistake of our own", () => {
  const made = session({ kind: "connector", hello: "a:1" }, password);
  assert.throws(() => made.receive(empty), /started/);
  made.start();
  assert.throws(() => made.start(), /once/);
  assert.throws(() => made.encode(vote), /handshake/);
  const other = listener(null);
  other.receive(rawFrame("a:1", null));
  assert.throws(() => other.encodeReply("SUCCESS"), /utility/);
});
