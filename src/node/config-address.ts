import { parseDocument } from "yaml";
import { addressBytesMax, portMax } from "./config-limits.js";
import type { HostPort } from "./config-types.js";

/** What an address must look like, for messages. */
export const addressAccepted = `host:port with a port from 1 to ${portMax}`;

/**
 * Takes `host:port` apart at the last colon, as upstream does (pysyncobj/node.py, TCPNode). An IPv6
 * address may stand in brackets or bare. Null where it is no address.
 */
export function parseHostPort(text: string, portMin = 1): HostPort | null {
  const colon = text.lastIndexOf(":");
  if (colon < 1 || Buffer.byteLength(text) > addressBytesMax) {
    return null;
  }
  const portText = text.slice(colon + 1);
  const port = /^[0-9]{1,5}$/.test(portText) ? Number(portText) : -1;
  if (port < portMin || port > portMax) {
    return null;
  }
  const host = bareHost(text.slice(0, colon));
  return host === null ? null : { host, port };
}

/** The host without brackets; null where a resolver or a file name could not take it. */
function bareHost(host: string): string | null {
  if (host.startsWith("[") || host.endsWith("]")) {
    return /^\[[0-9A-Fa-f:.%_a-z-]+\]$/.test(host) && host.includes(":") ? host.slice(1, -1) : null;
  }
  // The address names files, so a slash or a blank in it is refused here rather than there.
  return /^[\p{L}\p{N}._:%-]+$/u.test(host) && !/^\.+$/.test(host) ? host : null;
}

export function isAddress(text: string): boolean {
  return parseHostPort(text) !== null;
}

/** A list that could not be read: `found` is what stands in the place of an address. */
export interface ListFault {
  readonly found: string;
}

/**
 * Reads a list of addresses in any of the forms that people use: a YAML list, set or mapping with
 * empty values, or text that holds a comma separated list, with or without brackets and quotes, as
 * Patroni takes it from the environment (patroni/config.py, `_parse_list`).
 */
export function readAddressList(value: unknown): string[] | ListFault {
  if (value === null || value === undefined) {
    return [];
  }
  if (typeof value === "string") {
    return readListText(value);
  }
  const items = itemsOf(value);
  if (items === null) {
    return { found: String(value) };
  }
  const result: string[] = [];
  for (const item of items) {
    if (typeof item !== "string" || !isAddress(item.trim())) {
      return { found: describe(item) };
    }
    result.push(item.trim());
  }
  return result;
}

function itemsOf(value: unknown): unknown[] | null {
  if (Array.isArray(value) || value instanceof Set) {
    return [...value];
  }
  if (value instanceof Map) {
    const empty = [...value.values()].every((each) => each === null);
    return empty ? [...value.keys()] : null;
  }
  return null;
}

function readListText(text: string): string[] | ListFault {
  const looksLikeList = text.trim().startsWith("-") || text.includes("[");
  const document = parseDocument(looksLikeList ? text : `[${text}]`, {
    version: "1.1",
    logLevel: "silent",
  });
  if (document.errors.length === 0) {
    const value: unknown = document.toJS({ mapAsMap: true });
    const list = Array.isArray(value) ? readAddressList(value) : null;
    if (Array.isArray(list)) {
      return list;
    }
  }
  return readCommaList(text);
}

/** What YAML cannot read: bracketed IPv6 addresses without quotes. */
function readCommaList(text: string): string[] | ListFault {
  const result: string[] = [];
  for (const part of text.split(",")) {
    const item = part.trim().replace(/^(["'])(.*)\1$/, "$2");
    if (item === "") {
      continue;
    }
    if (!isAddress(item)) {
      return { found: item };
    }
    result.push(item);
  }
  return result;
}

function describe(item: unknown): string {
  return typeof item === "string" || typeof item === "number" || typeof item === "boolean"
    ? String(item)
    : JSON.stringify(item instanceof Map ? [...item] : item);
}
