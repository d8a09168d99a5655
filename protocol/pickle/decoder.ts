import { type PickleLimits, pickleMessageLimits } from "./limits.js";
import { PickleMachine } from "./machine.js";
import { resultOf, runMachine } from "./run-machine.js";
import type { PyValue } from "./values.js";

/**
 * Decodes a pickle without ever importing or calling anything: a global is a name from a fixed
 * list (globals.ts), an instance is data. Faults are ProtocolErrors `pickle-*` with the offset of
 * the opcode. Cycles are refused; what the result would take with every shared reference copied is
 * bounded, so that walking it or encoding it again is safe.
 */
export class PickleDecoder {
  private readonly machine: PickleMachine;

  /**
   * @param ownership `copy`: the result keeps nothing of `bytes`. Default: its Uint8Arrays may be
   *   views.
   */
  constructor(
    bytes: Uint8Array,
    limits?: Partial<PickleLimits>,
    ownership: "view" | "copy" = "view",
  ) {
    const all = limits === undefined ? pickleMessageLimits : { ...pickleMessageLimits, ...limits };
    this.machine = new PickleMachine(bytes, all, ownership === "copy");
  }

  /** Goes on for at most `maxOps` opcodes. True when the pickle's end was reached. */
  run(maxOps: number): boolean {
    return runMachine(this.machine, maxOps);
  }

  /** The value, once run has returned true. */
  result(): PyValue {
    return resultOf(this.machine);
  }

  /** Bytes read so far; once finished, the pickle's length. */
  get position(): number {
    return this.machine.position;
  }
}

/** Decodes one pickle; bytes after its end are ignored, as Python does. */
export function decodePickle(
  bytes: Uint8Array,
  limits?: Partial<PickleLimits>,
  ownership?: "view" | "copy",
): PyValue {
  return decodePicklePrefix(bytes, limits, ownership).value;
}

/** A pickle that bytes start with. */
export interface PicklePrefix {
  /** What it holds. */
  readonly value: PyValue;
  /** Its bytes, with the STOP. */
  readonly length: number;
}

/** Decodes the pickle that the bytes start with, and tells how long it is. */
export function decodePicklePrefix(
  bytes: Uint8Array,
  limits?: Partial<PickleLimits>,
  ownership?: "view" | "copy",
): PicklePrefix {
  const decoder = new PickleDecoder(bytes, limits, ownership);
  decoder.run(Number.MAX_SAFE_INTEGER);
  return { value: decoder.result(), length: decoder.position };
}
