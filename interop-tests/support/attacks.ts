import { deflateSync } from "node:zlib";
import { encodePickle } from "../../protocol/pickle/encoder.js";
import { encodeFrame } from "../../protocol/wire/frame.js";
import { messageBytesMax } from "../../protocol/wire/limits.js";
import type { Guise } from "./intruder.js";

/** Bytes that no honest peer sends, and the counter of /v1/status under which they are refused. */
export interface Attack {
  readonly name: string;
  readonly guises: readonly Guise["kind"][];
  readonly bytes: Uint8Array;
  readonly counter: string;
}

const mib = 1024 * 1024;
const known = ["observer", "member"] as const;
const everyone = ["stranger", ...known] as const;

function header(length: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(length);
  return bytes;
}

function framed(pickle: Uint8Array): Uint8Array {
  return encodeFrame(deflateSync(pickle));
}

/** A pickle that runs a shell command in whoever loads it as Python does. */
export function shellPickle(command: string): Buffer {
  return Buffer.from(`cos\nsystem\n(S'${command}'\ntR.`, "latin1");
}

/**
 * The same within a command of KVStoreTTL that is otherwise in order: `_set` of a key whose value is
 * what the shell returned. Type byte and pickle.
 */
export function shellCommand(key: string, command: string): Buffer {
  const call = shellPickle(command).subarray(0, -1).toString("latin1");
  const record = `}S'value'\n${call}sS'created'\nI1\nsS'updated'\nI1\ns`;
  return Buffer.concat([Buffer.of(0), Buffer.from(`(I2\n(S'${key}'\n${record}tt.`, "latin1")]);
}

/** One opcode as often as a message may be long. */
function repeated(opcode: string): Buffer {
  return Buffer.alloc(messageBytesMax - 1024, opcode, "latin1");
}

/** A list that holds one string many times over, each of which would be a copy when written out. */
function sharedReferences(): Buffer {
  const text = Buffer.alloc(60_000, "k");
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  const references = Buffer.alloc(1_000_000, Buffer.from("h\x01", "latin1"));
  return Buffer.concat([Buffer.from("]X"), length, text, Buffer.from("q\x010("), references]);
}

/** @param shell What the attacks would run. */
export function attacks(shell: string): readonly Attack[] {
  return [
    {
      name: "garbage",
      guises: everyone,
      bytes: Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
      counter: "fault_frame-length",
    },
    {
      name: "a length of 2^31 - 1",
      guises: everyone,
      bytes: Buffer.concat([header(2 ** 31 - 1), Buffer.alloc(mib)]),
      counter: "fault_frame-length",
    },
    {
      name: "a negative length",
      guises: everyone,
      bytes: header(-5),
      counter: "fault_frame-length",
    },
    {
      name: "a pickle of os.system",
      guises: everyone,
      bytes: framed(shellPickle(shell)),
      counter: "fault_pickle-global",
    },
    {
      name: "a small inflate bomb",
      guises: ["stranger"],
      bytes: framed(Buffer.alloc(3 * mib)),
      counter: "fault_frame-inflate",
    },
    {
      name: "300 KB that inflate to 300 MB",
      guises: known,
      bytes: framed(Buffer.alloc(300 * mib)),
      counter: "fault_frame-inflate",
    },
    {
      name: "zeros up to the limit",
      guises: known,
      bytes: framed(repeated("\0")),
      counter: "fault_pickle-opcode",
    },
    {
      name: "empty lists up to the limit",
      guises: known,
      bytes: framed(repeated("]")),
      counter: "fault_pickle-limit",
    },
    {
      name: "empty dicts up to the limit",
      guises: known,
      bytes: framed(repeated("}")),
      counter: "fault_pickle-limit",
    },
    {
      name: "shared references",
      guises: known,
      bytes: framed(sharedReferences()),
      counter: "fault_pickle-limit",
    },
    {
      name: "a number for a message",
      guises: known,
      bytes: framed(encodePickle(5)),
      counter: "fault_message-shape",
    },
    {
      name: "a number for a name",
      guises: ["stranger"],
      bytes: framed(encodePickle(5)),
      counter: "fault_handshake-identity",
    },
  ];
}
