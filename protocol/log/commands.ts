import { ProtocolError } from "../errors.js";
import { decodePickle } from "../pickle/decoder.js";
import { encodePickle } from "../pickle/encoder.js";
import { commandPickleLimits } from "../pickle/limits.js";
import { type PyDict, PyTuple, type PyValue } from "../pickle/values.js";
import { nodeId, splitAddress } from "./tcp-node.js";

/** A command's first byte (`_COMMAND_TYPE` in pysyncobj/syncobj.py). */
export const commandType = {
  /** A call of a replicated function. */
  regular: 0,
  /** A new leader's first entry. */
  noOp: 1,
  /** A member is added or removed. */
  membership: 2,
  /** The cluster switches to a code version. */
  version: 3,
} as const;

/** What a command does, by its first byte. */
export type CommandKind = "regular" | "no-op" | "membership" | "version";

/** A decoded command of the log. */
export type Command =
  | { readonly kind: "no-op" }
  | {
      readonly kind: "regular";
      /** The replicated function and its arguments. */
      readonly call: RegularCall;
    }
  | {
      readonly kind: "membership";
      /** The member comes or goes. */
      readonly change: "add" | "rem";
      /** The member's id, `host:port`. */
      readonly address: string;
    }
  | {
      readonly kind: "version";
      /** The code version that the cluster switches to. */
      readonly version: number;
    };

/** A call of a replicated function, as `SyncObj.__doApplyCommand` takes it apart. */
export interface RegularCall {
  /** For Patroni's store see kv-calls.ts; not checked here. */
  readonly funcId: PyValue;
  /** Positional arguments. */
  readonly args: readonly PyValue[];
  /** Keyword arguments, by name. */
  readonly kwargs: PyDict;
}

const kinds: readonly CommandKind[] = ["regular", "no-op", "membership", "version"];

/**
 * Looks at the first byte alone. Upstream's apply does nothing for a type that it does not know, so
 * such a command counts as a no-op.
 *
 * @throws ProtocolError `command-shape` where the command is empty.
 */
export function commandKind(command: Uint8Array): CommandKind {
  const type = command[0];
  if (type === undefined) throw new ProtocolError("command-shape", "an empty command");
  return kinds[type] ?? "no-op";
}

/**
 * Decodes a command.
 *
 * @throws ProtocolError `command-shape`, with the pickle's own fault as its cause.
 */
export function decodeCommand(command: Uint8Array): Command {
  const kind = commandKind(command);
  switch (kind) {
    case "no-op":
      return { kind };
    case "regular":
      return { kind, call: regularCall(argument(command)) };
    case "membership":
      return membership(argument(command));
    case "version":
      return { kind, version: codeVersion(argument(command)) };
  }
}

/** The command that a new leader appends first. */
export function encodeNoOp(): Uint8Array {
  return Uint8Array.of(commandType.noOp);
}

/**
 * As `SyncObj.addNodeToCluster` and `removeNodeFromCluster` submit it.
 *
 * @throws Error where `address` is not `host:port`: it would stop every vanilla member.
 */
export function encodeMembership(change: "add" | "rem", address: string): Uint8Array {
  if (splitAddress(address) === null)
    throw new Error(`not an address of the form host:port: ${address}`);
  // Upstream writes a TCPNode as the third item, and makes one of a plain address where it finds that
  // (SyncObj.__doChangeCluster). A pickled node would lack the resolved IP that 0.3.8 expects in it.
  return encodeCommand(commandType.membership, [change, address, address]);
}

/** As `SyncObj.setCodeVersion` submits it. */
export function encodeVersion(version: number): Uint8Array {
  return encodeCommand(commandType.version, version);
}

/** A whole command of one type byte and the pickle of its argument. */
export function encodeCommand(type: number, argument: PyValue): Uint8Array {
  const pickle = encodePickle(argument);
  const command = new Uint8Array(1 + pickle.length);
  command[0] = type;
  command.set(pickle, 1);
  return command;
}

function argument(command: Uint8Array): PyValue {
  try {
    return decodeArgument(command);
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw pickleFault(cause);
  }
}

/**
 * The argument of a command of any type: the value after its first byte.
 *
 * @throws ProtocolError `pickle-*`.
 */
export function decodeArgument(command: Uint8Array): PyValue {
  return decodePickle(command.subarray(1), commandPickleLimits(command.length));
}

function pickleFault(cause: ProtocolError): ProtocolError {
  return new ProtocolError("command-shape", "a command's pickle does not decode", { cause });
}

/** `funcID`, `(funcID, args)` or `(funcID, args, kwargs)`. */
function regularCall(value: PyValue): RegularCall {
  if (!(value instanceof PyTuple)) return { funcId: value, args: [], kwargs: new Map() };
  const [funcId, args, kwargs = new Map()] = value.items;
  if (funcId === undefined || args === undefined || value.items.length > 3) {
    throw new ProtocolError("command-shape", `a call is not a tuple of ${value.items.length}`);
  }
  if (!(kwargs instanceof Map)) {
    throw new ProtocolError("command-shape", "a call's keyword arguments are not a dict");
  }
  return { funcId, args: sequence(args), kwargs };
}

/** `[change, id, node]`; the node counts, and the id only where there is none (`__doChangeCluster`). */
function membership(value: PyValue): Command {
  const [change, id, node = id] = sequence(value);
  const address = nodeId(node);
  if ((change !== "add" && change !== "rem") || address === null) {
    throw new ProtocolError("command-shape", "not a change of the membership");
  }
  if (splitAddress(address) === null) {
    throw new ProtocolError("command-shape", `a member's address is not host:port: ${address}`);
  }
  return { kind: "membership", change, address };
}

function codeVersion(value: PyValue): number {
  if (typeof value !== "number") {
    throw new ProtocolError("command-shape", "a code version is not a number");
  }
  return value;
}

function sequence(value: PyValue): readonly PyValue[] {
  if (value instanceof PyTuple) return value.items;
  if (Array.isArray(value)) return value;
  throw new ProtocolError("command-shape", "neither a tuple nor a list");
}
