import assert from "node:assert/strict";
import { ProtocolError } from "../../../protocol/errors.js";
import { decodeDumpSteps, plainDumpSteps } from "../../../protocol/files/dump-decoder.js";
import type { Dump, LoadedDump } from "../../../protocol/files/dump-format.js";
import { PlainItems } from "../../../protocol/files/plain-items.js";
import type { PickleLimits } from "../../../protocol/pickle/limits.js";
import { type PyDict, PyFloat, type PyValue } from "../../../protocol/pickle/values.js";
import { Store } from "../../../src/store/store.js";

/** What steps come to, however many there are. */
export function lastOf<T>(steps: Generator<void, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** The dump with its data as dicts, whichever way it was read. */
export function withDicts({ data, ...rest }: LoadedDump): Dump {
  return { ...rest, data: data instanceof PlainItems ? dictOf(data) : data };
}

function dictOf(items: PlainItems): PyDict {
  const data: PyDict = new Map<PyValue, PyValue>();
  for (let number = 0; number < items.length; number++) {
    const { key, value, updated, created, expire, index } = items.at(number);
    const fields: PyDict = new Map<PyValue, PyValue>([
      ["value", value],
      ["updated", new PyFloat(updated)],
      ["created", new PyFloat(created)],
      ["index", index],
    ]);
    if (expire !== null) fields.set("expire", new PyFloat(expire));
    data.set(key, fields);
  }
  return data;
}

/** The dump by the general way; the fault's code where it is none. */
export function generalDump(
  pickle: Uint8Array,
  limits: Partial<PickleLimits>,
  opsPerStep = 512,
): Dump | string {
  try {
    return lastOf(decodeDumpSteps(pickle, limits, opsPerStep));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return error.code;
  }
}

/**
 * Reads the pickle by the reader of plain values, and holds it against the general way.
 *
 * @returns whether that reader has taken it.
 */
export function checkPlain(
  pickle: Uint8Array,
  limits: Partial<PickleLimits>,
  opsPerStep = 512,
): boolean {
  const plain = lastOf(plainDumpSteps(pickle, limits, opsPerStep));
  if (plain === null) return false;
  const general = generalDump(pickle, limits, opsPerStep);
  assert.ok(typeof general !== "string", `taken, and refused by the general way: ${general}`);
  const dicts = withDicts(plain);
  assert.deepEqual(dicts, general);
  assert.deepEqual([...dicts.data.keys()], [...general.data.keys()]);
  assertSameStore(Store.fromDump(plain.data), Store.fromDump(general.data));
  return true;
}

function assertSameStore(plain: Store, general: Store): void {
  assert.deepEqual([...plain.entries()], [...general.entries()]);
  const figures = ({ size, bytes, expiring, expiringBytes }: Store) => {
    return { size, bytes, expiring, expiringBytes };
  };
  assert.deepEqual(figures(plain), figures(general));
  assert.deepEqual(expiredOf(plain), expiredOf(general));
}

/** In the order of their keys: that of equal times is nobody's business. */
function expiredOf(store: Store): unknown {
  const all = store
    .expired(Number.POSITIVE_INFINITY, 0)
    .map(({ id, value }) => [id, value] as const);
  return all.sort(([one], [other]) => (one < other ? -1 : 1));
}
