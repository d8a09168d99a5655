import { ProtocolError } from "../errors.js";
import type { Entry } from "../log/entry.js";
import { nodeId, splitAddress, tcpNode } from "../log/tcp-node.js";
import { PickleWriter } from "../pickle/encoder.js";
import { comparisonOps } from "../pickle/limits.js";
import { asInt } from "../pickle/py-equal.js";
import { type PyDict, PyInstance, PyTuple, type PyValue } from "../pickle/values.js";
import {
  dumpItemsPerBatch,
  dumpMembersMax,
  dumpValueFieldOpsMax,
  dumpValueFieldsMax,
} from "./limits.js";
import type { PlainItems } from "./plain-items.js";

/**
 * The dump (upstream: pysyncobj/syncobj.py, `__tryLogCompaction` and `__loadDumpFile`): the gzip of
 * one pickle, the tuple (the object's attributes by mangled name, the last applied entry, the entry
 * before it, the set of all member nodes). The attributes are those of Patroni's `KVStoreTTL`.
 */
export interface Dump {
  /** Key to value dict: the store after `last` was applied. */
  readonly data: PyDict;
  readonly codeVersion: number;
  readonly last: Entry;
  readonly previous: Entry;
  /** Addresses, the dumping member's own among them. */
  readonly members: readonly string[];
}

export const dataKey = "_KVStoreTTL__data";
const codeVersionKey = "_SyncObj__enabledCodeVersion";

/** What a store is made of. Where all values are plain, no dicts need to be made of them. */
export type DumpData = PyDict | PlainItems;

/** A dump as a member loads it. */
export interface LoadedDump extends Omit<Dump, "data"> {
  readonly data: DumpData;
}

/** Writes a dump's pickle in pieces, so that no piece has to hold the whole store. */
export class DumpEncoder {
  readonly #writer = new PickleWriter();
  #itemsInBatch = 0;

  constructor(codeVersion: number) {
    const writer = this.#writer;
    writer.writeProto();
    writer.mark();
    writer.emptyDict();
    writer.mark();
    writer.writeStr(codeVersionKey);
    writer.writeInt(codeVersion);
    writer.writeStr(dataKey);
    writer.emptyDict();
  }

  /** Bytes that `take` would return. */
  get length(): number {
    return this.#writer.length;
  }

  add(key: PyValue, value: PyDict): void {
    if (this.#itemsInBatch === 0) this.#writer.mark();
    this.#writer.writeValue(key);
    this.#writer.writeValue(value);
    this.#itemsInBatch += 1;
    if (this.#itemsInBatch === dumpItemsPerBatch) this.#endBatch();
  }

  finish(last: Entry, previous: Entry, members: readonly string[]): void {
    if (this.#itemsInBatch > 0) this.#endBatch();
    this.#writer.setItems();
    this.#writer.writeValue(entryTuple(last));
    this.#writer.writeValue(entryTuple(previous));
    this.#writer.writeValue(new Set<PyValue>(members.map(dumpedNode)));
    this.#writer.tuple();
    this.#writer.writeStop();
  }

  /** The bytes written since the last call. */
  take(): Uint8Array {
    return this.#writer.take();
  }

  #endBatch(): void {
    this.#writer.setItems();
    this.#itemsInBatch = 0;
  }
}

function entryTuple(entry: Entry): PyTuple {
  return new PyTuple([entry.command, entry.index, entry.term]);
}

/**
 * A member as 0.3.8 expects it: that version keeps the resolved address in the node and connects
 * to nothing without it. Later versions carry the attribute along unread.
 */
function dumpedNode(address: string): PyInstance {
  const node = tcpNode(address);
  const host = splitAddress(address)?.host ?? "";
  if (!/^[\d.]+$|:/.test(host)) return node;
  return new PyInstance(node.className, new Map(node.state).set("_TCPNode__ip", host));
}

/**
 * The values in `data` are not looked at yet: see `checkDumpValues`.
 *
 * @throws ProtocolError `dump-malformed` where the value is no dump of a KVStoreTTL.
 */
export function parseDump(value: PyValue): Dump {
  if (!(value instanceof PyTuple) || value.items.length !== 4) {
    throw malformed("the dump is no tuple of four");
  }
  const [attributes = null, last = null, previous = null, nodes = null] = value.items;
  const state = parseAttributes(attributes);
  const lastEntry = parseEntry(last);
  const previousEntry = parseEntry(previous);
  if (previousEntry.index + 1 !== lastEntry.index) {
    throw malformed("the dump's two entries do not follow one another");
  }
  return { ...state, last: lastEntry, previous: previousEntry, members: parseMembers(nodes) };
}

function parseAttributes(attributes: PyValue): Pick<Dump, "data" | "codeVersion"> {
  if (!(attributes instanceof Map)) throw malformed("the dump holds no object attributes");
  const data = attributes.get(dataKey);
  if (!(data instanceof Map)) throw malformed("the dump is none of a KVStoreTTL");
  // PySyncObj keeps what the command held: for False it enables version 0, too.
  const codeVersion = asInt(attributes.get(codeVersionKey) ?? 0);
  if (!isCount(codeVersion)) throw malformed("the dump's code version is no count");
  return { data, codeVersion };
}

/**
 * Checks that each value is a dict, a batch with each step: a store can have millions.
 *
 * @throws ProtocolError `dump-malformed`
 */
export function* checkDumpValues(data: PyDict): Generator<undefined, void> {
  let checked = 0;
  for (const item of data.values()) {
    if (!(item instanceof Map)) throw malformed("a value in the dump is no dict");
    if (item.size > dumpValueFieldsMax) throw malformed(`a value of ${item.size} fields`);
    if (item.size > fewFields) checkFields(item);
    checked += 1;
    if (checked % dumpItemsPerBatch === 0) yield;
  }
}

/** So many ints are copied at once, whatever their hashes. */
const fewFields = 1024;

function checkFields(item: PyDict): void {
  let ops = 0;
  let others = 0;
  for (const name of item.keys()) ops += comparisonOps(name, others++);
  if (ops > dumpValueFieldOpsMax)
    throw malformed(`a value of ${item.size} fields, ints among them`);
}

function parseEntry(value: PyValue): Entry {
  if (!(value instanceof PyTuple)) throw malformed("an entry in the dump is no tuple");
  const [command = null, index = null, term = null] = value.items;
  if (!(command instanceof Uint8Array)) throw malformed("an entry's command is no bytes");
  if (!isCount(index) || index < 1 || !isCount(term)) {
    throw malformed("an entry's index or term is no count");
  }
  return { index, term, command };
}

function parseMembers(nodes: PyValue): string[] {
  if (!(nodes instanceof Set)) throw malformed("the dump's members are no set");
  if (nodes.size > dumpMembersMax) throw malformed(`the dump names ${nodes.size} members`);
  return Array.from(nodes, (node) => {
    const id = nodeId(node);
    if (id === null) throw malformed("a member in the dump is no node");
    // Whoever takes it over could write no dump any more.
    if (splitAddress(id) === null) throw malformed("a member in the dump has no address");
    return id;
  });
}

function isCount(value: PyValue): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function malformed(message: string): ProtocolError {
  return new ProtocolError("dump-malformed", message);
}
