import { HexText, type PiecewiseJson } from "../store/json-view.js";
import { jsonPieceCharsMax } from "./limits.js";

/** What goes into an object; a field that is undefined is left out, as JSON.stringify does. */
type Writable = PiecewiseJson | undefined | { readonly [name: string]: PiecewiseJson | undefined };

/**
 * `JSON.stringify(value)` in pieces, each made when it is asked for: an entry may be 8 MiB of control
 * characters, six times as long in JSON, and one step would hold the loop and all of it in memory.
 */
export function* jsonPieces(value: Writable): Generator<string, void, undefined> {
  if (isShort(value)) {
    yield JSON.stringify(value);
  } else if (typeof value === "string") {
    yield* textPieces(value);
  } else if (value instanceof HexText) {
    yield '"';
    yield* value.pieces(jsonPieceCharsMax);
    yield '"';
  } else if (Array.isArray(value)) {
    yield* arrayPieces(value);
  } else if (typeof value === "object" && value !== null) {
    yield* objectPieces(value);
  }
}

function* arrayPieces(items: readonly PiecewiseJson[]): Generator<string, void, undefined> {
  let before = "[";
  for (const item of items) {
    yield before;
    yield* jsonPieces(item);
    before = ",";
  }
  yield "]";
}

function* objectPieces(fields: object): Generator<string, void, undefined> {
  let before = "{";
  for (const [name, item] of Object.entries(fields) as [string, PiecewiseJson | undefined][]) {
    if (item === undefined) continue;
    yield before;
    yield* jsonPieces(name);
    yield ":";
    yield* jsonPieces(item);
    before = ",";
  }
  yield before === "{" ? "{}" : "}";
}

function* textPieces(text: string): Generator<string, void, undefined> {
  yield '"';
  for (let at = 0; at < text.length; ) {
    const end = pieceEnd(text, at);
    yield JSON.stringify(text.slice(at, end)).slice(1, -1);
    at = end;
  }
  yield '"';
}

/** The halves of a pair would each be escaped as if it stood alone. */
function pieceEnd(text: string, at: number): number {
  const end = at + jsonPieceCharsMax;
  if (end >= text.length) return text.length;
  const splitsPair = isHigh(text.charCodeAt(end - 1)) && isLow(text.charCodeAt(end));
  return splitsPair ? end - 1 : end;
}

const isHigh = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff;
const isLow = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff;

/** Whether it is one piece, for which no more than a piece's length is looked at. */
function isShort(value: Writable): boolean {
  return roomAfter(value, jsonPieceCharsMax) >= 0;
}

/** What is left of `room` characters behind this value; negative: not enough. */
function roomAfter(value: Writable, room: number): number {
  if (typeof value === "string" || value instanceof HexText) return room - value.length;
  if (typeof value !== "object" || value === null) return room - 1;
  let left = room - 1;
  if (Array.isArray(value)) {
    for (const item of value) {
      if (left < 0) break;
      left = roomAfter(item, left);
    }
    return left;
  }
  for (const name in value) {
    if (left < 0) break;
    left = roomAfter((value as Record<string, Writable>)[name], left - name.length);
  }
  return left;
}
