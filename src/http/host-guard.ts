import { isIP } from "node:net";

/**
 * Whether a request with this `Host` header may be answered. A page of another site can have its own
 * name resolve to this machine (DNS rebinding) and then read the answers; the header still holds
 * that name. So only an address, `localhost` and the configured host are taken.
 */
export function isHostAllowed(header: string | undefined, configuredHost: string): boolean {
  if (header === undefined) {
    return false;
  }
  const host = hostOf(header.trim().toLowerCase());
  return isIP(host) !== 0 || host === "localhost" || host === configuredHost.toLowerCase();
}

function hostOf(header: string): string {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::[0-9]{0,5})?$/.exec(header);
  return match?.[1] ?? match?.[2] ?? "";
}
