import { isRecord } from "./line-channel.js";

/** One record of KVStoreTTL; times are seconds since 1970. */
export interface KvRecord {
  readonly value: unknown;
  readonly created: number;
  readonly updated: number;
  readonly expire?: number;
  readonly index: number;
}

/** What one member has applied. */
export interface KvData {
  readonly appliedIndex: number;
  readonly entries: Readonly<Record<string, KvRecord>>;
}

/** Checks only the frame: what is in the records is for the tests to compare. */
export function parseKvData(value: unknown): KvData {
  if (isRecord(value) && typeof value["appliedIndex"] === "number" && isRecord(value["entries"])) {
    return {
      appliedIndex: value["appliedIndex"],
      entries: value["entries"] as Record<string, KvRecord>,
    };
  }
  throw new Error(`not a dump of data: ${JSON.stringify(value).slice(0, 200)}`);
}
