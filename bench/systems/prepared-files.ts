import type { Entry } from "../../protocol/log/entry.js";
import { type PyDict, PyFloat, type PyValue } from "../../protocol/pickle/values.js";
import { silentLogger } from "../../src/logger.js";
import { Storage } from "../../src/storage/storage.js";
import { keyName, valueText } from "../load/load-client.js";
import { setCommand } from "../load/observer-load.js";

const term = 1;
/** So many bytes of a value make an entry's command one of 300 bytes. */
const valueBytesOf300 = 151;
const createdSec = 1_700_000_000.25;
const batch = 5_000;
/** Log index of the dump. */
export const dumpIndex = 3;

export interface Place {
  readonly dataDir: string;
  readonly selfAddr: string;
}

/** A journal of so many entries of 300 bytes and no dump, as either program may have left it. */
export async function writeJournal({ dataDir, selfAddr }: Place, count: number): Promise<void> {
  const { storage } = await Storage.open({ dataDir, selfAddr, logger: silentLogger });
  await storage.write([{ kind: "truncate", fromIndex: 2 }]);
  for (let index = 2; index <= count; ) {
    const entries: Entry[] = [];
    for (; entries.length < batch && index <= count; index++) {
      entries.push({ index, term, command: setCommand(index, valueBytesOf300) });
    }
    await storage.write([{ kind: "append", entries }]);
  }
  storage.saveCommitIndex(count);
  await storage.close();
}

/** A dump of so many keys, and the journal of two entries that belongs to it. */
export async function writeDump(
  { dataDir, selfAddr }: Place,
  keys: number,
  members: readonly string[],
): Promise<void> {
  const { storage } = await Storage.open({ dataDir, selfAddr, logger: silentLogger });
  const previous: Entry = { index: 2, term, command: setCommand(0, valueBytesOf300) };
  const last: Entry = { index: dumpIndex, term, command: setCommand(1, valueBytesOf300) };
  await storage.write([{ kind: "append", entries: [previous, last] }]);
  await storage.writeDump({ previous, last, members, codeVersion: 0, records: records(keys) });
  await storage.write([{ kind: "compact", keepFrom: previous.index }]);
  storage.saveCommitIndex(last.index);
  await storage.close();
}

function* records(keys: number): Generator<[PyValue, PyDict]> {
  for (let key = 0; key < keys; key++) {
    const record: PyDict = new Map<PyValue, PyValue>([
      ["value", valueText(key, 20)],
      ["created", new PyFloat(createdSec)],
      ["updated", new PyFloat(createdSec)],
      ["index", dumpIndex],
    ]);
    yield [keyName(key), record];
  }
}
