/**
 * What a load generator needs of a message, read from its pickle without making values of it: the
 * entries that a leader sends are passed over, since the generator keeps no log. It stands in for the
 * product's decoder on purpose: what the generator saves is the members' to use on the same machine.
 */
export interface Scanned {
  type: string;
  term: number;
  commitIndex: number;
  prevLogIdx: number;
  /** Entries that it carries. */
  entries: number;
  requestId: number;
  logIdx: number;
  logTerm: number;
  /** Null: none. */
  error: number | null;
  isLastPiece: boolean;
}

type NumberField = "term" | "commitIndex" | "prevLogIdx" | "requestId" | "logIdx" | "logTerm";

const numberFields: ReadonlyMap<string, NumberField> = new Map([
  ["term", "term"],
  ["commit_index", "commitIndex"],
  ["prevLogIdx", "prevLogIdx"],
  ["request_id", "requestId"],
  ["log_idx", "logIdx"],
  ["log_term", "logTerm"],
]);

/** Bytes of the argument of each opcode of protocol 2; the others are handled one by one. */
const argumentBytes: ReadonlyMap<number, number> = new Map([
  [0x80, 1], // PROTO
  [0x71, 1], // BINPUT
  [0x72, 4], // LONG_BINPUT
  [0x68, 1], // BINGET
  [0x6a, 4], // LONG_BINGET
  [0x47, 8], // BINFLOAT
  ...[0x7d, 0x5d, 0x29, 0x28, 0x75, 0x73, 0x65, 0x61, 0x85, 0x86, 0x52].map(
    (opcode) => [opcode, 0] as const,
  ),
]);

const textOpcode = 0x58;
const globalOpcode = 0x63;
const tuple3Opcode = 0x87;
const stopOpcode = 0x2e;
const keyBytesMax = 24;

/** One scan at a time: the object that it gives is filled anew by the next one. */
export class PickleScan {
  readonly #found: Scanned = {
    ...{ type: "", term: 0, commitIndex: 0, prevLogIdx: 0, entries: 0, requestId: 0 },
    ...{ logIdx: 0, logTerm: 0, error: null, isLastPiece: false },
  };
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  /** The text read last: the key of the number that follows. */
  #text = "";

  /** @throws Error for an opcode that no such message has. */
  scan(pickle: Uint8Array): Scanned {
    this.#bytes = Buffer.from(pickle.buffer, pickle.byteOffset, pickle.length);
    this.#at = 0;
    this.#text = "";
    this.#clear();
    for (;;) {
      const opcode = this.#bytes[this.#at++] ?? stopOpcode;
      if (opcode === stopOpcode) return this.#found;
      const known = argumentBytes.get(opcode);
      if (known === undefined) this.#step(opcode);
      else this.#at += known;
    }
  }

  #clear(): void {
    const found = this.#found;
    found.type = "";
    found.prevLogIdx = 0;
    found.commitIndex = 0;
    found.entries = 0;
    found.error = null;
    found.isLastPiece = false;
  }

  #step(opcode: number): void {
    const bytes = this.#bytes;
    const at = this.#at;
    switch (opcode) {
      case textOpcode:
        this.#readText();
        break;
      case 0x4b: // BININT1
        this.#at += 1;
        this.#number(bytes[at] ?? 0);
        break;
      case 0x4d: // BININT2
        this.#at += 2;
        this.#number(bytes.readUInt16LE(at));
        break;
      case 0x4a: // BININT
        this.#at += 4;
        this.#number(bytes.readInt32LE(at));
        break;
      case 0x8a: // LONG1
        this.#at += 1 + (bytes[at] ?? 0);
        this.#number(bytes.readUIntLE(at + 1, Math.min(6, bytes[at] ?? 0)));
        break;
      case tuple3Opcode:
        this.#found.entries += 1;
        break;
      case globalOpcode:
        this.#at = bytes.indexOf(0x0a, bytes.indexOf(0x0a, at) + 1) + 1;
        break;
      case 0x4e: // NONE
      case 0x89: // NEWFALSE
        break;
      case 0x88: // NEWTRUE
        this.#found.isLastPiece = true;
        break;
      default:
        throw new Error(`opcode ${opcode} in a message`);
    }
  }

  #readText(): void {
    const length = this.#bytes.readUInt32LE(this.#at);
    const start = this.#at + 4;
    this.#at = start + length;
    if (length > keyBytesMax) return;
    const text = this.#bytes.latin1Slice(start, this.#at);
    if (this.#text === "type") this.#found.type = text;
    if (this.#text === "transmission" && text === "finish") this.#found.isLastPiece = true;
    this.#text = text;
  }

  #number(value: number): void {
    const field = numberFields.get(this.#text);
    if (field !== undefined) this.#found[field] = value;
    else if (this.#text === "error") this.#found.error = value;
    this.#text = "";
  }
}
