import { tcpNodeClassName } from "../pickle/globals.js";
import { type PyDict, PyInstance, type PyValue } from "../pickle/values.js";

/**
 * A member as upstream pickles it (pysyncobj/node.py, `TCPNode.__init__`).
 *
 * @param address `host:port`; an IPv6 host keeps what brackets it has.
 * @throws Error where the address has no port: every vanilla member would fail on it.
 */
export function tcpNode(address: string): PyInstance {
  const parts = splitAddress(address);
  if (parts === null) throw new Error(`not an address of the form host:port: ${address}`);
  const state: PyDict = new Map<PyValue, PyValue>([
    ["_id", address],
    ["_TCPNode__address", address],
    ["_TCPNode__host", parts.host],
    ["_TCPNode__port", parts.port],
  ]);
  return new PyInstance(tcpNodeClassName, state);
}

/**
 * The id of a pickled node, which for a member is its address.
 *
 * @param value An instance (the decoder knows no other classes than nodes), or the id itself.
 * @returns null where it is neither.
 */
export function nodeId(value: PyValue | undefined): string | null {
  if (typeof value === "string") return value;
  if (!(value instanceof PyInstance)) return null;
  const id = value.state.get("_id");
  return typeof id === "string" ? id : null;
}

/**
 * Whether the instance is as upstream makes one: with these attributes, which belong together, and no others that
 * would stand in their way.
 */
export function isWholeTcpNode({ className, state }: PyInstance): boolean {
  const address = state.get("_id");
  const parts = typeof address === "string" ? splitAddress(address) : null;
  // 0.3.8 keeps the IP address that it has found.
  const ip = state.get("_TCPNode__ip");
  return (
    className === tcpNodeClassName &&
    parts !== null &&
    state.get("_TCPNode__address") === address &&
    state.get("_TCPNode__host") === parts.host &&
    state.get("_TCPNode__port") === parts.port &&
    (ip === undefined || ip === null || typeof ip === "string") &&
    state.size === (ip === undefined ? 4 : 5)
  );
}

/** An address, taken apart. */
export interface AddressParts {
  /** A name or an IP address; an IPv6 one keeps what brackets it has. */
  readonly host: string;
  /** A TCP port. */
  readonly port: number;
}

/** Splits at the last colon, as upstream does. Null where there is no host or no port number. */
export function splitAddress(address: string): AddressParts | null {
  const colon = address.lastIndexOf(":");
  const digits = address.slice(colon + 1);
  if (colon < 1 || !/^\d{1,5}$/.test(digits)) return null;
  const port = Number(digits);
  return port > 65_535 ? null : { host: address.slice(0, colon), port };
}
