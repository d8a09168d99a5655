import { commandOpsMax, comparisonOps, surrogatesPerOp } from "../../protocol/pickle/limits.js";
import { hasLoneSurrogate } from "../../protocol/pickle/text.js";
import {
  PyFloat,
  PyFrozenSet,
  PySurrogateStr,
  type PyValue,
} from "../../protocol/pickle/values.js";
import { callOps, nestingMax } from "./limits.js";
import { partsOf } from "./weight.js";

/** What its opcodes come to at most where a container is written: a set takes six, an instance seven. */
const containerOps = 8;
/** A call that makes them of a text. */
const bytesOps = 5;

/** Whether the value nests deeper than a leader takes. */
export function nestsTooDeep(value: PyValue): boolean {
  return isDeeper(value, nestingMax);
}

function isDeeper(value: PyValue, depth: number): boolean {
  if (isScalar(value) || value instanceof Uint8Array) return false;
  if (depth === 0) return true;
  for (const part of partsOf(value)) if (isDeeper(part, depth - 1)) return true;
  return false;
}

/**
 * Whether the value may be too much to be named in a command: it is written without what its own pickle
 * shares, and its bytes as protocol 2 has them.
 */
export function isBeyondCommand(value: PyValue): boolean {
  const most = commandOpsMax - callOps;
  return opsOf(value, most) > most;
}

/** The most opcodes that it is written with; where it is more than `most`, at least one more than that. */
function opsOf(value: PyValue, most: number): number {
  if (value instanceof Uint8Array) return bytesOps;
  if (isScalar(value)) return scalarOps(value);
  let ops = containerOps;
  if (value instanceof Map || value instanceof Set) ops += keyOps(value.keys());
  else if (value instanceof PyFrozenSet) ops += keyOps(value.items);
  for (const part of partsOf(value)) {
    ops += opsOf(part, most - ops);
    if (ops > most) break;
  }
  return ops;
}

/** What its keys come to, each of them compared with those before it. */
function keyOps(keys: Iterable<PyValue>): number {
  let ops = 0;
  let others = 0;
  for (const key of keys) ops += comparisonOps(key, others++);
  return ops;
}

/** Lone surrogates count for more than their text: as if it had no other characters. */
function scalarOps(value: PyValue): number {
  if (value instanceof PySurrogateStr) return 2 + value.bytes.length / surrogatesPerOp;
  if (typeof value !== "string" || !hasLoneSurrogate(value)) return 1;
  return 2 + value.length / surrogatesPerOp;
}

function isScalar(
  value: PyValue,
): value is null | boolean | number | bigint | string | PyFloat | PySurrogateStr {
  return (
    value === null ||
    typeof value !== "object" ||
    value instanceof PyFloat ||
    value instanceof PySurrogateStr
  );
}
