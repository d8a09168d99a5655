import { setImmediate as nextTurn } from "node:timers/promises";
import type { KvReport } from "../node/member-types.js";
import { kvChunkCharsMax, kvEntriesPerLook, kvResponseMsMax, kvSliceMsMax } from "./limits.js";
import { commonHeaders, type Exchange } from "./respond.js";

/**
 * Writes all entries as one JSON object, a slice at a time: never more than a slice's time on the
 * loop, never more than a chunk beyond what the reader has taken.
 */
export async function streamKv({ response }: Exchange, report: KvReport): Promise<void> {
  const deadline = performance.now() + kvResponseMsMax;
  const { entries } = report;
  response.writeHead(200, commonHeaders);
  let text = `{"appliedIndex":${report.appliedIndex},"entries":{`;
  let isFirst = true;
  try {
    for (let done = false; !done; ) {
      const slice = takeSlice(entries, kvChunkCharsMax - text.length, isFirst);
      done = slice.done;
      isFirst = isFirst && slice.text === "";
      text += slice.text;
      const isWaiting = text.length >= kvChunkCharsMax && !response.write(text);
      text = text.length >= kvChunkCharsMax ? "" : text;
      await (isWaiting ? drained(response) : nextTurn());
      if (response.destroyed || performance.now() > deadline) {
        response.destroy();
        return;
      }
    }
    response.end(`${text}}}\n`);
  } finally {
    entries.return?.();
  }
}

interface Slice {
  readonly text: string;
  readonly done: boolean;
}

/** Takes entries until there are enough of them or the slice's time is over. */
function takeSlice(entries: KvReport["entries"], charsMax: number, isFirst: boolean): Slice {
  const end = performance.now() + kvSliceMsMax;
  let text = "";
  for (let taken = 1; text.length < charsMax; taken += 1) {
    const next = entries.next();
    if (next.done === true) {
      return { text, done: true };
    }
    if (next.value !== null) {
      const [key, entry] = next.value;
      const comma = isFirst && text === "" ? "" : ",";
      text += `${comma}${JSON.stringify(key)}:${JSON.stringify(entry)}`;
    }
    const isTimeToLook = next.value === null || taken % kvEntriesPerLook === 0;
    if (isTimeToLook && performance.now() > end) {
      break;
    }
  }
  return { text, done: false };
}

/** Resolves when the reader has taken what was written, or is gone. */
function drained(response: Exchange["response"]): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      response.off("drain", settle);
      response.off("close", settle);
      resolve();
    };
    response.on("drain", settle);
    response.on("close", settle);
    if (response.destroyed) {
      settle();
    }
  });
}
