import { ProtocolError } from "../../protocol/errors.js";
import { commandType, decodeArgument, decodeCommand } from "../../protocol/log/commands.js";
import { isWholeTcpNode, nodeId, splitAddress } from "../../protocol/log/tcp-node.js";
import { PyInstance, PyTuple, type PyValue } from "../../protocol/pickle/values.js";
import { type KvCall, parseKvCall } from "./python-call.js";
import { pyTypeName } from "./python-key.js";
import { PythonRaise } from "./python-raise.js";
import { numberOf } from "./record.js";

/**
 * The newest code version that Patroni's class knows: none of its methods has one.
 *
 * For a higher one vanilla raises SyncObjExceptionWrongVer, which `__applyLogEntries` (pysyncobj/
 * syncobj.py) catches *without* counting the entry as applied. lastApplied then lags by one: the
 * next tick begins at the version entry again, applies the entry after it a second time (a plain
 * `_delete` raises there), gives values an index that is too low, and so on with each batch, on
 * every member and after each restart. So such a command must never be appended.
 */
const codeVersionMax = 0;

/**
 * The call of a regular command; null for a command that is valid and not the store's: no-ops,
 * membership, code versions, and types that vanilla does not know, for which it does nothing.
 *
 * @throws PythonRaise, ProtocolError or UnhashableError where vanilla would raise.
 */
export function parseCommand(command: Uint8Array): KvCall | null {
  const type = command[0];
  switch (type) {
    case undefined:
      throw new PythonRaise("TypeError: an empty command has no type");
    case commandType.regular:
      return parseKvCall(command);
    case commandType.membership:
      checkMembership(command);
      return null;
    case commandType.version:
      checkVersion(command);
      return null;
    default:
      return null;
  }
}

/**
 * Stricter than vanilla for shapes that no member sends (a change that is neither add nor rem is
 * a no-op there, raised here): the store's state is the same either way.
 */
function checkMembership(command: Uint8Array): void {
  try {
    decodeCommand(command);
  } catch (error) {
    // None stands for "no membership command" in __parseChangeClusterRequest.
    if (error instanceof ProtocolError && isNone(command)) return;
    throw error;
  }
}

function isNone(command: Uint8Array): boolean {
  try {
    return decodeArgument(command) === null;
  } catch {
    return false;
  }
}

/**
 * Why a command that is not the store's must not be appended though applying it would not raise.
 * A code version below 0 empties vanilla's table of functions (`__onSetCodeVersion`): from then on
 * each submission raises KeyError, the leader's own `_expire` in its tick among them.
 */
export function otherCommandRefusal(command: Uint8Array): string | null {
  if (command[0] === commandType.membership) return nodeRefusal(decodeArgument(command));
  if (command[0] !== commandType.version) return null;
  const version = decodeArgument(command);
  // Vanilla would keep it as it is, and show a bool or a float wherever the version is to be seen.
  if (typeof version !== "number") return `a code version is an int, not a ${pyTypeName(version)}`;
  return version === codeVersionMax ? null : `code version ${version} takes away every function`;
}

/**
 * Vanilla takes the parts of a node as they stand in the pickle, when the entry is appended: without an address
 * `addNode` raises there. So does looking a host up that is no name. Either ends the thread in Patroni that does
 * all that raft does.
 */
function nodeRefusal(request: PyValue): string | null {
  const items = request instanceof PyTuple ? request.items : request;
  // None, which changes nothing.
  if (!Array.isArray(items)) return null;
  const [, id = null, node = id] = items;
  if (node instanceof PyInstance && !isWholeTcpNode(node)) {
    return "the node to be added or removed is not as PySyncObj makes one";
  }
  const host = splitAddress(nodeId(node) ?? "")?.host ?? "";
  return isLookedUp(host) ? null : `Python cannot look up ${JSON.stringify(host)}: UnicodeError`;
}

/** As Python's `idna` encoding wants a name. What is not ASCII it may refuse or not, by its own tables. */
function isLookedUp(host: string): boolean {
  const labels = host.split(".");
  const last = labels.pop() ?? "";
  const isName = labels.every((label) => label.length > 0 && label.length < 64);
  return isName && last.length < 64 && /^[\x20-\x7e]*$/.test(host);
}

function checkVersion(command: Uint8Array): void {
  const version = decodeArgument(command);
  const number = numberOf(version);
  if (number === null) {
    throw new PythonRaise(`TypeError: a code version is no ${pyTypeName(version)}`);
  }
  if (number > codeVersionMax) {
    throw new PythonRaise(`SyncObjExceptionWrongVer: code version ${number} is not supported`);
  }
}
