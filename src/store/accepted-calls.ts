import { acceptedCallBytesMax, acceptedCallsMax } from "./limits.js";
import type { KvCall } from "./python-call.js";

/**
 * Calls that were asked about, until they are applied: a leader decodes a proposal once. Known by the command's
 * object, not by its bytes. To forget one too early costs a second decoding and nothing else.
 */
export class AcceptedCalls {
  readonly #calls = new Map<Uint8Array, KvCall>();
  #bytes = 0;

  /** Bytes of their commands. */
  get bytes(): number {
    return this.#bytes;
  }

  get(command: Uint8Array): KvCall | undefined {
    return this.#calls.get(command);
  }

  remember(command: Uint8Array, call: KvCall): void {
    this.forget(command);
    const isFull = this.#calls.size >= acceptedCallsMax;
    if (isFull || this.#bytes + command.length > acceptedCallBytesMax) {
      this.#calls.clear();
      this.#bytes = 0;
    }
    this.#calls.set(command, call);
    this.#bytes += command.length;
  }

  forget(command: Uint8Array): void {
    if (this.#calls.delete(command)) this.#bytes -= command.length;
  }
}
