/** Where to connect to, or to listen on. */
export interface HostPort {
  /** A name, an IPv4 address, or an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
}

/**
 * Splits `host:port` at the last colon, as upstream's TCPNode does (pysyncobj/node.py), so that
 * `::1:2222` is port 2222 of `::1`. Brackets around the host are taken off, which upstream does not
 * know. Null where there is no host or no port.
 */
export function parseAddress(address: string): HostPort | null {
  const colon = address.lastIndexOf(":");
  if (colon <= 0) {
    return null;
  }
  const digits = address.slice(colon + 1);
  const port = Number(digits);
  if (!/^\d{1,5}$/.test(digits) || port < 1 || port > 65_535) {
    return null;
  }
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
  return host === "" ? null : { host, port };
}

/**
 * Python's order of str, which is by code point; JavaScript's `<` is by UTF-16 unit and differs
 * beyond U+FFFF. Both sides of a link must come to the same result.
 */
export function compareAsPython(left: string, right: string): number {
  const a = [...left];
  const b = [...right];
  const common = Math.min(a.length, b.length);
  for (let i = 0; i < common; i += 1) {
    const difference = (a[i]?.codePointAt(0) ?? 0) - (b[i]?.codePointAt(0) ?? 0);
    if (difference !== 0) {
      return difference;
    }
  }
  return a.length - b.length;
}

/**
 * Whether we open the connection to this member: the larger address does, and an observer (null)
 * always (`TCPTransport._shouldConnect` in pysyncobj/transport.py).
 */
export function shouldDial(selfAddr: string | null, peer: string): boolean {
  return selfAddr === null || compareAsPython(selfAddr, peer) > 0;
}

/**
 * Where a member listens: `bindAddr` as it stands, else every address of the family that its own
 * address looks like (`TCPTransport._createServer`). Throws where the address has no port.
 */
export function bindPoint(selfAddr: string, bindAddr: string | null): HostPort {
  const named = parseAddress(bindAddr ?? selfAddr);
  if (named === null) {
    throw new Error(`cannot listen on '${bindAddr ?? selfAddr}': expected host:port`);
  }
  if (bindAddr !== null) {
    return named;
  }
  return { host: named.host.includes(":") ? "::" : "0.0.0.0", port: named.port };
}
