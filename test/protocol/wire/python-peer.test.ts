import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { projectRoot } from "../../../interop-tests/support/project.js";
import { pysyncobjVersions, pythonWith } from "../../../interop-tests/support/python.js";
import {
  decodeCommand,
  encodeMembership,
  encodeNoOp,
  encodeVersion,
} from "../../../protocol/log/commands.js";
import { encodeDelete, encodeExpire, encodeSet } from "../../../protocol/log/kv-calls.js";
import { PyFloat, type PyValue } from "../../../protocol/pickle/values.js";
import { deriveFernetKey } from "../../../protocol/wire/fernet.js";
import type { PeerMessage } from "../../../protocol/wire/messages.js";
import { Session, type SessionEvent, type SessionRole } from "../../../protocol/wire/session.js";
import {
  encodeMembers,
  encodeStatus,
  type MemberStatus,
  parseMembers,
  parseStatus,
} from "../../../protocol/wire/utility.js";

const listenerAddress = "127.0.0.1:1111";
const connectorAddress = "127.0.0.1:2222";
const allBytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const noEntry = { prevLogIdx: null, prevLogTerm: null };
const before = { term: 5, commitIndex: 2, prevLogIdx: 2, prevLogTerm: 1 };
const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value, "latin1"));

/** Pickled by Python's pickle, protocol 2: `(2, ('k', {'value': 'ä'}))`. */
const pickledCall = text(
  "\x00\x80\x02K\x02X\x01\x00\x00\x00kq\x00}q\x01X\x05\x00\x00\x00valueq\x02X\x02\x00\x00\x00\xc3\xa4q\x03s\x86q\x04\x86q\x05.",
);

/** The messages of python-peer.py, in the same order. */
const messages: readonly PeerMessage[] = [
  { type: "request_vote", term: 5, lastLogIndex: 300, lastLogTerm: 4 },
  { type: "response_vote", term: 70000 },
  { type: "append_entries", term: 5, commitIndex: 2, entries: [], ...noEntry },
  {
    type: "append_entries",
    term: 2 ** 40,
    commitIndex: 2 ** 53 - 1,
    entries: [
      { command: Uint8Array.of(1), index: 3, term: 1 },
      { command: Uint8Array.of(0, ...allBytes), index: 4, term: 2 ** 33 },
      { command: text(`\x00${"x".repeat(300)}`), index: 5, term: 7 },
    ],
    prevLogIdx: 2,
    prevLogTerm: 1,
  },
  {
    type: "append_chunk",
    transmission: "start",
    data: Uint8Array.from({ length: 65_536 }, (_, at) => at % 256),
    ...before,
  },
  { type: "append_chunk", transmission: "process", data: text("abc"), ...before },
  { type: "append_chunk", transmission: "finish", data: text(""), ...before },
  { type: "install_snapshot", term: 5, commitIndex: 2, chunk: null },
  {
    type: "install_snapshot",
    term: 5,
    commitIndex: 2,
    chunk: { data: allBytes, isFirst: true, isLast: false },
  },
  {
    type: "install_snapshot",
    term: 5,
    commitIndex: 2,
    chunk: { data: text(""), isFirst: false, isLast: true },
  },
  { type: "next_node_idx", nextNodeIdx: 300, reset: false, success: true },
  { type: "next_node_idx", nextNodeIdx: 1, reset: true, success: false },
  { type: "apply_command", command: Uint8Array.of(0, ...allBytes), requestId: 1 },
  { type: "apply_command", command: pickledCall, requestId: null },
  { type: "apply_command_response", requestId: 1, logIdx: 2, logTerm: 3 },
  { type: "apply_command_response", requestId: 1, error: 4 },
  { type: "timeout_now", term: 5 },
];

const status: MemberStatus = {
  version: "0.3.17",
  revision: "deprecated",
  self: listenerAddress,
  state: 2,
  leader: listenerAddress,
  hasQuorum: true,
  partners: [{ address: connectorAddress, connected: true }],
  observers: [{ address: "0", connected: true }],
  logLen: 7,
  lastApplied: 6,
  commitIdx: 6,
  raftTerm: 3,
  nextNodeIdx: new Map([
    [connectorAddress, 8],
    ["0", 7],
  ]),
  matchIdx: new Map([[connectorAddress, 7]]),
  leaderCommitIdx: null,
  uptimeSec: 12,
  selfCodeVersion: 0,
  enabledCodeVersion: 0,
  extra: new Map(),
};

