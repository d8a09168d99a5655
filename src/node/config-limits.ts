import { commandBytesMax } from "../../protocol/wire/limits.js";

/** Upper bound of every timeout: more is a mistake of unit, and timers hold no more than 24 days. */
export const timeoutSecMax = 86_400;

/** Election timeouts and heartbeats shorter than this cannot be kept by a busy event loop. */
export const periodMsMin = 1;

/**
 * The address is the stem of the journal's file name; the longest suffix is `.journal.meta.tmp` and
 * Linux allows 255 bytes.
 */
export const addressBytesMax = 230;

/** A cluster of more members than this is a mistake: each entry is sent to each of them. */
export const partnersMax = 100;

export const portMax = 65_535;

/** More entries than this in one log would not fit a journal, whose offsets have 32 bits. */
export const compactionEntriesMax = 100_000_000;

/**
 * What `max_entry_bytes` may be: not less than our own proposers make, and so much that an entry of it, which
 * takes twice as much on the wire at worst, still fits the send buffer of 64 MiB.
 */
export const entryBytesLeast = commandBytesMax;
export const entryBytesMost = 3 * commandBytesMax;

/**
 * What `max_data_bytes` may be: a few entries of the largest size at least; at most what Node holds on a
 * machine that has ten times as much. By default what it holds on one of 4 GiB, nothing else being set, while
 * Patroni's data are a megabyte at most.
 */
export const dataBytesLeast = 64 * 1024 * 1024;
export const dataBytesDefault = 256 * 1024 * 1024;
export const dataBytesMost = 16 * 1024 ** 3;

/** A configuration file is read whole before it is parsed. */
export const configFileBytesMax = 4 * 1024 * 1024;

/** A password file is a line; more is the wrong file. */
export const passwordFileBytesMax = 4096;

/** References in YAML that stand for others may blow up without bound; no real file has so many. */
export const yamlAliasCountMax = 100;
