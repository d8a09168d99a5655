import { deriveFernetKey } from "../../protocol/wire/fernet.js";
import { encodeUtility, type MemberStatus, parseStatus } from "../../protocol/wire/utility.js";
import { silentLogger } from "../../src/logger.js";
import { Resolver } from "../../src/net/resolver.js";
import { askUtility } from "../../src/net/utility-client.js";

export type AskStatus = (address: string, timeoutMs: number) => Promise<MemberStatus>;

/** Asks members of either program, as `syncobj_admin -status` does. */
export function statusAsker(password: string | null): AskStatus {
  const key = password === null ? null : deriveFernetKey(password);
  const resolver = new Resolver({
    dnsCacheMs: 60_000,
    dnsFailCacheMs: 1_000,
    logger: silentLogger,
  });
  return async (address, timeoutMs) => {
    const request = encodeUtility({ command: "status" });
    return parseStatus(await askUtility(address, request, { timeoutMs, key, resolver }));
  };
}