const members = [
  { address: connectorAddress, leader: false, connected: true },
  { address: listenerAddress, leader: true, connected: true },
];

const storedValue = new Map<PyValue, PyValue>([
  ["value", "v"],
  ["updated", new PyFloat(5)],
  ["created", new PyFloat(4.5)],
  ["expire", new PyFloat(35)],
  ["index", 9],
]);

/** The commands of python-peer.py, by the same names. */
const commands: Readonly<Record<string, Uint8Array>> = {
  "no-op": encodeNoOp(),
  add: encodeMembership("add", connectorAddress),
  rem: encodeMembership("rem", connectorAddress),
  version: encodeVersion(3),
  set: encodeSet(
    "/k",
    { value: "v€", updated: 5, created: 4.5, expire: 35 },
    { prevExist: false, prevIndex: null },
  ),
  "plain set": encodeSet("/k", { value: "", updated: 5.5, created: 5.5 }),
  delete: encodeDelete("/k", { prevValue: "v" }),
  recursive: encodeDelete("/", { recursive: true }),
  expire: encodeExpire("/k", storedValue),
};

interface Answer {
  readonly events: readonly (readonly [string, string | number])[];
  readonly hex: string;
  readonly open: boolean;
}

/** A python3 child that holds one connection's other end; see python-peer.py. */
class PythonPeer {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcess, lines: AsyncIterator<string>) {
    this.#child = child;
    this.#lines = lines;
  }

  static async start(version: string): Promise<PythonPeer> {
    const { python, env } = await pythonWith(version);
    const script = join(projectRoot(), "test", "protocol", "wire", "python-peer.py");
    const child = spawn(python, [script], {
      env: { ...process.env, ...env },
      stdio: ["pipe", "pipe", "inherit"],
    });
    assert.ok(child.stdout !== null);
    return new PythonPeer(child, createInterface(child.stdout)[Symbol.asyncIterator]());
  }

  async ask<T>(request: object): Promise<T> {
    this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
    const line = await this.#lines.next();
    if (line.done === true) throw new Error("python-peer.py ended: see its traceback above");
    return JSON.parse(line.value);
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, "exit");
    this.#child.stdin?.end();
    await ended;
  }
}

type PythonRole = "listener" | "connector" | "observer" | "utility";

interface Conversation {
  readonly ours: Session;
  readonly ourEvents: SessionEvent[];
  readonly theirEvents: (readonly [string, string | number])[];
  /** Passes bytes to and fro until neither side has more to say. */
  readonly pass: (toPython: Uint8Array, toUs?: string) => Promise<void>;
}

interface Setting {
  readonly python: PythonPeer;
  readonly password: string | null;
}

async function converse(
  { python, password }: Setting,
  role: SessionRole,
  theirs: { readonly role: PythonRole; readonly command?: readonly string[] },
): Promise<Conversation> {
  const ours = new Session({
    role,
    key: password === null ? null : deriveFernetKey(password),
    random: (bytes) => randomBytes(bytes),
    monotonicSec: () => 12.5,
  });
  const ourEvents: SessionEvent[] = [];
  const theirEvents: (readonly [string, string | number])[] = [];
  const pass = async (first: Uint8Array, second = ""): Promise<void> => {
    let toPython = first;
    let toUs = second;
    while (toPython.length > 0 || toUs.length > 0) {
      const step = ours.receive(Buffer.from(toUs, "hex"));
      ourEvents.push(...step.events);
      const hex = Buffer.concat([toPython, step.output]).toString("hex");
      const answer = await python.ask<Answer>({ op: "receive", hex });
      theirEvents.push(...answer.events);
      assert.ok(answer.open || theirs.role === "utility", "Python closed the connection");
      toPython = new Uint8Array(0);
      toUs = answer.hex;
    }
  };
  const opened = await python.ask<Answer>({ op: "open", password, ...theirs });
  theirEvents.push(...opened.events);
  await pass(ours.start(), opened.hex);
  return { ours, ourEvents, theirEvents, pass };
}

