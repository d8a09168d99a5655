import { PyFloat, PySurrogateStr } from "../../protocol/pickle/values.js";
import {
  acceptedCallBytesMax,
  acceptedCallFactor,
  acceptedCallsMax,
  usualFieldsMax,
} from "./limits.js";
import type { KvCall } from "./python-call.js";

/**
 * Calls that were asked about, until they are applied: a leader decodes a proposal once. Known by the command's
 * object, not by its bytes. To forget one too early costs a second decoding and nothing else.
 */
export class AcceptedCalls {
  readonly #calls = new Map<Uint8Array, KvCall>();
  #bytes = 0;

  /** About what they take: the bytes of their commands, and many times as much where a value may be no text. */
  get bytes(): number {
    return this.#bytes;
  }

  get(command: Uint8Array): KvCall | undefined {
    return this.#calls.get(command);
  }

  remember(command: Uint8Array, call: KvCall): void {
    this.forget(command);
    const bytes = heldBytes(command, call);
    const isFull = this.#calls.size >= acceptedCallsMax;
    if (isFull || this.#bytes + bytes > acceptedCallBytesMax) {
      this.#calls.clear();
      this.#bytes = 0;
    }
    this.#calls.set(command, call);
    this.#bytes += bytes;
  }

  forget(command: Uint8Array): void {
    const call = this.#calls.get(command);
    if (call === undefined) return;
    this.#calls.delete(command);
    this.#bytes -= heldBytes(command, call);
  }
}

/** An empty dict is one byte of a command, and two hundred in memory. */
function heldBytes(command: Uint8Array, call: KvCall): number {
  const isUsual = call.kind === "plain-set" || Object.values(call).every((part) => isFlat(part, 2));
  return command.length * (isUsual ? 1 : acceptedCallFactor);
}

/** Texts and numbers, and dicts with few fields of them, as deep as that. */
function isFlat(part: unknown, depth: number): boolean {
  if (!(part instanceof Map)) return typeof part !== "object" || isScalar(part);
  if (depth === 0 || part.size > usualFieldsMax) return false;
  return [...part].every(([name, field]) => isFlat(name, 0) && isFlat(field, depth - 1));
}

function isScalar(part: object | null): boolean {
  return part === null || part instanceof PyFloat || part instanceof PySurrogateStr;
}
