import { parseAddress } from "../net/address.js";
import {
  dataBytesLeast,
  dataBytesMost,
  entryBytesLeast,
  entryBytesMost,
} from "../node/config-limits.js";
import { ConfigError } from "../node/config-types.js";
import type { ConnectOptions } from "./observer-types.js";

/** What setTimeout takes, 24 days; it takes anything above for 1. */
const timeoutMsMax = 2 ** 31 - 1;

/** @throws ConfigError where no cluster could ever be reached so. */
export function checkConnectOptions(options: ConnectOptions): void {
  const { addresses, connectTimeoutMs, maxEntryBytes, maxDataBytes } = options;
  if (!Array.isArray(addresses) || addresses.length === 0) {
    throw new ConfigError('addresses: give a list of members, such as ["10.0.0.1:2222"]');
  }
  for (const address of addresses) {
    if (typeof address !== "string" || parseAddress(address) === null) {
      throw new ConfigError(`addresses: ${JSON.stringify(address)} is not host:port`);
    }
  }
  if (connectTimeoutMs !== undefined) checkTimeout("connectTimeoutMs", connectTimeoutMs);
  checkBytes("maxEntryBytes", maxEntryBytes, entryBytesLeast, entryBytesMost);
  checkBytes("maxDataBytes", maxDataBytes, dataBytesLeast, dataBytesMost);
}

function checkBytes(name: string, bytes: number | undefined, least: number, most: number): void {
  if (bytes === undefined || (Number.isInteger(bytes) && bytes >= least && bytes <= most)) return;
  throw new ConfigError(`${name}: ${bytes}: give bytes, from ${least} to ${most}`);
}

/** @throws ConfigError */
export function checkTimeout(name: string, ms: number): void {
  if (ms >= 1 && ms <= timeoutMsMax) return;
  throw new ConfigError(`${name}: ${ms}: give milliseconds, from 1 to ${timeoutMsMax}`);
}