/** Sends every message both ways and compares what arrives. */
async function exchange(setting: Setting, talk: Conversation): Promise<void> {
  for (const [index, message] of messages.entries()) {
    talk.theirEvents.length = 0;
    await talk.pass(talk.ours.encode(message));
    assert.deepEqual(talk.theirEvents, [["message", index]], message.type);
    talk.ourEvents.length = 0;
    const { hex } = await setting.python.ask<Answer>({ op: "send", index });
    await talk.pass(new Uint8Array(0), hex);
    assert.deepEqual(talk.ourEvents, [{ kind: "message", message }]);
  }
}

async function weConnect(setting: Setting): Promise<void> {
  for (const hello of [connectorAddress, "readonly"]) {
    const talk = await converse(setting, { kind: "connector", hello }, { role: "listener" });
    const expected = hello === "readonly" ? ["observer", "0"] : ["member", connectorAddress];
    assert.deepEqual(talk.theirEvents, [expected]);
    await exchange(setting, talk);
  }
}

async function theyConnect(setting: Setting): Promise<void> {
  for (const role of ["connector", "observer"] as const) {
    const talk = await converse(setting, { kind: "listener" }, { role });
    const expected =
      role === "observer" ? { kind: role } : { kind: "member", address: connectorAddress };
    assert.deepEqual(talk.ourEvents, [expected]);
    await exchange(setting, talk);
  }
}

async function weAsk(setting: Setting): Promise<void> {
  const ask = async (...request: readonly string[]): Promise<PyValue> => {
    const talk = await converse(setting, { kind: "utility", request }, { role: "listener" });
    const reply = talk.ourEvents.find((event) => event.kind === "reply");
    return reply?.kind === "reply" ? reply.value : assert.fail("no reply");
  };
  assert.deepEqual(parseStatus(await ask("status")), status);
  assert.deepEqual(parseMembers(await ask("members")), members);
  assert.equal(await ask("add", "127.0.0.1:3333"), "SUCCESS ADD 127.0.0.1:3333");
}

async function theyAsk(setting: Setting): Promise<void> {
  const replies: [readonly string[], PyValue, string | number][] = [
    [["status"], encodeStatus(status), 0],
    [["members"], encodeMembers(members), 1],
    [["remove", "127.0.0.1:3333"], "FAIL REMOVE x", "FAIL REMOVE x"],
  ];
  for (const [command, reply, expected] of replies) {
    const talk = await converse(setting, { kind: "listener" }, { role: "utility", command });
    assert.equal(talk.ourEvents[0]?.kind, "utility");
    await talk.pass(talk.ours.encodeReply(reply));
    assert.deepEqual(talk.theirEvents, [["reply", expected]]);
  }
}

async function commandsAgree(python: PythonPeer): Promise<void> {
  const hexes = Object.fromEntries(
    Object.entries(commands).map(([name, command]) => [name, Buffer.from(command).toString("hex")]),
  );
  interface Verdict {
    readonly wrong: object;
    readonly theirs: Readonly<Record<string, string>>;
  }
  const { wrong, theirs } = await python.ask<Verdict>({ op: "commands", hexes });
  assert.deepEqual(wrong, {});
  assert.deepEqual(Object.keys(theirs), Object.keys(commands));
  for (const [name, command] of Object.entries(commands)) {
    const decoded = decodeCommand(Buffer.from(theirs[name] ?? "", "hex"));
    assert.deepEqual(decoded, decodeCommand(command), name);
  }
}

for (const version of pysyncobjVersions) {
  test(`PySyncObj ${version}'s own transport and ours understand each other`, async () => {
    const python = await PythonPeer.start(version);
    try {
      for (const password of [null, "sécret"]) {
        await weConnect({ python, password });
        await theyConnect({ python, password });
        await weAsk({ python, password });
        await theyAsk({ python, password });
      }
      await commandsAgree(python);
    } finally {
      await python.stop();
    }
  });
}
