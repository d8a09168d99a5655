import type { Config } from "./config-types.js";
import { nodeLimits } from "./limits.js";

type Settings = Pick<Config, "dataBytesMax" | "compaction">;

/** Bytes of applied entries from which on a log is due to be compacted, with that much data. */
export function heavyLogBytes(
  dataBytes: number,
  { compaction }: Pick<Settings, "compaction">,
): number {
  const ofData = dataBytes * nodeLimits.heavyLogFactor;
  const ofEntries = compaction.minEntries * nodeLimits.heavyLogBytesPerEntry;
  const most = Math.min(dataBytes, nodeLimits.heavyLogBytesOfMuchData);
  return Math.min(
    Math.max(nodeLimits.heavyLogBytesMin, ofData, ofEntries),
    Math.max(nodeLimits.heavyLogBytesMost, most),
  );
}

/** What the whole log may come to: by the bytes that are due with as much data as may be. */
export function logBytesMax(settings: Settings): number {
  const due = heavyLogBytes(settings.dataBytesMax, settings);
  return Math.min(due * nodeLimits.logBoundFactor, nodeLimits.logBytesMost);
}
