import { setImmediate as nextTurn } from "node:timers/promises";
import type { KvReport } from "../node/member-types.js";
import { jsonPieces } from "./json-pieces.js";
import { kvChunkCharsMax, kvPiecesPerLook, kvResponseMsMax, kvSliceMsMax } from "./limits.js";
import { commonHeaders, type Exchange } from "./respond.js";

/**
 * Writes all entries as one JSON object, a slice at a time: never more than a slice's time on the
 * loop, never more than a chunk beyond what the reader has taken.
 */
export async function streamKv({ response }: Exchange, report: KvReport): Promise<void> {
  const deadline = performance.now() + kvResponseMsMax;
  response.writeHead(200, commonHeaders);
  const pieces = answerPieces(report);
  let text = "";
  try {
    for (let done = false; !done; ) {
      const slice = takeSlice(pieces, kvChunkCharsMax - text.length);
      text += slice.text;
      done = slice.done;
      if (text.length >= kvChunkCharsMax) {
        if (!response.write(text)) await drained(response);
        text = "";
      }
      // A fast reader takes all at once: without this a whole answer would be one step, and that of the next in
      // line the same one.
      await nextTurn();
      if (response.destroyed || performance.now() > deadline) {
        response.destroy();
        return;
      }
    }
    response.end(text);
  } finally {
    report.entries.return?.();
  }
}

/** The whole answer; null: nothing found for a while, see KvReport. */
function* answerPieces({ appliedIndex, entries }: KvReport): Generator<string | null, void> {
  yield `{"appliedIndex":${appliedIndex},"entries":{`;
  let comma = "";
  for (const found of entries) {
    if (found === null) {
      yield null;
      continue;
    }
    const [key, entry] = found;
    if (comma !== "") yield comma;
    yield* jsonPieces(key);
    yield ":";
    yield* jsonPieces(entry);
    comma = ",";
  }
  yield "}}\n";
}

interface Slice {
  readonly text: string;
  readonly done: boolean;
}

/** Takes pieces until there are enough of them or the slice's time is over. */
function takeSlice(pieces: Iterator<string | null, void>, charsMax: number): Slice {
  const end = performance.now() + kvSliceMsMax;
  let text = "";
  for (let taken = 1; text.length < charsMax; taken += 1) {
    const next = pieces.next();
    if (next.done === true) {
      return { text, done: true };
    }
    text += next.value ?? "";
    const isTimeToLook = next.value === null || taken % kvPiecesPerLook === 0;
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
