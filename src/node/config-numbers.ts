import type { Found, Layers } from "./config-file.js";
import {
  compactionEntriesMax,
  dataBytesDefault,
  dataBytesLeast,
  dataBytesMost,
  entryBytesLeast,
  entryBytesMost,
  periodMsMin,
  timeoutSecMax,
} from "./config-limits.js";
import { type Setting, settings } from "./config-settings.js";
import { type CompactionThresholds, ConfigError, type Timeouts } from "./config-types.js";

/** A number with the place it came from, for the rules between several of them. */
interface Measured {
  readonly ms: number;
  readonly setting: Setting;
  readonly source: string | null;
}

/** Upstream's defaults in seconds: pysyncobj/config.py, and patroni/dcs/raft.py for the last three. */
const defaultSec = {
  minTimeout: 0.4,
  maxTimeout: 1.4,
  connectionTimeout: 3.5,
  appendEntriesPeriod: 0.1,
  connectionRetryTime: 5,
  leaderFallbackTimeout: 30,
  ttl: 30,
  loopWait: 10,
  retryTimeout: 10,
} as const;

/** @throws ConfigError where a timeout is no duration, or the rules between them are broken. */
export function readTimeouts(found: Layers["found"]): Timeouts {
  const read = (name: keyof typeof defaultSec, zeroMeansDefault = false): Measured =>
    readDuration(found.get(settings[name]), settings[name], {
      defaultSec: defaultSec[name],
      zeroMeansDefault,
    });
  const min = read("minTimeout");
  const max = read("maxTimeout");
  const period = read("appendEntriesPeriod");
  const connection = read("connectionTimeout");
  const fallback = read("leaderFallbackTimeout");
  checkRules({ min, max, period, connection, fallback });
  return {
    electionTimeoutMinMs: min.ms,
    electionTimeoutMaxMs: max.ms,
    heartbeatPeriodMs: period.ms,
    connectionTimeoutMs: connection.ms,
    connectionRetryMs: read("connectionRetryTime").ms,
    leaderFallbackMs: fallback.ms,
    dnsCacheMs: read("ttl", true).ms,
    dnsFailCacheMs: read("loopWait", true).ms,
    discoveryMs: read("retryTimeout", true).ms,
  };
}

/** The rules of SyncObjConf.validate (pysyncobj/config.py). */
function checkRules(given: {
  min: Measured;
  max: Measured;
  period: Measured;
  connection: Measured;
  fallback: Measured;
}): void {
  const { min, max, period, connection, fallback } = given;
  if (period.ms < periodMsMin) {
    fail(period, `must be at least ${seconds(periodMsMin)}`);
  }
  if (min.ms <= 3 * period.ms) {
    fail(min, `must be more than three times ${describe(period)}`);
  }
  if (max.ms <= min.ms) {
    fail(max, `must be more than ${describe(min)}`);
  }
  if (connection.ms < max.ms) {
    fail(connection, `must be at least ${describe(max)}`);
  }
  if (fallback.ms <= period.ms) {
    fail(fallback, `must be more than ${describe(period)}`);
  }
}

function fail(measured: Measured, rule: string): never {
  const name = measured.source ?? measured.setting.name;
  const isDefault = measured.source === null ? " (the default)" : "";
  throw new ConfigError(`${name} is ${seconds(measured.ms)}${isDefault} but ${rule}`);
}

function describe(measured: Measured): string {
  const name = measured.source ?? `${measured.setting.name}, by default`;
  return `${name} (${seconds(measured.ms)})`;
}

function seconds(ms: number): string {
  return `${ms / 1000} s`;
}

export function readCompaction(found: Layers["found"]): CompactionThresholds {
  const minTime = readDuration(
    found.get(settings.logCompactionMinTime),
    settings.logCompactionMinTime,
    { defaultSec: 300, zeroMeansDefault: false },
  );
  if (minTime.ms < periodMsMin) {
    fail(minTime, "must be more than 0");
  }
  return { minEntries: readMinEntries(found), minTimeMs: minTime.ms };
}

function readMinEntries(all: Layers["found"]): number {
  const found = all.get(settings.logCompactionMinEntries);
  return found === undefined ? 5000 : readCount(found, 2, compactionEntriesMax);
}

/** @throws ConfigError where it is no size that an entry may have. */
export function readEntryBytesMax(all: Layers["found"]): number {
  const found = all.get(settings.maxEntryBytes);
  return found === undefined ? entryBytesLeast : readCount(found, entryBytesLeast, entryBytesMost);
}

/** @throws ConfigError where it is no amount of data that a member may hold. */
export function readDataBytesMax(all: Layers["found"]): number {
  const found = all.get(settings.maxDataBytes);
  return found === undefined ? dataBytesDefault : readCount(found, dataBytesLeast, dataBytesMost);
}

function readCount(found: Found, least: number, most: number): number {
  const count = toNumber(found.value);
  if (Number.isInteger(count) && count >= least && count <= most) return count;
  throw new ConfigError(
    `${found.source} is ${show(found.value)} but must be a whole number from ${least} to ${most}`,
  );
}

function readDuration(
  found: Found | undefined,
  setting: Setting,
  options: { readonly defaultSec: number; readonly zeroMeansDefault: boolean },
): Measured {
  if (found === undefined) {
    return { ms: toMs(options.defaultSec), setting, source: null };
  }
  const sec = toNumber(found.value);
  if (!(sec >= 0 && sec <= timeoutSecMax)) {
    throw new ConfigError(
      `${found.source} is ${show(found.value)} but must be seconds from 0 to ${timeoutSecMax}`,
    );
  }
  if (sec === 0 && options.zeroMeansDefault) {
    return { ms: toMs(options.defaultSec), setting, source: found.source };
  }
  return { ms: toMs(sec), setting, source: found.source };
}

function toMs(sec: number): number {
  return Math.round(sec * 1000);
}

/** NaN where it is no number. Text is taken too: the environment and flags have nothing else. */
function toNumber(value: unknown): number {
  if (typeof value === "number") {
    return value;
  }
  const isNumeral =
    typeof value === "string" && /^\s*[0-9]*\.?[0-9]+(e[+-]?[0-9]+)?\s*$/i.test(value);
  return isNumeral ? Number(value) : Number.NaN;
}

function show(value: unknown): string {
  return value instanceof Map || value instanceof Set ? "a collection" : JSON.stringify(value);
}
