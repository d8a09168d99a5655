import { commandType } from "../../protocol/log/commands.js";
import type { Entry } from "../../protocol/log/entry.js";
import { viewEntry } from "./command-view.js";

/**
 * A guess from a command's first bytes, type 0, PROTO 2, BININT1 2: so does every version write a call
 * of `_set`. Only times depend on it.
 */
export function isSet(command: Uint8Array): boolean {
  return (
    command[0] === commandType.regular &&
    command[1] === 0x80 &&
    command[3] === 0x4b &&
    command[4] === 2
  );
}

/** The writer's clock in a set, seconds since 1970; null: another command, or one without. */
export function timeOf(entry: Entry): number | null {
  const view = viewEntry(entry);
  return view.operation === "set" ? (view.updated ?? null) : null;
}
