import { ProtocolError } from "../../protocol/errors.js";
import { commandType, decodeArgument, decodeCommand } from "../../protocol/log/commands.js";
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
  if (command[0] !== commandType.version) return null;
  const version = numberOf(decodeArgument(command));
  return version === codeVersionMax ? null : `code version ${version} takes away every function`;
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
